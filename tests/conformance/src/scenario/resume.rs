//! The transport dies, the streams live.

use std::{iter, thread};

use sc_proto::Event;
use sc_proto::contract::TunnelEnd;

use super::Verdict;
use crate::browser::{expect_echo, pattern, reach};
use crate::driver::Driver;
use crate::link::Link;
use crate::site;
use crate::tunnel::{Client, SECRET, Server};

/// Resets of the transport while streams carry bytes both ways: nothing is lost, doubled or
/// reordered.
pub(super) fn cut_again_and_again(driver: &Driver) -> Verdict {
    const CUTS: [u64; 5] = [200_000, 900_000, 2_000_000, 2_100_000, 5_000_000];
    let server = Server::start(driver, 1);
    let link = Link::start(server.kgp, CUTS.to_vec());
    let client = Client::start(driver, link.address(), server.pin, SECRET);
    server.wait_up();
    client.wait_up();
    let echo = site::echo();
    let streams: Vec<_> = (0..4).map(|_| reach(server.proxy, echo)).collect();
    thread::scope(|scope| {
        for (number, stream) in (1..).zip(&streams) {
            scope.spawn(move || expect_echo(stream, &pattern(number, 1024 * 1024)));
        }
    });
    assert_eq!(link.cuts_left(), 0);
    client.drain();
    let told = iter::from_fn(|| Some(client.next_event())).take_while(|e| *e != Event::Stopped);
    let resumed = check(told);
    // A cut may come while the one before is being repaired, so not each is told.
    assert!((1..=CUTS.len()).contains(&resumed), "resumed {resumed} times");
    Verdict::Passed
}

/// Each interruption ends with the session going on. Says how many there were.
fn check(told: impl Iterator<Item = Event>) -> usize {
    let (mut interrupted, mut resumed) = (false, 0);
    for event in told {
        match event {
            Event::TunnelInterrupted { .. } if !interrupted => interrupted = true,
            Event::Reconnecting { .. } if interrupted => {}
            Event::TunnelResumed { .. } if interrupted => {
                interrupted = false;
                resumed += 1;
            }
            Event::TunnelDown { end: TunnelEnd::Local | TunnelEnd::PeerDrained, .. } => {}
            other => panic!("{other:?} after {resumed} outages"),
        }
    }
    resumed
}
