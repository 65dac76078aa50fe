//! A whole core against everybody: browsers and sites that say anything, a peer that knows the
//! tunnel's secret and then sends any frames, and a driver that calls in any order with any ids.
//! It never panics, its deadlines move forward, and when all have left it holds nothing.
#![no_main]

#[path = "endpoint/peer.rs"]
mod peer;

use std::collections::VecDeque;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use peer::{Peer, client, tls};
use sc_proto::contract::{
    Access, AccessRefused, ClientId, Connect, ConnectionNumber, DialFailure, ResetReason,
    ResumeSecret, SessionId, Stop, StreamKind, TunnelId, TunnelSecret,
};
use sc_proto::egress::{Bypass, Way, WayChoice};
use sc_proto::fuzzing::encode;
use sc_proto::kgp::frame::{Frame, Open, StreamId};
use sc_proto::kgp::handshake::{Hello, Parameters, VERSION, Welcome};
use sc_proto::{
    Action, CacheLimits, Command, Config, Core, Event, ListenerId, ListenerRole, Read, SocketClass,
    SocketId, Time, WorkerId, Write,
};

const KGP: ListenerId = ListenerId(1);
const PROXY: ListenerId = ListenerId(2);
const SHARED: ListenerId = ListenerId(3);
const TUNNEL: TunnelId = TunnelId([7; 16]);
const SECRET: TunnelSecret = TunnelSecret::new([9; 32]);
const CLIENT: ClientId = ClientId([5; 16]);
const PARAMETERS: Parameters =
    Parameters { max_streams: 9, initial_window: 1024, max_data: 65_535, keepalive_ms: 10_000 };
/// More steps than this without rest are a busy loop.
const BUSY: usize = 100_000;

const BROWSERS: [&[u8]; 9] = [
    // jane+ci:secret
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic amFuZStjaTpzZWNyZXQ=\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n",
    b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"0\r\n\r\n",
    &[b'x'; 3000],
    b"\r\n",
];
const SITES: [&[u8]; 8] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    &[b'y'; 9000],
    // What a SOCKS proxy says.
    b"\x05\x00",
    b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
];

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Ways of every kind.
fn ways() -> Vec<Way> {
    ["p:1", "socks5://u:p@p:2"]
        .map(|url| Way::parse(url).unwrap())
        .into_iter()
        .chain([Way::Direct])
        .collect()
}

fuzz_target!(|input: &[u8]| {
    let mut world = World::new(Input(input));
    while !world.input.0.is_empty() {
        world.step();
    }
    world.everybody_leaves();
});

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn below(&mut self, n: usize) -> usize {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*byte) % n.max(1)
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

/// A socket of the core.
struct Socket {
    id: SocketId,
    arrived: VecDeque<u8>,
    over: Option<Read>,
    connected: bool,
}

impl Socket {
    fn new(id: SocketId, connected: bool) -> Self {
        Self { id, arrived: VecDeque::new(), over: None, connected }
    }
}

struct World<'a> {
    input: Input<'a>,
    core: Core,
    now: Time,
    sockets: Vec<Socket>,
    /// Actions that the driver has put off.
    held: Vec<Action>,
    peer: Option<Peer>,
    /// The transport is being brought up, and nobody disturbs.
    calm: bool,
}

impl<'a> World<'a> {
    fn new(mut input: Input<'a>) -> Self {
        let mut config = Config { unix_time_at_zero: 1_800_000_000, ..Config::default() };
        config.kgp.max_streams = 9;
        config.kgp.max_retained = 256 * 1024;
        config.cache = CacheLimits { total: 64 * 1024, tunnel: 64 * 1024, object: 16 * 1024 };
        let choice = input.below(12);
        let serves = choice % 4 > 0;
        config.egress.ways = match choice / 4 {
            0 => WayChoice::Direct,
            1 => WayChoice::Fixed { ways: ways().into(), bypass: Bypass::default() },
            _ => WayChoice::Asked,
        };
        config.tls_server = serves.then(|| tls().clone());
        let mut core = Core::new(config, WorkerId(0), [1; 32]);
        core.add_listener(KGP, ListenerRole::Kgp);
        core.add_listener(PROXY, ListenerRole::Ingress(TUNNEL));
        core.add_listener(SHARED, ListenerRole::SharedIngress);
        let mut world = Self {
            input,
            core,
            now: Time::ZERO,
            sockets: Vec::new(),
            held: Vec::new(),
            peer: None,
            calm: true,
        };
        world.add_tunnel();
        world.begin(serves);
        world
    }

