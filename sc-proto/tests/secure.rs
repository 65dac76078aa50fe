//! TLS on proxied connections, without an operating system: a browser and a site that speak TLS by
//! pipes of their own, cut at random places, and ends that leave at any moment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly"
)]

mod world;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sc_proto::contract::Host;
use sc_proto::egress::SiteTrust;
use sc_proto::rules::{Resigned, Routing};
use sc_proto::tls::{
    BufferPool, Leaf, LeafKey, Leaves, Resigner, TlsClient, TlsError, TlsPipe, TlsServer, TlsState,
    Trust,
};
use sc_proto::{Command, Config, ListenerId};
use world::{End, TUNNEL, World};

/// When all certificates of these tests are good: the world's epoch.
const UNIX_TIME: u64 = 1_800_000_000;
const HELLO: &[u8] = b"GET /big HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// An authority that signs leaves when they are asked for.
#[derive(Debug)]
struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    leaf_key: LeafKey,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let der = ca.self_signed(&ca_key).unwrap().der().to_vec();
        let issuer = Issuer::new(ca, ca_key);
        let leaf_key = LeafKey::from_pkcs8(key.serialize_der()).unwrap();
        Self { der, issuer, key, leaf_key }
    }

    fn signed(&self, name: &str) -> rcgen::Certificate {
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        leaf.signed_by(&self.key, &self.issuer).unwrap()
    }

    /// A site with a certificate of this authority.
    fn site(&self, name: &str) -> TlsServer {
        let (chain, key) = (self.signed(name).pem(), self.key.serialize_pem());
        TlsServer::site_from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    /// Who trusts it.
    fn client(&self) -> TlsClient {
        TlsClient::for_sites(Trust::Roots(vec![self.der.clone()])).unwrap()
    }
}

impl Leaves for Authority {
    fn leaf(&self, host: &Host, _unix_time: u64) -> Option<Leaf> {
        let leaf = self.signed(&host.to_string());
        Some(Leaf::new(vec![leaf.der().to_vec()], &self.leaf_key))
    }
}

impl SiteTrust for Authority {
    fn client_for(&self, _host: &Host) -> Result<TlsClient, TlsError> {
        Ok(self.client())
    }
}

/// That of the server, which browsers trust, and that of the office, which the client trusts.
fn authorities() -> (Arc<Authority>, Arc<Authority>) {
    static BOTH: OnceLock<(Arc<Authority>, Arc<Authority>)> = OnceLock::new();
    let make = || (Arc::new(Authority::new("server")), Arc::new(Authority::new("office")));
    BOTH.get_or_init(make).clone()
}

fn tunnel(seed: u64, more: impl Fn(&mut Config)) -> (World, ListenerId) {
    println!("seed {seed}");
    let (server, office) = authorities();
    let (mut world, proxy) = World::tunnel(seed, |config| {
        config.resigner = Some(Resigner::new(Arc::clone(&server) as _).unwrap());
        config.egress.trust = Some(Arc::clone(&office) as _);
        more(config);
    });
    let routing = Routing { resigned: Resigned::AllBut(None), ..Routing::default() };
    let command = Command::SetRouting { tunnel: TUNNEL, routing: Arc::new(routing) };
    let now = world.now;
    world.cores[0].command(command, now);
    (world, proxy)
}

/// TLS at an end that the test holds.
struct Peer {
    end: End,
    pipe: TlsPipe,
    pool: BufferPool,
    /// What came within TLS.
    plain: Vec<u8>,
    /// What is still to be said within TLS.
    says: Vec<u8>,
    error: Option<TlsError>,
}

impl Peer {
    fn new(end: End, make: impl FnOnce(&mut BufferPool) -> TlsPipe) -> Self {
        let mut pool = BufferPool::small(4);
        let pipe = make(&mut pool);
        Self { end, pipe, pool, plain: Vec::new(), says: Vec::new(), error: None }
    }

    fn browser(end: End) -> Self {
        let client = authorities().0.client();
        Self::new(end, |pool| TlsPipe::client(&client, "app.test", UNIX_TIME, pool).unwrap())
    }

    fn site(end: End, name: &str) -> Self {
        let server = authorities().1.site(name);
        Self::new(end, |_| TlsPipe::server(&server, UNIX_TIME).unwrap())
    }

