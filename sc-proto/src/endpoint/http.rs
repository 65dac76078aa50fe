//! The ingress: HTTP with a browser on one side, a stream on the other.
//!
//! [`Front`] knows HTTP; this file carries its bytes and does what it says.

mod opening;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::access::Asked;
use super::cache::Share;
use super::relay::Sent;
use super::resign::Peek;
use super::route::{Opening, Wish};
use super::socket::{Input, Link, Output, Proxied, Role, Socket, SocketKey};
use super::{Core, SCRATCH};
use crate::contract::{Door, Read, ResetReason, WorkerId};
use crate::http1::{BrowserEnd, Front, Item, Phase};
use crate::{DeadlineReason, Time};

/// A browser's bytes that are kept while nothing may be taken from it. Beyond that it is not read.
const KEPT_WHILE_PAUSED: usize = 4 * 1024;
/// The server waits so much longer for the answer to an OPEN than the client dials.
pub(super) const ANSWER_SLACK: core::time::Duration = core::time::Duration::from_secs(5);

/// What HTTP needs beside the socket itself.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) front: Front,
    /// What the front takes from the browser at the moment.
    pub(super) wants: Wants,
    /// Bytes from the browser that the front has not consumed.
    pub(super) kept: Vec<u8>,
    /// Bytes of the answer that the front has not consumed: part of a head.
    pub(super) answer: Vec<u8>,
    /// A request that waits for its stream.
    pub(super) opening: Option<Opening>,
    /// By which port it came in.
    pub(super) entrance: Entrance,
    /// Fields that its requests bear.
    pub(super) label: Option<Arc<str>>,
    /// The guarded port that it came to; `None`: nothing is asked.
    pub(super) door: Option<Door>,
    /// A request that waits to be let in.
    pub(super) asked: Option<Box<Asked>>,
    /// A request that was let in, and the worker it goes to.
    pub(super) leaving: Option<(WorkerId, Wish)>,
    /// A CONNECT was answered before it was clear what becomes of it.
    pub(super) peek: Option<Box<Peek>>,
    /// What the cache has to do with the present exchange.
    pub(super) share: Option<Box<Share>>,
}

/// By which port a browser came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// A server's proxy port.
    Tunnel,
    /// A client's own.
    Local,
}

/// What a front takes from the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A request head.
    Head,
    /// A request body: read in the turn of its stream.
    Body,
    /// Nothing now; a little is read ahead, to notice when the browser goes away.
    Nothing,
}

impl Http {
    pub(super) fn new(front: Front) -> Self {
        Self {
            front,
            wants: Wants::Head,
            kept: Vec::new(),
            answer: Vec::new(),
            opening: None,
            entrance: Entrance::Tunnel,
            label: None,
            door: None,
            asked: None,
            leaving: None,
            peek: None,
            share: None,
        }
    }

    /// Whether body bytes wait for credit.
    pub(super) fn has_body(&self) -> bool {
        self.takes_body() && !self.kept.is_empty()
    }

    /// Whether the socket is to be read in the turn of its stream.
    pub(super) fn takes_body(&self) -> bool {
        self.wants == Wants::Body
    }
}

impl Core {
    /// Puts a browser's socket in the list of those to read outside the turns of a session.
    pub(super) fn queue_read(&mut self, key: SocketKey) {
        if self.wanted(key).is_none() && !self.secure_wants_read(key) {
            return;
        }
        if let Some(socket) = self.sockets.get_mut(key)
            && !socket.read_queued
        {
            socket.read_queued = true;
            self.reads.push_back(key);
        }
    }

    /// How many bytes of a browser are to be read outside the turns of a session.
    pub(super) fn wanted(&self, key: SocketKey) -> Option<usize> {
        let socket = self.sockets.get(key)?;
        let Role::Proxied(proxied) = &socket.role else { return None };
        if let Some(outgoing) = &proxied.outgoing {
            return outgoing.wanted();
        }
        if self.is_passing(key) {
            return None;
        }
        if proxied.kept.is_some() {
            return socket.can_read.then_some(1);
        }
        let wanted = match (&proxied.http, proxied.input) {
            (_, Input::Discard) => SCRATCH,
            (_, Input::Ended) | (None, Input::Open) => 0,
            (Some(http), Input::Open) => match http.wants {
                Wants::Head => SCRATCH,
                Wants::Body => 0,
                Wants::Nothing => KEPT_WHILE_PAUSED.saturating_sub(http.kept.len()),
            },
        };
        (socket.can_read && wanted > 0).then_some(wanted)
    }

