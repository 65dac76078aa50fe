//! What a proxy says, in pieces of any size: never a panic, and how it is cut changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::contract::{DialFailure, Target};
use sc_proto::egress::Way;
use sc_proto::upstream::{Handshake, Progress, forward};

const WAYS: [&str; 6] = [
    "proxy.test:1",
    "http://u:p@proxy.test:1",
    "socks5://proxy.test:1",
    "socks5://u:p@proxy.test:1",
    "socks4://proxy.test:1",
    "socks4://u@proxy.test:1",
];
const TARGETS: [&str; 3] = ["site.test:80", "10.0.0.1:443", "[::1]:8080"];

fuzz_target!(|input: &[u8]| {
    let [choice, cut, said @ ..] = input else { return };
    let way = Way::parse(WAYS[usize::from(*choice) % WAYS.len()]).unwrap();
    let target: Target =
        TARGETS[usize::from(*choice) / WAYS.len() % TARGETS.len()].parse().unwrap();
    let whole = hear(&way, &target, said, said.len());
    assert_eq!(whole, hear(&way, &target, said, usize::from(*cut)));
    if let Some(proxy) = way.proxy() {
        let _ = forward(said, &target, proxy);
    }
});

/// What comes of it, with all that followed.
fn hear(way: &Way, target: &Target, said: &[u8], size: usize) -> Result<Progress, DialFailure> {
    let mut shake = Handshake::begin(way, target).unwrap();
    let mut parts = said.chunks(size.max(1));
    while let Some(part) = parts.next() {
        let n = shake.to_send().len();
        shake.sent(n);
        if let Progress::Done(mut rest) = shake.receive(part)? {
            parts.for_each(|part| rest.extend(part));
            return Ok(Progress::Done(rest));
        }
        assert!(shake.held() <= 64 * 1024);
    }
    Ok(Progress::Pending)
}
