//! A world without an operating system: cores, connections between them, browsers and sites.
//!
//! It drives cores by the contract as a runtime does, with virtual time and one seed. Connections
//! carry any number of bytes at a time, so everything is cut at random places.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly, and not every one needs all of the world"
)]

pub(crate) mod completion;
pub(crate) mod dials;
pub(crate) mod events;
pub(crate) mod faults;
pub(crate) mod traffic;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sc_proto::contract::{
    ClientId, CloseMode, Connect, ConnectionNumber, Note, Spread, TunnelId, TunnelSecret,
};
use sc_proto::tls::{TlsClient, TlsServer, Trust};
use sc_proto::{
    Action, Command, Config, Core, Event, HandOver, ListenerId, ListenerRole, Read, SocketId, Time,
    WorkerId, Write,
};

use dials::Way;

/// Which core of the world.
pub(crate) type CoreId = usize;
/// One end of a connection.
pub(crate) type End = usize;

pub(crate) const KGP: ListenerId = ListenerId(1);
pub(crate) const TUNNEL: TunnelId = TunnelId([7; 16]);
pub(crate) const SECRET: TunnelSecret = TunnelSecret::new([9; 32]);
pub(crate) const CLIENT: ClientId = ClientId([1; 16]);

/// Who holds an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Core(CoreId, SocketId),
    /// The test itself.
    Test,
    Nobody,
}

/// One end of a connection: what has arrived for it, and what became of the other end.
#[derive(Debug)]
struct Half {
    holder: Holder,
    arrived: VecDeque<u8>,
    /// The other end will send no more.
    ended: bool,
    reset: bool,
    /// What is sent to this end gets lost, without a word.
    lost: bool,
    /// What is sent to this end waits on the way.
    held: bool,
    /// How much more may arrive at this end, if that is limited.
    quota: Option<usize>,
}

pub(crate) struct World {
    pub(crate) cores: Vec<Core>,
    /// How many of them are workers of the server; the others are those of the client.
    servers: usize,
    pub(crate) now: Time,
    pub(crate) events: Vec<(CoreId, Event)>,
    halves: Vec<Half>,
    sockets: BTreeMap<(CoreId, SocketId), End>,
    dialling: Vec<dials::Dial>,
    /// Connections that reached a site, until the test takes them.
    pub(crate) sites: VecDeque<(String, End)>,
    /// Most bytes on their way in one direction.
    pub(crate) capacity: usize,
    /// The client's ends of all transports, newest last.
    transports: Vec<End>,
    /// How the client reaches the server.
    pub(crate) way: Way,
    /// Sites that refuse. Those whose name begins with `refused` always do.
    pub(crate) refusing: bool,
    /// Dials of sites whose name begins with `hanging` get no answer as long as this is set.
    pub(crate) hanging: bool,
    random: u64,
    /// Whether reads are cut at random.
    pub(crate) cuts: bool,
    /// Every so many times, at random, a worker takes nothing from another. 0: never.
    pub(crate) deaf: usize,
    pin: [u8; 32],
    /// Writes that are under way, if they are done later than asked for.
    flights: Option<Vec<completion::Flight>>,
}

impl World {
    /// A server core and a client core, not connected yet.
    pub(crate) fn new(seed: u64, config: impl Fn(&mut Config)) -> Self {
        Self::with_server_workers(seed, 1, config)
    }

    pub(crate) fn with_server_workers(
        seed: u64,
        workers: usize,
        config: impl Fn(&mut Config),
    ) -> Self {
        Self::with_workers(seed, workers, 1, config)
    }

