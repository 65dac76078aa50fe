//! How transports come in.

use sc_proto::contract::{ConnectFailure, TransportLoss, TunnelSecret};
use sc_proto::{Event, WorkerId};

use super::Verdict;
use crate::browser::{expect_echo, pattern, reach};
use crate::driver::{Driver, Workers};
use crate::site;
use crate::tunnel::{Client, SECRET, Server};

/// A wrong secret and a server that is not there are told to the embedder.
pub(super) fn refused_client(driver: &Driver) -> Verdict {
    let server = Server::start(driver, 1);
    let wrong = TunnelSecret::new([0; 32]);
    let event = Client::start(driver, server.kgp, server.pin, wrong).next_event();
    let refused = matches!(
        event,
        Event::ConnectFailed { failure: ConnectFailure::Transport(TransportLoss::Refused(_)), .. }
    );
    assert!(refused, "{event:?}");
    let (_, event) = server.next_event();
    assert!(matches!(event, Event::TransportDropped { .. }), "{event:?}");
    let (_held, closed) = crate::tiny::closed_port();
    let event = Client::start(driver, closed, server.pin, SECRET).next_event();
    let not_there = matches!(event, Event::ConnectFailed { failure: ConnectFailure::Dial(_), .. });
    assert!(not_there, "{event:?}");
    Verdict::Passed
}

/// The worker that accepts the transport is not the one where the tunnel lives.
pub(super) fn hand_over(driver: &Driver) -> Verdict {
    if driver.workers == Workers::One {
        return Verdict::NotForThis("it has one worker");
    }
    let server = Server::start(driver, 2);
    let client = Client::start(driver, server.kgp, server.pin, SECRET);
    let (worker, event) = server.next_event();
    assert!(matches!(event, Event::TunnelUp { .. }), "{event:?}");
    assert_eq!(worker, WorkerId(1));
    client.wait_up();
    expect_echo(&reach(server.proxy, site::echo()), &pattern(1, 1024 * 1024));
    Verdict::Passed
}
