//! One server core and many client cores, driven in memory: what is measured is theirs, and the
//! driver's own cost does not depend on how many streams or tunnels there are.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Read as _;
use std::time::Duration;

use sc_proto::contract::{ClientId, Connect, ConnectionNumber, TunnelId, TunnelSecret};
use sc_proto::tls::{TlsClient, TlsServer, Trust};
use sc_proto::{
    Action, Command, Config, Core, ListenerId, ListenerRole, Read, SocketId, Time, WorkerId, Write,
};

const SERVER: usize = 0;
const KGP: ListenerId = ListenerId(0);
const SECRET: TunnelSecret = TunnelSecret::new([9; 32]);
const CONNECT: &[u8] = b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n";
const PEER: ([u8; 4], u16) = ([127, 0, 0, 1], 9);
/// How much time one exchange takes.
const TICK: Duration = Duration::from_micros(10);

/// One end of a connection. Its neighbour is the other: 0 and 1, 2 and 3 ...
type End = usize;

#[derive(Default)]
struct Half {
    /// Who holds this end, if a core does.
    holder: Option<(usize, SocketId)>,
    arrived: VecDeque<u8>,
}

/// A CONNECT stream: the browser's end and the site's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    browser: End,
    site: End,
}

/// See the module's head.
pub(crate) struct World {
    cores: Vec<Core>,
    /// The ends that each core holds, by the index of their sockets.
    held: Vec<Vec<Option<End>>>,
    halves: Vec<Half>,
    /// Ends of sites that nobody has asked for yet.
    sites: Vec<End>,
    /// Cores that may have something to do, each once.
    ready: VecDeque<usize>,
    is_ready: Vec<bool>,
    deadlines: BinaryHeap<Reverse<(Time, usize)>>,
    now: Time,
}