    pub(crate) fn with_workers(
        seed: u64,
        workers: usize,
        clients: usize,
        config: impl Fn(&mut Config),
    ) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let tls = TlsServer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
            .unwrap();
        let pin = tls.leaf_sha256();
        let mut cores = Vec::new();
        for worker in 0..workers + clients {
            let mut settings = Config { unix_time_at_zero: 1_800_000_000, ..Config::default() };
            settings.tls_server = (worker < workers).then(|| tls.clone());
            config(&mut settings);
            let id = if worker < workers { worker } else { worker - workers };
            cores.push(Core::new(settings, WorkerId(id as u16), [worker as u8 + 1; 32]));
        }
        for core in &mut cores[..workers] {
            core.add_listener(KGP, ListenerRole::Kgp);
        }
        Self {
            cores,
            servers: workers,
            now: Time::ZERO,
            events: Vec::new(),
            halves: Vec::new(),
            sockets: BTreeMap::new(),
            dialling: Vec::new(),
            sites: VecDeque::new(),
            capacity: 64 * 1024,
            transports: Vec::new(),
            way: Way::Open,
            refusing: false,
            hanging: true,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            cuts: true,
            deaf: 0,
            pin,
            flights: None,
        }
    }

    /// From here on every read brings all it can.
    pub(crate) fn whole_reads(&mut self) {
        self.cuts = false;
    }

    /// The client's first core.
    pub(crate) fn client(&self) -> CoreId {
        self.servers
    }

    /// Announces the tunnel to all workers of the server, with its proxy port on `home`.
    pub(crate) fn add_tunnel(&mut self, home: CoreId) -> ListenerId {
        let client = self.client();
        for core in &mut self.cores[..client] {
            let home = WorkerId(home as u16);
            let command = Command::AddTunnel { tunnel: TUNNEL, secret: SECRET, home };
            core.command(command, self.now);
        }
        let listener = ListenerId(100);
        self.cores[home].add_listener(listener, ListenerRole::Ingress(TUNNEL));
        listener
    }

    /// What a client needs to believe the server.
    pub(crate) fn trust(&self) -> TlsClient {
        TlsClient::new(Trust::Pin(self.pin)).unwrap()
    }

    /// Has the client connect, with this secret, as one that has one connection.
    pub(crate) fn connect(&mut self, secret: TunnelSecret) {
        self.connect_as(secret, CLIENT, ConnectionNumber::ONLY);
    }

    /// Has a client make all its `count` connections.
    pub(crate) fn connect_all(&mut self, client: ClientId, count: u8) {
        for index in 0..count {
            self.connect_as(SECRET, client, ConnectionNumber::new(index, count).unwrap());
        }
    }

    /// Has a client make one of its connections.
    pub(crate) fn connect_as(
        &mut self,
        secret: TunnelSecret,
        client: ClientId,
        connection: ConnectionNumber,
    ) {
        let connect = Connect {
            tunnel: TUNNEL,
            secret,
            client,
            connection,
            server: "server:443".parse().unwrap(),
            server_name: "localhost".into(),
            tls: self.trust(),
        };
        let clients = self.cores.len() - self.servers;
        let client = self.client() + usize::from(connection.index()) % clients;
        self.cores[client].command(Command::Connect(Box::new(connect)), self.now);
    }

    /// Server, client, tunnel, all connected.
    pub(crate) fn tunnel(seed: u64, config: impl Fn(&mut Config)) -> (Self, ListenerId) {
        Self::tunnel_of(1, seed, config)
    }

    /// The same with so many connections.
    pub(crate) fn tunnel_of(
        connections: u8,
        seed: u64,
        config: impl Fn(&mut Config),
    ) -> (Self, ListenerId) {
        let mut world = Self::new(seed, config);
        let proxy = world.add_tunnel(0);
        world.connect_all(CLIENT, connections);
        world.run();
        let up =
            |(id, event): &&(CoreId, Event)| *id == 0 && matches!(event, Event::TunnelUp { .. });
        let count = world.events.iter().filter(up).count();
        assert_eq!(count, connections.into(), "{:?}", world.events);
        (world, proxy)
    }

    /// Has the sessions of the tunnel live on all workers of the server, from `home` on.
    pub(crate) fn spread(&mut self, home: CoreId) {
        let spread = Spread::new(WorkerId(home as u16), self.servers as u16);
        for core in &mut self.cores[..self.servers] {
            let command = Command::Spread { tunnel: TUNNEL, spread: Arc::clone(&spread) };
            core.command(command, self.now);
        }
    }

    pub(crate) fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below.max(1) as u64) as usize
    }

    fn pair(&mut self, a: Holder, b: Holder) -> (End, End) {
        let end = self.halves.len();
        for holder in [a, b] {
            let arrived = VecDeque::new();
            let (ended, reset, lost, held) = (false, false, false, false);
            let quota = None;
            self.halves.push(Half { holder, arrived, ended, reset, lost, held, quota });
        }
        (end, end + 1)
    }

    fn other(end: End) -> End {
        end ^ 1
    }

    fn peer_address() -> SocketAddr {
        "127.0.0.1:9".parse().unwrap()
    }

    /// A browser connects to a listener of a core; `None` if it is turned away.
    pub(crate) fn browse(&mut self, core: CoreId, listener: ListenerId) -> Option<End> {
        let (mine, theirs) = self.pair(Holder::Test, Holder::Nobody);
        let id = self.cores[core].accepted(listener, Self::peer_address(), self.now)?;
        self.hold(core, id, theirs);
        Some(mine)
    }

    fn hold(&mut self, core: CoreId, id: SocketId, end: End) {
        self.halves[end].holder = Holder::Core(core, id);
        self.sockets.insert((core, id), end);
        self.cores[core].readable(id);
    }

    /// The test sends bytes; all of them, however many.
    pub(crate) fn send(&mut self, end: End, bytes: &[u8]) {
        self.halves[Self::other(end)].arrived.extend(bytes);
        self.wake(Self::other(end));
    }

    /// The test half-closes its end.
    pub(crate) fn finish(&mut self, end: End) {
        self.halves[Self::other(end)].ended = true;
        self.wake(Self::other(end));
    }

    /// The test closes its end: it sends no more, and what is still sent to it fails.
    pub(crate) fn close(&mut self, end: End) {
        self.halves[end].holder = Holder::Nobody;
        self.finish(end);
    }

    /// Bytes the test has sent that have not been read.
    pub(crate) fn unread(&self, end: End) -> usize {
        self.halves[Self::other(end)].arrived.len()
    }

    /// The test resets its end.
    pub(crate) fn abort(&mut self, end: End) {
        self.halves[end].holder = Holder::Nobody;
        self.halves[Self::other(end)].reset = true;
        self.wake(Self::other(end));
    }

    /// The test takes up to `max` bytes that have arrived.
    pub(crate) fn take(&mut self, end: End, max: usize) -> Vec<u8> {
        let n = self.halves[end].arrived.len().min(max);
        let bytes = self.halves[end].arrived.drain(..n).collect();
        self.wake(Self::other(end));
        bytes
    }

    /// Whether the other end has half-closed or closed, and all it sent has been taken.
    pub(crate) fn has_ended(&self, end: End) -> bool {
        self.halves[end].ended && self.halves[end].arrived.is_empty()
    }

    pub(crate) fn was_reset(&self, end: End) -> bool {
        self.halves[end].reset
    }

    fn wake(&mut self, end: End) {
        self.wake_reader(end);
        self.wake_writer(end);
    }

    /// The driver says of some socket, connected or not, that it is ready, for no reason.
    pub(crate) fn wake_anyone(&mut self) {
        let all: Vec<_> = self.sockets.keys().copied().chain(self.dialling()).collect();
        if !all.is_empty() {
            let (core, id) = all[self.random(all.len())];
            self.cores[core].readable(id);
            self.cores[core].writable(id);
        }
    }

    fn wake_writer(&mut self, end: End) {
        if let Holder::Core(core, id) = self.halves[end].holder {
            self.cores[core].writable(id);
        }
    }

    /// Makes one step of every core; says whether anyone had something to do.
    pub(crate) fn step(&mut self) -> bool {
        let mut busy = self.finish_dials() | self.land();
        for core in 0..self.cores.len() {
            if let Some(action) = self.cores[core].poll_action(self.now) {
                self.act(core, action);
                busy = true;
            }
            while let Some(event) = self.cores[core].poll_event() {
                self.events.push((core, event));
            }
        }
        busy
    }

    /// Runs until nobody has anything to do at this moment. Bounded, so that a busy loop fails.
    pub(crate) fn run(&mut self) {
        for _ in 0..2_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Does up to `steps` things of random cores: what is under way stays under way.
    pub(crate) fn run_some(&mut self, steps: usize) {
        for _ in 0..steps {
            let core = self.random(self.cores.len());
            if self.random(100) == 0 {
                self.wake_anyone();
            }
            if self.random(8) == 0 {
                self.finish_dials();
            }
            if let Some(action) = self.cores[core].poll_action(self.now) {
                self.act(core, action);
            }
            while let Some(event) = self.cores[core].poll_event() {
                self.events.push((core, event));
            }
        }
    }

    /// Lets time pass, firing every deadline on the way.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = self.now.after(span);
        loop {
            self.run();
            let deadlines = self.cores.iter().filter_map(Core::next_deadline).map(|d| d.at);
            let next = deadlines.chain(self.next_dial()).min();
            match next {
                Some(at) if at <= until => {
                    self.now = self.now.max(at);
                    for core in &mut self.cores {
                        core.handle_timeout(self.now);
                        let later = core.next_deadline().is_none_or(|d| d.at > self.now);
                        assert!(later, "a deadline must move forward: {:?}", core.next_deadline());
                    }
                }
                _ => break,
            }
        }
        self.now = until;
        self.run();
    }

    fn act(&mut self, core: CoreId, action: Action) {
        match action {
            Action::Read(id) => self.read(core, id),
            Action::Write(id) if self.flights.is_some() => self.launch(core, id),
            Action::Write(id) => self.write(core, id),
            Action::Dial { socket, target, deadline, .. } => {
                self.dial(core, socket, target.to_string(), deadline);
            }
            Action::ShutdownWrite(id) => {
                let other = Self::other(self.sockets[&(core, id)]);
                self.halves[other].ended = true;
                self.wake(other);
            }
            Action::Close { socket, mode } => {
                self.forget_dial(core, socket);
                let Some(end) = self.sockets.remove(&(core, socket)) else {
                    return;
                };
                self.halves[end].holder = Holder::Nobody;
                let other = Self::other(end);
                match mode {
                    CloseMode::Graceful => self.halves[other].ended = true,
                    CloseMode::Abort => self.halves[other].reset = true,
                }
                self.wake(other);
            }
            Action::LongPath(_) => {}
            Action::HandOver { socket, to, state } => self.hand_over(core, socket, to, state),
            Action::Tell { to, note } => self.tell(core, to, note),
        }
    }

    fn hand_over(&mut self, core: CoreId, socket: SocketId, to: WorkerId, state: HandOver) {
        let end = self.sockets.remove(&(core, socket)).unwrap();
        // Now and then the other worker takes nothing.
        let to = if self.is_deaf() { core } else { CoreId::from(to.0) };
        let id = self.cores[to].adopt(state, Self::peer_address(), self.now);
        self.hold(to, id, end);
    }

    fn tell(&mut self, core: CoreId, to: WorkerId, note: Note) {
        if self.is_deaf() {
            return self.cores[core].untold(to, note, self.now);
        }
        let to = CoreId::from(to.0);
        self.cores[to].told(note, self.now);
    }

    fn is_deaf(&mut self) -> bool {
        self.deaf > 0 && self.random(self.deaf) == 0
    }

    fn read(&mut self, core: CoreId, id: SocketId) {
        let end = self.sockets[&(core, id)];
        if self.halves[end].held || self.halves[end].quota == Some(0) {
            let _ = self.cores[core].read_space(id);
            return self.cores[core].read_done(id, Read::WouldBlock, self.now);
        }
        let available = self.halves[end].arrived.len();
        let cut = if self.cuts && self.random(4) == 0 { 1 + self.random(100) } else { usize::MAX };
        let space = self.cores[core].read_space(id);
        assert!(!space.is_empty(), "a read without space");
        let quota = self.halves[end].quota.unwrap_or(usize::MAX);
        let n = available.min(space.len()).min(cut).min(quota);
        self.halves[end].quota = self.halves[end].quota.map(|quota| quota - n);
        for (slot, byte) in space.iter_mut().zip(self.halves[end].arrived.drain(..n)) {
            *slot = byte;
        }
        let half = &self.halves[end];
        let outcome = match n {
            0 if half.reset => Read::Failed,
            0 if half.ended => Read::End,
            0 => Read::WouldBlock,
            n if half.arrived.is_empty() && !half.ended && !half.reset => Read::Drained(n),
            n => Read::Bytes(n),
        };
        self.cores[core].read_done(id, outcome, self.now);
        if n > 0 {
            self.wake_writer(Self::other(end));
        }
    }

    fn write(&mut self, core: CoreId, id: SocketId) {
        let end = self.sockets[&(core, id)];
        let other = Self::other(end);
        let gone = self.halves[other].holder == Holder::Nobody;
        let room = self.capacity.saturating_sub(self.halves[other].arrived.len());
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let count = self.cores[core].write_slices(id, &mut slices);
        let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "a write of nothing");
        let n = if gone { 0 } else { offered.min(room) };
        let mut left = n;
        for slice in &slices[..count] {
            let part = left.min(slice.len());
            if !self.halves[other].lost {
                self.halves[other].arrived.extend(&slice[..part]);
            }
            left -= part;
        }
        let outcome = match n {
            _ if gone => Write::Failed,
            n if n < offered => Write::Blocked(n),
            n => Write::Bytes(n),
        };
        self.cores[core].write_done(id, outcome, self.now);
        if n > 0 {
            self.wake_reader(other);
        }
    }

    fn wake_reader(&mut self, end: End) {
        if let Holder::Core(core, id) = self.halves[end].holder {
            self.cores[core].readable(id);
        }
    }
}
