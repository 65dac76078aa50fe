//! Bytes and frames going out.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    ACK_BYTES, CreditDue, Direction, Frame, Liveness, MAX_UNSENT, PingDue, Pool, Reserved, Session,
    SpeakDue, StreamKey, Time,
};
use crate::kgp::frame::{FrameBytes, FrameType, HEADER, frame_length, put_header};
use crate::kgp::pool::CHUNK;
use crate::kgp::schedule::Among;

/// Most bytes that are still sent by a side that goes at once.
const MAX_LAST_WORDS: u64 = 2 * MAX_UNSENT;
/// A round trip so short is one within a machine or a network nearby.
const PROMPT_RTT: Duration = Duration::from_micros(500);
/// How many bytes a path holds for each microsecond of its round trip beyond [`PROMPT_RTT`]: more
/// than a link of 25 Gbit/s, so that it is never what slows one down.
const PATH_RATE: u64 = 4 * 1024;
/// A read is not begun with less room than this; a new chunk is taken instead.
const MIN_READ: usize = 4 * 1024;

impl Session {
    /// The socket of the stream has bytes, or may have.
    pub(crate) fn source_ready(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key)
            && stream.sending == Direction::Open
        {
            self.schedule.ready(key, &mut stream.turn);
            self.schedule.tidy(&self.streams);
        }
    }

    /// The stream whose socket is to be read next, and how many bytes at most. `None` while
    /// nothing is ready, or what was read before has to go first.
    pub(crate) fn next_source(&mut self) -> Option<(StreamKey, usize)> {
        let among = self.may_read()?;
        let (key, turn) = self.schedule.next(among, &mut self.streams)?;
        let stream = self.streams.get(key)?;
        let credit = usize::try_from(stream.credit).unwrap_or(usize::MAX);
        let max = turn.min(credit).min(self.peer.max_data.into()).min(CHUNK - HEADER);
        Some((key, max))
    }

    /// Whether [`Self::next_source`] may have an answer.
    pub(crate) fn has_sources(&self) -> bool {
        self.may_read().is_some_and(|among| !self.schedule.has_none(among))
    }

    /// Which sources may be read now. What is on its way to the peer already is enough for bulk to
    /// wait; small flows may follow it at once.
    fn may_read(&self) -> Option<Among> {
        let path_is_full = self.ring.retained() >= self.path_limit;
        self.has_room().then_some(if path_is_full { Among::Fresh } else { Among::All })
    }

    /// After a round trip: how many unacknowledged bytes keep the path busy. With more, they would
    /// wait at the peer: where a round trip is short no link is slower than the two processes, and
    /// whatever comes behind waits until the peer has worked all of it off.
    pub(super) fn judge_path(&mut self) {
        let best = self.liveness.as_ref().and_then(Liveness::best_rtt);
        self.path_limit = best.map_or(u64::MAX, |best| {
            let beyond = best.saturating_sub(PROMPT_RTT).as_micros();
            let more = u64::try_from(beyond).unwrap_or(u64::MAX).saturating_mul(PATH_RATE);
            self.settings.prompt_bytes.saturating_add(more)
        });
    }

    /// Whether the ring takes more for now.
    pub(crate) fn has_room(&self) -> bool {
        self.ring.unsent_len() < MAX_UNSENT && self.ring.retained() < self.settings.max_retained
    }

    /// A place for up to `max` payload bytes of the stream, in the ring itself; smaller if the
    /// stream may send less, empty if it may send nothing. What is read there is taken in by
    /// [`Self::commit`]; until then nothing else may be appended, or the place is lost.
    pub(crate) fn reserve(&mut self, key: StreamKey, max: usize, pool: &mut Pool) -> &mut [u8] {
        let max = max.min(self.credit_of(key)).min(self.peer.max_data.into()).min(CHUNK - HEADER);
        if max == 0 {
            return &mut [];
        }
        let space = self.ring.space(MIN_READ.min(max) + HEADER, pool);
        let end = space.len().min(HEADER + max);
        let place = space.get_mut(HEADER..end).unwrap_or(&mut []);
        self.reserved = Some(Reserved { stream: key, room: place.len() });
        place
    }

    /// The first `n` bytes of the place reserved for this stream, as somebody has filled it.
    pub(crate) fn reserved(&self, key: StreamKey, n: usize) -> &[u8] {
        match self.reserved {
            Some(place) if place.stream == key => {
                let n = n.min(place.room);
                self.ring.lent().get(HEADER..HEADER + n).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Takes `n` bytes in that were read into the place reserved for this stream.
    /// An error: the place was lost since, and with it the bytes.
    pub(crate) fn commit(
        &mut self,
        key: StreamKey,
        n: usize,
        pool: &mut Pool,
    ) -> Result<(), PlaceLost> {
        let place = self.reserved.take_if(|place| place.stream == key);
        if self.reserved.is_none() && (n == 0 || place.is_none()) {
            self.ring.trim(pool);
        }
        if n == 0 {
            return Ok(());
        }
        let (Some(place), Some(stream)) = (place, self.streams.get_mut(key)) else {
            return Err(PlaceLost);
        };
        let n = n.min(place.room);
        stream.credit = stream.credit.saturating_sub(n as u64);
        stream.sent += n as u64;
        self.credit_stalls += u64::from(stream.credit == 0);
        self.schedule.spent(&mut stream.turn, n);
        let header = self.ring.space(HEADER, pool);
        put_header(header, FrameType::Data, n, stream.id.get());
        self.ring.append(HEADER + n);
        self.owed = self.ring.end();
        Ok(())
    }

    /// Appends bytes of the stream by copying, as far as its credit goes; says how many.
    pub(crate) fn send(&mut self, key: StreamKey, bytes: &[u8], pool: &mut Pool) -> usize {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let space = self.reserve(key, rest.len(), pool);
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            if n == 0 || self.commit(key, n, pool).is_err() {
                return taken;
            }
            taken += n;
        }
    }

    /// What may be sent on the stream now without a turn of the scheduler, in bytes.
    pub(crate) fn credit_of(&self, key: StreamKey) -> usize {
        match self.streams.get(key) {
            Some(stream) if stream.sending == Direction::Open => {
                usize::try_from(stream.credit).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }

    /// The socket of the stream has no more bytes for now.
    pub(crate) fn source_dry(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            self.schedule.dry(key, &mut stream.turn);
        }
    }

    /// Whether [`Self::next_control`] or [`Self::unsent`] has anything.
    pub(crate) fn wants_to_send(&self) -> bool {
        self.ring.unsent_len() > 0 || self.control_is_due()
    }

    fn control_is_due(&self) -> bool {
        self.pong_due.is_some()
            || self.ping_due == PingDue::Yes
            || self.speak_due == SpeakDue::Yes
            || !self.credits_due.is_empty()
            || self.ack_is_due()
    }

    /// An ACK goes with many bytes, when it has waited long enough, or when the peer waits for
    /// nothing else.
    fn ack_is_due(&self) -> bool {
        let unacked = self.received - self.acked;
        let is_time =
            unacked >= self.ack_bytes() || self.ack_deadline.is_none() || self.is_ending();
        unacked > 0 && is_time
    }

    /// So many unacknowledged bytes received call for an ACK at once: a third of what a peer with the
    /// same settings has on its way.
    pub(super) fn ack_bytes(&self) -> u64 {
        (self.settings.prompt_bytes / 3).clamp(1, ACK_BYTES)
    }

    /// The next frame that overtakes the ring, until there is none. Frames that only ride along
    /// with others are offered as soon as anything else goes.
    pub(crate) fn next_control(&mut self, now: Time) -> Option<FrameBytes> {
        if self.frame_rest > 0 {
            // It would stand in the middle of another frame.
            return None;
        }
        let frame = self.due_control(now)?;
        self.speak_due = SpeakDue::No;
        if let Some(liveness) = &mut self.liveness {
            liveness.said(now);
        }
        Some(frame)
    }

    fn due_control(&mut self, now: Time) -> Option<FrameBytes> {
        if let Some(token) = self.pong_due.take() {
            return Some(Frame::Pong { token }.encode());
        }
        if self.ping_due == PingDue::Yes
            && let Some(liveness) = &mut self.liveness
        {
            self.ping_due = PingDue::No;
            let token = liveness.ping(now);
            return Some(Frame::Ping { token }.encode());
        }
        let rides_along = self.received > self.acked && self.ring.unsent_len() > 0;
        if rides_along || self.ack_is_due() || self.speak_due == SpeakDue::Yes {
            self.acked = self.received;
            self.ack_deadline = None;
            return Some(Frame::Ack { received: self.received }.encode());
        }
        if self.ring.unsent_len() > 0
            && let Some(liveness) = &mut self.liveness
            && liveness.wants_measurement(now)
        {
            return Some(Frame::Ping { token: liveness.ping(now) }.encode());
        }
        while let Some(key) = self.credits_due.pop_front() {
            if let Some(stream) = self.streams.get_mut(key)
                && stream.credit_due == CreditDue::Listed
            {
                stream.credit_due = CreditDue::No;
                let frame = Frame::Credit { stream: stream.id, limit: stream.window.limit() };
                return Some(frame.encode());
            }
        }
        None
    }

    /// The next reliable bytes, in one piece.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.ring.unsent()
    }

    /// The first `n` bytes of [`Self::unsent`] went to the transport.
    pub(crate) fn mark_sent(&mut self, n: usize) {
        let piece = self.ring.unsent();
        let n = n.min(piece.len());
        // Frames stand in the ring whole, so their headers lead from one to the next.
        let mut end = self.frame_rest;
        while end < n {
            end += piece.get(end..).map_or(HEADER, frame_length);
        }
        self.frame_rest = end - n;
        self.ring.mark_sent(n);
    }

    /// What a side that goes at once still says: all that waits, and GOAWAY behind it, so that
    /// the peer does not wait for it to come back. Nothing if too much waits.
    pub(crate) fn last_words(&mut self, pool: &mut Pool) -> Vec<u8> {
        self.go_away(pool);
        let mut words = Vec::new();
        if self.ring.unsent_len() <= MAX_LAST_WORDS {
            while !self.ring.unsent().is_empty() {
                words.extend_from_slice(self.ring.unsent());
                self.mark_sent(usize::MAX);
            }
        }
        words
    }

    /// Appends a reliable frame other than DATA.
    pub(super) fn put(&mut self, frame: &Frame<'_>, pool: &mut Pool) {
        // Whoever was reading into the ring has lost the place: this frame stands there now.
        self.reserved = None;
        let bytes = frame.encode();
        let bytes = bytes.as_slice();
        self.ring.space(bytes.len(), pool)[..bytes.len()].copy_from_slice(bytes);
        self.ring.append(bytes.len());
        if frame.frame_type() != FrameType::GoAway {
            self.owed = self.ring.end();
        }
    }
}

/// Something was appended to the ring between reserve and commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaceLost;
