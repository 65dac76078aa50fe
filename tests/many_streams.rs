//! Thousands of streams: what an idle one costs, and that what is closed gives everything back.

use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sc_tests::deployment::Tunnel;
use sc_tests::http::Connection;
use sc_tests::site::Site;
use sc_tests::site::holder::{FAREWELL, GREETING, Holder};
use sc_tests::{figures, scale, usage, wait};

/// Both tests measure, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// Most memory that one idle stream may cost in one process, in bytes.
const MAX_BYTES_PER_IDLE_STREAM: u64 = 16 * 1024;

/// How much more memory a process may hold after many connections than after a few, in bytes.
const MAX_GROWTH: u64 = 8 * 1024 * 1024;

/// For how long a number must not change to count as settled.
const CALM: Duration = Duration::from_millis(300);

/// Descriptors of a process that are neither streams nor the tests' own.
const OTHER_FILES: u64 = 300;

/// Resident memory and open files of server and client.
fn usage_of(tunnel: &Tunnel) -> [(u64, usize); 2] {
    tunnel.pids().map(|pid| (usage::resident_bytes(pid), usage::open_files(pid)))
}

#[test]
fn an_idle_stream_costs_little_and_still_works() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (tunnel, holder) = (Tunnel::start(), Holder::start());
    let target = holder.address().to_string();
    // A first stream, so that what is made once is not counted.
    drop(open_held(&tunnel, &target));
    let count = affordable(scale::idle_streams());
    let before = wait::until_steady("the first stream's end", CALM, || usage_of(&tunnel));
    let users: Vec<_> = (0..count).map(|_| open_held(&tunnel, &target)).collect();
    let after = usage_of(&tunnel);
    for (name, before, after) in [("server", before[0], after[0]), ("client", before[1], after[1])]
    {
        let bytes = after.0.saturating_sub(before.0) / count as u64;
        figures::tell(&format!(
            "{count} idle streams: {name} {bytes} bytes each, {} KiB in all, {} open files",
            after.0 / 1024,
            after.1
        ));
        assert!(bytes <= MAX_BYTES_PER_IDLE_STREAM, "{name}: {bytes} bytes per idle stream");
    }
    holder.dismiss();
    for mut user in users {
        assert_eq!(user.read_to_close().unwrap(), FAREWELL);
    }
    let files = before.map(|(_, files)| files);
    wait::until("the descriptors to be given back", || {
        (usage_of(&tunnel).map(|(_, files)| files) <= files).then_some(())
    });
}

/// As many streams as the limit of open files allows: this process holds both ends of each.
fn affordable(wanted: usize) -> usize {
    let limit = usage::open_files_limit();
    let most = (limit.saturating_sub(OTHER_FILES) / 2) as usize;
    if most < wanted {
        figures::tell(&format!("{most} streams, not {wanted}: open files are limited to {limit}"));
    }
    wanted.min(most)
}

/// Opens a stream by CONNECT and reads the greeting, which proves it end to end.
fn open_held(tunnel: &Tunnel, target: &str) -> Connection {
    let mut user = Connection::through(tunnel.proxy, target).expect("a stream");
    let mut greeting = [0; GREETING.len()];
    user.read_exact(&mut greeting).expect("the greeting");
    assert_eq!(greeting, GREETING);
    user
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let count = scale::connections();
    let settled = || wait::until_steady("the connections' end", CALM, || usage_of(&tunnel));
    let fresh = settled();
    // A warm-up, after which pools and tables have their size.
    come_and_go(&tunnel, &site, count.div_ceil(5));
    let before = settled();
    come_and_go(&tunnel, &site, count);
    wait::until("the descriptors to be given back", || {
        let (now, fresh) = (usage_of(&tunnel), &fresh);
        // The client keeps a connection to the site for each request that was under way at once.
        now.iter().zip(fresh).all(|(now, fresh)| now.1 <= fresh.1 + THREADS).then_some(())
    });
    let after = settled();
    for (index, name) in ["server", "client"].into_iter().enumerate() {
        let (fresh, before, after) = (fresh[index], before[index], after[index]);
        figures::tell(&format!(
            "{count} connections: {name} memory {} KiB fresh, {} KiB warm, {} KiB after; \
             open files {} fresh, {} after",
            fresh.0 / 1024,
            before.0 / 1024,
            after.0 / 1024,
            fresh.1,
            after.1
        ));
        assert!(after.0 <= before.0 + MAX_GROWTH, "{name} keeps memory");
    }
}

/// Who come and go at once.
const THREADS: usize = 8;

/// `count` connections from a few threads, each ended in one of four ways.
fn come_and_go(tunnel: &Tunnel, site: &Site, count: usize) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let indices = (0..count).skip(thread).step_by(THREADS);
            scope.spawn(|| indices.for_each(|index| come_and_go_once(tunnel, site, index)));
        }
    });
}

fn come_and_go_once(tunnel: &Tunnel, site: &Site, index: usize) {
    let host = site.address();
    let close = "Connection: close\r\n";
    match index % 4 {
        // In good order, by a request.
        0 => {
            let mut user = Connection::open(tunnel.proxy).expect("the proxy takes connections");
            let request =
                format!("GET {} HTTP/1.1\r\nHost: {host}\r\n{close}\r\n", site.url("/hello"));
            assert_eq!(user.exchange(&request).expect("an answer").status(), 200);
        }
        // In good order, by CONNECT; the site closes.
        1 => {
            let mut user = Connection::through(tunnel.proxy, &host.to_string()).expect("a stream");
            let request = format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n{close}\r\n");
            assert_eq!(user.exchange(&request).expect("an answer").status(), 200);
        }
        // The user goes without a word.
        2 => drop(Connection::through(tunnel.proxy, &host.to_string()).expect("a stream")),
        // The user goes in the middle of an answer; unread bytes make that a reset.
        _ => {
            let mut user = Connection::through(tunnel.proxy, &host.to_string()).expect("a stream");
            let request = format!("GET /bytes/300000 HTTP/1.1\r\nHost: {host}\r\n\r\n");
            user.send(request).expect("the request goes out");
            user.read_head().expect("the answer begins");
        }
    }
}
