//! Frames coming in.

use super::{
    ACK_DELAY, CreditDue, DialFailure, Dialling, Direction, Frame, Going, Open, Opener, Pool,
    ResetReason, Session, SocketId, Stream, StreamId, StreamKey, Time, Window,
};
use crate::kgp::ProtocolError;
use crate::kgp::frame::FrameType;

/// What a frame means for the socket of its stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// Nothing.
    Nothing,
    /// The peer opened a stream: dial, then [`Session::set_owner`] and [`Session::answer`].
    Open { stream: StreamKey, open: Open },
    /// The peer answered an OPEN of this side. After a failure the stream is gone.
    Answered { owner: SocketId, outcome: Result<(), DialFailure> },
    /// Bytes for the socket.
    Data { owner: SocketId, payload: &'a [u8] },
    /// No more bytes will follow.
    Finished { owner: SocketId },
    /// The stream is gone.
    Reset { owner: SocketId, reason: ResetReason },
    /// Credit came: the socket of the stream may be read again.
    Credit { stream: StreamKey },
    /// The peer takes no new streams.
    GoAway,
}

/// Nobody's socket: a stream that the peer opened has none until it is dialled.
const NOBODY: SocketId = SocketId { index: u32::MAX, generation: u32::MAX };

impl Session {
    /// Takes one frame of `length` bytes, header included, from the attached transport.
    pub(crate) fn receive<'a>(
        &mut self,
        frame: Frame<'a>,
        length: usize,
        pool: &mut Pool,
        now: Time,
    ) -> Result<Received<'a>, ProtocolError> {
        self.heard(now);
        let kind = frame.frame_type();
        if (kind.is_reliable() || kind == FrameType::Ack)
            && let Some(liveness) = &mut self.liveness
        {
            liveness.flows(now);
        }
        if kind.is_reliable() {
            self.count_reliable(length, now);
            // Sockets are not read beyond the bound; only answers to a peer that never
            // acknowledges go this far.
            if self.ring.retained() > self.settings.max_retained.saturating_mul(2) {
                return Err(ProtocolError::Unacknowledged);
            }
        }
        match frame {
            Frame::Ack { received } => {
                self.ring.acknowledge(received, pool).map_err(|_| ProtocolError::Ack)?;
                Ok(Received::Nothing)
            }
            Frame::Ping { token } => {
                self.pong_due = Some(token);
                Ok(Received::Nothing)
            }
            Frame::Pong { token } => {
                if let Some(liveness) = &mut self.liveness {
                    liveness.pong(token, now);
                    self.judge_path();
                }
                Ok(Received::Nothing)
            }
            Frame::Credit { stream, limit } => Ok(self.receive_credit(stream, limit)),
            Frame::Open { stream, open } => self.receive_open(stream, open, pool, now),
            Frame::Opened { stream, window } => self.receive_opened(stream, window),
            Frame::OpenFailed { stream, failure } => self.receive_open_failed(stream, failure),
            Frame::Data { stream, payload } => self.receive_data(stream, payload),
            Frame::Fin { stream } => self.receive_fin(stream),
            Frame::Reset { stream, reason } => Ok(match self.known(stream, FrameType::Reset)? {
                Some(key) => {
                    let owner = self.streams.get(key).map_or(NOBODY, |stream| stream.owner);
                    self.close(key);
                    self.drop_remains(key);
                    Received::Reset { owner, reason }
                }
                None => Received::Nothing,
            }),
            Frame::GoAway => {
                self.peer_going = Going::AwaySent;
                Ok(Received::GoAway)
            }
            Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Resume(_)
            | Frame::Resumed { .. } => Err(ProtocolError::UnexpectedFrame(kind as u8)),
        }
    }

    fn count_reliable(&mut self, length: usize, now: Time) {
        if self.received == self.acked {
            // The first byte not acknowledged sets the time; later ones do not put it off.
            self.ack_deadline = Some(now.after(ACK_DELAY));
        }
        self.received += length as u64;
    }

    /// The open stream of this id; `None` if it has ended on this side already, so that what the
    /// peer sent before it knew is dropped. An id that was never opened is an error.
    fn known(&self, id: StreamId, kind: FrameType) -> Result<Option<StreamKey>, ProtocolError> {
        if let Some(key) = self.by_id.get(&id) {
            return Ok(Some(*key));
        }
        let was_opened =
            if self.is_mine(id) { id.get() < self.next_id } else { id.get() <= self.peer_opened };
        if was_opened { Ok(None) } else { Err(ProtocolError::UnexpectedFrame(kind as u8)) }
    }

    /// CREDIT is not ordered with other frames: one for an unknown stream means nothing.
    fn receive_credit(&mut self, id: StreamId, limit: u64) -> Received<'static> {
        let Some(key) = self.by_id.get(&id).copied() else {
            return Received::Nothing;
        };
        let Some(stream) = self.streams.get_mut(key) else {
            return Received::Nothing;
        };
        stream.raise_limit(limit);
        Received::Credit { stream: key }
    }

    fn receive_open(
        &mut self,
        id: StreamId,
        open: Open,
        pool: &mut Pool,
        now: Time,
    ) -> Result<Received<'static>, ProtocolError> {
        if self.is_mine(id) || id.get() <= self.peer_opened {
            return Err(ProtocolError::StreamId);
        }
        if self.peer_going == Going::AwaySent {
            return Err(ProtocolError::UnexpectedFrame(FrameType::Open as u8));
        }
        self.peer_opened = id.get();
        if self.going == Going::AwaySent {
            // It crossed our GOAWAY.
            self.put(&Frame::OpenFailed { stream: id, failure: DialFailure::Draining }, pool);
            return Ok(Received::Nothing);
        }
        let opened_by_peer = self.streams.len() - self.opened_here as usize;
        if opened_by_peer >= self.settings.max_streams as usize {
            return Err(ProtocolError::TooManyStreams);
        }
        let window = Window::new(&mut self.credit, now);
        let credit = u64::from(self.peer.initial_window.max(open.window));
        let stream = Stream::new(id, Opener::Peer, NOBODY, credit, window);
        let key = self.streams.insert(stream);
        self.by_id.insert(id, key);
        Ok(Received::Open { stream: key, open })
    }

    /// The stream that the peer answers: one of ours, not answered before.
    fn awaiting(
        &mut self,
        id: StreamId,
        kind: FrameType,
    ) -> Result<Option<StreamKey>, ProtocolError> {
        let wrong = Err(ProtocolError::UnexpectedFrame(kind as u8));
        if !self.is_mine(id) {
            return wrong;
        }
        let Some(key) = self.known(id, kind)? else {
            return Ok(None);
        };
        match self.streams.get_mut(key) {
            Some(stream) if stream.dialling == Dialling::Pending => Ok(Some(key)),
            _ => wrong,
        }
    }

    fn receive_opened(
        &mut self,
        id: StreamId,
        window: u32,
    ) -> Result<Received<'static>, ProtocolError> {
        let Some(key) = self.awaiting(id, FrameType::Opened)? else {
            return Ok(Received::Nothing);
        };
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(Received::Nothing);
        };
        stream.dialling = Dialling::Done;
        stream.receiving = Direction::Open;
        stream.raise_limit(window.into());
        let owner = stream.owner;
        self.close_if_over(key);
        Ok(Received::Answered { owner, outcome: Ok(()) })
    }

    fn receive_open_failed(
        &mut self,
        id: StreamId,
        failure: DialFailure,
    ) -> Result<Received<'static>, ProtocolError> {
        let Some(key) = self.awaiting(id, FrameType::OpenFailed)? else {
            return Ok(Received::Nothing);
        };
        let owner = self.streams.get(key).map_or(NOBODY, |stream| stream.owner);
        self.close(key);
        self.drop_remains(key);
        Ok(Received::Answered { owner, outcome: Err(failure) })
    }

    fn receive_data<'a>(
        &mut self,
        id: StreamId,
        payload: &'a [u8],
    ) -> Result<Received<'a>, ProtocolError> {
        let Some(key) = self.known(id, FrameType::Data)? else {
            return Ok(Received::Nothing);
        };
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(Received::Nothing);
        };
        if stream.receiving != Direction::Open {
            return Err(ProtocolError::UnexpectedFrame(FrameType::Data as u8));
        }
        stream.window.receive(payload.len()).map_err(|_| ProtocolError::Credit)?;
        Ok(Received::Data { owner: stream.owner, payload })
    }

    fn receive_fin(&mut self, id: StreamId) -> Result<Received<'static>, ProtocolError> {
        let Some(key) = self.known(id, FrameType::Fin)? else {
            return Ok(Received::Nothing);
        };
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(Received::Nothing);
        };
        if stream.receiving != Direction::Open {
            return Err(ProtocolError::UnexpectedFrame(FrameType::Fin as u8));
        }
        stream.receiving = Direction::Finished;
        // Nothing more will come, so no CREDIT need go out, and what was granted beyond is free.
        stream.credit_due = CreditDue::No;
        stream.window.close(&mut self.credit);
        let owner = stream.owner;
        self.close_if_over(key);
        Ok(Received::Finished { owner })
    }
}
