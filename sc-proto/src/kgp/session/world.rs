//! Two sessions joined by transports in memory, with model applications at both ends.
//!
//! Every byte of a stream is a function of the stream, the direction and the place, so a byte
//! that is lost, doubled or moved is seen at once. Who drives: the specification tests, the
//! random simulation and the fuzz targets; `steps.rs` has what the latter two do, `wire.rs` how
//! transports die and are replaced.
#![allow(clippy::panic, clippy::expect_used, reason = "only tests use it")]

pub(crate) mod steps;
mod wire;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use crate::Time;
use crate::contract::{
    DialFailure, Host, ResetReason, SessionId, SocketId, StreamKind, Target, TransportLoss,
};
use crate::kgp::frame::{Frame, Open};
use crate::kgp::handshake::Parameters;
use crate::kgp::session::{OpenRefused, Received, Session, Side};
use crate::kgp::{Pool, ProtocolError, Settings, StreamKey};
use wire::{WireId, Wires};

/// Where decisions come from: a seed, or the bytes of a fuzzer.
pub(crate) trait Choice {
    /// A number from 0 up to, not including, `n`; 0 if `n` is 0.
    fn below(&mut self, n: usize) -> usize;
}

/// Takes the largest pieces everywhere.
pub(crate) struct Whole;

impl Choice for Whole {
    fn below(&mut self, n: usize) -> usize {
        n.saturating_sub(1)
    }
}

/// How a stream ended for one application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    Failed(DialFailure),
    /// By the peer.
    Reset(ResetReason),
    /// By this end.
    Dropped,
}

/// One application's end of a stream.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) key: StreamKey,
    pub(crate) outcome: Outcome,
    pub(crate) is_answered: bool,
    /// Bytes it has for the peer; once `ends`, there will be no more.
    pub(crate) has: u64,
    pub(crate) ends: bool,
    pub(crate) sent: u64,
    pub(crate) has_finished: bool,
    pub(crate) got: u64,
    pub(crate) got_end: bool,
    pub(crate) taken: u64,
    /// Takes nothing that comes.
    pub(crate) is_stalled: bool,
}

/// One end: a session and its applications, by the number both ends know the stream by.
pub(crate) struct End {
    pub(crate) session: Session,
    pub(crate) pool: Pool,
    side: Side,
    pub(crate) apps: BTreeMap<u32, App>,
    /// Bytes that came and are no whole frame yet.
    partial: Vec<u8>,
    /// What carries its session, as far as this end knows.
    on: Option<WireId>,
    /// The transport takes nothing from this end.
    pub(crate) is_blocked: bool,
    /// Whether OPENs are answered at once.
    pub(crate) answers: Answers,
}

/// What an end does with an OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    AtOnce,
    WhenTold,
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) ends: [End; 2],
    next: u32,
    wires: Wires,
    pub(crate) transports: Transports,
}

/// Whether the transports of a world may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transports {
    Safe,
    Mortal,
}

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

