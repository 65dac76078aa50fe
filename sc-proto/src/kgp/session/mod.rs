//! A session: the association of client and server that owns the streams.
//!
//! It outlives a transport: `carrier.rs` is all it knows of one. `receive.rs` takes frames in, `send.rs` puts them out,
//! `statistics.rs` counts. Who calls: [`crate::endpoint`].

mod carrier;
mod receive;
mod send;
mod statistics;
#[cfg(test)]
mod tests;
#[cfg(any(test, fuzzing))]
pub(crate) mod world;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;

use super::Settings;
use super::credit::{Window, WindowPool};
use super::frame::{Frame, Open, StreamId};
use super::handshake::Parameters;
use super::liveness::Liveness;
use super::pool::Pool;
use super::ring::Ring;
use super::schedule::Schedule;
use super::stream::{CreditDue, Dialling, Direction, Opener, Stream, StreamKey, Streams};
use crate::Time;
use crate::contract::{DialFailure, ResetReason, SessionId, SocketId, StreamKind, Target};
pub(crate) use receive::Received;
pub use statistics::StreamStatistics;

/// An acknowledgement waits this long for company, at most.
const ACK_DELAY: Duration = Duration::from_millis(25);
/// So many unacknowledged bytes received call for an ACK at once, or fewer.
const ACK_BYTES: u64 = 256 * 1024;
/// Reading sockets pauses while so many bytes wait for the transport, so that a small request
/// never queues behind megabytes.
const MAX_UNSENT: u64 = 128 * 1024;
/// The round trip time as long as none has been measured.
const DEFAULT_RTT: Duration = Duration::from_millis(100);

/// Which end of the session this is: decides whose stream ids are odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Whether new streams are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// Yes.
    On,
    /// GOAWAY is to be sent or has been: no new streams from the peer.
    AwaySent,
}

/// Why a stream cannot be opened now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenRefused {
    /// The peer's limit of open streams is reached, or the transport is behind: try again later.
    TooMany,
    /// One side is ending the session.
    Draining,
}

/// Whether a keepalive waits for the transport. Its token is made when it goes, so that the
/// round trip time does not hold the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PingDue {
    No,
    Yes,
}

/// Whether an ACK is due for no other reason than that the peer should hear something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpeakDue {
    No,
    Yes,
}

/// A place in the ring for payload of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reserved {
    stream: StreamKey,
    /// Its size in bytes.
    room: usize,
}

/// The limit for OPEN and OPENED, which have 32 bits for it; the rest follows in a CREDIT.
fn first_limit(window: &Window) -> u32 {
    u32::try_from(window.limit()).unwrap_or(u32::MAX)
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    side: Side,
    settings: Settings,
    peer: Parameters,
    streams: Streams,
    by_id: HashMap<StreamId, StreamKey>,
    /// Streams this side opened that are still open.
    opened_here: u32,
    next_id: u64,
    /// The largest id the peer has opened.
    peer_opened: u64,
    credit: WindowPool,
    ring: Ring,
    schedule: Schedule,
    /// A place in the ring that a driver is reading into.
    reserved: Option<Reserved>,
    /// Bytes still to go of the frame in the ring that the transport has in part.
    frame_rest: usize,
    /// Reliable bytes received, and how many of them the peer knows we have.
    received: u64,
    acked: u64,
    ack_deadline: Option<Time>,
    /// Where in the ring the last frame of any stream ends: up to here the peer has to get it.
    owed: u64,
    credits_due: VecDeque<StreamKey>,
    /// Windows of streams that are over for the peer while their last bytes wait on this side.
    remains: BTreeMap<StreamKey, Window>,
    pong_due: Option<u64>,
    ping_due: PingDue,
    speak_due: SpeakDue,
    liveness: Option<Liveness>,
    /// So many unacknowledged bytes keep the path of the transport busy.
    path_limit: u64,
    going: Going,
    peer_going: Going,
    /// How often a stream used up its credit.
    credit_stalls: u64,
}

impl Session {
    /// `peer` has passed [`Parameters::check`].
    pub(crate) fn new(id: SessionId, side: Side, settings: Settings, peer: Parameters) -> Self {
        let settings = settings.within_limits();
        Self {
            id,
            side,
            settings,
            peer,
            streams: Streams::new(),
            by_id: HashMap::new(),
            opened_here: 0,
            next_id: match side {
                Side::Client => 1,
                Side::Server => 2,
            },
            peer_opened: 0,
            credit: WindowPool::new(&settings),
            ring: Ring::default(),
            schedule: Schedule::default(),
            reserved: None,
            frame_rest: 0,
            received: 0,
            acked: 0,
            ack_deadline: None,
            owed: 0,
            credits_due: VecDeque::new(),
            remains: BTreeMap::new(),
            pong_due: None,
            ping_due: PingDue::No,
            speak_due: SpeakDue::No,
            liveness: None,
            path_limit: u64::MAX,
            going: Going::On,
            peer_going: Going::On,
            credit_stalls: 0,
        }
    }

