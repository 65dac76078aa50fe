//! The log of HTTP: exchanges with sites, calls of the REST API, questions to the client's own API.
//!
//! Records go to standard output, as the client's other lines do. Those of the data plane are
//! worded on a thread of their own, behind a bounded queue: what it cannot take is counted and not
//! logged, so that a slow terminal holds up no test.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, TrySendError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sc_proto::contract::StreamKind;
use sc_proto::egress::{Exchanged, HeaderRule};
use ureq::http::HeaderMap;

use super::redact::{fields, printable, url};
use crate::cli::{LogMode, Settings};
use crate::client::failure::Failure;
use crate::client::plane::TellExchange;
use crate::logs::{Entry, Shape};
use crate::monitor::Handler;

/// Exchanges that may wait to be worded.
const QUEUE: usize = 256;
/// Longest part of a body that is shown, in bytes.
const BODY_SHOWN: usize = 1024;

/// Begins the log of exchanges with sites. `rules`: their values are the office's secrets.
///
/// # Errors
///
/// There is no thread.
pub(super) fn start(mode: LogMode, rules: &[HeaderRule]) -> Result<TellExchange, Failure> {
    let own: Vec<String> = rules.iter().filter_map(HeaderRule::value_name).collect();
    let (queue, told) = mpsc::sync_channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lost);
    thread::Builder::new()
        .name("sc-http-log".to_owned())
        .spawn(move || write_all(mode, &own, told, &lost))
        .map_err(|error| Failure::Machine {
            what: "no thread for the log of HTTP",
            error: error.to_string(),
        })?;
    Ok(Arc::new(move |exchange| {
        if let Err(TrySendError::Full(_)) = queue.try_send(exchange) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }))
}

fn write_all(mode: LogMode, own: &[String], told: Receiver<Box<Exchanged>>, lost: &AtomicU64) {
    for exchange in told {
        print("proxy", &proxied(mode, own, &exchange));
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            print("proxy", &format!("{lost} exchanges are not logged: too many at once\n"));
        }
    }
}

/// An exchange with a site; empty if its mode does not want it.
fn proxied(mode: LogMode, own: &[String], exchange: &Exchanged) -> String {
    let head = String::from_utf8_lossy(&exchange.head);
    let mut words = head.split(' ');
    let (method, path) = match exchange.kind {
        StreamKind::Connect => ("CONNECT", ""),
        StreamKind::Http | StreamKind::Https => (
            words.next().filter(|word| !word.is_empty()).unwrap_or("-"),
            words.next().unwrap_or("/"),
        ),
    };
    let place = match exchange.kind {
        StreamKind::Connect => exchange.target.to_string(),
        StreamKind::Http => format!("http://{}{path}", exchange.target),
        StreamKind::Https => format!("https://{}{path}", exchange.target),
    };
    let line = Summary {
        method,
        place: &place,
        status: Some(exchange.status),
        took: exchange.took,
        bytes: Some(exchange.answer_bytes),
    };
    let Some(mut text) = line.text(mode) else { return String::new() };
    if matches!(mode, LogMode::Headers | LogMode::Body | LogMode::Errors) {
        let (answer, body) = parted(&exchange.answer);
        quote(&mut text, '>', fields(&head, own));
        if mode == LogMode::Body {
            quote_body(&mut text, '>', &exchange.sent);
        }
        quote(&mut text, '<', fields(&String::from_utf8_lossy(answer), own));
        if mode == LogMode::Body {
            quote_body(&mut text, '<', body);
        }
    }
    text
}

/// The head of an answer, and what of its body is there.
fn parted(answer: &[u8]) -> (&[u8], &[u8]) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    answer.split_at(end.map_or(answer.len(), |at| at + 4))
}

/// The line of an exchange.
struct Summary<'a> {
    method: &'a str,
    place: &'a str,
    /// `None`: it failed before there was one.
    status: Option<u16>,
    took: Duration,
    bytes: Option<u64>,
}

impl Summary<'_> {
    /// The line, if it is wanted.
    fn text(&self, mode: LogMode) -> Option<String> {
        let is_error = self.status.is_none_or(|status| status >= 500);
        let place = match mode {
            LogMode::None => return None,
            LogMode::Errors if !is_error => return None,
            LogMode::ShortUrl => self.place.split(['?', '#']).next().unwrap_or_default(),
            LogMode::Url | LogMode::Headers | LogMode::Body | LogMode::Errors => self.place,
        };
        let mut text = format!("{} {} ", printable(self.method), url(&printable(place)));
        // Writing to a text does not fail.
        let _ = match self.status {
            Some(status) => write!(text, "{status}"),
            None => write!(text, "failed"),
        };
        let _ = write!(text, " in {} ms", self.took.as_millis());
        if let Some(bytes) = self.bytes {
            let _ = write!(text, ", {bytes} bytes");
        }
        text.push('\n');
        Some(text)
    }
}

