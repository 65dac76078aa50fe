//! The link is down for long: nothing grows meanwhile, and what is promised for the end holds.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::fault::Fault;
use sc_tests::http::{self, Connection};
use sc_tests::link::{Cut, Dials, Weather};
use sc_tests::linked::{Linked, LinkedOptions};
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, limits, outcome, scale, usage, wait};

/// Transfers at once in each direction: enough to fill what is retained and every window.
const TRANSFERS: usize = 8;
/// Downloads that nobody reads: they fill the buffers for received data.
const STALLED: usize = 8;
/// How long bytes are on their way: so many are retained for sending again when the link dies.
const DELAY: Duration = Duration::from_millis(20);
/// More than any of them will carry.
const ENDLESS: u64 = 1 << 40;

/// Most memory of one process at full load with the link down, in bytes. By its settings a session
/// may hold 32 MiB for sending again and 64 MiB that sites or browsers have not taken; it must not
/// need a tenth of that at this delay.
const MAX_RESIDENT: u64 = 48 * 1024 * 1024;
/// How much of that may come after the first seconds of an outage: nothing but noise.
const MAX_GROWTH: u64 = 2 * 1024 * 1024;
/// After so long every buffer is full.
const FILLING: Duration = Duration::from_secs(3);

#[test]
fn memory_is_bounded_while_the_link_is_down() {
    let grace = (scale::outage() + Duration::from_secs(60)).as_secs().to_string();
    let grace = ["--reconnect", grace.as_str()];
    let linked = Linked::start_with(LinkedOptions { server: &grace, client: &grace });
    let site = Site::start();
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 50);
    linked.link.set_weather(Weather { delay: DELAY, ..Weather::default() });
    let _stalled: Vec<_> = (0..STALLED).map(|_| begin(&linked, &site, 0)).collect();
    let load = Load::default();
    let users: Vec<_> = (0..2 * TRANSFERS).map(|index| begin(&linked, &site, index)).collect();
    thread::scope(|scope| {
        let end = End { users: &users, load: &load };
        for (index, user) in users.iter().enumerate() {
            let load = &load;
            scope.spawn(move || if index % 2 == 0 { load.read(user) } else { load.write(user) });
        }
        wait::until("the load", || (load.carried() > 256 << 20).then_some(()));
        let loaded = linked.tunnel.pids().map(usage::resident_bytes);
        let (filled, most) = go_down(&linked);
        let (carried, back) = (load.carried(), Instant::now());
        traffic::small_request(linked.tunnel.proxy, &site);
        let recovery = back.elapsed();
        wait::until("the load to go on", || (load.carried() > carried + (256 << 20)).then_some(()));
        drop(end);
        for (index, name) in ["server", "client"].into_iter().enumerate() {
            figures::tell(&format!(
                "{} s outage with {TRANSFERS} transfers each way: {name} {} KiB before, {} KiB \
                 after {FILLING:?}, at most {} KiB; recovery {recovery:.1?}",
                scale::outage().as_secs(),
                loaded[index] / 1024,
                filled[index] / 1024,
                most[index] / 1024,
            ));
            assert!(most[index] <= MAX_RESIDENT, "{name}: {} bytes", most[index]);
            assert!(most[index] <= filled[index] + MAX_GROWTH, "{name} grows while it waits");
        }
        limits::expect_within("recovery under load", limits::RECOVERY, &[recovery]);
    });
    idle.expect_all_alive();
}

/// Memory of both processes a while after the link went down, and the most until it is back.
fn go_down(linked: &Linked) -> ([u64; 2], [u64; 2]) {
    let resident = || linked.tunnel.pids().map(usage::resident_bytes);
    linked.link.silence(Dials::Dropped);
    let began = Instant::now();
    let (mut filled, mut most) = ([0; 2], [0; 2]);
    wait::for_at_most(scale::outage(), || {
        let now = resident();
        if began.elapsed() < FILLING {
            filled = now;
        }
        for (most, now) in most.iter_mut().zip(now) {
            *most = now.max(*most);
        }
        None::<()>
    });
    linked.link.come_back();
    (filled, most)
}

