//! `--log-http`: which exchanges are logged, and how much of them.

use std::str::FromStr;

/// How much is logged, for each kind of exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogHttp {
    /// Questions to the client's own API.
    pub(crate) api: LogMode,
    /// Exchanges with sites.
    pub(crate) proxy: LogMode,
    /// Calls of the REST API.
    pub(crate) control: LogMode,
}

/// How much of an exchange is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogMode {
    /// Nothing.
    #[default]
    None,
    /// A line, the URL without its query.
    ShortUrl,
    /// A line.
    Url,
    /// The heads, too.
    Headers,
    /// The beginnings of the bodies, too.
    Body,
    /// Those whose status is 500 or more: line and heads.
    Errors,
}

/// A text is no `--log-http`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--log-http: {0:?} is not [api:|proxy:|control:] and one of none, short-url, url, headers, body, errors"
)]
pub(crate) struct InvalidLogHttp(String);

impl LogMode {
    /// All of them with their words.
    const ALL: [(&'static str, Self); 6] = [
        ("none", Self::None),
        ("short-url", Self::ShortUrl),
        ("url", Self::Url),
        ("headers", Self::Headers),
        ("body", Self::Body),
        ("errors", Self::Errors),
    ];

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }
}

impl FromStr for LogHttp {
    type Err = InvalidLogHttp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let invalid = || InvalidLogHttp(item.to_owned());
            let (module, word) = item.split_once(':').unwrap_or(("", item));
            let mode = LogMode::ALL.into_iter().find(|(known, _)| *known == word);
            let (_, mode) = mode.ok_or_else(invalid)?;
            match module {
                "" => all = Self { api: mode, proxy: mode, control: mode },
                "api" => all.api = mode,
                "proxy" => all.proxy = mode,
                "control" => all.control = mode,
                _ => return Err(invalid()),
            }
        }
        Ok(all)
    }
}

impl std::fmt::Display for LogHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { api, proxy, control } = self;
        if api == proxy && proxy == control {
            return f.write_str(api.word());
        }
        write!(f, "api:{},proxy:{},control:{}", api.word(), proxy.word(), control.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_their_own_modes_and_a_later_item_wins() {
        for (text, shown) in [
            ("none", "none"),
            ("errors", "errors"),
            ("proxy:headers", "api:none,proxy:headers,control:none"),
            ("url,control:none", "api:url,proxy:url,control:none"),
            (" api:body , short-url", "short-url"),
            ("", "none"),
        ] {
            assert_eq!(text.parse::<LogHttp>().unwrap().to_string(), shown, "{text}");
        }
        for text in ["all", "proxy", "site:url", "proxy:", "url:proxy"] {
            assert!(text.parse::<LogHttp>().is_err(), "{text}");
        }
    }
}
