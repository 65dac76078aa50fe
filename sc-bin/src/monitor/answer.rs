//! An answer, and its bytes.

use super::request::{After, Method};
use crate::calendar::http_date;

/// The status codes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 200.
    Ok,
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408.
    TimedOut,
    /// 413.
    BodyTooLarge,
    /// 431.
    HeadTooLarge,
    /// 503.
    Unavailable,
}

impl Status {
    /// Its number.
    #[cfg(feature = "inspect")]
    pub(crate) fn code(self) -> u16 {
        let digits = self.line().split(' ').next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }

    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Unauthorized => "401 Unauthorized",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TimedOut => "408 Request Timeout",
            Self::BodyTooLarge => "413 Content Too Large",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: Status,
    kind: &'static str,
    body: String,
}

impl Answer {
    /// A line of plain text.
    pub(crate) fn text(status: Status, text: impl Into<String>) -> Self {
        let mut body = text.into();
        if !body.ends_with('\n') {
            body.push('\n');
        }
        Self { status, kind: "text/plain; charset=utf-8", body }
    }

    /// Plain text as it is, without a line's end.
    pub(crate) fn bare(status: Status, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: text.to_owned() }
    }

    /// JSON.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self { status: Status::Ok, kind: "application/json", body: format!("{value}\n") }
    }

    /// A PAC script.
    pub(crate) fn script(text: &str) -> Self {
        let kind = "application/x-ns-proxy-autoconfig";
        Self { status: Status::Ok, kind, body: text.to_owned() }
    }

    /// A page.
    pub(crate) fn html(body: String) -> Self {
        Self { status: Status::Ok, kind: "text/html; charset=utf-8", body }
    }

    /// Metrics, in Prometheus' text format.
    pub(crate) fn metrics(body: String) -> Self {
        Self { status: Status::Ok, kind: "text/plain; version=0.0.4; charset=utf-8", body }
    }

    /// All of it on the wire. A HEAD gets no body.
    pub(super) fn bytes(&self, method: Method, after: After, unix_now: u64) -> Vec<u8> {
        let extra = match self.status {
            Status::Unauthorized => "WWW-Authenticate: Basic realm=\"sc\", charset=\"UTF-8\"\r\n",
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let connection = match after {
            After::Keep => "",
            After::Close => "Connection: close\r\n",
        };
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{extra}{connection}\r\n",
            self.status.line(),
            http_date(unix_now),
            self.kind,
            self.body.len(),
        )
        .into_bytes();
        if method == Method::Get {
            bytes.extend_from_slice(self.body.as_bytes());
        }
        bytes
    }
}