/// The head of a transfer that does not end: downloads with an even index, uploads else.
fn begin(linked: &Linked, site: &Site, index: usize) -> TcpStream {
    let host = site.address();
    let mut user = Connection::through(linked.tunnel.proxy, &host.to_string()).expect("a stream");
    let head = match index % 2 {
        0 => format!("GET /bytes/{ENDLESS} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        _ => format!("PUT /digest HTTP/1.1\r\nHost: {host}\r\nContent-Length: {ENDLESS}\r\n\r\n"),
    };
    user.send(head).expect("a request");
    user.into_stream()
}

/// Counts what unending transfers carry.
#[derive(Default)]
struct Load {
    carried: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    fn read(&self, mut user: &TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        self.repeat(|| user.read(&mut buffer));
    }

    fn write(&self, mut user: &TcpStream) {
        let buffer = vec![0; 64 * 1024];
        self.repeat(|| user.write(&buffer));
    }

    /// Until the test is over, which shuts the sockets; anything else is a broken stream.
    fn repeat(&self, mut step: impl FnMut() -> std::io::Result<usize>) {
        loop {
            match step() {
                Ok(1..) if self.is_over.load(Ordering::Relaxed) => return,
                Ok(count @ 1..) => {
                    self.carried.fetch_add(count as u64, Ordering::Relaxed);
                }
                other => {
                    assert!(self.is_over.load(Ordering::Relaxed), "a stream broke: {other:?}");
                    return;
                }
            }
        }
    }
}

/// Ends the load, also after a panic.
struct End<'a> {
    users: &'a [TcpStream],
    load: &'a Load,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.load.is_over.store(true, Ordering::Relaxed);
        for user in self.users {
            // One that has ended already needs no end.
            let _ = user.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn after_the_grace_streams_end_and_the_tunnel_comes_back() {
    const GRACE: [&str; 2] = ["--reconnect", "6"];
    let linked = Linked::start_with(LinkedOptions { server: &GRACE, client: &GRACE });
    let (proxy, site) = (linked.tunnel.proxy, Site::start());
    let mut waiting = Connection::through(proxy, &site.address().to_string()).expect("a stream");
    linked.link.silence(Dials::Dropped);
    let began = Instant::now();
    // The user of a stream that waits is told when the grace is over.
    let end = waiting.read_to_close().expect("the stream ends");
    let took = began.elapsed();
    assert_eq!(end, b"", "nothing came over a dead link");
    figures::tell(&format!("grace of {} s: the stream ended after {took:.1?}", GRACE[1]));
    assert!(took > Duration::from_secs(6), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    linked.link.come_back();
    let back = Instant::now();
    wait::until("the tunnel to come back by itself", || {
        let answer = http::get(proxy, &site.url("/hello"));
        answer.is_ok_and(|answer| answer.status() == 200).then_some(())
    });
    figures::tell(&format!("after the grace: the tunnel is back {:.1?} later", back.elapsed()));
    let record = linked.tunnel.server.rest(&linked.tunnel.user).tunnel_named("test");
    assert_eq!(record.expect("a record")["id"], linked.tunnel.id.as_str());
    assert!(linked.tunnel.client.process.is_running());
}

/// How long a link is down before its way back is timed: waits that grow have grown by then.
const LONG: Duration = Duration::from_secs(12);

#[test]
fn a_link_that_swallows_connections_is_found_again() {
    found_again(Dials::Swallowed);
}

#[test]
fn a_server_that_refuses_connections_is_found_again() {
    found_again(Dials::Refused);
}

fn found_again(dials: Dials) {
    let (linked, site) = (Linked::start(), Site::start());
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 2);
    let outcome = Fault::Silent(dials, LONG).happen(&linked, &site);
    idle.expect_all_alive();
    let (detection, recovery) = (outcome.detection, outcome.recovery);
    figures::tell(&format!("{dials:?} {LONG:?}: noticed {detection:.1?}, recovery {recovery:.1?}"));
    outcome::judge(&[outcome]);
}

#[test]
fn a_link_that_comes_back_much_slower_is_used() {
    let (linked, site) = (Linked::start(), Site::start());
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 2);
    // As when an office falls back from fibre to a satellite: what was measured before is void.
    linked.link.set_weather(Weather { delay: SATELLITE, ..Weather::default() });
    let began = Instant::now();
    linked.link.cut(Cut::Reset);
    traffic::small_request(linked.tunnel.proxy, &site);
    figures::tell(&format!("{SATELLITE:?} one way after a cut: back in {:.1?}", began.elapsed()));
    linked.link.set_weather(Weather::default());
    idle.expect_all_alive();
}

/// A way by two hops over satellites, and more than TLS and RESUME take on a fast link.
const SATELLITE: Duration = Duration::from_millis(600);

/// How many tunnels lose their links at once, and how much longer each is without than the last.
const TUNNELS: u32 = 12;
const STEP: Duration = Duration::from_millis(450);

#[test]
fn at_any_moment_a_link_that_is_back_is_used_within_a_second() {
    let outcomes: Vec<_> = thread::scope(|scope| {
        let tunnels = (0..TUNNELS).map(|index| {
            scope.spawn(move || {
                let (linked, site) = (Linked::start(), Site::start());
                let duration = Duration::from_secs(6) + STEP * index;
                Fault::Silent(Dials::Dropped, duration).happen(&linked, &site)
            })
        });
        let tunnels: Vec<_> = tunnels.collect();
        tunnels.into_iter().map(|tunnel| tunnel.join().expect("a tunnel")).collect()
    });
    for one in &outcomes {
        let (silent, detection, recovery) = (one.silent_for, one.detection, one.recovery);
        figures::tell(&format!("{silent:?}: noticed {detection:.1?}, recovery {recovery:.1?}"));
    }
    outcome::judge(&outcomes);
}
