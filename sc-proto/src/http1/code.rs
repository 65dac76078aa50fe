//! The words in `X-Sc-Error`: what went wrong, for machines, stable over versions.
//!
//! `docs/errors.md` has them in a table, which a test holds against this file.

use core::fmt;

/// Where on the way of a request something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// What the browser sent.
    Request,
    /// The server itself.
    Server,
    /// Between server and client.
    Link,
    /// The client itself.
    Client,
    /// The office's upstream proxy.
    Upstream,
    /// Between client and site.
    Site,
    /// Between server and site, without the tunnel.
    DirectSite,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "the request, as it came to the sc server",
            Self::Server => "the sc server",
            Self::Link => "the link between sc server and sc client",
            Self::Client => "the sc client",
            Self::Upstream => "the upstream proxy of the sc client",
            Self::Site => "the way from the sc client to the site",
            Self::DirectSite => "the way from the sc server to the site",
        })
    }
}

macro_rules! codes {
    ($($(#[$about:meta])* $name:ident = $word:literal, $status:literal, $hop:ident;)*) => {
        /// What went wrong: the word in `X-Sc-Error`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$about])* $name,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// How many there are.
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The status of the answer that bears it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Where it failed, if the request was to go through the tunnel.
            #[must_use]
            pub const fn hop(self) -> Hop {
                match self { $(Self::$name => Hop::$hop,)* }
            }
        }
    };
}

codes! {
    /// The first bytes are not HTTP/1.1.
    NotHttp = "not-http", 400, Request;
    /// The request line is too long.
    UriTooLong = "uri-too-long", 414, Request;
    /// The head is too large.
    HeadTooLarge = "head-too-large", 431, Request;
    /// The head has too many fields.
    TooManyHeaders = "too-many-headers", 431, Request;
    /// The head breaks the rules for lines and bytes.
    BadHead = "bad-head", 400, Request;
    /// The request line is malformed.
    BadRequestLine = "bad-request-line", 400, Request;
    /// Another version of HTTP.
    BadVersion = "bad-version", 505, Request;
    /// A header line is malformed.
    BadHeader = "bad-header", 400, Request;
    /// The body's length can be read in two ways.
    AmbiguousFraming = "ambiguous-framing", 400, Request;
    /// The request names no site.
    NoSite = "no-site", 400, Request;
    /// An `https:` URL without CONNECT.
    HttpsWithoutConnect = "https-without-connect", 400, Request;
    /// Another scheme than `http:`.
    BadScheme = "bad-scheme", 400, Request;
    /// The URL holds what no URL of a request holds.
    BadUrl = "bad-url", 400, Request;
    /// The target is no host with a port.
    BadTarget = "bad-target", 400, Request;
    /// `Host` is missing, doubled or malformed.
    BadHost = "bad-host", 400, Request;
    /// `Host` and the URL differ.
    HostConflict = "host-conflict", 400, Request;
    /// CONNECT with a body.
    ConnectBody = "connect-body", 400, Request;
    /// CONNECT within the TLS of a site.
    ConnectWithinTls = "connect-within-tls", 400, Request;
    /// `Max-Forwards` is no number.
    BadMaxForwards = "bad-max-forwards", 400, Request;
    /// `Max-Forwards` is 0.
    LastHop = "last-hop", 501, Request;
    /// The body breaks the rules of its framing.
    BadBody = "bad-body", 400, Request;
    /// The head did not come in time.
    RequestTimeout = "request-timeout", 408, Request;
    /// The request has come by here before.
    Loop = "loop", 400, Client;
    /// No or wrong credentials for this proxy.
    Credentials = "credentials", 407, Request;
    /// Too many wrong credentials.
    TooManyAttempts = "too-many-attempts", 429, Request;
    /// The user has no such tunnel.
    NoSuchTunnel = "no-such-tunnel", 503, Server;
    /// Credentials could not be checked.
    AccessUnchecked = "access-unchecked", 503, Server;
    /// A rule of the tunnel, which the server knows.
    DeniedByRule = "denied-by-rule", 403, Server;
    /// The request wants a stored answer only, and there is none.
    NotCached = "not-cached", 504, Server;
    /// No client is connected.
    TunnelNotConnected = "tunnel-not-connected", 503, Link;
    /// The tunnel is full.
    TooManyStreams = "too-many-streams", 503, Server;
    /// The client said nothing in time.
    TunnelTimeout = "tunnel-timeout", 504, Link;
    /// The client was lost.
    TunnelLost = "tunnel-lost", 502, Link;
    /// The tunnel ends.
    TunnelEnding = "tunnel-ending", 502, Client;
    /// The other side gave the stream up.
    StreamCancelled = "stream-cancelled", 502, Client;
    /// Nothing moved for too long.
    StreamTimeout = "stream-timeout", 504, Site;
    /// The stream broke KGP's rules.
    StreamProtocol = "stream-protocol", 502, Link;
    /// The site's connection broke.
    SiteConnectionLost = "site-connection-lost", 502, Site;
    /// Nothing listens there.
    DialRefused = "dial-refused", 502, Site;
    /// No way to the host.
    DialUnreachable = "dial-unreachable", 502, Site;
    /// No answer to the dial.
    DialTimeout = "dial-timeout", 504, Site;
    /// The name has no address.
    NameNotFound = "name-not-found", 502, Client;
    /// A rule of the client, or of the server for what it reaches itself.
    Denied = "denied", 403, Client;
    /// The client refuses its own machine.
    LocalhostDenied = "localhost-denied", 403, Client;
    /// TLS with the site failed.
    DialTls = "dial-tls", 502, Site;
    /// The site's certificate has expired.
    TlsCertificateExpired = "tls-certificate-expired", 502, Site;
    /// The site's certificate is for later.
    TlsCertificateNotYetValid = "tls-certificate-not-yet-valid", 502, Site;
    /// No authority that the client trusts issued the site's certificate.
    TlsCertificateIssuer = "tls-certificate-issuer", 502, Site;
    /// The site's certificate is for other names.
    TlsCertificateName = "tls-certificate-name", 502, Site;
    /// The site's certificate cannot be used for another reason.
    TlsCertificate = "tls-certificate", 502, Site;
    /// What answers there is not TLS.
    TlsNotSpoken = "tls-not-spoken", 502, Site;
    /// The site did not finish TLS in time.
    TlsTimeout = "tls-timeout", 504, Site;
    /// No name server of the client answers, or none can say.
    NameServers = "name-servers", 502, Client;
    /// The site could not be reached for another reason.
    DialFailed = "dial-failed", 502, Site;
    /// The client's machine is out of something.
    ClientResources = "client-resources", 503, Client;
    /// The client is shutting down.
    ClientDraining = "client-draining", 503, Client;
    /// No connection to the upstream proxy.
    ProxyUnreachable = "proxy-unreachable", 502, Upstream;
    /// The upstream proxy wants a password, or another one.
    ProxyCredentials = "proxy-credentials", 502, Upstream;
    /// A rule of the upstream proxy.
    ProxyDenied = "proxy-denied", 403, Upstream;
    /// The upstream proxy could not reach the site.
    ProxyFailed = "proxy-failed", 502, Upstream;
    /// The upstream proxy speaks something else.
    ProxyProtocol = "proxy-protocol", 502, Upstream;
    /// The upstream proxy is silent.
    ProxyTimeout = "proxy-timeout", 504, Upstream;
    /// TLS with the upstream proxy failed.
    ProxyTls = "proxy-tls", 502, Upstream;
    /// The client can read the request in two ways.
    BadRequest = "bad-request", 400, Client;
    /// The answer is larger than the client lets pass.
    AnswerTooLarge = "answer-too-large", 502, Client;
    /// The PAC script failed.
    NoWay = "no-way", 502, Client;
    /// The site closed without an answer.
    NoAnswer = "no-answer", 502, Site;
    /// The site closed amid its answer.
    AnswerTruncated = "answer-truncated", 502, Site;
    /// The site's answer is not HTTP/1.1.
    BadAnswer = "bad-answer", 502, Site;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_words_and_differ() {
        for (at, code) in ErrorCode::ALL.iter().enumerate() {
            let word = code.word();
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
            assert!(ErrorCode::ALL[..at].iter().all(|other| other.word() != word), "{word}");
            assert!((400..=599).contains(&code.status()), "{word}");
        }
    }

    /// Rows of the table: code, status, hop.
    #[test]
    fn the_table_in_the_docs_is_whole_and_true() {
        let page = include_str!("../../../docs/errors.md");
        let rows: std::vec::Vec<std::vec::Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), ErrorCode::ALL.len(), "one row for each code");
        for code in ErrorCode::ALL {
            let word = std::format!("`{}`", code.word());
            let row = rows.iter().find(|row| row.get(1) == Some(&word.as_str()));
            let row = row.unwrap_or_else(|| panic!("no row for {word}"));
            assert_eq!(row[2], std::format!("{}", code.status()), "{word}");
            let hop = match code.hop() {
                Hop::Request => "request",
                Hop::Server => "server",
                Hop::Link => "link",
                Hop::Client => "client",
                Hop::Upstream => "upstream proxy",
                Hop::Site => "site",
                Hop::DirectSite => unreachable!("no code is of direct traffic alone"),
            };
            assert_eq!(row[3], hop, "{word}");
            assert!(row[4].len() > 10, "{word}");
        }
    }
}