    fn add_tunnel(&mut self) {
        let command = Command::AddTunnel { tunnel: TUNNEL, secret: SECRET, home: WorkerId(0) };
        self.core.command(command, self.now);
    }

    /// Brings a transport up, as far as TLS goes.
    fn begin(&mut self, serves: bool) {
        let peer = if serves {
            let Some(id) = self.core.accepted(KGP, address(), self.now) else { return };
            self.add(id);
            Peer::client(id)
        } else {
            let connect = Connect {
                tunnel: TUNNEL,
                secret: SECRET,
                client: CLIENT,
                connection: ConnectionNumber::ONLY,
                server: "server:1".parse().unwrap(),
                server_name: "localhost".into(),
                tls: client(),
            };
            self.core.command(Command::Connect(Box::new(connect)), self.now);
            self.run(100);
            let Some(socket) = self.sockets.iter_mut().find(|socket| !socket.connected) else {
                return;
            };
            socket.connected = true;
            let id = socket.id;
            self.core.connected(id, address(), self.now);
            Peer::server(id)
        };
        self.peer = Some(peer);
        for _ in 0..20 {
            self.run(100);
            self.greet(serves);
        }
        self.calm = false;
        assert_eq!(self.core.statistics().sessions, 1, "the session begins");
    }

    fn greet(&mut self, serves: bool) {
        self.exchange();
        let Some(peer) = &mut self.peer else { return };
        if peer.greeted || !peer.is_established() {
            return;
        }
        peer.greeted = true;
        let (version, parameters) = (VERSION, PARAMETERS);
        self.send(&encode(&if serves {
            Frame::Hello(Hello {
                version,
                tunnel: TUNNEL,
                secret: SECRET,
                parameters,
                client: CLIENT,
                connection: ConnectionNumber::ONLY,
            })
        } else {
            Frame::Welcome(Welcome {
                version,
                session: SessionId([3; 16]),
                secret: ResumeSecret::new([4; 32]),
                parameters,
            })
        }));
    }

    fn add(&mut self, id: SocketId) {
        self.sockets.push(Socket::new(id, true));
        self.core.readable(id);
    }

    /// Carries what the peer has to say to the core.
    fn exchange(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        let (id, bytes) = (peer.id, peer.take_output());
        self.arrive(id, &bytes);
    }

