//! The proxy's own answers: a few lines that say what happened, to what, where, and what to do.
//! A browser gets them as a page, a program as plain text.

use alloc::format;
use alloc::string::String;

use bytes::Bytes;

use super::code::{ErrorCode, Hop};
use super::front::{After, Failure};
use super::message::{Method, Reader};
use super::refused::Refused;
use super::response::Broken;
use crate::contract::{AccessRefused, DialFailure, MAX_NAMED, RequestId, ResetReason, Target};

/// The question for a user and password (RFC 7617, section 2.1).
const CHALLENGE: &str = "Proxy-Authenticate: Basic realm=\"sc\", charset=\"UTF-8\"\r\n";

/// What a page says.
pub(super) struct Page {
    pub(super) code: ErrorCode,
    hop: Hop,
    /// What happened, and to what. Of a peer's bytes it holds names alone.
    what: String,
    /// What to do next.
    advice: String,
    /// More header lines.
    fields: String,
}

impl Page {
    fn new(code: ErrorCode, what: String, advice: &str) -> Self {
        let (hop, fields) = (code.hop(), String::new());
        Self { code, hop, what, advice: advice.into(), fields }
    }

    /// With what the logs of both sides call the request.
    pub(super) fn about(mut self, request: Option<RequestId>) -> Self {
        if let Some(id) = request {
            self.fields.push_str(&format!("X-Sc-Request: {id}\r\n"));
        }
        self
    }

    pub(super) fn refused(reason: Refused) -> Self {
        let what = format!("The proxy refused this request: {reason}.");
        let mut page = Self::new(reason.code(), what, reason.advice());
        if reason == Refused::Loop {
            page.hop = Hop::Server;
        }
        page
    }

    pub(super) fn broken(reason: Broken, target: &Target) -> Self {
        let (code, advice) = match reason {
            Broken::ProxyCredentials => (
                ErrorCode::ProxyCredentials,
                "The office's upstream proxy wants a user and password, or others. Give them to \
                 the sc client with the proxy's address.",
            ),
            Broken::NoAnswer => (
                ErrorCode::NoAnswer,
                "Look at the log of the application: it took the connection and closed it.",
            ),
            Broken::Truncated => (
                ErrorCode::AnswerTruncated,
                "Look at the log of the application: it closed the connection too early.",
            ),
            Broken::Head(_)
            | Broken::StatusLine
            | Broken::FieldLine
            | Broken::Field(_)
            | Broken::Switch
            | Broken::Body(_) => (
                ErrorCode::BadAnswer,
                "Check that an HTTP/1.1 server listens on that port (not TLS, for example), and \
                 correct its answer.",
            ),
        };
        Self::new(code, format!("The answer of {target} cannot be passed on: {reason}."), advice)
    }

    pub(super) fn failure(failure: Failure, target: &Target) -> Self {
        let (code, advice) = match failure {
            Failure::Dial(dial) | Failure::Local(dial) => dial_failure(dial),
            Failure::Direct(dial) => (dial_failure(dial).0, direct_advice(dial)),
            Failure::Denied => (
                ErrorCode::DeniedByRule,
                "A rule of this tunnel forbids it (deny-domains, fast-fail-regexps). Ask whoever \
                 started the tunnel to change it.",
            ),
            Failure::NotCached => (
                ErrorCode::NotCached,
                "The request asks for a stored answer only (Cache-Control: only-if-cached).",
            ),
            Failure::NotConnected => (
                ErrorCode::TunnelNotConnected,
                "Start the sc client of this tunnel, or wait until it has connected again.",
            ),
            Failure::TooManyStreams => (
                ErrorCode::TooManyStreams,
                "Close some connections through this tunnel and try again.",
            ),
            Failure::NoReply => (
                ErrorCode::TunnelTimeout,
                "The sc client did not say in time whether it reached the site. Try again; if it \
                 stays so, look at the client's log.",
            ),
            Failure::SessionLost => (
                ErrorCode::TunnelLost,
                "The connection of the sc client broke. Try again once it has connected again.",
            ),
            Failure::Reset(ResetReason::AnswerTooLarge) => (
                ErrorCode::AnswerTooLarge,
                "Whoever runs the sc client has set a limit (reply_body_max_size).",
            ),
            Failure::Reset(ResetReason::TimedOut) => (
                ErrorCode::StreamTimeout,
                "The application did not answer in time. Look at its log.",
            ),
            Failure::Reset(reason) => (
                reset_code(reason),
                "Try again; if it stays so, look at the log of the application and of the sc \
                 client.",
            ),
        };
        let way = match failure {
            Failure::Direct(_) => "directly from the server",
            Failure::Local(_) => "by this sc client",
            _ => "through this tunnel",
        };
        let what = format!("{target} cannot be reached {way}: {failure}.");
        let mut page = Self::new(code, what, advice);
        if let Failure::Direct(dial) = failure {
            page.hop = match dial {
                DialFailure::Denied
                | DialFailure::Resources
                | DialFailure::NameNotFound
                | DialFailure::NameServers => Hop::Server,
                _ => Hop::DirectSite,
            };
        }
        page
    }

