//! The transports of a [`World`]: they die, linger and are replaced.
//!
//! Each end knows for itself what carries its session, as in life: one may have gone on to a new
//! transport while the other still reads the old one.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{CLIENT, Choice, End, SERVER, World};
use crate::contract::{ConnectionNumber, ResumeSecret, SessionId, TransportLoss, TunnelId};
use crate::kgp::ProtocolError;
use crate::kgp::frame::Frame;
use crate::kgp::handshake::{Resume, VERSION};

/// Bytes one direction of a transport holds.
const CAPACITY: usize = 200_000;
/// Transports that wait for the server at most.
const MAX_LISTENING: usize = 5;

/// Names a transport.
pub(crate) type WireId = u32;

/// One transport.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Bytes under way to each end.
    to: [Vec<u8>; 2],
    /// What goes in is lost without a word.
    is_silent: bool,
}

/// All transports that anybody still knows.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    all: BTreeMap<WireId, Wire>,
    next: WireId,
    /// Client: where it has sent a RESUME and waits for the answer.
    trying: Option<WireId>,
    /// Server: transports that it has not read yet.
    listening: Vec<WireId>,
}

impl Wires {
    pub(super) fn new() -> Self {
        let all = BTreeMap::from([(0, Wire::default())]);
        Self { all, next: 1, trying: None, listening: Vec::new() }
    }

    /// Whether a transport takes bytes for end `to`.
    pub(super) fn has_room(&self, on: Option<WireId>, to: usize) -> bool {
        on.and_then(|on| self.all.get(&on)).is_some_and(|wire| wire.to[to].len() < CAPACITY)
    }

    pub(super) fn put(&mut self, on: Option<WireId>, to: usize, bytes: &[u8]) {
        if let Some(wire) = on.and_then(|on| self.all.get_mut(&on))
            && !wire.is_silent
        {
            wire.to[to].extend_from_slice(bytes);
        }
    }

    /// Bytes under way to end `to`.
    pub(super) fn under_way(&mut self, on: Option<WireId>, to: usize) -> Option<&mut Vec<u8>> {
        let bytes = &mut self.all.get_mut(&on?)?.to[to];
        if bytes.is_empty() { None } else { Some(bytes) }
    }
}

impl World {
    /// Bytes under way to end `to` get lost.
    #[cfg(test)]
    pub(crate) fn lose(&mut self, to: usize) {
        if let Some(bytes) = self.wires.under_way(self.ends[to].on, to) {
            bytes.clear();
        }
    }

    /// End `of` loses its transport; the other end has not noticed.
    pub(crate) fn break_off(&mut self, of: usize) {
        let end = &mut self.ends[of];
        if let Some(on) = end.on.take() {
            end.session.detach();
            end.partial.clear();
            if let Some(wire) = self.wires.all.get_mut(&on) {
                wire.to[of].clear();
            }
        }
        self.tidy();
    }

    /// What end `of` carries dies away at any byte, without a word.
    fn silence(&mut self, of: usize, choice: &mut impl Choice) {
        if let Some(wire) = self.ends[of].on.and_then(|on| self.wires.all.get_mut(&on)) {
            wire.is_silent = true;
            for bytes in &mut wire.to {
                bytes.truncate(choice.below(bytes.len() + 1));
            }
        }
    }

    /// The client, which has no transport, begins another and says what it has.
    pub(crate) fn try_again(&mut self) {
        if self.ends[CLIENT].on.is_some() || self.wires.listening.len() >= MAX_LISTENING {
            return;
        }
        let resume = Frame::Resume(Resume {
            version: VERSION,
            tunnel: TunnelId([0; 16]),
            session: SessionId([7; 16]),
            secret: ResumeSecret::new([0; 32]),
            received: self.ends[CLIENT].session.received(),
            connection: ConnectionNumber::ONLY,
        });
        let wires = &mut self.wires;
        let id = wires.next;
        wires.next += 1;
        let mut wire = Wire::default();
        wire.to[SERVER].extend_from_slice(resume.encode().as_slice());
        wires.all.insert(id, wire);
        // One that was tried before is given up; the server may still come upon it.
        wires.trying = Some(id);
        wires.listening.push(id);
    }