impl World {
    /// A server with so many tunnels, each with its client.
    pub(crate) fn new(tunnels: usize) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).expect("a name");
        let certificate = certificate.self_signed(&key).expect("a certificate").pem();
        let tls = TlsServer::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes());
        let tls = tls.expect("a certificate for TLS");
        let trust = TlsClient::new(Trust::Pin(tls.leaf_sha256())).expect("a pin");
        let mut world = Self {
            cores: vec![core(Some(tls), 0)],
            held: Vec::new(),
            halves: Vec::new(),
            sites: Vec::new(),
            ready: VecDeque::new(),
            is_ready: Vec::new(),
            deadlines: BinaryHeap::new(),
            now: Time::ZERO,
        };
        world.cores[SERVER].add_listener(KGP, ListenerRole::Kgp);
        for number in 0..tunnels {
            world.add_tunnel(number, &trust);
        }
        world
    }

    fn add_tunnel(&mut self, number: usize, trust: &TlsClient) {
        let tunnel = tunnel(number);
        let add = Command::AddTunnel { tunnel, secret: SECRET, home: WorkerId(0) };
        self.cores[SERVER].command(add, self.now);
        self.cores[SERVER].add_listener(proxy(number), ListenerRole::Ingress(tunnel));
        let client = self.cores.len();
        self.cores.push(core(None, client));
        let connect = Connect {
            tunnel,
            secret: SECRET,
            client: ClientId([1; 16]),
            connection: ConnectionNumber::ONLY,
            server: "server:1".parse().expect("a target"),
            server_name: "localhost".into(),
            tls: trust.clone(),
        };
        self.cores[client].command(Command::Connect(Box::new(connect)), self.now);
        self.wake_core(client);
        self.run();
    }

    /// Opens a stream of a tunnel.
    pub(crate) fn open(&mut self, tunnel: usize) -> Stream {
        let browser = self.knock(proxy(tunnel)).expect("the proxy port takes it");
        self.send(browser, CONNECT);
        self.run();
        let site = self.sites.pop().expect("the site was reached");
        let answer = self.take(browser);
        assert!(answer > 0, "the stream is open");
        Stream { browser, site }
    }

    /// On each of these streams the browser asks with so many bytes and the site answers with so
    /// many. All at once.
    pub(crate) fn exchange(&mut self, streams: &[Stream], question: &[u8], answer: &[u8]) {
        for stream in streams {
            self.send(stream.browser, question);
        }
        self.run();
        for stream in streams {
            assert_eq!(self.take(stream.site), question.len(), "the question arrives");
            self.send(stream.site, answer);
        }
        self.run();
        for stream in streams {
            let mut got = self.take(stream.browser);
            while got < answer.len() {
                self.run();
                let more = self.take(stream.browser);
                assert!(more > 0, "the answer arrives");
                got += more;
            }
        }
        self.run();
        self.now = self.now.after(TICK);
        self.fire();
    }

    fn pair(&mut self) -> (End, End) {
        self.halves.extend([Half::default(), Half::default()]);
        (self.halves.len() - 2, self.halves.len() - 1)
    }

    fn knock(&mut self, listener: ListenerId) -> Option<End> {
        let (mine, theirs) = self.pair();
        let id = self.cores[SERVER].accepted(listener, PEER.into(), self.now)?;
        self.hold(SERVER, id, theirs);
        Some(mine)
    }

    fn hold(&mut self, core: usize, id: SocketId, end: End) {
        self.halves[end].holder = Some((core, id));
        if self.held.len() <= core {
            self.held.resize_with(core + 1, Vec::new);
        }
        let held = &mut self.held[core];
        if held.len() <= id.index() {
            held.resize(id.index() + 1, None);
        }
        held[id.index()] = Some(end);
        self.wake(end);
    }

    fn end_of(&self, core: usize, id: SocketId) -> Option<End> {
        let end = (*self.held.get(core)?.get(id.index())?)?;
        (self.halves[end].holder == Some((core, id))).then_some(end)
    }

    fn wake(&mut self, end: End) {
        if let Some((core, id)) = self.halves[end].holder {
            self.cores[core].readable(id);
            self.cores[core].writable(id);
            self.wake_core(core);
        }
    }

    fn wake_core(&mut self, core: usize) {
        if self.is_ready.len() <= core {
            self.is_ready.resize(core + 1, false);
        }
        if !std::mem::replace(&mut self.is_ready[core], true) {
            self.ready.push_back(core);
        }
    }

    fn send(&mut self, from: End, bytes: &[u8]) {
        self.halves[from ^ 1].arrived.extend(bytes);
        self.wake(from ^ 1);
    }

    /// Takes what has arrived; says how much.
    fn take(&mut self, end: End) -> usize {
        let n = self.halves[end].arrived.len();
        self.halves[end].arrived.clear();
        self.wake(end ^ 1);
        n
    }

    /// Does all that the cores want at this moment.
    fn run(&mut self) {
        while let Some(core) = self.ready.pop_front() {
            self.is_ready[core] = false;
            while let Some(action) = self.cores[core].poll_action(self.now) {
                self.perform(core, action);
            }
            while self.cores[core].poll_event().is_some() {}
            if let Some(deadline) = self.cores[core].next_deadline() {
                self.deadlines.push(Reverse((deadline.at, core)));
            }
        }
    }

    /// Fires what is due.
    fn fire(&mut self) {
        while let Some(Reverse((at, core))) = self.deadlines.peek().copied()
            && at <= self.now
        {
            self.deadlines.pop();
            self.cores[core].handle_timeout(self.now);
            self.wake_core(core);
        }
        self.run();
    }

    fn perform(&mut self, core: usize, action: Action) {
        match action {
            Action::Dial { socket, target, .. } => {
                let end = if target.port == 1 {
                    self.knock(KGP).expect("the server takes it")
                } else {
                    let (mine, theirs) = self.pair();
                    self.sites.push(theirs);
                    mine
                };
                self.cores[core].connected(socket, PEER.into(), self.now);
                self.hold(core, socket, end);
            }
            Action::Read(id) => {
                let Some(end) = self.end_of(core, id) else {
                    return self.cores[core].read_done(id, Read::WouldBlock, self.now);
                };
                let arrived = &mut self.halves[end].arrived;
                let space = self.cores[core].read_space(id);
                let n = arrived.read(space).expect("memory can be read");
                let outcome = match (n, arrived.is_empty()) {
                    (0, _) => Read::WouldBlock,
                    (n, true) => Read::Drained(n),
                    (n, false) => Read::Bytes(n),
                };
                self.cores[core].read_done(id, outcome, self.now);
            }
            Action::Write(id) => {
                let Some(end) = self.end_of(core, id) else {
                    return self.cores[core].write_done(id, Write::Failed, self.now);
                };
                let mut slices: [&[u8]; 16] = [&[]; 16];
                let count = self.cores[core].write_slices(id, &mut slices);
                let arrived = &mut self.halves[end ^ 1].arrived;
                let mut n = 0;
                for slice in &slices[..count] {
                    arrived.extend(*slice);
                    n += slice.len();
                }
                self.cores[core].write_done(id, Write::Bytes(n), self.now);
                self.wake(end ^ 1);
            }
            Action::Close { socket, .. } | Action::HandOver { socket, .. } => {
                panic!("{socket:?} of {core} is closed");
            }
            Action::ShutdownWrite(_) | Action::LongPath(_) | Action::Tell { .. } => {}
        }
    }
}

fn tunnel(number: usize) -> TunnelId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    TunnelId(id)
}

fn proxy(number: usize) -> ListenerId {
    ListenerId(1 + u32::try_from(number).expect("not so many tunnels"))
}

fn core(tls: Option<TlsServer>, number: usize) -> Core {
    let mut seed = [3; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let mut config =
        Config { tls_server: tls, unix_time_at_zero: 1_800_000_000, ..Config::default() };
    config.kgp.max_streams = 20_000;
    Core::new(config, WorkerId(0), seed)
}
