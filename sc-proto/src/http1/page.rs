//! The proxy's own answers: short plain text that says what happened, to what, and what to do.

use alloc::format;
use alloc::string::String;

use bytes::Bytes;

use super::front::{After, Failure};
use super::message::Method;
use super::refused::Refused;
use super::response::Broken;
use crate::contract::{DialFailure, ResetReason, Target};

/// What a page says.
pub(super) struct Page {
    pub(super) status: u16,
    /// A word for machines, stable over versions.
    pub(super) code: &'static str,
    /// What happened, and to what. Holds no byte of a peer but the target's checked name.
    pub(super) what: String,
    /// What to do next.
    pub(super) advice: &'static str,
}

impl Page {
    pub(super) fn refused(reason: Refused) -> Self {
        Self {
            status: reason.status(),
            code: reason.code(),
            what: format!("The proxy refused this request: {reason}."),
            advice: reason.advice(),
        }
    }

    pub(super) fn broken(reason: Broken, target: &Target) -> Self {
        let (code, advice) = match reason {
            Broken::ProxyCredentials => (
                "proxy-credentials",
                "The office's upstream proxy wants a user and password, or others. Give them to \
                 the sc client with the proxy's address.",
            ),
            Broken::NoAnswer => (
                "no-answer",
                "Look at the log of the application: it took the connection and closed it.",
            ),
            Broken::Truncated => (
                "answer-truncated",
                "Look at the log of the application: it closed the connection too early.",
            ),
            Broken::Head(_)
            | Broken::StatusLine
            | Broken::FieldLine
            | Broken::Field(_)
            | Broken::Switch
            | Broken::Body(_) => (
                "bad-answer",
                "Check that an HTTP/1.1 server listens on that port (not TLS, for example), and \
                 correct its answer.",
            ),
        };
        Self {
            status: 502,
            code,
            what: format!("The answer of {target} cannot be passed on: {reason}."),
            advice,
        }
    }

    pub(super) fn failure(failure: Failure, target: &Target) -> Self {
        let (status, code, advice) = match failure {
            Failure::Dial(dial) => dial_failure(dial),
            Failure::Direct(dial) => direct_failure(dial),
            Failure::Denied => (
                403,
                "denied-by-rule",
                "A rule of this tunnel forbids it (deny-domains, fast-fail-regexps). Ask whoever \
                 started the tunnel to change it.",
            ),
            Failure::NotCached => (
                504,
                "not-cached",
                "The request asks for a stored answer only (Cache-Control: only-if-cached).",
            ),
            Failure::NotConnected => (
                503,
                "tunnel-not-connected",
                "Start the sc client of this tunnel, or wait until it has connected again.",
            ),
            Failure::TooManyStreams => (
                503,
                "too-many-streams",
                "Close some connections through this tunnel and try again.",
            ),
            Failure::NoReply => (
                504,
                "tunnel-timeout",
                "The sc client did not say in time whether it reached the site. Try again; if it \
                 stays so, look at the client's log.",
            ),
            Failure::SessionLost => (
                502,
                "tunnel-lost",
                "The connection of the sc client broke. Try again once it has connected again.",
            ),
            Failure::Reset(ResetReason::AnswerTooLarge) => (
                502,
                "answer-too-large",
                "Whoever runs the sc client has set a limit (reply_body_max_size).",
            ),
            Failure::Reset(ResetReason::TimedOut) => (
                504,
                reset_code(ResetReason::TimedOut),
                "The application did not answer in time. Look at its log.",
            ),
            Failure::Reset(reason) => (
                502,
                reset_code(reason),
                "Try again; if it stays so, look \
                 at the log of the application and of the sc client.",
            ),
        };
        let way = match failure {
            Failure::Direct(_) => "directly from the server",
            _ => "through this tunnel",
        };
        Self { status, code, what: format!("{target} cannot be reached {way}: {failure}."), advice }
    }

    pub(super) fn slow_request() -> Self {
        Self {
            status: 408,
            code: "request-timeout",
            what: String::from("The request was not complete in time."),
            advice: "Send the request again.",
        }
    }

    /// Writes the answer. HEAD gets the head alone.
    pub(super) fn write(&self, method: Method, after: After) -> Bytes {
        let text = format!("{}\n{}\n", self.what, self.advice);
        let option = match after {
            After::KeepAlive => "keep-alive",
            After::Close | After::Abort => "close",
        };
        let body = match method {
            Method::Head => "",
            Method::Connect | Method::Other => text.as_str(),
        };
        let page = format!(
            "HTTP/1.1 {} {}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Sc-Error: {}\r\n\
             Connection: {option}\r\n\r\n{body}",
            self.status,
            phrase(self.status),
            text.len(),
            self.code,
        );
        page.into()
    }
}