    /// The smoothed round trip time; a guess before the first measurement.
    pub(crate) fn rtt(&self) -> Duration {
        self.liveness.as_ref().and_then(Liveness::rtt).unwrap_or(DEFAULT_RTT)
    }

    /// Which end of the session this is.
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// Streams open now.
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Reliable bytes that the peer has not acknowledged.
    pub(crate) fn retained(&self) -> u64 {
        self.ring.retained()
    }

    /// The sockets of all streams.
    pub(crate) fn owners(&self) -> Vec<SocketId> {
        self.streams.iter().map(|(_, stream)| stream.owner).collect()
    }

    /// Whether the session is draining and has said all there is to say: the peer has got all of
    /// the streams, and knows that this side has.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_done() && self.ring.unsent_len() == 0 && self.received == self.acked
    }

    /// Whether the session is draining and the peer has got all of the streams. Until it has said
    /// so they may have to be sent again.
    pub(crate) fn is_done(&self) -> bool {
        self.is_ending() && self.ring.acked() >= self.owed
    }

    /// Whether the session is draining and has no stream any more.
    fn is_ending(&self) -> bool {
        let draining = self.going == Going::AwaySent || self.peer_going == Going::AwaySent;
        draining && self.streams.len() == 0
    }

    /// Whether the peer said GOAWAY.
    pub(crate) fn peer_is_going(&self) -> bool {
        self.peer_going == Going::AwaySent
    }

    /// Opens a stream towards the peer for the socket `owner`.
    pub(crate) fn open(
        &mut self,
        owner: SocketId,
        kind: StreamKind,
        target: Target,
        pool: &mut Pool,
        now: Time,
    ) -> Result<StreamKey, OpenRefused> {
        if self.going == Going::AwaySent || self.peer_going == Going::AwaySent {
            return Err(OpenRefused::Draining);
        }
        if !self.may_open() {
            return Err(OpenRefused::TooMany);
        }
        let id = StreamId::new(self.next_id).ok_or(OpenRefused::Draining)?;
        self.next_id += 2;
        self.opened_here += 1;
        let window = Window::new(&mut self.credit, now);
        let open = Open { kind, window: first_limit(&window), target };
        let stream = Stream::new(id, Opener::Here, owner, self.peer.initial_window.into(), window);
        let key = self.streams.insert(stream);
        self.by_id.insert(id, key);
        self.put(&Frame::Open { stream: id, open }, pool);
        Ok(key)
    }

    /// Whether neither side is ending the session, nor all ids are used.
    pub(crate) fn takes_streams(&self) -> bool {
        self.going == Going::On
            && self.peer_going == Going::On
            && StreamId::new(self.next_id).is_some()
    }

    /// Reliable bytes that wait for the transport.
    pub(crate) fn backlog(&self) -> u64 {
        self.ring.unsent_len()
    }

    /// Whether a stream more is within the peer's limit and what waits for the transport.
    pub(crate) fn may_open(&self) -> bool {
        self.opened_here < self.peer.max_streams && self.has_room()
    }

    /// Whether it has as many streams as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.opened_here >= self.peer.max_streams
    }

    /// The socket of a stream.
    pub(crate) fn owner(&self, key: StreamKey) -> Option<SocketId> {
        self.streams.get(key).map(|stream| stream.owner)
    }

    /// Gives a stream that the peer opened its socket.
    pub(crate) fn set_owner(&mut self, key: StreamKey, owner: SocketId) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.owner = owner;
        }
    }

    /// Answers an OPEN of the peer. Without effect on a stream that this side opened, or twice.
    pub(crate) fn answer(
        &mut self,
        key: StreamKey,
        outcome: Result<(), DialFailure>,
        pool: &mut Pool,
    ) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.sending != Direction::Waiting {
            return;
        }
        stream.dialling = Dialling::Done;
        stream.sending = Direction::Open;
        let id = stream.id;
        match outcome {
            Ok(()) => {
                let window = first_limit(&stream.window);
                self.put(&Frame::Opened { stream: id, window }, pool);
                self.close_if_over(key);
            }
            Err(failure) => {
                self.put(&Frame::OpenFailed { stream: id, failure }, pool);
                self.close(key);
                self.drop_remains(key);
            }
        }
    }

    /// How the wire names a stream.
    pub(crate) fn id_of(&self, key: StreamKey) -> Option<StreamId> {
        self.streams.get(key).map(|stream| stream.id)
    }

    /// Whether the OPEN of this stream, which the peer sent, has its answer.
    pub(crate) fn is_answered(&self, key: StreamKey) -> bool {
        self.streams.get(key).is_some_and(|stream| stream.sending != Direction::Waiting)
    }

    /// This side sends no more on the stream. Without effect if it said so before, or has not
    /// answered the OPEN yet.
    pub(crate) fn finish(&mut self, key: StreamKey, pool: &mut Pool) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.sending != Direction::Open {
            return;
        }
        stream.sending = Direction::Finished;
        let id = stream.id;
        self.put(&Frame::Fin { stream: id }, pool);
        self.close_if_over(key);
    }

    /// Ends the stream in both directions; what it left on this side is dropped by the caller.
    /// Without effect if it has ended and left nothing.
    pub(crate) fn reset(&mut self, key: StreamKey, reason: ResetReason, pool: &mut Pool) {
        self.retire(key, reason, pool);
        self.drop_remains(key);
    }

    /// Ends the stream for the peer. What it left on this side keeps its credit until
    /// [`Self::consumed`] or [`Self::reset`].
    pub(crate) fn retire(&mut self, key: StreamKey, reason: ResetReason, pool: &mut Pool) {
        if let Some(stream) = self.streams.get(key) {
            let id = stream.id;
            self.put(&Frame::Reset { stream: id, reason }, pool);
            self.close(key);
        }
    }

    /// Bytes of the stream left the process on this side.
    pub(crate) fn consumed(&mut self, key: StreamKey, n: u64, now: Time) {
        let rtt = self.rtt();
        let Some(stream) = self.streams.get_mut(key) else {
            self.consume_remains(key, n);
            return;
        };
        if stream.receiving == Direction::Finished {
            stream.window.drain(n, &mut self.credit);
            return;
        }
        let raised = stream.window.consume(n, rtt, &mut self.credit, now).is_some();
        if raised && stream.credit_due == CreditDue::No {
            stream.credit_due = CreditDue::Listed;
            self.credits_due.push_back(key);
            // Entries of streams that ended since are worth nothing.
            if self.credits_due.len() > 2 * self.streams.len() + 1024 {
                let streams = &self.streams;
                self.credits_due.retain(|key| streams.get(*key).is_some());
            }
        }
    }

    /// Tells the peer the present limit of a stream that is not answered yet: OPENED, which would
    /// say so, may need what comes by it.
    pub(crate) fn announce(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key)
            && stream.receiving == Direction::Open
            && stream.credit_due == CreditDue::No
        {
            stream.credit_due = CreditDue::Listed;
            self.credits_due.push_back(key);
        }
    }

    /// What a stream left on this side will not be consumed.
    pub(crate) fn drop_remains(&mut self, key: StreamKey) {
        if let Some(window) = self.remains.remove(&key) {
            window.release(&mut self.credit);
        }
    }

    fn consume_remains(&mut self, key: StreamKey, n: u64) {
        let Some(window) = self.remains.get_mut(&key) else { return };
        window.drain(n, &mut self.credit);
        if window.unconsumed() == 0 {
            self.drop_remains(key);
        }
    }

    /// Takes no new streams from here on and tells the peer so.
    pub(crate) fn go_away(&mut self, pool: &mut Pool) {
        if self.going == Going::On {
            self.going = Going::AwaySent;
            self.put(&Frame::GoAway, pool);
        }
    }

    /// Gives all memory back; streams are gone.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.reserved = None;
        self.frame_rest = 0;
        self.ring.clear(pool);
    }

    fn close_if_over(&mut self, key: StreamKey) {
        let over = |s: &Stream| s.is_over() && s.dialling == Dialling::Done;
        if self.streams.get(key).is_some_and(over) {
            self.close(key);
        }
    }

    /// The one place where a stream ends, however it ended. Its credit returns, but for what is
    /// still to be consumed on this side.
    fn close(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.remove(key) else {
            return;
        };
        self.by_id.remove(&stream.id);
        if self.is_mine(stream.id) {
            self.opened_here -= 1;
        }
        let mut window = stream.window;
        window.close(&mut self.credit);
        if window.unconsumed() == 0 {
            window.release(&mut self.credit);
        } else {
            self.remains.insert(key, window);
        }
        if self.reserved.is_some_and(|place| place.stream == key) {
            self.reserved = None;
        }
    }

    fn is_mine(&self, id: StreamId) -> bool {
        (id.get() % 2 == 1) == (self.side == Side::Client)
    }
}
