//! Someone stops reading. Others keep their speed, and nothing grows without bound.

use std::io::Read as _;
use std::time::{Duration, Instant};

use sc_tests::deployment::Tunnel;
use sc_tests::http::Connection;
use sc_tests::payload::{self, Digest, Payload};
use sc_tests::site::Site;
use sc_tests::{figures, usage, wait};

/// How many downloads and how many uploads stand still.
const STALLED: usize = 8;

/// The size of each stalled transfer: together far more than may be buffered.
const STALLED_BYTES: u64 = 64 * 1024 * 1024;

/// The size of a transfer whose speed is measured.
const MEASURED_BYTES: u64 = 64 * 1024 * 1024;

/// Most memory that each process may ever have in RAM with all that going on, in bytes.
const MAX_RESIDENT: u64 = 128 * 1024 * 1024;

/// The speed that others must keep, as part of what they had. The rest is the noise of a machine
/// with 2 cores that runs both ends, both processes and the test.
const KEPT_SPEED: f64 = 0.6;

/// A transfer counts as standing still when nothing moved for so long.
const CALM: Duration = Duration::from_millis(500);

#[test]
fn others_keep_their_speed_and_memory_stays_bounded() {
    let tunnel = Tunnel::start();
    let (fast, down, up) = (Site::start(), Site::start(), Site::start());
    let alone = best_speed(&tunnel, &fast);
    let mut readers: Vec<_> = (0..STALLED).map(|_| stalled_download(&tunnel, &down)).collect();
    let mut writers: Vec<_> = (0..STALLED).map(|_| stalled_upload(&tunnel, &up)).collect();
    let sent = wait::until_steady("the stalled downloads to stand still", CALM, || down.sent());
    assert!(sent < STALLED as u64 * STALLED_BYTES, "nobody holds the downloads back");
    let beside = best_speed(&tunnel, &fast);
    let peaks = tunnel.pids().map(usage::peak_resident_bytes);
    figures::tell(&format!(
        "{:.0} MB/s alone, {:.0} MB/s beside {STALLED} stalled downloads and {STALLED} stalled \
         uploads; at most {} MiB (server) and {} MiB (client) in RAM",
        alone / 1e6,
        beside / 1e6,
        peaks[0] >> 20,
        peaks[1] >> 20
    ));
    assert!(
        beside >= alone * KEPT_SPEED,
        "{beside:.0} B/s beside stalled streams, {alone:.0} alone"
    );
    for peak in peaks {
        assert!(peak <= MAX_RESIDENT, "{} MiB in RAM", peak >> 20);
    }
    // What stood still goes on where it was, with nothing lost.
    let reader = readers.pop().expect("there are some");
    finish_download(reader);
    up.open_gate();
    let (writer, sent) = writers.pop().expect("there are some");
    finish_upload(writer, sent);
}

/// The best of three downloads, in bytes a second.
fn best_speed(tunnel: &Tunnel, site: &Site) -> f64 {
    let speed = || {
        let begin = Instant::now();
        let mut user = Connection::open(tunnel.proxy).expect("the proxy takes connections");
        user.send(request("GET", site, &format!("/bytes/{MEASURED_BYTES}"), "")).unwrap();
        let mut digest = Digest::default();
        user.read_answer_into("GET", &mut digest).expect("the whole answer");
        assert_eq!(digest.finish().0, MEASURED_BYTES);
        MEASURED_BYTES as f64 / begin.elapsed().as_secs_f64()
    };
    (0..3).map(|_| speed()).fold(0.0, f64::max)
}

fn request(method: &str, site: &Site, path: &str, fields: &str) -> String {
    format!("{method} {} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", site.url(path), site.address())
}

/// A download of which the user reads only the beginning.
fn stalled_download(tunnel: &Tunnel, site: &Site) -> Connection {
    let mut user = Connection::open(tunnel.proxy).expect("the proxy takes connections");
    user.send(request("GET", site, &format!("/bytes/{STALLED_BYTES}"), "")).unwrap();
    assert_eq!(user.read_head().expect("the answer begins").status(), 200);
    user
}

/// Reads the rest of it.
fn finish_download(user: Connection) {
    let received = payload::sha256_of(user.take(STALLED_BYTES)).expect("the rest of the answer");
    let whole = Payload::new(STALLED_BYTES, STALLED_BYTES);
    assert_eq!(received, (STALLED_BYTES, whole.sha256()));
}

/// An upload to a site that does not read, as far as it goes. Says how far.
fn stalled_upload(tunnel: &Tunnel, site: &Site) -> (Connection, u64) {
    let mut user = Connection::open(tunnel.proxy).expect("the proxy takes connections");
    let fields = format!("Content-Length: {STALLED_BYTES}\r\n");
    user.send(request("PUT", site, "/hold", &fields)).unwrap();
    user.stream().set_nonblocking(true).unwrap();
    let mut payload = Payload::new(1, STALLED_BYTES);
    let mut sent = 0;
    let mut piece = Vec::new();
    let mut last_move = Instant::now();
    wait::until("the upload to stand still", || {
        loop {
            if piece.is_empty() {
                piece.resize(64 * 1024, 0);
                let count = payload.read(&mut piece).expect("a payload can be read");
                assert!(count > 0, "nobody holds the upload back");
                piece.truncate(count);
            }
            match std::io::Write::write(&mut user.stream(), &piece) {
                Ok(count) => {
                    piece.drain(..count);
                    sent += count as u64;
                    last_move = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("the upload broke: {error}"),
            }
        }
        (last_move.elapsed() >= CALM).then_some(())
    });
    user.stream().set_nonblocking(false).unwrap();
    (user, sent)
}

/// Sends the rest of it and reads what the site made of the whole.
fn finish_upload(mut user: Connection, sent: u64) {
    let mut rest = Payload::new(1, STALLED_BYTES);
    std::io::copy(&mut rest.by_ref().take(sent), &mut std::io::sink()).unwrap();
    payload::send(rest, &mut user).expect("the rest of the upload");
    let answer = user.read_answer("PUT").expect("an answer");
    let whole = Payload::new(1, STALLED_BYTES).sha256();
    assert_eq!(answer.text(), format!("{STALLED_BYTES} {whole}\n"));
}