fn dial_failure(failure: DialFailure) -> (u16, &'static str, &'static str) {
    match failure {
        DialFailure::Refused => (
            502,
            "dial-refused",
            "Nothing listens on that port. Check that the application runs there.",
        ),
        DialFailure::Unreachable => (
            502,
            "dial-unreachable",
            "Check the address and the routes and firewall of the machine that runs the sc client.",
        ),
        DialFailure::TimedOut => (
            504,
            "dial-timeout",
            "Check the address, and that no firewall drops connections from the machine that runs \
             the sc client.",
        ),
        DialFailure::NameNotFound => (
            502,
            "name-not-found",
            "Check the name. It is looked up on the machine that runs the sc client.",
        ),
        DialFailure::Denied => (
            403,
            "denied",
            "A rule of the sc client forbids this site. Ask whoever runs the client to change it.",
        ),
        DialFailure::LocalhostDenied => (
            403,
            "localhost-denied",
            "The sc client refuses its own machine as a site. Whoever runs the client can allow it \
             with --proxy-localhost direct.",
        ),
        DialFailure::ProxyUnreachable => (
            502,
            "proxy-unreachable",
            "The office's upstream proxy, which the sc client was told to use, does not answer. \
             Check its address, and that it runs.",
        ),
        DialFailure::ProxyCredentials => (
            502,
            "proxy-credentials",
            "The office's upstream proxy wants a user and password, or others. Give them to the sc \
             client with the proxy's address.",
        ),
        DialFailure::ProxyDenied => (
            403,
            "proxy-denied",
            "A rule of the office's upstream proxy forbids this site or port. Ask whoever runs that \
             proxy, or have the sc client go another way.",
        ),
        DialFailure::ProxyFailed => (
            502,
            "proxy-failed",
            "The office's upstream proxy tried and failed. Check the address, and the proxy's log.",
        ),
        DialFailure::ProxyProtocol => (
            502,
            "proxy-protocol",
            "What the sc client takes for the office's upstream proxy closes, or does not speak its \
             protocol. Check the proxy's scheme (http, socks5) and port.",
        ),
        DialFailure::ProxyTimedOut => (
            504,
            "proxy-timeout",
            "The office's upstream proxy, or the site behind it, is silent. Check the address, and \
             the proxy's log.",
        ),
        DialFailure::NoWay => (
            502,
            "no-way",
            "The PAC script of the sc client failed for this site. Look at the client's log.",
        ),
        DialFailure::Loop => (
            400,
            "loop",
            "The request has come to the same sc client before. Check that neither the site nor the \
             office's proxy leads back into this tunnel.",
        ),
        DialFailure::BadRequest => (
            400,
            "bad-request",
            "The sc client did not pass it on, because two programs could read it differently. \
             Check that server and client are of the same version.",
        ),
        DialFailure::Tls => (
            502,
            "dial-tls",
            "The site broke off its TLS handshake, or has no version or cipher in common. If it \
             wants a client certificate or HTTP/2, exempt it from re-signing \
             (--tls-passthrough-domains). The log of the sc client says more.",
        ),
        DialFailure::CertificateExpired => (
            502,
            "tls-certificate-expired",
            "Renew the certificate of the site. Until then whoever runs the sc client can let it \
             pass with --tls-insecure-domains.",
        ),
        DialFailure::CertificateNotYetValid => (
            502,
            "tls-certificate-not-yet-valid",
            "Check the clock of the machine that runs the sc client, and the certificate's dates.",
        ),
        DialFailure::CertificateIssuer => (
            502,
            "tls-certificate-issuer",
            "If its authority is the office's own, give it to the sc client (--cacert-file). The \
             site may also leave out intermediate certificates. The log of the sc client names \
             subject and issuer of the chain.",
        ),
        DialFailure::CertificateName => (
            502,
            "tls-certificate-name",
            "Ask for the site by a name in its certificate, or have the name added to it. The log \
             of the sc client lists the names.",
        ),
        DialFailure::Certificate => (
            502,
            "tls-certificate",
            "The log of the sc client says what is wrong with the certificate.",
        ),
        DialFailure::NotTls => (
            502,
            "tls-not-spoken",
            "Plain HTTP or something else listens there. Ask for http:// instead, or correct the \
             port.",
        ),
        DialFailure::TlsTimedOut => (
            504,
            "tls-timeout",
            "The site took the connection and did not finish TLS. Check that port and its load.",
        ),
        DialFailure::ProxyTls => (
            502,
            "proxy-tls",
            "The office's upstream proxy of scheme https does not speak TLS, or its certificate is \
             not accepted. The log of the sc client says more.",
        ),
        DialFailure::NameServers => (
            502,
            "name-servers",
            "None of the office's name servers answers. Check the network of the machine that runs the \
             sc client, and its --dns-server.",
        ),
        DialFailure::Resources => (
            503,
            "client-resources",
            "The machine that runs the sc client is out of descriptors, memory or ports. Try again \
             later, or raise its limits.",
        ),
        DialFailure::Draining => (
            503,
            "client-draining",
            "The sc client of this tunnel is shutting down. Try again when the next one has started.",
        ),
        DialFailure::Other => {
            (502, "dial-failed", "Look at the log of the sc client for the cause.")
        }
    }
}

/// As [`dial_failure`], from where the server stands.
fn direct_failure(failure: DialFailure) -> (u16, &'static str, &'static str) {
    let (status, code, _) = dial_failure(failure);
    let advice = match failure {
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
    };
    (status, code, advice)
}

fn reset_code(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::Cancelled => "stream-cancelled",
        ResetReason::ConnectionLost => "site-connection-lost",
        ResetReason::TimedOut => "stream-timeout",
        ResetReason::Protocol => "stream-protocol",
        ResetReason::ShuttingDown => "tunnel-ending",
        ResetReason::AnswerTooLarge => "answer-too-large",
    }
}

/// The reason phrase of the codes used here (RFC 9110, section 15; RFC 6585).
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        408 => "Request Timeout",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
