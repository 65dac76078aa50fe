//! Answers of name servers: any bytes behind a header and a question that fit, in pieces of any size,
//! and bytes that fit nothing. Everybody who asks gets one answer, and nothing grows.
#![no_main]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sc_proto::Time;
use sc_proto::dns::{
    Action, ExchangeId, Hosts, MAX_ADDRESSES, Resolver, ServerOrder, Settings, Transport,
};

const NAMES: [&str; 4] = ["app.test", "www.app.test", "a", "none.test"];

fuzz_target!(|input: &[u8]| {
    let _ = Hosts::parse(&String::from_utf8_lossy(input));
    let servers = [1, 2].map(|n| SocketAddr::from(([10, 0, 0, n], 53)));
    let settings = Settings {
        servers: servers.to_vec(),
        order: ServerOrder::RoundRobin,
        timeout: Duration::from_secs(5),
    };
    let mut resolver = Resolver::new(&settings, [1; 32]);
    let mut open: BTreeMap<ExchangeId, (SocketAddr, Transport, Vec<u8>)> = BTreeMap::new();
    let (mut now, mut asked, mut answered) = (Time::ZERO, 0, 0);
    let mut rest = input;
    while let [order, length, more @ ..] = rest {
        let (part, after) = more.split_at(usize::from(*length).min(more.len()));
        rest = after;
        match order % 8 {
            0 => {
                resolver.ask(NAMES[usize::from(*length) % NAMES.len()], (), now);
                asked += 1;
            }
            1 => {
                if let Some(at) = resolver.next_deadline() {
                    assert!(at > now);
                    now = at;
                    resolver.handle_timeout(now);
                }
            }
            2 => {
                if let Some(id) = open.keys().next().copied() {
                    resolver.failed(id, now);
                }
            }
            _ => say(&mut resolver, &open, *order, part, now),
        }
        answered += carry_out(&mut resolver, &mut open);
        assert!(open.len() <= 2 * NAMES.len());
    }
    for _ in 0..100 {
        let Some(at) = resolver.next_deadline() else { break };
        now = at;
        resolver.handle_timeout(now);
        answered += carry_out(&mut resolver, &mut open);
    }
    assert_eq!((asked, resolver.waiting(), open.len()), (answered, 0, 0));
});

/// Has a server say something in one of the exchanges.
fn say(
    resolver: &mut Resolver<()>,
    open: &BTreeMap<ExchangeId, (SocketAddr, Transport, Vec<u8>)>,
    order: u8,
    part: &[u8],
    now: Time,
) {
    let place = usize::from(order / 8) % open.len().max(1);
    let Some((id, (server, transport, message))) = open.iter().nth(place) else { return };
    let question = match transport {
        Transport::Udp => message.as_slice(),
        Transport::Tcp => &message[2..],
    };
    let mut bytes = match (order % 8, part) {
        // The header's flags and counts are the input's, its id and the question fit.
        (3..=6, [flags, code, answers, authority, records @ ..]) => {
            let mut bytes = question.to_vec();
            bytes[2] = flags | 0x80;
            bytes[3] = *code;
            bytes[7] = *answers;
            bytes[9] = *authority;
            bytes.extend_from_slice(records);
            bytes
        }
        _ => part.to_vec(),
    };
    if *transport == Transport::Tcp {
        bytes = [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
    }
    let size = if order & 0x80 == 0 { bytes.len().max(1) } else { 3 };
    for piece in bytes.chunks(size) {
        resolver.received(*id, *server, piece, now);
        if *transport == Transport::Udp {
            break;
        }
    }
}

fn carry_out(
    resolver: &mut Resolver<()>,
    open: &mut BTreeMap<ExchangeId, (SocketAddr, Transport, Vec<u8>)>,
) -> usize {
    while let Some(action) = resolver.poll_action() {
        match action {
            Action::Open { exchange, server, transport, message } => {
                open.insert(exchange, (server, transport, message));
            }
            Action::Close(exchange) => drop(open.remove(&exchange)),
        }
    }
    std::iter::from_fn(|| resolver.poll_answer())
        .map(|((), answer)| {
            if let Ok(found) = answer {
                assert!((1..=2 * MAX_ADDRESSES).contains(&found.len()));
            }
        })
        .count()
}
