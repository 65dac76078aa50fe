//! What changes on a page, told as it happens by server-sent events.
//!
//! A page is a set of parts, each an element with an id. After each sample they are drawn again, and
//! those that differ from what this browser has are sent. Nothing queues: the next state is drawn
//! when the browser has taken the last one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Frame;
use maud::Markup;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Page;
use super::error::PageError;
use super::listeners::Listener;
use super::sessions::TokenHash;
use super::visitor::Visitor;
use crate::server::accounts::Account;
use crate::server::tunnels::unix_now;

/// How long one answer goes on. The browser asks for the next by itself. Shorter than the life of a
/// connection to the REST listener.
const LIFE: Duration = Duration::from_secs(240);
/// How often the session's user is looked up again, in samples: rights, and whether the key is the
/// same.
const CHECK: u64 = 5;
/// After so many samples without news a sign of life is sent, so that a dead browser is noticed.
const QUIET: u64 = 15;
/// When the browser comes back after an end, in milliseconds.
const RETRY: u32 = 1000;

/// A page's parts at a moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    parts: HashMap<String, String>,
    /// The rows of the list, if the page has one, in their order.
    pub(super) order: Option<Vec<String>>,
}

/// What is sent.
#[derive(Debug, Serialize)]
struct News<'a> {
    /// The server's clock, in Unix seconds.
    now: u64,
    /// Parts that differ, by their ids.
    parts: HashMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a [String]>,
}

/// What a browser has: hashes of the parts, by the hashes of their ids.
#[derive(Debug, Default)]
struct Known {
    parts: HashMap<u64, u64>,
    order: u64,
}

impl Snapshot {
    /// One more part.
    pub(super) fn set(&mut self, id: &str, markup: &Markup) {
        self.parts.insert(id.to_owned(), markup.0.clone());
    }

    /// A part; nothing if it is not there.
    pub(super) fn part(&self, id: &str) -> &str {
        self.parts.get(id).map_or("", String::as_str)
    }
}

impl Known {
    /// What is news to a browser that has this, and has it from now on.
    fn news<'a>(&mut self, state: &'a Snapshot) -> Option<News<'a>> {
        let mut parts = HashMap::new();
        let mut known = HashMap::with_capacity(state.parts.len());
        for (id, text) in &state.parts {
            let (id_hash, hash) = (hash(id), hash(text));
            if self.parts.get(&id_hash) != Some(&hash) {
                parts.insert(id.as_str(), text.as_str());
            }
            known.insert(id_hash, hash);
        }
        self.parts = known;
        let order_hash = hash(&state.order);
        let is_new_order = std::mem::replace(&mut self.order, order_hash) != order_hash;
        let order = state.order.as_deref().filter(|_| is_new_order);
        let is_news = !parts.is_empty() || order.is_some();
        is_news.then(|| News { now: unix_now(), parts, order })
    }
}

fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Tells a visitor's browser what changes in what `draw` gives, if there is a place for it.
pub(super) fn follow<Draw, Drawn>(
    page: Arc<Page>,
    visitor: &Visitor,
    draw: Draw,
) -> Result<Response, PageError>
where
    Draw: Fn(Arc<Page>, Account) -> Drawn + Send + 'static,
    Drawn: Future<Output = Result<Snapshot, PageError>> + Send + 'static,
{
    let listener = page.listeners.take(&visitor.account.name);
    let listener = listener.ok_or(PageError::TooManyListeners)?;
    let (sender, receiver) = mpsc::channel(1);
    let follower = Follower {
        page,
        session: visitor.token.hash(),
        account: visitor.account.clone(),
        sender,
        _listener: listener,
    };
    // Ends when the browser leaves, the session ends, or its time is over.
    tokio::spawn(follower.run(draw));
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // For what may stand in between.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((head, Body::new(Events(receiver))).into_response())
}

/// One browser that follows.
struct Follower {
    page: Arc<Page>,
    session: TokenHash,
    account: Account,
    sender: mpsc::Sender<Bytes>,
    _listener: Listener,
}

