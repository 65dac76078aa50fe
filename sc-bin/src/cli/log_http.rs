//! `--log-http`: which exchanges are logged, and how much of them.

use super::values::{Origin, ValueError};

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

    /// Their words.
    const WORDS: &[&str] = &["none", "short-url", "url", "headers", "body", "errors"];
}

impl LogHttp {
    /// Reads items, of which the later ones win. `origin`: where they come from.
    ///
    /// # Errors
    ///
    /// One is none of the words, or of none of the modules.
    pub(super) fn of(items: &[String], origin: impl Fn() -> Origin) -> Result<Self, ValueError> {
        let mut all = Self::default();
        for item in items {
            let (module, word) = item.split_once(':').unwrap_or(("", item));
            let mode = LogMode::ALL.into_iter().find(|(known, _)| *known == word);
            let place = match (module, mode) {
                ("", Some((_, mode))) => {
                    all = Self { api: mode, proxy: mode, control: mode };
                    continue;
                }
                ("api", Some(_)) => &mut all.api,
                ("proxy", Some(_)) => &mut all.proxy,
                ("control", Some(_)) => &mut all.control,
                _ => {
                    let (text, words) = (item.clone(), LogMode::WORDS);
                    return Err(ValueError::Choice { origin: origin(), text, words });
                }
            };
            *place = mode.map_or(LogMode::None, |(_, mode)| mode);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::logs::LogSettings;
    use crate::cli::values::Values;

    fn modes(text: &str) -> Option<[LogMode; 3]> {
        let line = format!("sc run --log-http {text}");
        let LogHttp { api, proxy, control } =
            LogSettings::of(&Values::of_line(&line, &[])).ok()?.http;
        Some([api, proxy, control])
    }

    #[test]
    fn modules_have_their_own_modes_and_a_later_item_wins() {
        use LogMode::{Errors, Headers, None, ShortUrl, Url};
        for (text, expected) in [
            ("none", [None; 3]),
            ("errors", [Errors; 3]),
            ("proxy:headers", [None, Headers, None]),
            ("url,control:none", [Url, Url, None]),
            ("api:body,short-url", [ShortUrl; 3]),
        ] {
            assert_eq!(modes(text), Some(expected), "{text}");
        }
        for text in ["all", "proxy", "site:url", "proxy:", "url:proxy"] {
            assert_eq!(modes(text), Option::None, "{text}");
        }
    }

    #[test]
    fn its_words_are_those_of_the_modes() {
        assert_eq!(LogMode::ALL.map(|(word, _)| word), LogMode::WORDS);
    }
}