    fn arrive(&mut self, id: SocketId, bytes: &[u8]) {
        if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id) {
            socket.arrived.extend(bytes);
            self.core.readable(id);
        }
    }

    /// The peer sends plaintext.
    fn send(&mut self, bytes: &[u8]) {
        if let Some(peer) = &mut self.peer {
            peer.say(bytes);
        }
        self.exchange();
    }

    fn step(&mut self) {
        match self.input.below(16) {
            0 => {
                let door = if self.input.below(4) == 0 { SHARED } else { PROXY };
                if self.sockets.len() < 20
                    && let Some(id) = self.core.accepted(door, address(), self.now)
                {
                    self.add(id);
                }
            }
            1 | 2 => self.somebody_speaks(),
            3 => {
                let n = self.input.below(40);
                let bytes = self.input.take(n);
                self.send(&bytes);
            }
            4..=6 => self.frame(),
            7 => self.somebody_ends(),
            8 => self.dial_ends(),
            9 => self.call_out_of_turn(),
            10 => self.command(),
            11 => {
                let span = [0, 30, 5_000, 61_000, 4_000_000][self.input.below(5)];
                self.pass(Duration::from_millis(span));
            }
            12 => {
                let held = self.core.poll_action(self.now);
                self.held.extend(held);
            }
            13 => {
                if !self.held.is_empty() {
                    let at = self.input.below(self.held.len());
                    let action = self.held.remove(at);
                    self.act(action);
                }
            }
            _ => {
                for socket in &self.sockets {
                    self.core.writable(socket.id);
                }
                let steps = 1 + self.input.below(50);
                self.run(steps);
            }
        }
        while let Some(event) = self.core.poll_event() {
            if let Event::WayWanted { socket, .. } = event {
                let mut ways = ways();
                ways.truncate(self.input.below(4));
                self.core.command(Command::Ways { socket, ways }, self.now);
            } else if let Event::AccessWanted { socket, .. } = event {
                let access = match self.input.below(4) {
                    0 => continue,
                    1 => Access::Refused(AccessRefused::Credentials),
                    _ => Access::Granted(TUNNEL),
                };
                self.core.command(Command::Access { socket, access }, self.now);
            }
        }
    }

    fn any_id(&mut self) -> Option<SocketId> {
        let at = self.input.below(self.sockets.len());
        self.sockets.get(at).map(|socket| socket.id)
    }

    /// A browser or site says something; or garbage comes on a transport.
    fn somebody_speaks(&mut self) {
        let Some(id) = self.any_id() else { return };
        let transport = self.peer.as_ref().is_some_and(|peer| peer.id == id);
        let bytes = match self.input.below(20) {
            n @ 0..9 if !transport => BROWSERS[n].to_vec(),
            n @ 9..17 if !transport => SITES[n - 9].to_vec(),
            14.. if transport => return,
            _ => {
                let n = self.input.below(20);
                self.input.take(n)
            }
        };
        self.arrive(id, &bytes);
    }

    fn somebody_ends(&mut self) {
        let Some(id) = self.any_id() else { return };
        let over = [Read::End, Read::Failed][self.input.below(2)];
        if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id) {
            socket.over = Some(over);
            self.core.readable(id);
        }
    }

    fn dial_ends(&mut self) {
        let Some(at) = self.sockets.iter().position(|socket| !socket.connected) else { return };
        if self.input.below(4) == 0 {
            let id = self.sockets.remove(at).id;
            self.core.dial_failed(id, DialFailure::Refused, self.now);
        } else {
            self.sockets[at].connected = true;
            let id = self.sockets[at].id;
            self.core.connected(id, address(), self.now);
            self.core.readable(id);
        }
    }

    fn frame(&mut self) {
        let Some(stream) = StreamId::new(1 + self.input.below(12) as u64) else { return };
        let amount = [0, 1, 5000, 1 << 20, 1 << 40, u64::MAX][self.input.below(6)];
        let window = amount as u32;
        let payload = [SITES[0], SITES[1], SITES[2], SITES[5], b"x", REQUEST][self.input.below(6)];
        let frame = match self.input.below(14) {
            0..=2 => {
                let kinds = [StreamKind::Connect, StreamKind::Http, StreamKind::Https];
                let kind = kinds[self.input.below(3)];
                Frame::Open { stream, open: Open { kind, window, target: "a:1".parse().unwrap() } }
            }
            3 | 4 => Frame::Opened { stream, window },
            5 => Frame::OpenFailed { stream, failure: DialFailure::Other },
            6 | 7 => Frame::Data { stream, payload },
            8 => Frame::Fin { stream },
            9 => Frame::Reset { stream, reason: ResetReason::Cancelled },
            10 => Frame::Credit { stream, limit: amount },
            11 => Frame::Ack { received: self.input.below(250) as u64 },
            12 => Frame::Ping { token: amount },
            _ if self.input.below(8) == 0 => Frame::GoAway,
            _ => Frame::Pong { token: amount },
        };
        self.send(&encode(&frame));
    }

    /// A driver that says what is not so, or names sockets that are not there.
    fn call_out_of_turn(&mut self) {
        let wild = SocketId::from_parts(self.input.below(30) as u32, self.input.below(3) as u32);
        let id = match self.input.below(3) {
            0 => wild,
            _ => self.any_id().unwrap_or(wild),
        };
        let n = [0, 1, 3, 100, 70_000, usize::MAX][self.input.below(6)];
        let now = self.now;
        match self.input.below(12) {
            0 => self.core.readable(id),
            1 => self.core.writable(id),
            2 => drop(self.core.read_space(id).first()),
            3 => self.core.read_done(id, Read::Bytes(n), now),
            4 => self.core.read_done(id, Read::Drained(n), now),
            5 => self.core.read_done(id, Read::WouldBlock, now),
            6 => self.core.read_done(id, Read::End, now),
            7 => self.core.write_done(id, Write::Bytes(n), now),
            8 => self.core.write_done(id, Write::Blocked(n), now),
            9 => self.core.write_done(id, Write::Failed, now),
            10 => self.core.handle_timeout(now),
            _ => {
                self.core.connected(id, address(), now);
                if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id) {
                    socket.connected = true;
                }
            }
        }
    }

    fn command(&mut self) {
        match self.input.below(10) {
            0 => self.core.command(Command::RemoveTunnel(TUNNEL), self.now),
            1 => self.core.command(Command::Stop(Stop::Drain), self.now),
            2 => self.core.command(Command::Stop(Stop::Now), self.now),
            3 => {
                if let Some(id) = self.core.accepted(KGP, address(), self.now) {
                    self.add(id);
                }
            }
            _ => self.add_tunnel(),
        }
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now.after(span);
        while let Some(deadline) = self.core.next_deadline()
            && deadline.at <= until
        {
            self.now = self.now.max(deadline.at);
            self.core.handle_timeout(self.now);
            let next = self.core.next_deadline();
            assert!(next.is_none_or(|next| next.at > self.now), "{next:?} does not move");
            self.run(1000);
        }
        self.now = until;
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let Some(action) = self.core.poll_action(self.now) else { return };
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Read(id) => self.read(id),
            Action::Write(id) => self.write(id),
            Action::Dial { socket, class, .. } => {
                if class == SocketClass::Proxied || self.peer.is_none() {
                    self.sockets.push(Socket::new(socket, false));
                }
            }
            Action::ShutdownWrite(_) | Action::LongPath(_) | Action::Tell { .. } => {}
            Action::Close { socket, .. } | Action::HandOver { socket, .. } => {
                self.sockets.retain(|other| other.id != socket);
            }
        }
    }

    fn read(&mut self, id: SocketId) {
        let space = self.core.read_space(id);
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id) else {
            return self.core.read_done(id, Read::WouldBlock, self.now);
        };
        let n = socket.arrived.len().min(space.len());
        for (slot, byte) in space.iter_mut().zip(socket.arrived.drain(..n)) {
            *slot = byte;
        }
        let outcome = match (n, socket.over) {
            (0, Some(over)) if !space.is_empty() => over,
            (0, _) => Read::WouldBlock,
            (n, _) => Read::Bytes(n),
        };
        self.core.read_done(id, outcome, self.now);
    }

    fn write(&mut self, id: SocketId) {
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let count = self.core.write_slices(id, &mut slices);
        let bytes = slices[..count].concat();
        let failed = self.sockets.iter().any(|s| s.id == id && s.over == Some(Read::Failed));
        let outcome = match if self.calm { 1 } else { self.input.below(8) } {
            _ if failed => Write::Failed,
            0 => Write::Blocked(bytes.len() / 2),
            _ => Write::Bytes(bytes.len()),
        };
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.id == id)
            && let Write::Bytes(n) | Write::Blocked(n) = outcome
        {
            peer.hear(&bytes[..n]);
        }
        self.core.write_done(id, outcome, self.now);
    }

    fn everybody_leaves(&mut self) {
        for action in std::mem::take(&mut self.held) {
            self.act(action);
        }
        self.run_to_rest();
        for round in 0.. {
            for at in (0..self.sockets.len()).rev() {
                let Some(socket) = self.sockets.get_mut(at) else { continue };
                let id = socket.id;
                if socket.connected {
                    socket.over = Some(Read::Failed);
                    self.core.readable(id);
                    self.core.writable(id);
                } else {
                    self.sockets.remove(at);
                    self.core.dial_failed(id, DialFailure::Other, self.now);
                }
            }
            self.run_to_rest();
            self.pass(Duration::from_secs(4000));
            let held = self.core.statistics();
            if (held.proxied, held.transports) == (0, 0) {
                assert_eq!((held.sessions, held.streams, held.buffered), (0, 0, 0), "{held:?}");
                return;
            }
            assert!(round < 4, "{held:?}");
        }
    }

    fn run_to_rest(&mut self) {
        for _ in 0..BUSY {
            let Some(action) = self.core.poll_action(self.now) else { return };
            self.act(action);
        }
        panic!("it does not come to rest");
    }
}

fn address() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 9).into()
}
