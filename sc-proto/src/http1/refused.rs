//! Why a request was refused, and what its sender is told.

use super::body::BodyError;
use super::code::ErrorCode;
use super::field::FieldError;
use super::search::HeadError;

/// Why a request is not passed on. The browser connection closes after every one of these: where
/// the next request begins cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The first byte cannot begin a request of HTTP/1.1: TLS, SOCKS or something else.
    #[error("these bytes are not an HTTP/1.1 request")]
    NotHttp,
    /// The head breaks the rules for lines, bytes or sizes.
    #[error("the request head is malformed: {0}")]
    Head(#[from] HeadError),
    /// The request line is not `METHOD SP target SP HTTP/1.x`.
    #[error("the request line is malformed")]
    RequestLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    #[error("this version of HTTP is not spoken here")]
    Version,
    /// A header line is not `Name: value`.
    #[error("a header line is malformed")]
    FieldLine,
    /// The framing fields may be read in two ways.
    #[error("the header fields are ambiguous: {0}")]
    Field(#[from] FieldError),
    /// A request for a path alone, as to a site, or for `*`.
    #[error("the request names no site")]
    NoSite,
    /// An absolute URL of `https:`.
    #[error("an https: URL cannot be asked for in the clear")]
    Https,
    /// An absolute URL of a scheme other than `http:`.
    #[error("the URL has a scheme other than http:")]
    Scheme,
    /// The URL holds a user name or password.
    #[error("the URL holds a user name or password")]
    UserInfo,
    /// The URL holds a fragment.
    #[error("the URL holds a fragment (#)")]
    Fragment,
    /// The URL holds a byte that no URL may hold.
    #[error("the URL holds a byte outside ASCII")]
    UrlByte,
    /// The host of the target is not a name or address.
    #[error("the target is not a host name or IP address")]
    Host,
    /// The port of the target is missing or not a number from 1 to 65535.
    #[error("the target needs a port from 1 to 65535")]
    Port,
    /// HTTP/1.1 without `Host`.
    #[error("there is no Host field")]
    NoHostField,
    /// More than one `Host`.
    #[error("there is more than one Host field")]
    TwoHostFields,
    /// `Host` is not a host with perhaps a port.
    #[error("the Host field is not a host name or IP address")]
    BadHostField,
    /// `Host` and the request line name different sites.
    #[error("the Host field and the request line name different sites")]
    HostConflict,
    /// CONNECT within the TLS of a site.
    #[error("a CONNECT request within TLS")]
    ConnectWithin,
    /// CONNECT with a body.
    #[error("a CONNECT request announces a body")]
    ConnectBody,
    /// `Max-Forwards` is not a number.
    #[error("Max-Forwards is not a plain decimal number")]
    BadMaxForwards,
    /// `Max-Forwards: 0` on TRACE or OPTIONS: this hop would have to answer (RFC 9110, 7.6.2).
    #[error("Max-Forwards is 0, so the request may not go further than this proxy")]
    LastHop,
    /// It bears this server's own mark in `Via` (RFC 9110, section 7.6.3).
    #[error("it has come to this server before")]
    Loop,
    /// The body breaks the rules of its framing.
    #[error("the request body is malformed: {0}")]
    Body(#[from] BodyError),
}

impl Refused {
    /// The status code of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        self.code().status()
    }

    /// The word for machines.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::NotHttp => ErrorCode::NotHttp,
            Self::Head(HeadError::StartLineTooLong) => ErrorCode::UriTooLong,
            Self::Head(HeadError::TooLarge) => ErrorCode::HeadTooLarge,
            Self::Head(HeadError::TooManyFields) => ErrorCode::TooManyHeaders,
            Self::Head(_) => ErrorCode::BadHead,
            Self::RequestLine => ErrorCode::BadRequestLine,
            Self::Version => ErrorCode::BadVersion,
            Self::FieldLine => ErrorCode::BadHeader,
            Self::Field(_) => ErrorCode::AmbiguousFraming,
            Self::NoSite => ErrorCode::NoSite,
            Self::Https => ErrorCode::HttpsWithoutConnect,
            Self::Scheme => ErrorCode::BadScheme,
            Self::UserInfo | Self::Fragment | Self::UrlByte => ErrorCode::BadUrl,
            Self::Host | Self::Port => ErrorCode::BadTarget,
            Self::NoHostField | Self::TwoHostFields | Self::BadHostField => ErrorCode::BadHost,
            Self::HostConflict => ErrorCode::HostConflict,
            Self::ConnectBody => ErrorCode::ConnectBody,
            Self::ConnectWithin => ErrorCode::ConnectWithinTls,
            Self::BadMaxForwards => ErrorCode::BadMaxForwards,
            Self::LastHop => ErrorCode::LastHop,
            Self::Loop => ErrorCode::Loop,
            Self::Body(_) => ErrorCode::BadBody,
        }
    }

    /// What the sender can do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotHttp => {
                "This port is an HTTP proxy. Enter it as an HTTP proxy (http://host:port), \
                 not as an HTTPS or SOCKS proxy."
            }
            Self::NoSite | Self::Scheme => {
                "This is a proxy, not a web site. Enter its address as the HTTP proxy of your \
                 browser, or try: curl -x http://THIS-PROXY http://SITE/"
            }
            Self::Https => {
                "Ask for https: sites with CONNECT host:port. Browsers do so when this proxy is \
                 set for HTTPS, too."
            }
            Self::Version => "Use HTTP/1.1.",
            Self::Head(HeadError::StartLineTooLong) => "Use a shorter URL.",
            Self::Head(HeadError::TooLarge | HeadError::TooManyFields) => {
                "Send fewer or smaller header fields; large cookies are the usual cause."
            }
            Self::UserInfo => "Send credentials in the Authorization field.",
            Self::Fragment => "Leave out the part from # on; it is for the browser alone.",
            Self::UrlByte => "Percent-encode the URL.",
            Self::Host | Self::Port => "Write the target as host:port, for example example.com:80.",
            Self::NoHostField | Self::TwoHostFields | Self::BadHostField | Self::HostConflict => {
                "Send one Host field that names the same host and port as the request line."
            }
            Self::ConnectBody => "Send CONNECT without a body.",
            Self::Loop => {
                "Check that neither the site nor the office's proxy leads back to this proxy."
            }
            Self::ConnectWithin => "Send requests for this site, or CONNECT to the proxy itself.",
            Self::BadMaxForwards | Self::LastHop => "Leave out Max-Forwards or make it larger.",
            Self::Head(_)
            | Self::RequestLine
            | Self::FieldLine
            | Self::Field(_)
            | Self::Body(_) => {
                "The request was not passed on, because two programs could read it differently. \
                 Correct the program that wrote it."
            }
        }
    }
}