    /// A visitor who is not let in. Names of tunnels are for their user alone, which the embedder
    /// sees to.
    pub(super) fn not_let_in(reason: &AccessRefused) -> Self {
        match reason {
            AccessRefused::Credentials => {
                let what = "This proxy wants a user name and an access key, and got none or wrong \
                            ones.";
                let advice = "Give USER or USER+TUNNEL as the user name and the access key as the \
                              password, for example: curl -x http://PROXY -U USER+TUNNEL:KEY \
                              http://SITE/";
                let mut page = Self::new(ErrorCode::Credentials, what.into(), advice);
                page.fields.push_str(CHALLENGE);
                page
            }
            AccessRefused::TooManyAttempts { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                let what = "Too many wrong access keys came from this address, or for this user.";
                let advice = format!("Correct the key and try again in {seconds} s.");
                let mut page = Self::new(ErrorCode::TooManyAttempts, what.into(), &advice);
                page.fields = format!("Retry-After: {seconds}\r\n");
                page
            }
            AccessRefused::NoSuchTunnel { wanted, running } => {
                let what = match wanted {
                    Some(name) => format!("You have no running tunnel named {name:?}."),
                    None if running.is_empty() => "You have no running tunnel.".into(),
                    None => "You have several running tunnels, all with names, so which one is \
                             meant has to be said."
                        .into(),
                };
                Self::new(ErrorCode::NoSuchTunnel, what, &named(running))
            }
            AccessRefused::Unchecked => Self::new(
                ErrorCode::AccessUnchecked,
                "The access key could not be checked now.".into(),
                "Try again; if it stays so, look at the log of the sc server.",
            ),
        }
    }

    pub(super) fn slow_request() -> Self {
        let what = String::from("The request was not complete in time.");
        Self::new(ErrorCode::RequestTimeout, what, "Send the request again.")
    }

    /// Writes the answer. HEAD gets the head alone.
    pub(super) fn write(&self, method: Method, reader: Reader, after: After) -> Bytes {
        let (kind, text) = match (method, reader) {
            // Nobody shows what is said to a CONNECT.
            (Method::Head | Method::Other, Reader::Person) => ("text/html", self.html()),
            (Method::Connect, _) | (_, Reader::Program) => ("text/plain", self.text()),
        };
        let option = match after {
            After::KeepAlive => "keep-alive",
            After::Close | After::Abort => "close",
        };
        let body = match method {
            Method::Head => "",
            Method::Connect | Method::Other => text.as_str(),
        };
        let status = self.code.status();
        let page = format!(
            "HTTP/1.1 {status} {}\r\n\
             Content-Type: {kind}; charset=utf-8\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             {}X-Sc-Error: {}\r\n\
             Connection: {option}\r\n\r\n{body}",
            phrase(status),
            text.len(),
            self.fields,
            self.code.word(),
        );
        page.into()
    }

    fn text(&self) -> String {
        let Self { code, hop, what, advice, .. } = self;
        format!("{what}\n{advice}\nIt failed here: {hop} ({}).\n", code.word())
    }

    /// One page that needs nothing else: no script, no font, no picture.
    fn html(&self) -> String {
        let status = self.code.status();
        let (phrase, word, hop) = (phrase(status), self.code.word(), self.hop);
        let (what, advice) = (escaped(&self.what), escaped(&self.advice));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <title>{status} {phrase}: {word}</title>\n{STYLE}</head>\n\
             <body><main><h1>{status} {phrase}</h1>\n<p>{what}</p>\n<p>{advice}</p>\n\
             <p class=\"at\">It failed here: {hop} (<code>{word}</code>). This page is of sc, not \
             of the site.</p></main></body></html>\n"
        )
    }
}

