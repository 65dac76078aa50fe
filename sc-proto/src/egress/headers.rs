//! What the office changes in the headers of requests.

use alloc::boxed::Box;
use alloc::string::String;

/// One rule. Rules are kept in their order, on what is left of a request when the fields that end
/// at this hop are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// `name: value` adds a field; those of the same name stay.
    Add {
        /// In the usual letter case.
        name: Box<str>,
        /// Visible text.
        value: Box<str>,
    },
    /// `name;` puts an empty field in the place of those of this name.
    Empty {
        /// In the usual letter case.
        name: Box<str>,
    },
    /// `-name` removes all fields of this name.
    Remove {
        /// In any case.
        name: Box<str>,
    },
    /// `-name*` removes all fields whose names begin so.
    RemoveAll {
        /// In any case.
        prefix: Box<str>,
    },
    /// `Host: value` names another site in the request. Where it goes to stays the same.
    Host {
        /// What stands there.
        value: Box<str>,
    },
}

/// A text is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaderRule {
    /// None of the forms.
    #[error("`name: value`, `name;`, `-name` or `-name*` is meant here")]
    Form,
    /// A name of other than letters, digits and hyphens.
    #[error("a header's name has letters, digits and hyphens")]
    Name,
    /// A value that would end the line, or is no text.
    #[error("a header's value has no control characters, and at most 8 KiB")]
    Value,
    /// A field that frames the message, or belongs to this hop.
    #[error("this header frames the message or ends at this hop, so it is not for rules")]
    Framing,
    /// A request must name one host.
    #[error("Host can be replaced (`Host: name`), not removed or emptied")]
    Host,
}

/// Fields whose change would have two programs read a message differently, or that are written
/// anew for each hop.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Longest value, in bytes.
const MAX_VALUE: usize = 8 * 1024;

impl HeaderRule {
    /// The name, in small letters, of the field that it gives a value: that may be a secret.
    #[must_use]
    pub fn value_name(&self) -> Option<String> {
        match self {
            Self::Add { name, .. } => Some(name.to_ascii_lowercase()),
            Self::Empty { .. }
            | Self::Remove { .. }
            | Self::RemoveAll { .. }
            | Self::Host { .. } => None,
        }
    }

    /// Reads a rule as version 5 writes it.
    ///
    /// # Errors
    ///
    /// [`InvalidHeaderRule`] says what is wrong. It does not repeat the value, which may be a
    /// secret.
    pub fn parse(text: &str) -> Result<Self, InvalidHeaderRule> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('-') {
            return match rest.strip_suffix('*') {
                Some(prefix) => Ok(Self::RemoveAll { prefix: plain(prefix)?.into() }),
                None if rest.eq_ignore_ascii_case("host") => Err(InvalidHeaderRule::Host),
                None => Ok(Self::Remove { name: checked(rest)?.into() }),
            };
        }
        if let Some((name, value)) = text.split_once(':') {
            let value = value.trim();
            let fits = value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
            if !fits || value.is_empty() || value.len() > MAX_VALUE {
                return Err(InvalidHeaderRule::Value);
            }
            let name = name.trim();
            if name.eq_ignore_ascii_case("host") {
                let fits = value.bytes().all(|byte| byte.is_ascii_graphic());
                let host = Self::Host { value: value.into() };
                return if fits { Ok(host) } else { Err(InvalidHeaderRule::Value) };
            }
            return Ok(Self::Add { name: canonical(checked(name)?).into(), value: value.into() });
        }
        match text.strip_suffix(';') {
            Some(name) if name.eq_ignore_ascii_case("host") => Err(InvalidHeaderRule::Host),
            Some(name) => Ok(Self::Empty { name: canonical(checked(name)?).into() }),
            None => Err(InvalidHeaderRule::Form),
        }
    }
}

fn plain(name: &str) -> Result<&str, InvalidHeaderRule> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || !name.bytes().all(fits) {
        return Err(InvalidHeaderRule::Name);
    }
    Ok(name)
}

fn checked(name: &str) -> Result<&str, InvalidHeaderRule> {
    let name = plain(name)?;
    match FRAMING.iter().any(|other| name.eq_ignore_ascii_case(other)) {
        true => Err(InvalidHeaderRule::Framing),
        false => Ok(name),
    }
}

/// Each word begins with a capital letter.
fn canonical(name: &str) -> String {
    let mut begins = true;
    let letter = |c: char| {
        let c = if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        begins = c == '-';
        c
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let name = |text: &str| Box::from(text);
        for (text, rule) in [
            ("x-a: b: c", HeaderRule::Add { name: name("X-A"), value: name("b: c") }),
            ("ACCEPT-language;", HeaderRule::Empty { name: name("Accept-Language") }),
            ("-user-agent", HeaderRule::Remove { name: name("user-agent") }),
            ("-X-*", HeaderRule::RemoveAll { prefix: name("X-") }),
            ("host: other.test:81", HeaderRule::Host { value: name("other.test:81") }),
        ] {
            assert_eq!(HeaderRule::parse(text), Ok(rule), "{text}");
        }
    }

    #[test]
    fn what_could_break_a_request_is_refused() {
        use InvalidHeaderRule::{Form, Framing, Host, Name, Value};
        for (text, why) in [
            ("", Form),
            ("name", Form),
            ("a b: c", Name),
            ("-*", Name),
            ("-a.b", Name),
            ("a: b\r\nc: d", Value),
            ("a:", Value),
            ("Content-Length: 1", Framing),
            ("-transfer-encoding", Framing),
            ("Upgrade;", Framing),
            ("-Host", Host),
            ("host;", Host),
            ("Host: a b", Value),
        ] {
            assert_eq!(HeaderRule::parse(text), Err(why), "{text}");
        }
    }
}
