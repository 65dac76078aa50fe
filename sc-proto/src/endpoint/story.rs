//! What became of each exchange with a site: counted for everybody, told to who wants a log.
//!
//! A story goes along with the proxied socket from OPEN on, wherever that goes, and ends once.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::socket::{Proxied, Socket, SocketKey};
use super::{Core, MAX_EVENTS};
use crate::Time;
use crate::contract::{DialFailure, Event, StreamKind, Target};
use crate::egress::{Exchanged, Watch};
use crate::http1;

/// Most pairs of method and status that are counted apart.
const MOST_KINDS: usize = 512;
/// A site that closed or broke off without an answer, one that was silent for too long, and a browser
/// that left before the answer (nginx's word for that).
const NO_ANSWER: u16 = 502;
pub(super) const LATE: u16 = 504;
pub(super) const CANCELLED: u16 = 499;

/// The story of one exchange so far.
#[derive(Debug)]
pub(super) struct Story {
    target: Target,
    method: Method,
    head: Bytes,
    began: Time,
    /// The status if no answer comes any more.
    without_answer: u16,
    sent: Kept,
    answer: Kept,
}

/// The beginning of something.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    most: usize,
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        let room = self.most.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// A request's method, as far as it is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they are the methods of these names")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    /// Any other, and that of a request that was not read.
    Other,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Connect,
        Self::Other,
    ];

    /// In small letters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Options => "options",
            Self::Connect => "connect",
            Self::Other => "other",
        }
    }

    /// That of a head.
    fn of(head: &[u8]) -> Self {
        let word = head.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is = |method: &Self| method.word().as_bytes().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(is).unwrap_or(Self::Other)
    }
}

/// Exchanges of one method and status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanges {
    /// How many.
    pub count: u64,
    /// How long they took, together.
    pub took: Duration,
    /// How many took no longer than each of [`Exchanges::BOUNDS`], in milliseconds.
    pub within: [u64; Self::BOUNDS.len()],
}

impl Exchanges {
    /// Bounds of durations, in milliseconds.
    pub const BOUNDS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.took += took;
        for (count, bound) in self.within.iter_mut().zip(Self::BOUNDS) {
            *count += u64::from(took <= Duration::from_millis(bound));
        }
    }
}

/// Sizes of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// How many.
    pub count: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// How many had no more than each of [`Sizes::BOUNDS`] bytes.
    pub within: [u64; Self::BOUNDS.len()],
}

impl Sizes {
    /// Bounds of sizes, in bytes.
    pub const BOUNDS: [u64; 7] = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        for (count, bound) in self.within.iter_mut().zip(Self::BOUNDS) {
            *count += u64::from(bytes <= bound);
        }
    }
}

/// What a client has counted of its exchanges with sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeStatistics {
    /// Those that have ended, by method and status.
    pub ended: BTreeMap<(Method, u16), Exchanges>,
    /// Those that have not, by method.
    pub running: BTreeMap<Method, u64>,
    /// Bodies of requests.
    pub sent: Sizes,
    /// Bodies of answers.
    pub received: Sizes,
}

impl ExchangeStatistics {
    /// Adds those of another worker.
    pub fn add(&mut self, other: &Self) {
        for (kind, ended) in &other.ended {
            let own = self.ended.entry(*kind).or_default();
            own.count += ended.count;
            own.took += ended.took;
            own.within.iter_mut().zip(ended.within).for_each(|(own, other)| *own += other);
        }
        for (method, count) in &other.running {
            *self.running.entry(*method).or_default() += count;
        }
        for (own, other) in [(&mut self.sent, &other.sent), (&mut self.received, &other.received)] {
            own.count += other.count;
            own.bytes = own.bytes.saturating_add(other.bytes);
            own.within.iter_mut().zip(other.within).for_each(|(own, other)| *own += other);
        }
    }
}

/// A story that has come to its end.
pub(super) struct Ended {
    story: Box<Story>,
    kind: StreamKind,
    end: End,
}

