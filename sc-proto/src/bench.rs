//! What `benches/micro` drives beyond the public API. Only the feature `bench` opens it.

use alloc::vec::Vec;

use crate::Time;
use crate::contract::{SessionId, SocketId, StreamKind};
use crate::kgp::frame::{Frame, FrameType, HEADER, StreamId, put_header};
use crate::kgp::handshake::Parameters;
use crate::kgp::{Pool, ProtocolError, Received, Session, Settings, Side, StreamKey};

/// Free chunks that each end keeps.
const FREE_CHUNKS: usize = 32;

/// Appends the frame as bytes.
pub fn encode(frame: &Frame<'_>, out: &mut Vec<u8>) {
    match frame {
        Frame::Data { stream, payload } => {
            let mut header = [0; HEADER];
            put_header(&mut header, FrameType::Data, payload.len(), stream.get());
            out.extend_from_slice(&header);
            out.extend_from_slice(payload);
        }
        other => out.extend_from_slice(other.encode().as_slice()),
    }
}

/// Two sessions in memory, without TLS and sockets, and streams from the first to the second.
#[derive(Debug)]
pub struct SessionPair {
    from: End,
    to: End,
    /// The streams, as the first session knows them.
    streams: Vec<StreamKey>,
    /// What each of their sockets has to read.
    left: Vec<usize>,
    now: Time,
}

#[derive(Debug)]
struct End {
    session: Session,
    pool: Pool,
    /// What has been sent to the other end.
    wire: Vec<u8>,
    /// The streams, by the index of the socket that owns them.
    owned: Vec<StreamKey>,
}

impl SessionPair {
    /// Opens `streams` streams.
    ///
    /// # Errors
    /// None, unless the sessions are broken.
    pub fn new(streams: usize) -> Result<Self, ProtocolError> {
        let (from, to) = (End::new(Side::Server), End::new(Side::Client));
        let mut pair = Self { from, to, streams: Vec::new(), left: Vec::new(), now: Time::ZERO };
        for index in 0..streams {
            let Ok(target) = "app.test:443".parse() else { continue };
            let owner = SocketId { index: index as u32, generation: 0 };
            let End { session, pool, .. } = &mut pair.from;
            if let Ok(key) = session.open(owner, StreamKind::Connect, target, pool, pair.now) {
                pair.streams.push(key);
            }
            pair.exchange()?;
        }
        Ok(pair)
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Every stream's socket has `bytes` to read; they pass through both sessions and are consumed.
    /// Says how many bytes passed.
    ///
    /// # Errors
    /// None, unless the sessions are broken.
    pub fn pass(&mut self, bytes: usize) -> Result<usize, ProtocolError> {
        self.left.clear();
        self.left.resize(self.streams.len(), bytes);
        for key in &self.streams {
            self.from.session.source_ready(*key);
        }
        let mut passed = 0;
        loop {
            let read = self.read_sources();
            self.exchange()?;
            if read == 0 {
                return Ok(passed);
            }
            passed += read;
        }
    }

    /// Reads sockets into the ring until there is no room or no socket with anything.
    fn read_sources(&mut self) -> usize {
        let End { session, pool, .. } = &mut self.from;
        let mut read = 0;
        while let Some((key, max)) = session.next_source() {
            let owner = session.owner(key).map_or(usize::MAX, |owner| owner.index as usize);
            let Some(left) = self.left.get_mut(owner) else { return read };
            // The kernel would write there; nobody looks at the bytes.
            let n = session.reserve(key, max.min(*left), pool).len();
            if session.commit(key, n, pool).is_err() {
                return read;
            }
            read += n;
            *left -= n;
            if *left == 0 || n == 0 {
                session.source_dry(key);
            }
        }
        read
    }

    /// Lets frames pass both ways until there are none.
    fn exchange(&mut self) -> Result<(), ProtocolError> {
        loop {
            let moved = self.from.transmit(self.now) | self.to.transmit(self.now);
            if !moved {
                return Ok(());
            }
            let (from, to) = (&mut self.from, &mut self.to);
            to.take(&from.wire, self.now)?;
            from.take(&to.wire, self.now)?;
            from.wire.clear();
            to.wire.clear();
        }
    }
}

impl End {
    fn new(side: Side) -> Self {
        let settings = Settings { initial_window: 256 * 1024, ..Settings::default() };
        let peer = Parameters::of(&settings);
        let mut session = Session::new(SessionId([0; 16]), side, settings, peer);
        session.attach(Time::ZERO);
        Self { session, pool: Pool::new(FREE_CHUNKS), wire: Vec::new(), owned: Vec::new() }
    }

    /// Puts all frames on the wire, as the pump would hand them to TLS.
    fn transmit(&mut self, now: Time) -> bool {
        let session = &mut self.session;
        while session.wants_to_send() {
            while let Some(frame) = session.next_control(now) {
                self.wire.extend_from_slice(frame.as_slice());
            }
            let unsent = session.unsent();
            let n = unsent.len();
            self.wire.extend_from_slice(unsent);
            session.mark_sent(n);
        }
        !self.wire.is_empty()
    }

    /// Takes frames in; their payload leaves the process at once.
    fn take(&mut self, mut wire: &[u8], now: Time) -> Result<(), ProtocolError> {
        while let Some((frame, length)) = Frame::decode(wire)? {
            match self.session.receive(frame, length, &mut self.pool, now)? {
                Received::Open { stream, .. } => {
                    let index = self.owned.len() as u32;
                    self.owned.push(stream);
                    self.session.set_owner(stream, SocketId { index, generation: 0 });
                    self.session.answer(stream, Ok(()), &mut self.pool);
                }
                Received::Data { owner, payload } => {
                    if let Some(key) = self.owned.get(owner.index as usize) {
                        self.session.consumed(*key, payload.len() as u64, now);
                    }
                }
                _ => {}
            }
            wire = wire.get(length..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The id of a stream, for frames made by hand.
pub fn stream_id(number: u64) -> Option<StreamId> {
    StreamId::new(number)
}
