//! The head that a site gets: what ends at this hop is left out, the office's rules are kept.
//!
//! In this order: hop-by-hop fields, `X-Forwarded-…`, `Via`, header rules, credentials, framing.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use httparse::Header;

use super::request::Unfit;
use crate::contract::{StreamKind, Target};
use crate::egress::{Exchanges, Forwarded, HeaderRule};
use crate::http1::field::{self, Connection};
use crate::http1::message::{Framing, Persistence, Upgrade};
use crate::rules::url_of;

/// What a request is rewritten for.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The site.
    pub target: &'a Target,
    /// How it is spoken to.
    pub kind: StreamKind,
    /// The office's rules.
    pub rules: &'a Exchanges,
    /// This program's own mark in `Via`.
    pub mark: &'a str,
    /// Whether the site is asked to keep the connection.
    pub persistence: Persistence,
}

/// A field on its way.
struct Field<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, [u8]>,
}

impl<'a> Field<'a> {
    fn new(name: &'a str, value: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { name: Cow::Borrowed(name), value: value.into() }
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Scene<'_> {
    /// Refuses what goes round in a circle, and URLs that are denied.
    pub(super) fn judge(&self, fields: &[Header<'_>], path: &str) -> Result<(), Unfit> {
        let mark = self.mark.as_bytes();
        let mut hops = field::named(fields, "via").flat_map(|field| {
            field.value.split(|&byte| matches!(byte, b',' | b' ' | b'\t' | b'('))
        });
        if !mark.is_empty() && hops.any(|word| word == mark) {
            return Err(Unfit::Loop);
        }
        match &self.rules.denied_urls {
            Some(rules) if rules.matches(&url_of(self.target, self.kind, path)) => {
                Err(Unfit::Denied)
            }
            _ => Ok(()),
        }
    }

    /// Writes the head.
    pub(super) fn write(
        &self,
        method: &str,
        path: &str,
        parsed: &[Header<'_>],
        connection: &Connection<'_>,
        framing: Framing,
        upgrade: Upgrade,
    ) -> Vec<u8> {
        let mut fields: Vec<Field<'_>> = parsed
            .iter()
            .filter(|field| !connection.stops(field.name))
            .map(|field| Field::new(field.name, field.value))
            .collect();
        self.forwarded(&mut fields, path);
        if !self.mark.is_empty() {
            merge(&mut fields, "Via", format!("1.1 {}", self.mark).as_bytes());
        }
        let mut host = host_value(self.target, self.kind);
        for rule in &self.rules.headers {
            apply(rule, &mut fields, &mut host);
        }
        if !fields.iter().any(|field| field.is("authorization"))
            && let Some(value) = self.rules.logins.value_for(self.target)
        {
            fields.push(Field::new("Authorization", value));
        }
        let copied: usize = fields.iter().map(|f| f.name.len() + f.value.len() + 4).sum();
        let mut out = Vec::with_capacity(method.len() + path.len() + host.len() + copied + 128);
        for part in [method, " ", path, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        field::write(&mut out, "Host", host.as_bytes());
        for field in &fields {
            field::write(&mut out, &field.name, &field.value);
        }
        field::write_framing(&mut out, framing);
        match (upgrade, self.persistence) {
            (Upgrade::Asked, _) => field::write_upgrade(&mut out, parsed),
            (Upgrade::No, Persistence::Close) => field::write(&mut out, "Connection", b"close"),
            (Upgrade::No, Persistence::KeepAlive) => {}
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Who asked, and for what. The browser's end has appended the browser's address.
    fn forwarded(&self, fields: &mut Vec<Field<'_>>, path: &str) {
        const ADDRESS: &str = "X-Forwarded-For";
        match self.rules.forwarded {
            Forwarded::Remove => return fields.retain(|field| !field.is(ADDRESS)),
            Forwarded::Keep => return join(fields, ADDRESS),
            Forwarded::Complete => join(fields, ADDRESS),
        }
        let scheme = match self.kind {
            StreamKind::Https => "https",
            StreamKind::Http | StreamKind::Connect => "http",
        };
        let facts = [
            ("X-Forwarded-Proto", String::from(scheme)),
            ("X-Forwarded-Host", host_value(self.target, self.kind)),
            ("X-Forwarded-Url", url_of(self.target, self.kind, path)),
        ];
        for (name, value) in facts {
            if !fields.iter().any(|field| field.is(name)) {
                fields.push(Field::new(name, value.into_bytes()));
            }
        }
    }
}

/// The value of `Host` for a target.
fn host_value(target: &Target, kind: StreamKind) -> String {
    match target.port {
        port if port == kind.usual_port() => format!("{}", target.host),
        _ => format!("{target}"),
    }
}

/// Makes one field of all of this name, where the first stands (RFC 9110, section 5.3): readers
/// that look at one line only see all of it.
fn join(fields: &mut Vec<Field<'_>>, name: &str) {
    let Some(first) = fields.iter().position(|field| field.is(name)) else { return };
    let (head, tail) = fields.split_at_mut(first + 1);
    let Some(joined) = head.last_mut() else { return };
    for field in tail.iter().filter(|field| field.is(name)) {
        let value = joined.value.to_mut();
        value.extend_from_slice(b", ");
        value.extend_from_slice(&field.value);
    }
    let mut at = 0;
    fields.retain(|field| {
        at += 1;
        at <= first + 1 || !field.is(name)
    });
}

/// Appends to the list of this name.
fn merge(fields: &mut Vec<Field<'_>>, name: &'static str, value: &[u8]) {
    fields.push(Field::new(name, value.to_vec()));
    join(fields, name);
}

fn apply<'a>(rule: &'a HeaderRule, fields: &mut Vec<Field<'a>>, host: &mut String) {
    match rule {
        HeaderRule::Add { name, value } => fields.push(Field::new(name, value.as_bytes())),
        HeaderRule::Empty { name } => {
            fields.retain(|field| !field.is(name));
            fields.push(Field::new(name, &b""[..]));
        }
        HeaderRule::Remove { name } => fields.retain(|field| !field.is(name)),
        HeaderRule::RemoveAll { prefix } => fields.retain(|field| {
            let begin = field.name.as_bytes().get(..prefix.len()).unwrap_or_default();
            !begin.eq_ignore_ascii_case(prefix.as_bytes())
        }),
        HeaderRule::Host { value } => {
            host.clear();
            host.push_str(value);
        }
    }
}