    /// The server comes upon any of the transports that wait for it.
    pub(crate) fn take_resume(&mut self, choice: &mut impl Choice) {
        if self.wires.listening.is_empty() {
            return;
        }
        let id = self.wires.listening.remove(choice.below(self.wires.listening.len()));
        let Some(bytes) = self.wires.under_way(Some(id), SERVER) else {
            return self.tidy();
        };
        let Ok(Some((Frame::Resume(resume), n))) = Frame::decode(bytes) else {
            panic!("a RESUME comes first");
        };
        bytes.drain(..n);
        let end = &mut self.ends[SERVER];
        match end.session.judge_received(resume.received) {
            Ok(()) => {}
            // It comes late, behind a newer one.
            Err(TransportLoss::Ended) => return self.tidy(),
            Err(loss) => panic!("{loss}"),
        }
        let received = end.session.received();
        end.take_over(id, resume.received, self.now).expect("judged before");
        let resumed = Frame::Resumed { received };
        self.wires.put(Some(id), CLIENT, resumed.encode().as_slice());
        self.tidy();
    }

    /// The client reads the server's answer.
    pub(crate) fn take_resumed(&mut self) {
        let trying = self.wires.trying;
        let Some(bytes) = self.wires.under_way(trying, CLIENT) else {
            return;
        };
        let (received, n) = match Frame::decode(bytes) {
            Ok(Some((Frame::Resumed { received }, n))) => (received, n),
            // The rest got lost.
            Ok(None) => return,
            _ => panic!("a RESUMED comes first"),
        };
        bytes.drain(..n);
        self.wires.trying = None;
        if let Some(id) = trying {
            self.ends[CLIENT].take_over(id, received, self.now).expect("the server is honest");
        }
        self.tidy();
    }

    /// One thing that happens to transports.
    pub(super) fn change_transports(&mut self, choice: &mut impl Choice) {
        let i = choice.below(2);
        match choice.below(30) {
            0 => self.break_off(i),
            1 => {
                self.break_off(CLIENT);
                self.break_off(SERVER);
            }
            2 => self.silence(i, choice),
            3 => {
                // The client has moved: it tries at once.
                self.break_off(CLIENT);
                self.try_again();
            }
            4..9 => self.try_again(),
            9..20 => self.take_resume(choice),
            _ => self.take_resumed(),
        }
    }

    /// Everybody notices what is broken, and the client gets through.
    pub(super) fn mend(&mut self, choice: &mut impl Choice) {
        let [client, server] = [CLIENT, SERVER].map(|i| self.ends[i].on);
        let is_silent = |on| self.wires.all.get(&on).is_none_or(|wire| wire.is_silent);
        if client != server || client.is_some_and(is_silent) {
            self.break_off(CLIENT);
        }
        while self.ends[CLIENT].on.is_none() {
            // Late ones are come upon first, whatever they say.
            while !self.wires.listening.is_empty() {
                self.take_resume(choice);
            }
            self.try_again();
            self.take_resume(choice);
            self.take_resumed();
        }
    }

    /// Forgets transports that nobody knows any more.
    fn tidy(&mut self) {
        let known = [self.ends[CLIENT].on, self.ends[SERVER].on, self.wires.trying];
        let Wires { all, listening, .. } = &mut self.wires;
        all.retain(|id, _| known.contains(&Some(*id)) || listening.contains(id));
    }
}

impl End {
    /// A new transport carries the session on; of the old one nothing is taken any more.
    fn take_over(
        &mut self,
        on: WireId,
        received: u64,
        now: crate::Time,
    ) -> Result<(), ProtocolError> {
        self.partial.clear();
        self.on = Some(on);
        self.session.resume(received, &mut self.pool, now)?;
        Ok(())
    }
}