impl Proxied {
    /// Takes out what is to be told of an exchange that ends. To be called while that is there.
    pub(super) fn end_story(&mut self) -> Option<Ended> {
        let story = self.story.take()?;
        let back = self.exchange.as_ref().map(|exchange| &exchange.back);
        let end = End {
            status: back.and_then(|back| back.status()).unwrap_or(story.without_answer),
            sent: back.map_or(0, |back| back.upload_size()),
            received: back.map_or(0, |back| back.body_size()),
        };
        Some(Ended { story, kind: self.kind, end })
    }
}

/// How an exchange has ended.
struct End {
    status: u16,
    sent: u64,
    received: u64,
}

impl Story {
    pub(super) fn begin(target: &Target, kind: StreamKind, watch: Watch, now: Time) -> Box<Self> {
        let method = match kind {
            StreamKind::Connect => Method::Connect,
            StreamKind::Http | StreamKind::Https => Method::Other,
        };
        let kept = |most| Kept { bytes: Vec::new(), most };
        Box::new(Self {
            target: target.clone(),
            method,
            head: Bytes::new(),
            began: now,
            without_answer: NO_ANSWER,
            sent: kept(watch.of_request()),
            answer: kept(watch.of_answer()),
        })
    }

    /// Its request goes to the site with this head.
    pub(super) fn asked(&mut self, head: &Bytes) {
        self.method = Method::of(head);
        self.head = head.clone();
    }

    /// If there is no answer it has this status.
    pub(super) fn without_answer(&mut self, status: u16) {
        self.without_answer = status;
    }

    /// Bytes of the request's body.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.sent.take(bytes);
    }

    /// Bytes of the answer.
    pub(super) fn answered(&mut self, bytes: &[u8]) {
        self.answer.take(bytes);
    }
}

impl Core {
    /// The site cannot be reached.
    pub(super) fn tell_failure(&mut self, key: SocketKey, failure: DialFailure, now: Time) {
        let end = End { status: http1::status_of(failure), sent: 0, received: 0 };
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
        let told = proxied.and_then(|proxied| Some((proxied.story.take()?, proxied.kind)));
        if let Some((story, kind)) = told {
            self.tell(*story, kind, end, now);
        }
    }

    /// The site may not be reached.
    pub(super) fn tell_refused(
        &mut self,
        story: Story,
        kind: StreamKind,
        failure: DialFailure,
        now: Time,
    ) {
        let end = End { status: http1::status_of(failure), sent: 0, received: 0 };
        self.tell(story, kind, end, now);
    }

    /// A way to the site is open: that is all there is to say of a CONNECT.
    pub(super) fn tell_open(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        if proxied.kind == StreamKind::Connect
            && let Some(story) = proxied.story.take()
        {
            let end = End { status: 200, sent: 0, received: 0 };
            self.tell(*story, StreamKind::Connect, end, now);
        }
    }

    /// An exchange has ended, well or badly.
    pub(super) fn tell_ended(&mut self, told: Option<Ended>, now: Time) {
        if let Some(Ended { story, kind, end }) = told {
            self.tell(*story, kind, end, now);
        }
    }

    fn tell(&mut self, story: Story, kind: StreamKind, end: End, now: Time) {
        let took = now.since(story.began);
        let figures = &mut self.exchanges;
        let status = match figures.ended.len() < MOST_KINDS {
            true => end.status,
            // Who invents statuses fills no memory.
            false => end.status / 100 * 100,
        };
        figures.ended.entry((story.method, status)).or_default().add(took);
        figures.sent.add(end.sent);
        figures.received.add(end.received);
        if self.config.egress.watch == Watch::Nothing || self.events.len() >= MAX_EVENTS {
            return;
        }
        self.events.push_back(Event::Exchanged(Box::new(Exchanged {
            kind,
            target: story.target,
            head: story.head,
            status: end.status,
            took,
            sent: story.sent.bytes,
            answer: story.answer.bytes,
            answer_bytes: end.received,
        })));
    }

    /// What a client has counted of its exchanges. Visits every socket.
    #[must_use]
    pub fn exchange_statistics(&self) -> ExchangeStatistics {
        let mut all = self.exchanges.clone();
        for (_, socket) in self.sockets.iter() {
            if let super::socket::Role::Proxied(Proxied { story: Some(story), .. }) = &socket.role {
                *all.running.entry(story.method).or_default() += 1;
            }
        }
        all
    }
}