    /// The outcome of reading a browser's socket into the scratch buffer.
    pub(super) fn http_read(&mut self, key: SocketKey, outcome: Read, now: Time) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n.min(self.scratch.len()),
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Some(proxied) = socket.proxied() else { return };
        if proxied.input == Input::Open && n > 0 {
            socket.moved = now;
            let mut scratch = core::mem::take(&mut self.scratch);
            self.take_request(key, &scratch[..n], now);
            core::mem::swap(&mut self.scratch, &mut scratch);
        }
        match outcome {
            Read::Bytes(_) | Read::Drained(_) | Read::WouldBlock => self.go_on_reading(key),
            Read::End => self.browser_ended(key, now),
            Read::Failed => self.socket_failed(key, now),
        }
    }

    fn go_on_reading(&mut self, key: SocketKey) {
        self.queue_read(key);
        self.offer_source(key);
    }

    fn browser_ended(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        let ahead = !proxied.ahead.is_empty();
        let end = match (&mut proxied.http, proxied.input) {
            (Some(http), Input::Open) => http.front.browser_ended(),
            (None, Input::Open) => BrowserEnd::Raw,
            // It had its answer.
            (_, Input::Discard | Input::Ended) => BrowserEnd::Close,
        };
        match end {
            // What came before goes first; then the end is read once more.
            BrowserEnd::Raw if ahead => self.readable(key.into()),
            BrowserEnd::Raw => self.input_ended(key, now),
            BrowserEnd::Cancel => {
                self.leave_cache(key, now);
                self.unlink(key, ResetReason::Cancelled, now);
                self.close_socket(key, crate::CloseMode::Abort);
            }
            BrowserEnd::Close => {
                proxied.input = Input::Ended;
                if proxied.output == Output::Open {
                    proxied.output = Output::EndWanted;
                }
                self.flush(key, now);
            }
        }
    }

    /// Gives bytes from the browser, behind those kept before, to the front.
    fn take_request(&mut self, key: SocketKey, bytes: &[u8], now: Time) {
        let kept = match self.http(key) {
            Some(http) => core::mem::take(&mut http.kept),
            None => return self.keep(key, bytes, Vec::new()),
        };
        if kept.is_empty() {
            let used = self.drive_front(key, bytes, now);
            self.keep(key, &bytes[used..], Vec::new());
        } else {
            let mut all = kept;
            all.extend_from_slice(bytes);
            let used = self.drive_front(key, &all, now);
            all.drain(..used);
            self.keep(key, &[], all);
        }
    }

    /// Keeps what the front has not consumed, or sends it on if HTTP has ended here.
    fn keep(&mut self, key: SocketKey, borrowed: &[u8], mut owned: Vec<u8>) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        if owned.is_empty() {
            if borrowed.is_empty() {
                return;
            }
            owned = borrowed.to_vec();
        }
        match &mut proxied.http {
            Some(http) => http.kept = owned,
            None => {
                proxied.send_later(owned);
                self.offer_source(key);
            }
        }
    }

    /// Has the front go on with what was kept, after something else has changed.
    pub(super) fn go_on(&mut self, key: SocketKey, now: Time) {
        self.take_request(key, &[], now);
        self.go_on_reading(key);
    }

    /// Sends body bytes on that waited for credit.
    pub(super) fn send_kept_body(&mut self, key: SocketKey, now: Time) -> Sent {
        let before = self.http(key).map_or(0, |http| http.kept.len());
        self.take_request(key, &[], now);
        let after = self.http(key).map_or(0, |http| http.kept.len());
        if after < before { Sent::Some } else { Sent::Nothing }
    }

    /// Has the front take bytes from the browser; says how many.
    fn drive_front(&mut self, key: SocketKey, bytes: &[u8], now: Time) -> usize {
        let mut used = 0;
        loop {
            let link = match self.sockets.get_mut(key).and_then(Socket::proxied) {
                Some(proxied) => proxied.link,
                None => return bytes.len(),
            };
            match self.http(key).and_then(|http| http.peek.as_deref()) {
                Some(Peek::Looking { .. }) => {
                    let rest = bytes.get(used..).unwrap_or_default();
                    return used + self.look(key, rest, now);
                }
                Some(Peek::Passing) => return used,
                None => {}
            }
            // One answer at a time waits for the browser to take it.
            if self.answer_waits(key) {
                return used;
            }
            let credit = self.body_credit(key, link);
            let Some(http) = self.http(key) else {
                return used;
            };
            let in_body = http.front.phase() == Phase::Exchange;
            let rest = &bytes[used..];
            let input = if in_body { &rest[..rest.len().min(credit)] } else { rest };
            let step = http.front.from_browser(input);
            used += step.consumed;
            match step.item {
                Item::NeedMore => {
                    http.wants = if in_body { Wants::Body } else { Wants::Head };
                    self.time_head(key, now);
                    return used;
                }
                Item::Paused => {
                    http.wants = Wants::Nothing;
                    return used;
                }
                Item::Open { target, kind, head, credentials } => {
                    http.wants = Wants::Nothing;
                    self.admit(key, Wish { target, kind, head }, credentials, now);
                }
                Item::ToStream(body) => self.send_body(link, body),
                Item::RequestDone => {}
                Item::Raw => {
                    self.become_raw(key);
                    return used;
                }
                Item::Refuse { reason, ending } => {
                    log::debug!("{key:?}: request refused: {reason}");
                    self.unlink(key, ResetReason::Cancelled, now);
                    self.conclude(key, ending, &[], now);
                    return bytes.len();
                }
                Item::Closed => return bytes.len(),
            }
        }
    }

    /// How much of a body may be sent on: no more than its stream has credit, and nothing before
    /// the whole head has gone.
    fn body_credit(&mut self, key: SocketKey, link: Option<Link>) -> usize {
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
        match link {
            Some(_) if proxied.is_some_and(|proxied| !proxied.ahead.is_empty()) => 0,
            Some(link) => self.credit_of(link),
            None => usize::MAX,
        }
    }

    /// Whether the next request has to wait until the last answer is written.
    fn answer_waits(&mut self, key: SocketKey) -> bool {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return false;
        };
        let has_output = proxied.has_output();
        match &mut proxied.http {
            Some(http) if has_output && http.front.phase() == Phase::Idle => {
                http.wants = Wants::Nothing;
                true
            }
            _ => false,
        }
    }

    /// The last answer is written: the next request may be there already.
    pub(super) fn next_exchange(&mut self, key: SocketKey) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        if let Some(http) = &mut proxied.http
            && http.front.phase() == Phase::Idle
        {
            proxied.link = None;
            http.wants = Wants::Head;
            self.revive.push_back(key);
        }
    }

    fn send_body(&mut self, link: Option<Link>, body: &[u8]) {
        let Some(link) = link else { return };
        let Some(entry) = self.sessions.get_mut(link.session) else {
            return;
        };
        // The credit was looked at before, so all of it is taken.
        let _ = entry.session.send(link.stream, body, &mut self.pool);
        let transport = entry.transport;
        self.kick_transport(transport);
    }

    fn credit_of(&self, link: Link) -> usize {
        self.sessions.get(link.session).map_or(0, |entry| entry.session.credit_of(link.stream))
    }

    /// Runs the clock of a request head, and of idleness between requests.
    pub(super) fn time_head(&mut self, key: SocketKey, now: Time) {
        if self.is_handshaking(key) {
            return;
        }
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let running = socket.timer.map(|(_, reason)| reason);
        let Some(http) = socket.proxied().and_then(Proxied::http) else { return };
        let reason = match http.front.phase() {
            Phase::Idle => DeadlineReason::KeepAlive,
            Phase::Head => DeadlineReason::RequestHead,
            Phase::Opening | Phase::Exchange | Phase::Raw | Phase::Closed => return,
        };
        if running != Some(reason) {
            self.set_timer(key, now.after(self.config.request_head_timeout), reason);
        }
    }

    pub(super) fn http(&mut self, key: SocketKey) -> Option<&mut Http> {
        self.sockets.get_mut(key).and_then(Socket::proxied).and_then(Proxied::http)
    }
}
