//! Dialling: names, and each way it can fail.

use std::time::Instant;

use super::Verdict;
use crate::browser::{connect, expect_echo, reach};
use crate::driver::Driver;
use crate::site;
use crate::tiny::closed_port;
use crate::tunnel::{DIAL_TIMEOUT, tunnel};

/// Each typed outcome that can be made without a packet that leaves this machine. Two others have
/// scenarios of their own: out of descriptors, and draining.
pub(super) fn failures(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let (_held, closed) = closed_port();
    let (_queue, silent) = site::silent();
    let begin = Instant::now();
    for (target, status, error) in [
        (closed.to_string(), 502, "dial-refused"),
        // TCP to a multicast address: the kernel has no route, whatever the network.
        ("224.0.0.1:80".to_owned(), 502, "dial-unreachable"),
        // A label does not begin with a hyphen: the resolver asks nobody.
        ("-no-name.invalid:80".to_owned(), 502, "name-not-found"),
        (silent.to_string(), 504, "dial-timeout"),
    ] {
        let answer = connect(server.proxy, &target);
        assert_eq!((answer.status, answer.error.as_str()), (status, error), "{target}");
    }
    assert!(begin.elapsed() >= DIAL_TIMEOUT, "the timeout came before its time");
    expect_echo(&reach(server.proxy, site::echo()), b"the tunnel goes on");
    Verdict::Passed
}

/// The client resolves, and tries the addresses one after the other: the site has IPv4 alone.
pub(super) fn names(driver: &Driver) -> Verdict {
    let (server, _client) = tunnel(driver);
    let answer = connect(server.proxy, &format!("localhost:{}", site::echo().port()));
    assert_eq!(answer.status, 200, "{}", answer.error);
    expect_echo(&answer.stream, b"hello");
    Verdict::Passed
}
