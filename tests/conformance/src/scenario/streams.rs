//! Bytes of streams, and how streams end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::Verdict;
use crate::browser::{expect_echo, pattern, reach};
use crate::driver::Driver;
use crate::site::{self, abort, site};
use crate::tunnel::tunnel;

/// Bytes of a big transfer.
const BULK: usize = 8 * 1024 * 1024;

/// Word by word, so that each direction falls silent again and again.
pub(super) fn echo(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let mut stream = reach(server.proxy, site::echo());
    for number in 1..=200 {
        let word = pattern(number, number as usize);
        stream.write_all(&word).unwrap();
        let mut back = vec![0; word.len()];
        stream.read_exact(&mut back).unwrap();
        assert!(back == word, "word {number}");
    }
    expect_echo(&stream, &pattern(1, 100_000));
    Verdict::Passed
}

pub(super) fn bulk_up(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let (said, heard) = mpsc::channel();
    let taker = site(move |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        said.send(all).unwrap();
    });
    let mut stream = reach(server.proxy, taker);
    let bytes = pattern(2, BULK);
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(heard.recv().unwrap() == bytes);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the site's end comes after the last byte");
    Verdict::Passed
}

pub(super) fn bulk_down(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let giver = site(|mut stream| stream.write_all(&pattern(3, BULK)).unwrap());
    let mut all = Vec::new();
    reach(server.proxy, giver).read_to_end(&mut all).unwrap();
    assert!(all == pattern(3, BULK));
    Verdict::Passed
}

pub(super) fn bulk_both_ways(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    expect_echo(&reach(server.proxy, site::echo()), &pattern(4, BULK));
    Verdict::Passed
}

/// Each direction ends by itself, whichever is first.
pub(super) fn half_close(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let bytes = pattern(5, 300_000);
    let (said, heard) = mpsc::channel();
    let first_to_end = site(move |mut stream| {
        stream.write_all(b"welcome").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        said.send(all).unwrap();
    });
    let mut stream = reach(server.proxy, first_to_end);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "welcome");
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(heard.recv().unwrap() == bytes);

    let late = bytes.clone();
    let last_to_end = site(move |mut stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream.write_all(&late).unwrap();
    });
    let mut stream = reach(server.proxy, last_to_end);
    stream.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert!(all == bytes);
    Verdict::Passed
}

/// What a read says. One that a signal interrupts, as of a process that ends, is made again.
fn end_of(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    loop {
        match stream.read(&mut [0; 8]).map_err(|error| error.kind()) {
            Err(ErrorKind::Interrupted) => {}
            outcome => return outcome,
        }
    }
}

/// A reset of either side is one on the other, and not the end of data.
pub(super) fn reset(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let fails = site(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        abort(stream);
    });
    let mut stream = reach(server.proxy, fails);
    stream.write_all(b"x").unwrap();
    assert_eq!(end_of(&mut stream), Err(ErrorKind::ConnectionReset), "at the browser");

    let (said, heard) = mpsc::channel();
    let sees = site(move |mut stream| {
        stream.write_all(b"y").unwrap();
        said.send(end_of(&mut stream)).unwrap();
    });
    let mut stream = reach(server.proxy, sees);
    stream.read_exact(&mut [0]).unwrap();
    abort(stream);
    assert_eq!(heard.recv().unwrap(), Err(ErrorKind::ConnectionReset), "at the site");
    expect_echo(&reach(server.proxy, site::echo()), b"the tunnel goes on");
    Verdict::Passed
}

/// Who does not read stops nobody else, is not read ahead for without bound, and loses nothing.
pub(super) fn slow_reader(driver: &Driver) -> Verdict {
    const TOTAL: usize = 1024 * 1024 * 1024;
    let (server, _client) = tunnel(driver);
    let block = Arc::new(pattern(6, 1_000_003));
    let written = Arc::new(AtomicUsize::new(0));
    let endless = {
        let (block, written) = (Arc::clone(&block), Arc::clone(&written));
        site(move |mut stream| {
            while written.load(Ordering::Relaxed) < TOTAL {
                let begin = written.load(Ordering::Relaxed) % block.len();
                let end = block.len().min(begin + 4096);
                match stream.write(&block[begin..end]) {
                    Ok(n) => written.fetch_add(n, Ordering::Relaxed),
                    // The reader has gone.
                    Err(_) => return,
                };
            }
        })
    };
    let mut slow = reach(server.proxy, endless);
    let echo = site::echo();
    for number in 0..20 {
        expect_echo(&reach(server.proxy, echo), &pattern(number, 200_000));
    }
    let ahead = written.load(Ordering::Relaxed);
    assert!(ahead < 64 * 1024 * 1024, "{ahead} bytes were taken for one who reads nothing");
    let mut all = vec![0; ahead + 3_000_000];
    slow.read_exact(&mut all).unwrap();
    let expected = block.iter().cycle().take(all.len());
    assert!(all.iter().eq(expected), "what the slow one got at last");
    Verdict::PassedWith(format!("{} KiB ahead", ahead / 1024))
}

pub(super) fn side_by_side(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let echo = site::echo();
    let streams: Vec<_> = (0..500).map(|_| reach(server.proxy, echo)).collect();
    thread::scope(|scope| {
        for (number, stream) in (1..).zip(&streams) {
            scope.spawn(move || expect_echo(stream, &pattern(number, 20_000)));
        }
    });
    Verdict::Passed
}