fn quote(text: &mut String, mark: char, lines: impl Iterator<Item = String>) {
    for line in lines {
        let _ = writeln!(text, "  {mark} {line}");
    }
}

fn quote_body(text: &mut String, mark: char, body: &[u8]) {
    let shown = body.get(..BODY_SHOWN).unwrap_or(body);
    for line in String::from_utf8_lossy(shown).lines() {
        let _ = writeln!(text, "  {mark}| {}", printable(line));
    }
    if shown.len() < body.len() {
        let _ = writeln!(text, "  {mark}| …");
    }
}

/// Puts a record out at once, so that no other stands within.
fn print(module: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let (line, more) = text.split_once('\n').unwrap_or((text, ""));
    let mut record = String::new();
    let (at, level) = (SystemTime::now(), log::Level::Info);
    Shape::V5.write(&mut record, &Entry { at, level, module, text: format_args!("{line}") });
    record.push_str(more);
    let mut out = std::io::stdout().lock();
    // A closed terminal is no reason to end.
    let _ = out.write_all(record.as_bytes()).and_then(|()| out.flush());
}

/// The log of calls to the REST API. Bodies are never shown: they hold secrets of the tunnel.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct ControlLog(LogMode);

impl ControlLog {
    pub(super) fn new(mode: LogMode) -> Self {
        Self(mode)
    }

    /// A call was made; `answer` is its status and head, if there was one.
    pub(in crate::client) fn tell(
        self,
        method: &str,
        place: &str,
        began: Instant,
        answer: Option<(u16, &HeaderMap)>,
    ) {
        let status = answer.map(|(status, _)| status);
        let took = began.elapsed();
        let line = Summary { method, place, status, took, bytes: None };
        let Some(mut text) = line.text(self.0) else { return };
        if let (LogMode::Headers | LogMode::Body | LogMode::Errors, Some((_, head))) =
            (self.0, answer)
        {
            let lines = head.iter().map(|(name, value)| {
                format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
            });
            let head = format!("\r\n{}\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"));
            quote(&mut text, '<', fields(&head, &[]));
        }
        print("control", &text);
    }
}

/// A handler of the client's own API whose answers are logged.
pub(in crate::client) fn watched(settings: &Settings, handler: Handler) -> Handler {
    let mode = settings.logs.http.api;
    if mode == LogMode::None {
        return handler;
    }
    Arc::new(move |request| {
        let began = Instant::now();
        let answer = handler(request);
        let line = Summary {
            method: request.method_word(),
            place: &request.path,
            status: Some(answer.status.code()),
            took: began.elapsed(),
            bytes: None,
        };
        print("api", &line.text(mode).unwrap_or_default());
        answer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> Exchanged {
        Exchanged {
            kind: StreamKind::Http,
            target: "a.test:8080".parse().unwrap(),
            head: "POST /p?q=1 HTTP/1.1\r\nAuthorization: Basic SECRET\r\nX-Own: SECRET\r\n\r\n"
                .into(),
            status: 500,
            took: Duration::from_millis(12),
            sent: b"up\x1b".to_vec(),
            answer: b"HTTP/1.1 500 No\r\nSet-Cookie: SECRET\r\nA: b\r\n\r\nbody\nmore".to_vec(),
            answer_bytes: 9,
        }
    }

    fn worded(mode: LogMode) -> String {
        let own = ["x-own".to_owned()];
        let text = proxied(mode, &own, &exchange());
        assert!(!text.contains("SECRET"), "{text}");
        text
    }

    #[test]
    fn each_mode_shows_what_it_is_to_show_and_none_a_secret() {
        assert_eq!(worded(LogMode::None), "");
        let line = "POST http://a.test:8080/p?q=1 500 in 12 ms, 9 bytes\n";
        assert_eq!(worded(LogMode::Url), line);
        assert_eq!(worded(LogMode::ShortUrl), line.replace("?q=1", ""));
        let heads = "  > Authorization: ****\n  > X-Own: ****\n  < Set-Cookie: ****\n  < A: b\n";
        assert_eq!(worded(LogMode::Headers), [line, heads].concat());
        assert_eq!(worded(LogMode::Errors), [line, heads].concat());
        let body = worded(LogMode::Body);
        assert!(body.contains("  >| up.\n") && body.ends_with("  <| body\n  <| more\n"), "{body}");
        let fine = Exchanged { status: 404, ..exchange() };
        assert_eq!(proxied(LogMode::Errors, &[], &fine), "");
    }

    #[test]
    fn a_connect_and_an_unread_request_have_a_line() {
        let connect = Exchanged { kind: StreamKind::Connect, head: "".into(), ..exchange() };
        let text = proxied(LogMode::Url, &[], &connect);
        assert!(text.starts_with("CONNECT a.test:8080 500 "), "{text}");
        let unread = Exchanged { head: "".into(), ..exchange() };
        let text = proxied(LogMode::Url, &[], &unread);
        assert!(text.starts_with("- http://a.test:8080/ 500 "), "{text}");
    }
}