impl Follower {
    async fn run<Draw, Drawn>(mut self, draw: Draw)
    where
        Draw: Fn(Arc<Page>, Account) -> Drawn,
        Drawn: Future<Output = Result<Snapshot, PageError>>,
    {
        let mut beats = self.page.health.beats();
        let mut stopping = self.page.stopping.clone();
        let mut known = Known::default();
        let until = Instant::now() + LIFE;
        let (mut round, mut quiet) = (0, 0);
        self.send(format!("retry: {RETRY}\n\n")).await;
        while Instant::now() < until && !*stopping.borrow_and_update() {
            if !self.is_signed_in(round % CHECK == 0).await {
                // The page loads itself anew, and comes to the form.
                return self.send("event: over\ndata:\n\n".to_owned()).await;
            }
            let state = match draw(Arc::clone(&self.page), self.account.clone()).await {
                Ok(state) => state,
                Err(PageError::Rest(error)) if error.status().is_client_error() => {
                    return self.send("event: over\ndata:\n\n".to_owned()).await;
                }
                // It comes back.
                Err(error) => return log::warn!("Tunnels page: {error}"),
            };
            match known.news(&state).map(|news| serde_json::to_string(&news)) {
                Some(Ok(news)) => {
                    quiet = 0;
                    self.send(format!("data: {news}\n\n")).await;
                }
                Some(Err(error)) => return log::error!("Tunnels page: {error}"),
                None => quiet += 1,
            }
            if quiet >= QUIET {
                quiet = 0;
                self.send(":\n\n".to_owned()).await;
            }
            round += 1;
            tokio::select! {
                beat = beats.changed() => if beat.is_err() { return },
                _ = stopping.changed() => return,
                () = self.sender.closed() => return,
            }
        }
    }

    /// Waits until the browser has taken what came before. One that has left is noticed by
    /// [`Follower::run`].
    async fn send(&self, text: String) {
        let _ = self.sender.send(Bytes::from(text)).await;
    }

    /// Whether the session lasts; if `looks_up`, also whether its user is still who it was.
    async fn is_signed_in(&mut self, looks_up: bool) -> bool {
        let Some(session) = self.page.sessions.used(self.session, Instant::now()) else {
            return false;
        };
        if looks_up {
            match self.page.account_of(&session).await {
                Ok(Some(account)) => self.account = account,
                Ok(None) => {
                    self.page.sessions.end(self.session);
                    return false;
                }
                // The registry fails: what was so a moment ago is taken to be so.
                Err(error) => log::warn!("Tunnels page: {error}"),
            }
        }
        true
    }
}

/// The body of the answer.
struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    fn state(parts: &[(&str, &str)], order: &[&str]) -> Snapshot {
        let mut state = Snapshot::default();
        for (id, text) in parts {
            state.set(id, &html! { (text) });
        }
        state.order = Some(order.iter().map(|id| (*id).to_owned()).collect());
        state
    }

    #[test]
    fn only_what_differs_is_told() {
        let mut known = Known::default();
        let first = state(&[("a", "1"), ("b", "2")], &["a", "b"]);
        let told = known.news(&first).unwrap();
        assert_eq!(told.parts.len(), 2);
        assert_eq!(told.order.unwrap(), ["a", "b"]);
        assert!(known.news(&first).is_none());
        let second = state(&[("a", "1"), ("b", "3")], &["a", "b"]);
        let told = known.news(&second).unwrap();
        assert_eq!(told.parts, HashMap::from([("b", "3")]));
        assert_eq!(told.order, None);
        // What is gone is told by the order; what comes back is told anew.
        let gone = state(&[("b", "3")], &["b"]);
        assert_eq!(known.news(&gone).unwrap().order.unwrap(), ["b"]);
        assert_eq!(known.news(&second).unwrap().parts, HashMap::from([("a", "1")]));
    }

    #[test]
    fn markup_is_one_line_of_an_event() {
        let mut known = Known::default();
        let state = state(&[("a", "line\r\nline\u{2028}")], &[]);
        let text = serde_json::to_string(&known.news(&state).unwrap()).unwrap();
        assert!(!text.contains(['\r', '\n']));
    }
}
