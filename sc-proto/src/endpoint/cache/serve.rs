//! From an object to a browser.
//!
//! To the browser's machine an object is an answer that comes in pieces: the next is given when
//! the browser has taken the last. So a slow one holds no more than a piece beside the object that
//! all share.

use alloc::vec::Vec;

use super::fetch::{FetchKey, Taken};
use super::{Cost, Reading, Shape, Standing};
use crate::Time;
use crate::cache::condition::{self, Outcome};
use crate::cache::object::{Growth, Position};
use crate::cache::refresh;
use crate::cache::request::Conditional;
use crate::cache::status::{self, Kept, Status};
use crate::cache::store::ObjectKey;
use crate::contract::ResetReason;
use crate::endpoint::Core;
use crate::endpoint::socket::{Socket, SocketKey};
use crate::http1::Failure;

impl Core {
    /// Begins to give an object to a browser.
    pub(super) fn serve(
        &mut self,
        key: SocketKey,
        object: ObjectKey,
        status: Status,
        fetch: Option<FetchKey>,
        now: Time,
    ) {
        let seconds = self.seconds(now);
        let Some(share) = self.share(key) else { return };
        let asking = share.asking.clone();
        let Some(it) = self.cache.store.get(object) else { return };
        let is_plain = super::consult::status_of(&it.head) == Some(200);
        let outcome = match asking.conditional {
            Conditional::Yes if is_plain => condition::outcome(&asking.head, &it.head, seconds),
            Conditional::Yes | Conditional::No => Outcome::Whole,
        };
        let mut head = match outcome {
            Outcome::Whole => refresh::whole(&it.head),
            Outcome::NotModified => refresh::not_modified(&it.head),
        };
        let age = it.facts.age(seconds);
        // An age says that the site was not asked for this (RFC 9111, section 5.1).
        if age > 0 || !matches!(status, Status::Forwarded(_, Kept::No | Kept::Stored)) {
            status::add_age(&mut head, age);
        }
        status::add(&mut head, status);
        let shape = match it.growth {
            Growth::Open => Shape::Chunked,
            Growth::To(_) | Growth::Whole => Shape::Length,
        };
        if outcome == Outcome::Whole {
            let line = match it.growth {
                Growth::Open => alloc::string::String::from("Transfer-Encoding: chunked\r\n"),
                Growth::To(length) => alloc::format!("Content-Length: {length}\r\n"),
                Growth::Whole => alloc::format!("Content-Length: {}\r\n", it.length),
            };
            head.extend_from_slice(line.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        self.cache.store.pin(object);
        if let Some(entry) = fetch.and_then(|fetch| self.cache.fetches.get_mut(fetch)) {
            entry.readers.push(key);
        }
        let cost = Self::cost_of(status);
        if let Some(share) = self.share(key) {
            let at = Position::default();
            share.standing = Standing::Reads(Reading { object, at, shape, fetch, cost });
        }
        self.expect_movement(key, now);
        let Some(http) = self.http(key) else { return };
        let _ = http.front.opened();
        self.drive_answer(key, &head, None, now);
        self.serve_more(key, now);
    }

    /// Gives a browser the next piece, if it has taken the last.
    pub(in crate::endpoint) fn serve_more(&mut self, key: SocketKey, now: Time) {
        loop {
            let Some(Standing::Reads(reading)) = self.share(key).map(|share| &share.standing)
            else {
                return;
            };
            let reading = *reading;
            let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
            if proxied.is_none_or(|proxied| proxied.has_output()) {
                return;
            }
            let Some(object) = self.cache.store.get_mut(reading.object) else {
                let failure = Failure::Reset(ResetReason::ConnectionLost);
                return self.end_exchange(key, failure, &[], now);
            };
            let (piece, at) = object.read(reading.at);
            if piece.is_empty() {
                if object.growth == Growth::Whole && reading.shape == Shape::Chunked {
                    self.drive_answer(key, b"0\r\n\r\n", None, now);
                }
                return;
            }
            if let Some(Standing::Reads(reading)) = self.share(key).map(|it| &mut it.standing) {
                reading.at = at;
            }
            self.account(key, reading, at, piece.len(), now);
            match reading.shape {
                Shape::Length => self.drive_answer(key, &piece, None, now),
                Shape::Chunked => self.drive_answer(key, &chunk(&piece), None, now),
            };
        }
    }

    /// What a piece that a browser gets means for others.
    fn account(&mut self, key: SocketKey, reading: Reading, at: Position, n: usize, now: Time) {
        if reading.cost == Cost::Saved
            && let Some(share) = self.share(key)
        {
            let tunnel = share.asking.key.tunnel;
            self.cache.store.count(tunnel, |figures| figures.saved += n as u64);
        }
        let Some(fetch) = reading.fetch else { return };
        if !self.is_relayed(fetch) {
            return;
        }
        let Some(object) = self.cache.store.get_mut(reading.object) else { return };
        object.forget_before(at);
        let taken = if object.is_read(at) { Taken::All } else { Taken::Some(n as u64) };
        self.relayed(fetch, taken, now);
    }
}

/// One chunk of the chunked coding.
fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = alloc::format!("{:x}\r\n", data.len()).into_bytes();
    out.reserve(data.len() + 2);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}
