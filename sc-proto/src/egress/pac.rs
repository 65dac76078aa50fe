//! What a PAC script answers: ways, one after the other.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::{MAX_WAYS, Proxy, Way};
use crate::contract::Target;

/// An answer of a script cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswer {
    /// Something else than visible ASCII and blanks.
    #[error("the answer is not ASCII text")]
    NotAscii,
    /// A proxy without an address.
    #[error("{0:?} needs HOST:PORT behind its first word")]
    Address(String),
    /// Nothing in it is a way that can be gone.
    #[error("none of {0:?} is supported: DIRECT, PROXY, HTTP, SOCKS, SOCKS4 and SOCKS5 are")]
    NoWay(String),
}

/// Reads an answer: `DIRECT`, `PROXY host:port`, `HTTP`, `SOCKS`, `SOCKS4` or `SOCKS5` likewise, with
/// semicolons between them. An empty answer is `DIRECT`. A kind that is not known or not supported
/// is passed over: to take it for `DIRECT` would lead past a proxy that the office wants. The first
/// [`MAX_WAYS`] count.
///
/// # Errors
///
/// [`InvalidAnswer`] if there is no way, or not what a script may say.
pub fn ways_of_answer(answer: &str) -> Result<Vec<Way>, InvalidAnswer> {
    if !answer.bytes().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
        return Err(InvalidAnswer::NotAscii);
    }
    let mut ways = Vec::new();
    let mut is_empty = true;
    for entry in answer.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        is_empty = false;
        let (kind, address) =
            entry.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((entry, ""));
        let by: fn(Proxy) -> Way = match kind.to_ascii_uppercase().as_str() {
            "DIRECT" => {
                ways.push(Way::Direct);
                continue;
            }
            "PROXY" | "HTTP" => Way::Http,
            "HTTPS" => Way::Https,
            "SOCKS4" => Way::Socks4,
            "SOCKS" | "SOCKS5" => Way::Socks5,
            _ => continue,
        };
        let address: Target =
            address.trim().parse().map_err(|_| InvalidAnswer::Address(shortened(entry)))?;
        ways.push(by(Proxy { address, credentials: None }));
    }
    ways.truncate(MAX_WAYS);
    match (ways.is_empty(), is_empty) {
        (false, _) => Ok(ways),
        (true, true) => Ok([Way::Direct].into()),
        (true, false) => Err(InvalidAnswer::NoWay(shortened(answer))),
    }
}

/// The beginning of a text that a script made. It is ASCII.
fn shortened(text: &str) -> String {
    text.get(..200).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn answers_are_read_whole_and_in_order() {
        for (answer, ways) in [
            ("DIRECT", &["direct"][..]),
            ("", &["direct"]),
            (" ; ", &["direct"]),
            ("PROXY a.test:1", &["http://a.test:1"]),
            (
                "PROXY a:1; socks\tb:2 ;SOCKS5 [::1]:3; HTTP c:4;DIRECT;",
                &["http://a:1", "socks5://b:2", "socks5://[::1]:3", "http://c:4", "direct"],
            ),
            ("QUIC a:1; SOCKS4 c:3; HTTPS b:2; DIRECT", &["socks4://c:3", "https://b:2", "direct"]),
        ] {
            let read = ways_of_answer(answer).unwrap();
            let read: Vec<_> = read.iter().map(Way::to_string).collect();
            assert_eq!(read, ways, "{answer}");
        }
        assert_eq!(ways_of_answer(&"DIRECT;".repeat(100)).unwrap().len(), MAX_WAYS);
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for answer in ["PROXY", "PROXY a", "PROXY a:0", "DIRECT; SOCKS5 b", "PROXY a:1 b"] {
            assert!(matches!(ways_of_answer(answer), Err(InvalidAnswer::Address(_))), "{answer}");
        }
        assert_eq!(ways_of_answer("PROXY ü:1"), Err(InvalidAnswer::NotAscii));
        assert_eq!(ways_of_answer("\0"), Err(InvalidAnswer::NotAscii));
        assert_eq!(ways_of_answer("X a:1"), Err(InvalidAnswer::NoWay("X a:1".to_owned())));
    }
}
