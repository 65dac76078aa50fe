//! The embedder: commands at bad moments, strangers, and drivers that talk out of turn.

use std::time::Duration;

use sc_proto::contract::{ClientId, ConnectionNumber, DialFailure, Stop, TunnelSecret};
use sc_proto::{Command, Event, Read, SocketId, Write};

use crate::Sim;
use crate::world::faults::Cut;
use crate::world::{CLIENT, KGP, SECRET, TUNNEL};

impl Sim {
    /// The embedder does something.
    pub(crate) fn interfere(&mut self) {
        match self.world.random(40) {
            0 => {
                let now = self.world.now;
                for core in 0..self.world.client() {
                    self.world.cores[core].command(Command::RemoveTunnel(TUNNEL), now);
                }
            }
            1..=3 => {
                self.world.add_tunnel(self.home);
                self.world.connect_all(CLIENT, self.connections);
            }
            4..=6 => {
                self.world.add_tunnel(self.home);
                let index = self.world.random(self.connections.into()) as u8;
                let connection = ConnectionNumber::new(index, self.connections);
                self.world.connect_as(SECRET, CLIENT, connection.unwrap());
            }
            7 => self.world.connect(TunnelSecret::new([1; 32])),
            13 => self.world.connect_all(ClientId([2; 16]), self.connections),
            8 => {
                if let Some(stranger) = self.world.browse(0, KGP) {
                    self.world.send(stranger, b"\x16\x03\x01\x00\x05nonsense");
                    self.world.close(stranger);
                }
            }
            9 if self.world.random(8) == 0 => self.stop(Stop::Drain),
            10 if self.world.random(8) == 0 => self.stop(Stop::Now),
            11 => {
                // Long enough for every deadline of a request, too short for idle streams.
                self.excuse_all();
                self.world.pass(Duration::from_secs(61));
            }
            12 => {
                self.draining = true;
                let now = self.world.now;
                self.world.cores[self.home].command(Command::DrainTunnel(TUNNEL), now);
            }
            14..=19 => self.cut(),
            _ => self.talk_nonsense(),
        }
    }

    /// A transport dies, or all do. No stream does.
    fn cut(&mut self) {
        let live = self.world.live_transports();
        let cut = [Cut::Reset, Cut::Close][self.world.random(2)];
        match self.world.random(live.len() + 1) {
            0 => self.world.cut_all(cut),
            which => self.world.cut_one(live[which - 1], cut),
        }
    }

    fn stop(&mut self, how: Stop) {
        let core = self.world.random(self.world.cores.len());
        self.stopping = true;
        let now = self.world.now;
        self.world.cores[core].command(Command::Stop(how), now);
    }

    /// Calls with ids that are gone or never were.
    fn talk_nonsense(&mut self) {
        let core = self.world.random(self.world.cores.len());
        let generation = 1_000_000 + self.world.random(9) as u32;
        let id = SocketId::from_parts(self.world.random(40) as u32, generation);
        let (now, peer) = (self.world.now, "127.0.0.1:9".parse().unwrap());
        let core = &mut self.world.cores[core];
        core.readable(id);
        core.writable(id);
        core.connected(id, peer, now);
        core.dial_failed(id, DialFailure::Other, now);
        assert!(core.read_space(id).is_empty());
        core.read_done(id, Read::Bytes(9), now);
        let mut slices: [&[u8]; 4] = [&[]; 4];
        assert_eq!(core.write_slices(id, &mut slices), 0);
        core.write_done(id, Write::Bytes(9), now);
        core.handle_timeout(now);
    }

    /// Every core that is told to stop says when it has, once.
    pub(crate) fn check_stop(&mut self) {
        for core in 0..self.world.cores.len() {
            let now = self.world.now;
            let how = [Stop::Drain, Stop::Now][self.world.random(2)];
            self.world.cores[core].command(Command::Stop(how), now);
        }
        self.world.run();
        self.world.pass(Duration::from_secs(10));
        for core in 0..self.world.cores.len() {
            let told = self.world.events.iter().filter(|e| **e == (core, Event::Stopped)).count();
            assert_eq!(told, 1, "core {core} stops once");
            let left = self.world.cores[core].statistics();
            assert_eq!((left.sessions, left.transports), (0, 0), "of core {core}");
        }
    }
}