const STYLE: &str = "<style>:root{color-scheme:light dark}\
    body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:2rem 1rem}\
    main{max-width:42rem;margin:auto;overflow-wrap:anywhere}\
    h1{font-size:1.4rem}.at{border-top:1px solid;padding-top:1rem;font-size:.9rem}</style>\n";

/// Text as it may stand in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

/// The tunnels that there are, as advice.
fn named(running: &[Option<alloc::boxed::Box<str>>]) -> String {
    if running.is_empty() {
        return "Start its sc client, or wait until it has come up.".into();
    }
    let mut text = String::from("Your running tunnels: ");
    for (at, name) in running.iter().take(MAX_NAMED).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        match name {
            Some(name) => text.push_str(&format!("{comma}{name:?}")),
            None => text.push_str(&format!("{comma}one without a name")),
        }
    }
    if let Some(more @ 1..) = running.len().checked_sub(MAX_NAMED) {
        text.push_str(&format!(", and {more} more"));
    }
    text.push_str(
        ". Give USER+TUNNEL as the user name; write % as %25 and : as %3A in the tunnel's name.",
    );
    text
}

/// The status of the page about a failed dial.
pub(crate) fn status_of(failure: DialFailure) -> u16 {
    dial_failure(failure).0.status()
}

fn dial_failure(failure: DialFailure) -> (ErrorCode, &'static str) {
    match failure {
        DialFailure::Refused => (
            ErrorCode::DialRefused,
            "Nothing listens on that port. Check that the application runs there.",
        ),
        DialFailure::Unreachable => (
            ErrorCode::DialUnreachable,
            "Check the address and the routes and firewall of the machine that runs the sc client.",
        ),
        DialFailure::TimedOut => (
            ErrorCode::DialTimeout,
            "Check the address, and that no firewall drops connections from the machine that runs \
             the sc client.",
        ),
        DialFailure::NameNotFound => (
            ErrorCode::NameNotFound,
            "Check the name. It is looked up on the machine that runs the sc client.",
        ),
        DialFailure::Denied => (
            ErrorCode::Denied,
            "A rule of the sc client forbids this site. Ask whoever runs the client to change it.",
        ),
        DialFailure::LocalhostDenied => (
            ErrorCode::LocalhostDenied,
            "The sc client refuses its own machine as a site. Whoever runs the client can allow it \
             with --proxy-localhost direct.",
        ),
        DialFailure::ProxyUnreachable => (
            ErrorCode::ProxyUnreachable,
            "The office's upstream proxy, which the sc client was told to use, does not answer. \
             Check its address, and that it runs.",
        ),
        DialFailure::ProxyCredentials => (
            ErrorCode::ProxyCredentials,
            "The office's upstream proxy wants a user and password, or others. Give them to the sc \
             client with the proxy's address.",
        ),
        DialFailure::ProxyDenied => (
            ErrorCode::ProxyDenied,
            "A rule of the office's upstream proxy forbids this site or port. Ask whoever runs that \
             proxy, or have the sc client go another way.",
        ),
        DialFailure::ProxyFailed => (
            ErrorCode::ProxyFailed,
            "The office's upstream proxy tried and failed. Check the address, and the proxy's log.",
        ),
        DialFailure::ProxyProtocol => (
            ErrorCode::ProxyProtocol,
            "What the sc client takes for the office's upstream proxy closes, or does not speak its \
             protocol. Check the proxy's scheme (http, socks5) and port.",
        ),
        DialFailure::ProxyTimedOut => (
            ErrorCode::ProxyTimeout,
            "The office's upstream proxy, or the site behind it, is silent. Check the address, and \
             the proxy's log.",
        ),
        DialFailure::NoWay => (
            ErrorCode::NoWay,
            "The PAC script of the sc client failed for this site. Look at the client's log.",
        ),
        DialFailure::Loop => (
            ErrorCode::Loop,
            "The request has come to the same sc client before. Check that neither the site nor the \
             office's proxy leads back into this tunnel.",
        ),
        DialFailure::BadRequest => (
            ErrorCode::BadRequest,
            "The sc client did not pass it on, because two programs could read it differently. \
             Check that server and client are of the same version.",
        ),
        DialFailure::Tls => (
            ErrorCode::DialTls,
            "The site broke off its TLS handshake, or has no version or cipher in common. If it \
             wants a client certificate or HTTP/2, exempt it from re-signing \
             (--tls-passthrough-domains). The log of the sc client says more.",
        ),
        DialFailure::CertificateExpired => (
            ErrorCode::TlsCertificateExpired,
            "Renew the certificate of the site. Until then whoever runs the sc client can let it \
             pass with --tls-insecure-domains.",
        ),
        DialFailure::CertificateNotYetValid => (
            ErrorCode::TlsCertificateNotYetValid,
            "Check the clock of the machine that runs the sc client, and the certificate's dates.",
        ),
        DialFailure::CertificateIssuer => (
            ErrorCode::TlsCertificateIssuer,
            "If its authority is the office's own, give it to the sc client (--cacert-file). The \
             site may also leave out intermediate certificates.",
        ),
        DialFailure::CertificateName => (
            ErrorCode::TlsCertificateName,
            "Ask for the site by a name in its certificate, or have the name added to it. The log \
             of the sc client lists the names.",
        ),
        DialFailure::Certificate => (
            ErrorCode::TlsCertificate,
            "The log of the sc client says what is wrong with the certificate.",
        ),
        DialFailure::NotTls => (
            ErrorCode::TlsNotSpoken,
            "Plain HTTP or something else listens there. Ask for http:// instead, or correct the \
             port.",
        ),
        DialFailure::TlsTimedOut => (
            ErrorCode::TlsTimeout,
            "The site took the connection and did not finish TLS. Check that port and its load.",
        ),
        DialFailure::ProxyTls => (
            ErrorCode::ProxyTls,
            "The office's upstream proxy of scheme https does not speak TLS, or its certificate is \
             not accepted. The log of the sc client says more.",
        ),
        DialFailure::NameServers => (
            ErrorCode::NameServers,
            "None of the office's name servers answers. Check the network of the machine that runs the \
             sc client, and its --dns-server.",
        ),
        DialFailure::Resources => (
            ErrorCode::ClientResources,
            "The machine that runs the sc client is out of descriptors, memory or ports. Try again \
             later, or raise its limits.",
        ),
        DialFailure::Draining => (
            ErrorCode::ClientDraining,
            "The sc client of this tunnel is shutting down. Try again when the next one has started.",
        ),
        DialFailure::Other => {
            (ErrorCode::DialFailed, "Look at the log of the sc client for the cause.")
        }
    }
}