fn byte(stream: u32, from: usize, at: u64) -> u8 {
    let x = (u64::from(stream) << 1 | from as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at;
    (x.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32) as u8
}

fn socket(stream: u32) -> SocketId {
    SocketId { index: stream, generation: 0 }
}

impl App {
    fn new(key: StreamKey) -> Self {
        Self {
            key,
            outcome: Outcome::Running,
            is_answered: false,
            has: 0,
            ends: false,
            sent: 0,
            has_finished: false,
            got: 0,
            got_end: false,
            taken: 0,
            is_stalled: false,
        }
    }

    /// Both directions came to their end in order.
    pub(crate) fn is_complete(&self) -> bool {
        self.outcome == Outcome::Running && self.has_finished && self.got_end
    }
}

impl End {
    fn new(side: Side, own: Settings, peer: Settings) -> Self {
        let mut session = Session::new(SessionId([7; 16]), side, own, Parameters::of(&peer));
        session.attach(Time::ZERO);
        Self {
            session,
            pool: Pool::new(4),
            side,
            apps: BTreeMap::new(),
            partial: Vec::new(),
            on: Some(0),
            is_blocked: false,
            answers: Answers::AtOnce,
        }
    }

    fn number(&self) -> usize {
        match self.side {
            Side::Client => CLIENT,
            Side::Server => SERVER,
        }
    }

    /// The application at `stream` has `n` bytes more for the peer.
    pub(crate) fn produce(&mut self, stream: u32, n: u64) {
        if let Some(app) = self.apps.get_mut(&stream)
            && !app.ends
        {
            app.has += n;
            self.session.source_ready(app.key);
        }
    }

    /// The application at `stream` will have no more.
    pub(crate) fn end(&mut self, stream: u32) {
        if let Some(app) = self.apps.get_mut(&stream) {
            app.ends = true;
            self.session.source_ready(app.key);
            self.finish_if_sent(stream);
        }
    }

    fn finish_if_sent(&mut self, stream: u32) {
        let may_answer = self.is_mine(stream);
        if let Some(app) = self.apps.get_mut(&stream)
            && app.ends
            && app.sent == app.has
            && (app.is_answered || may_answer)
            && !app.has_finished
            && app.outcome == Outcome::Running
        {
            app.has_finished = true;
            self.session.finish(app.key, &mut self.pool);
        }
    }

    fn is_mine(&self, stream: u32) -> bool {
        (stream % 2 == 1) == (self.side == Side::Client)
    }

    pub(crate) fn answer(&mut self, stream: u32, outcome: Result<(), DialFailure>) {
        let is_mine = self.is_mine(stream);
        if let Some(app) = self.apps.get_mut(&stream)
            && app.outcome == Outcome::Running
            && !app.is_answered
            && !is_mine
        {
            app.is_answered = true;
            self.session.answer(app.key, outcome, &mut self.pool);
            match outcome {
                Ok(()) => self.session.source_ready(app.key),
                Err(_) => app.outcome = Outcome::Dropped,
            }
            self.finish_if_sent(stream);
        }
    }

    pub(crate) fn reset(&mut self, stream: u32, reason: ResetReason) {
        if let Some(app) = self.apps.get_mut(&stream)
            && app.outcome == Outcome::Running
            && !app.is_complete()
        {
            app.outcome = Outcome::Dropped;
            self.session.reset(app.key, reason, &mut self.pool);
        }
    }

    /// Applications that are not stalled take up to `max` bytes each.
    pub(crate) fn take(&mut self, max: u64, now: Time) {
        for app in self.apps.values_mut() {
            let n = max.min(app.got - app.taken);
            if !app.is_stalled && n > 0 {
                app.taken += n;
                self.session.consumed(app.key, n, now);
            }
        }
    }

    /// Reads one source, as the scheduler says. False: none may be read.
    pub(crate) fn read_source(&mut self, choice: &mut impl Choice) -> bool {
        let Some((key, max)) = self.session.next_source() else {
            return false;
        };
        let from = self.number();
        let found = self.apps.iter_mut().find(|(_, app)| app.key == key);
        let Some((stream, app)) = found else {
            panic!("the scheduler offers a stream that nobody has");
        };
        assert!(max > 0 && app.outcome == Outcome::Running && !app.has_finished);
        let n = (max as u64).min(app.has - app.sent) as usize;
        let n = n.min(1 + choice.below(n));
        let place = self.session.reserve(key, max, &mut self.pool);
        let n = n.min(place.len());
        for (i, out) in place[..n].iter_mut().enumerate() {
            *out = byte(*stream, from, app.sent + i as u64);
        }
        assert_eq!(self.session.commit(key, n, &mut self.pool), Ok(()));
        app.sent += n as u64;
        let stream = *stream;
        if app.sent == app.has {
            self.session.source_dry(key);
            self.finish_if_sent(stream);
        }
        true
    }

    /// The next piece for the transport, cut anywhere.
    fn next_piece(&mut self, now: Time, choice: &mut impl Choice) -> Option<Vec<u8>> {
        let wants = self.session.wants_to_send();
        if let Some(frame) = self.session.next_control(now) {
            return Some(frame.as_slice().to_vec());
        }
        let unsent = self.session.unsent();
        if unsent.is_empty() {
            assert!(!wants || !self.session.wants_to_send(), "wants, and has nothing");
            return None;
        }
        assert!(wants, "has something, and does not want");
        let n = 1 + choice.below(unsent.len());
        let piece = unsent[..n].to_vec();
        self.session.mark_sent(n);
        Some(piece)
    }
}

impl World {
    pub(crate) fn new(client: Settings, server: Settings) -> Self {
        Self {
            now: Time::ZERO,
            ends: [End::new(Side::Client, client, server), End::new(Side::Server, server, client)],
            next: 0,
            wires: Wires::new(),
            transports: Transports::Safe,
        }
    }

    /// Opens a stream; its number is odd if the client opened it.
    pub(crate) fn open(&mut self, from: usize) -> Result<u32, OpenRefused> {
        let stream = 2 * self.next + 1 + from as u32;
        let end = &mut self.ends[from];
        let target = Target { host: Host::Ip(IpAddr::V4(Ipv4Addr::from(stream))), port: 80 };
        let kind = StreamKind::Connect;
        let key = end.session.open(socket(stream), kind, target, &mut end.pool, self.now)?;
        end.apps.insert(stream, App::new(key));
        self.next += 1;
        Ok(stream)
    }

    /// Moves bytes from end `from` into the transport. False: nothing to move, or no room.
    pub(crate) fn transmit(&mut self, from: usize, choice: &mut impl Choice) -> bool {
        let on = self.ends[from].on;
        if self.ends[from].is_blocked || !self.wires.has_room(on, 1 - from) {
            return false;
        }
        match self.ends[from].next_piece(self.now, choice) {
            Some(piece) => {
                self.wires.put(on, 1 - from, &piece);
                true
            }
            None => false,
        }
    }

    /// Lets bytes under way arrive at end `to`. False: there are none.
    pub(crate) fn deliver(
        &mut self,
        to: usize,
        choice: &mut impl Choice,
    ) -> Result<bool, ProtocolError> {
        let end = &mut self.ends[to];
        let Some(pipe) = self.wires.under_way(end.on, to) else {
            return Ok(false);
        };
        let n = 1 + choice.below(pipe.len());
        end.partial.extend(pipe.drain(..n));
        let input = core::mem::take(&mut end.partial);
        let mut rest = input.as_slice();
        while let Some((frame, n)) = Frame::decode(rest)? {
            end.take_frame(frame, n, self.now)?;
            rest = &rest[n..];
        }
        end.partial = rest.to_vec();
        Ok(true)
    }

    /// Fires what is due at end `of`, and proves that its deadline moves on.
    pub(crate) fn fire(&mut self, of: usize) -> Result<(), TransportLoss> {
        let session = &mut self.ends[of].session;
        if session.deadline().is_some_and(|at| at <= self.now) {
            session.handle_timeout(self.now)?;
            assert!(
                session.deadline().is_none_or(|at| at > self.now),
                "a deadline that does not move on"
            );
        }
        Ok(())
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    /// Runs all that can run without time passing.
    pub(crate) fn run(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for i in [CLIENT, SERVER] {
                while self.ends[i].read_source(&mut Whole) {
                    moved = true;
                }
                while self.transmit(i, &mut Whole) {
                    moved = true;
                }
                moved |= self.deliver(1 - i, &mut Whole).expect("honest peers");
                self.ends[1 - i].take(u64::MAX, self.now);
            }
        }
    }

    /// Runs, letting time pass up to the next deadlines, `rounds` times.
    pub(crate) fn run_on(&mut self, rounds: usize) -> Result<(), TransportLoss> {
        for _ in 0..rounds {
            self.run();
            let next = self.ends.iter().filter_map(|end| end.session.deadline());
            self.now = next.min().map_or(self.now, |at| at.max(self.now));
            self.fire(CLIENT)?;
            self.fire(SERVER)?;
        }
        self.run();
        Ok(())
    }
}

impl End {
    fn take_frame(
        &mut self,
        frame: Frame<'_>,
        length: usize,
        now: Time,
    ) -> Result<(), ProtocolError> {
        let from = 1 - self.number();
        match self.session.receive(frame, length, &mut self.pool, now)? {
            Received::Nothing | Received::GoAway => {}
            Received::Open { stream, open } => self.accept(stream, &open),
            Received::Answered { owner, outcome } => {
                let app = self.app(owner);
                assert!(!app.is_answered, "answered twice");
                app.is_answered = true;
                if let Err(failure) = outcome {
                    app.outcome = Outcome::Failed(failure);
                }
            }
            Received::Data { owner, payload } => {
                let app = self.app(owner);
                for (i, got) in payload.iter().enumerate() {
                    assert_eq!(*got, byte(owner.index, from, app.got + i as u64), "{owner:?}");
                }
                assert!(!app.got_end && app.outcome == Outcome::Running);
                app.got += payload.len() as u64;
            }
            Received::Finished { owner } => {
                let app = self.app(owner);
                assert!(!app.got_end && app.outcome == Outcome::Running);
                app.got_end = true;
            }
            Received::Reset { owner, reason } => {
                let app = self.app(owner);
                assert!(app.outcome == Outcome::Running, "reset after the end");
                app.outcome = Outcome::Reset(reason);
            }
            Received::Credit { stream } => self.session.source_ready(stream),
        }
        Ok(())
    }

    fn app(&mut self, owner: SocketId) -> &mut App {
        self.apps.get_mut(&owner.index).expect("an owner that is")
    }

    fn accept(&mut self, key: StreamKey, open: &Open) {
        let stream = match open.target.host {
            Host::Ip(IpAddr::V4(ip)) => u32::from(ip),
            // Made up by a fuzzer.
            _ => u32::MAX - self.apps.len() as u32,
        };
        self.session.set_owner(key, socket(stream));
        let before = self.apps.insert(stream, App::new(key));
        assert!(before.is_none(), "opened twice");
        if self.answers == Answers::AtOnce {
            self.answer(stream, Ok(()));
        }
    }
}