    /// Moves some bytes both ways; says whether any moved.
    fn step(&mut self, world: &mut World) -> bool {
        let most = 1 + world.random(30_000);
        let came = world.take(self.end, most);
        for part in came.chunks(10_000) {
            self.pipe.read_space(&mut self.pool)[..part.len()].copy_from_slice(part);
            self.pipe.filled(part.len(), &mut self.pool);
            self.decrypt();
        }
        let said = if self.pipe.state() == TlsState::Established {
            self.pipe.encrypt(&self.says[..self.says.len().min(most)], &mut self.pool)
        } else {
            0
        };
        self.says.drain(..said);
        let n = self.pipe.ciphertext().len().min(1 + world.random(20_000));
        world.send(self.end, &self.pipe.ciphertext()[..n]);
        self.pipe.sent(n, &mut self.pool);
        self.decrypt();
        !came.is_empty() || said > 0 || n > 0
    }

    fn decrypt(&mut self) {
        if let Err(error) = self.pipe.decrypt(&mut self.pool) {
            self.error = Some(error);
        }
        self.plain.extend_from_slice(self.pipe.plaintext());
        let n = self.pipe.plaintext().len();
        self.pipe.consume(n, &mut self.pool);
    }
}

/// A browser whose CONNECT was answered.
fn browser(world: &mut World, proxy: ListenerId) -> Peer {
    let end = world.browse(0, proxy).unwrap();
    world.send(end, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    assert!(world.take_all(end).starts_with("HTTP/1.1 200 "));
    Peer::browser(end)
}

/// Lets both ends go on until nothing moves any more, or `until` holds.
fn go_on(world: &mut World, peers: &mut [&mut Peer], until: impl Fn(&[&mut Peer]) -> bool) {
    for _ in 0..20_000 {
        let some = 1 + world.random(40);
        world.run_some(some);
        let mut moved = false;
        for peer in peers.iter_mut() {
            moved |= peer.step(world);
        }
        if until(peers) {
            return;
        }
        if !moved {
            world.run();
            if !peers.iter_mut().any(|peer| peer.step(world)) {
                return;
            }
        }
    }
    panic!("it does not come to rest");
}

/// The site that was dialled.
fn site(world: &mut World, browser: &mut Peer) -> Peer {
    browser.says = HELLO.to_vec();
    go_on(world, &mut [browser], |_| false);
    let (address, end) = world.sites.pop_front().expect("the site is dialled");
    assert_eq!(address, "app.test:443");
    Peer::site(end, "app.test")
}

fn answer(size: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    [head.as_bytes(), &world::traffic::pattern(size)].concat()
}

#[test]
fn exchanges_pass_resigned_tls_however_it_is_cut() {
    for seed in 1..10 {
        let (mut world, proxy) = tunnel(seed, |_| {});
        let mut browser = browser(&mut world, proxy);
        let mut site = site(&mut world, &mut browser);
        go_on(&mut world, &mut [&mut browser, &mut site], |peers| {
            peers[1].plain.ends_with(b"\r\n\r\n")
        });
        let request = String::from_utf8_lossy(&site.plain).into_owned();
        assert!(request.starts_with("GET /big HTTP/1.1\r\nHost: app.test\r\n"), "{request}");
        site.says = answer(400_000);
        go_on(&mut world, &mut [&mut browser, &mut site], |_| false);
        assert!(browser.plain.ends_with(&world::traffic::pattern(400_000)), "seed {seed}");
        // A large body the other way, on the same connections.
        browser.plain.clear();
        site.plain.clear();
        let head = b"POST /up HTTP/1.1\r\nHost: app.test\r\nContent-Length: 300000\r\n\r\n";
        browser.says = [&head[..], &world::traffic::pattern(300_000)].concat();
        go_on(&mut world, &mut [&mut browser, &mut site], |_| false);
        let mut second = match world.sites.pop_front() {
            // Nothing is kept by default: it came by a connection of its own.
            Some((_, end)) => Peer::site(end, "app.test"),
            None => site,
        };
        go_on(&mut world, &mut [&mut browser, &mut second], |_| false);
        assert!(second.plain.ends_with(&world::traffic::pattern(300_000)), "seed {seed}");
        second.says = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
        go_on(&mut world, &mut [&mut browser, &mut second], |_| false);
        assert!(browser.plain.starts_with(b"HTTP/1.1 204 "), "seed {seed}");
        assert_eq!((browser.error, second.error), (None, None));
    }
}

#[test]
fn whoever_leaves_at_any_moment_takes_the_rest_along() {
    for seed in 1..60 {
        let (mut world, proxy) = tunnel(seed, |_| {});
        let mut browser = browser(&mut world, proxy);
        browser.says = HELLO.to_vec();
        let mut site = None;
        let steps = world.random(120);
        for _ in 0..steps {
            let some = world.random(6);
            world.run_some(some);
            browser.step(&mut world);
            if site.is_none()
                && let Some((_, end)) = world.sites.pop_front()
            {
                let mut peer = Peer::site(end, "app.test");
                peer.says = answer(200_000);
                site = Some(peer);
            }
            if let Some(site) = &mut site {
                site.step(&mut world);
            }
        }
        let ends = [Some(browser.end), site.as_ref().map(|site| site.end)];
        let leaves = ends[world.random(2)].unwrap_or(browser.end);
        match world.random(3) {
            0 => world.abort(leaves),
            1 => world.close(leaves),
            // Said goodbye to the system, not to TLS.
            _ => world.finish(leaves),
        }
        for _ in 0..50 {
            world.run();
            if let Some((_, end)) = world.sites.pop_front() {
                world.abort(end);
            }
            for end in ends.into_iter().flatten() {
                world.take(end, usize::MAX);
            }
        }
        for end in ends.into_iter().flatten() {
            world.close(end);
        }
        world.pass(Duration::from_secs(120));
        for core in 0..2 {
            let held = world.cores[core].statistics();
            assert_eq!((held.proxied, held.streams), (0, 0), "seed {seed}, core {core}");
        }
    }
}

#[test]
fn an_answer_that_is_cut_does_not_look_whole() {
    for seed in 1..6 {
        let (mut world, proxy) = tunnel(seed, |_| {});
        let mut browser = browser(&mut world, proxy);
        let mut site = site(&mut world, &mut browser);
        site.says = b"HTTP/1.1 200 OK\r\n\r\nuntil the end, which is cut".to_vec();
        go_on(&mut world, &mut [&mut browser, &mut site], |_| false);
        // The end of the connection without TLS' goodbye.
        world.close(site.end);
        go_on(&mut world, &mut [&mut browser], |_| false);
        let end = browser.pipe.input_ended(&mut browser.pool);
        let is_closed_well = browser.pipe.state() == TlsState::PeerClosed && end.is_ok();
        let chunked_end = browser.plain.ends_with(b"0\r\n\r\n");
        assert!(!is_closed_well && !chunked_end, "seed {seed}");
    }
}

#[test]
fn a_site_with_another_name_is_told_and_gets_no_request() {
    let (mut world, proxy) = tunnel(1, |_| {});
    let mut browser = browser(&mut world, proxy);
    browser.says = HELLO.to_vec();
    go_on(&mut world, &mut [&mut browser], |_| false);
    let (_, end) = world.sites.pop_front().expect("the site is dialled");
    let mut site = Peer::site(end, "other.test");
    go_on(&mut world, &mut [&mut browser, &mut site], |_| false);
    let page = String::from_utf8_lossy(&browser.plain).into_owned();
    assert!(page.contains("X-Sc-Error: tls-certificate-name\r\n"), "{page}");
    assert!(site.plain.is_empty(), "no request goes there");
}

#[test]
fn a_silent_site_is_given_up_after_the_time_of_a_handshake() {
    let (mut world, proxy) =
        tunnel(1, |config| config.tls_handshake_timeout = Duration::from_secs(3));
    let mut browser = browser(&mut world, proxy);
    browser.says = HELLO.to_vec();
    go_on(&mut world, &mut [&mut browser], |_| false);
    world.sites.pop_front().expect("the site is dialled");
    world.pass(Duration::from_millis(2900));
    go_on(&mut world, &mut [&mut browser], |_| false);
    assert!(browser.plain.is_empty());
    world.pass(Duration::from_millis(200));
    go_on(&mut world, &mut [&mut browser], |_| false);
    let page = String::from_utf8_lossy(&browser.plain).into_owned();
    assert!(page.starts_with("HTTP/1.1 504 ") && page.contains("tls-timeout"), "{page}");
}