/// What to do about a failed dial, from where the server stands.
fn direct_advice(failure: DialFailure) -> &'static str {
    match failure {
        DialFailure::Denied => {
            "It leads into a network that the server does not reach for others. Have it go through \
             the tunnel, or have the server's operator allow that network (--direct-networks)."
        }
        DialFailure::Refused
        | DialFailure::Unreachable
        | DialFailure::TimedOut
        | DialFailure::NameNotFound
        | DialFailure::Tls
        | DialFailure::Resources
        | DialFailure::Draining
        | DialFailure::NameServers
        | DialFailure::Other
        | DialFailure::Loop
        | DialFailure::BadRequest
        // Said by a client only.
        | DialFailure::LocalhostDenied
        | DialFailure::ProxyUnreachable
        | DialFailure::ProxyCredentials
        | DialFailure::ProxyDenied
        | DialFailure::ProxyFailed
        | DialFailure::ProxyProtocol
        | DialFailure::ProxyTimedOut
        | DialFailure::NoWay
        | DialFailure::CertificateExpired
        | DialFailure::CertificateNotYetValid
        | DialFailure::CertificateIssuer
        | DialFailure::CertificateName
        | DialFailure::Certificate
        | DialFailure::NotTls
        | DialFailure::TlsTimedOut
        | DialFailure::ProxyTls => {
            "This host does not go through the tunnel (direct-domains, tunnel-domains). If only \
             the office reaches it, have it go through the tunnel."
        }
    }
}

fn reset_code(reason: ResetReason) -> ErrorCode {
    match reason {
        ResetReason::Cancelled => ErrorCode::StreamCancelled,
        ResetReason::ConnectionLost => ErrorCode::SiteConnectionLost,
        ResetReason::TimedOut => ErrorCode::StreamTimeout,
        ResetReason::Protocol => ErrorCode::StreamProtocol,
        ResetReason::ShuttingDown => ErrorCode::TunnelEnding,
        ResetReason::AnswerTooLarge => ErrorCode::AnswerTooLarge,
    }
}

/// The reason phrase of the codes used here (RFC 9110, section 15; RFC 6585).
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        414 => "URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
