//! The resolver against servers that answer well, late, wrongly or not at all.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::println;

use domain::base::iana::{Class, Rcode};
use domain::base::message_builder::{AnswerBuilder, MessageBuilder};
use domain::base::{Message, Name, Rtype, Serial, Ttl};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa, Cname, Soa};

use super::*;
use crate::contract::DialFailure::{NameNotFound, NameServers, Resources};
use crate::random::Random;
use crate::time::Time;

type Octets = Array<2048>;
type Wire = Name<Array<255>>;
/// An answer that is none.
type Wrong<'a> = &'a dyn Fn(&Asked) -> Vec<u8>;

fn server(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 53))
}

fn settings(servers: u8, order: ServerOrder) -> Settings {
    let servers = (1..=servers).map(server).collect();
    Settings { servers, order, timeout: Duration::from_secs(5) }
}

fn millis(at: u64) -> Time {
    Time::ZERO.after(Duration::from_millis(at))
}

/// A resolver and the sockets it has open.
struct World {
    resolver: Resolver<u32>,
    open: BTreeMap<ExchangeId, (SocketAddr, Transport, Vec<u8>)>,
    answers: Vec<(u32, Answer)>,
    now: Time,
}

impl World {
    fn new(servers: u8) -> Self {
        Self::with(&settings(servers, ServerOrder::Listed))
    }

    fn with(settings: &Settings) -> Self {
        let resolver = Resolver::new(settings, [7; 32]);
        Self { resolver, open: BTreeMap::new(), answers: Vec::new(), now: Time::ZERO }
    }

    fn ask(&mut self, name: &str, waiter: u32) {
        self.resolver.ask(name, waiter, self.now);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.resolver.poll_action() {
            match action {
                Action::Open { exchange, server, transport, message } => {
                    let message = match transport {
                        Transport::Udp => message,
                        Transport::Tcp => {
                            assert_eq!(message[..2], (message.len() as u16 - 2).to_be_bytes());
                            message[2..].to_vec()
                        }
                    };
                    let opened = self.open.insert(exchange, (server, transport, message));
                    assert_eq!(opened, None, "an id is never used again");
                }
                Action::Close(exchange) => drop(self.open.remove(&exchange)),
            }
        }
        while let Some(answer) = self.resolver.poll_answer() {
            self.answers.push(answer);
        }
        assert!(self.open.len() <= 2 * 64);
    }

    /// Says something in an exchange, from its server.
    fn say(&mut self, id: ExchangeId, message: &[u8]) {
        let Some((from, transport, _)) = self.open.get(&id) else { return };
        let (from, bytes) = match transport {
            Transport::Udp => (*from, message.to_vec()),
            Transport::Tcp => (*from, [&(message.len() as u16).to_be_bytes(), message].concat()),
        };
        self.resolver.received(id, from, &bytes, self.now);
        self.carry_out();
    }

    /// Has every open exchange answered.
    fn answer_all(&mut self, answer: impl Fn(&Asked) -> Option<Vec<u8>>) {
        for (id, asked) in self.asked() {
            if let Some(message) = answer(&asked) {
                self.say(id, &message);
            }
        }
    }

    fn asked(&self) -> Vec<(ExchangeId, Asked)> {
        let read = |(id, (server, transport, message)): (&ExchangeId, &(_, _, Vec<u8>))| {
            (*id, Asked::read(*server, *transport, message))
        };
        self.open.iter().map(read).collect()
    }

    /// Lets time pass to the next deadline.
    fn wait(&mut self) {
        let at = self.resolver.next_deadline().expect("something is awaited");
        assert!(at > self.now);
        self.now = at;
        self.resolver.handle_timeout(at);
        self.carry_out();
    }

    fn take(&mut self) -> Vec<(u32, Answer)> {
        core::mem::take(&mut self.answers)
    }
}

/// A question as a server sees it.
struct Asked {
    server: SocketAddr,
    transport: Transport,
    message: Message<Octets>,
    name: String,
    family: Rtype,
}

impl Asked {
    fn read(server: SocketAddr, transport: Transport, bytes: &[u8]) -> Self {
        let message = Message::from_octets(Octets::try_from(bytes).unwrap()).unwrap();
        let question = message.sole_question().unwrap();
        assert_eq!(question.qclass(), Class::IN);
        assert!(message.header().rd());
        let (name, family) = (question.qname().to_string(), question.qtype());
        Self { server, transport, message, name, family }
    }

    fn reply(&self, rcode: Rcode) -> AnswerBuilder<Octets> {
        MessageBuilder::from_target(Octets::new())
            .unwrap()
            .start_answer(&self.message, rcode)
            .unwrap()
    }

    /// An answer with these records: `name type seconds value`.
    fn records(&self, records: &[&str]) -> Vec<u8> {
        let mut reply = self.reply(Rcode::NOERROR);
        for record in records {
            push(&mut reply, record);
        }
        reply.finish().as_ref().to_vec()
    }

    /// An answer for a name that has these addresses.
    fn addresses(&self, v4: &str, v6: &str, seconds: u32) -> Vec<u8> {
        let (kind, value) = match self.family {
            Rtype::A => ("A", v4),
            _ => ("AAAA", v6),
        };
        match value {
            "" => self.absent(Rcode::NOERROR, Some(seconds)),
            value => self.records(&[&format!("{} {kind} {seconds} {value}", self.name)]),
        }
    }

    fn absent(&self, rcode: Rcode, seconds: Option<u32>) -> Vec<u8> {
        let mut authority = self.reply(rcode).authority();
        if let Some(seconds) = seconds {
            let (name, ttl) = (wire("test"), Ttl::from_secs(seconds));
            let time = Ttl::from_secs(86_400);
            let soa = Soa::new(name.clone(), name.clone(), Serial(1), time, time, time, ttl);
            authority.push((name, Class::IN, Ttl::from_secs(86_400), soa)).unwrap();
        }
        authority.finish().as_ref().to_vec()
    }

    fn truncated(&self) -> Vec<u8> {
        let mut reply = self.reply(Rcode::NOERROR);
        reply.header_mut().set_tc(true);
        reply.finish().as_ref().to_vec()
    }
}

fn wire(name: &str) -> Wire {
    name.parse().unwrap()
}

fn push(reply: &mut AnswerBuilder<Octets>, record: &str) {
    let words: Vec<&str> = record.split(' ').collect();
    let [name, kind, seconds, value] = words[..] else { panic!("{record}") };
    let (name, ttl) = (wire(name), Ttl::from_secs(seconds.parse().unwrap()));
    match kind {
        "A" => reply.push((name, Class::IN, ttl, A::new(value.parse().unwrap()))),
        "AAAA" => reply.push((name, Class::IN, ttl, Aaaa::new(value.parse().unwrap()))),
        "CNAME" => reply.push((name, Class::IN, ttl, Cname::new(wire(value)))),
        _ => panic!("{record}"),
    }
    .unwrap();
}

fn ips(list: &[&str]) -> Answer {
    Ok(list.iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect())
}

#[test]
fn both_families_are_asked_and_kept_for_their_time() {
    let mut world = World::new(1);
    world.ask("App.Test.", 1);
    let asked = world.asked();
    let kinds: Vec<_> = asked.iter().map(|(_, asked)| asked.family).collect();
    assert_eq!(kinds, [Rtype::AAAA, Rtype::A]);
    assert!(asked.iter().all(|(_, asked)| asked.name == "app.test"));
    world.answer_all(|asked| Some(asked.addresses("10.1.1.1", "fd00::1", 60)));
    assert_eq!(world.take(), [(1, ips(&["fd00::1", "10.1.1.1"]))]);
    world.now = millis(59_999);
    world.ask("app.test", 2);
    assert_eq!(world.take(), [(2, ips(&["fd00::1", "10.1.1.1"]))]);
    assert!(world.open.is_empty());
    world.now = millis(60_000);
    world.ask("app.test", 3);
    assert_eq!((world.take().len(), world.open.len()), (0, 2));
}

#[test]
fn one_name_is_asked_once_for_all_who_wait() {
    let mut world = World::new(1);
    for waiter in 0..100 {
        world.ask("app.test", waiter);
    }
    assert_eq!(world.open.len(), 2);
    world.answer_all(|asked| Some(asked.addresses("10.1.1.1", "", 60)));
    let answers = world.take();
    assert!(answers.iter().enumerate().all(|(n, (waiter, _))| n as u32 == *waiter));
    assert!(answers.iter().all(|(_, answer)| *answer == ips(&["10.1.1.1"])));
    assert_eq!((answers.len(), world.resolver.waiting()), (100, 0));
}

#[test]
fn absence_is_kept_for_as_long_as_the_zone_says() {
    for (rcode, seconds, kept) in [
        (Rcode::NXDOMAIN, Some(30), true),
        (Rcode::NOERROR, Some(30), true),
        (Rcode::NXDOMAIN, None, false),
    ] {
        let mut world = World::new(1);
        world.ask("none.test", 1);
        world.answer_all(|asked| Some(asked.absent(rcode, seconds)));
        assert_eq!(world.take(), [(1, Err(NameNotFound))]);
        world.now = millis(29_000);
        world.ask("none.test", 2);
        assert_eq!(world.open.is_empty(), kept, "{rcode}");
        world.now = millis(30_000);
        world.ask("none.test", 3);
        assert_eq!(world.open.len(), 2);
    }
}

#[test]
fn the_next_server_is_asked_when_one_is_silent_refused_or_unable() {
    // Silence: 5 s each.
    let mut world = World::new(3);
    world.ask("app.test", 1);
    world.wait();
    assert_eq!(world.now, millis(5_000));
    assert!(world.asked().iter().all(|(_, asked)| asked.server == server(2)));
    // A closed port is known at once.
    for (id, _) in world.asked() {
        world.resolver.failed(id, world.now);
    }
    world.carry_out();
    assert!(world.asked().iter().all(|(_, asked)| asked.server == server(3)));
    world.answer_all(|asked| Some(asked.addresses("10.1.1.1", "", 0)));
    assert_eq!(world.take(), [(1, ips(&["10.1.1.1"]))]);
    // The two rest now.
    world.ask("other.test", 2);
    assert!(world.asked().iter().all(|(_, asked)| asked.server == server(3)));
    for code in [Rcode::SERVFAIL, Rcode::REFUSED] {
        world.answer_all(|asked| Some(asked.absent(code, None)));
    }
    assert!(world.asked().iter().all(|(_, asked)| asked.server == server(2)));
    world.wait();
    assert_eq!(world.take(), [(2, Err(NameServers))]);
    assert!(world.open.is_empty() && world.resolver.next_deadline().is_none());
}

#[test]
fn round_robin_begins_each_name_at_the_next_server() {
    let mut world = World::with(&settings(3, ServerOrder::RoundRobin));
    let mut counts: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for n in 0..30 {
        world.ask(&format!("{n}.test"), n);
        for (_, asked) in world.asked() {
            *counts.entry(asked.server).or_default() += 1;
        }
        world.answer_all(|asked| Some(asked.addresses("10.1.1.1", "", 60)));
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [20, 20, 20]);
}

#[test]
fn the_hosts_file_and_localhost_come_first() {
    let mut world = World::new(1);
    world.resolver.set_hosts(Hosts::parse("10.9.9.9 app.test # x\nfd00::9\tApp.Test\nno x.test\n"));
    world.ask("APP.test", 1);
    world.ask("app.localhost", 2);
    assert_eq!(world.take(), [(1, ips(&["10.9.9.9", "fd00::9"])), (2, ips(&["::1", "127.0.0.1"]))]);
    assert!(world.open.is_empty());
    world.resolver.set_hosts(Hosts::default());
    world.ask("app.test", 3);
    assert_eq!(world.open.len(), 2);
}

#[test]
fn loopback_names_of_a_hosts_file() {
    let hosts = Hosts::parse(
        "# comment 127.0.0.1 no\n127.0.0.1 localhost App.TEST # office\n10.0.0.1\tintranet.test\n\
         ::1 ip6-localhost app6.test\n127.0.1.1\n\n127.0.0.2 bad/name ok.test\nnot-an-address x.test\n",
    );
    let names: Vec<_> = hosts.loopback_names().collect();
    assert_eq!(names, ["app.test", "app6.test", "ip6-localhost", "localhost", "ok.test"]);
}

#[test]
fn aliases_are_followed_within_an_answer_and_beyond() {
    let chain = |asked: &Asked| {
        Some(match (asked.family, asked.name.as_str()) {
            (Rtype::A, _) => asked.records(&[
                "b.test A 90 10.1.1.1",
                "www.test CNAME 50 a.test",
                "a.test CNAME 70 B.test",
                "stranger.test A 5 10.6.6.6",
                "b.test A 80 10.1.1.2",
            ]),
            // This server does not follow.
            (_, "www.test") => asked.records(&["www.test CNAME 50 far.test"]),
            (_, "far.test") => asked.records(&["far.test AAAA 40 fd00::1"]),
            (_, other) => panic!("{other}"),
        })
    };
    let mut world = World::new(1);
    world.ask("www.test", 1);
    world.answer_all(chain);
    world.answer_all(chain);
    assert_eq!(world.take(), [(1, ips(&["fd00::1", "10.1.1.1", "10.1.1.2"]))]);
    world.now = millis(39_999);
    world.ask("www.test", 2);
    assert_eq!(world.take().len(), 1);
    world.now = millis(40_000);
    world.ask("www.test", 3);
    assert_eq!(world.take().len(), 0);
}

#[test]
fn aliases_in_a_circle_end() {
    let mut world = World::new(1);
    world.ask("a.test", 1);
    world.answer_all(|asked| {
        Some(asked.records(&["a.test CNAME 50 b.test", "b.test CNAME 50 a.test"]))
    });
    assert_eq!(world.take(), [(1, Err(NameServers))]);
    world.ask("0.test", 2);
    for n in 0..20 {
        world.answer_all(|asked| {
            Some(asked.records(&[&format!("{} CNAME 50 {}.test", asked.name, n + 1)]))
        });
    }
    assert_eq!(world.take(), [(2, Err(NameServers))]);
}

#[test]
fn a_truncated_answer_comes_by_tcp_in_any_pieces() {
    let mut world = World::new(1);
    world.ask("big.test", 1);
    world.answer_all(|asked| Some(asked.truncated()));
    let asked = world.asked();
    assert!(asked.iter().all(|(_, asked)| asked.transport == Transport::Tcp));
    for (id, asked) in asked {
        let message = asked.addresses("10.1.1.1", "fd00::1", 60);
        let bytes = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
        for byte in bytes {
            world.resolver.received(id, asked.server, &[byte], world.now);
        }
    }
    world.carry_out();
    assert_eq!(world.take(), [(1, ips(&["fd00::1", "10.1.1.1"]))]);
}

#[test]
fn what_does_not_answer_the_question_is_passed_over_and_then_asked_by_tcp() {
    let good = |asked: &Asked| asked.addresses("10.1.1.1", "", 60);
    let wrong: [Wrong<'_>; 5] = [
        // Another id.
        &|asked| {
            let mut message = good(asked);
            message[0] ^= 1;
            message
        },
        // A question instead of an answer.
        &|asked| {
            let mut message = good(asked);
            message[2] &= 0x7f;
            message
        },
        // Another question.
        &|asked| Asked::read(asked.server, asked.transport, &renamed(asked)).records(&[]),
        &|_| Vec::new(),
        &|_| vec![0xff; 600],
    ];
    for wrong in wrong {
        let mut world = World::new(1);
        world.ask("app.test", 1);
        world.answer_all(|asked| Some(wrong(asked)));
        assert_eq!((world.take().len(), world.open.len()), (0, 2));
        world.answer_all(|asked| Some(good(asked)));
        assert_eq!(world.take(), [(1, ips(&["10.1.1.1"]))]);
    }
    // From elsewhere.
    let mut world = World::new(1);
    world.ask("app.test", 1);
    for _ in 0..9 {
        for (id, asked) in world.asked() {
            world.resolver.received(id, server(9), &good(&asked), world.now);
        }
        world.carry_out();
    }
    assert_eq!(world.take(), []);
    assert!(world.asked().iter().all(|(_, asked)| asked.transport == Transport::Tcp));
}

fn renamed(asked: &Asked) -> Vec<u8> {
    let mut builder = MessageBuilder::from_target(Octets::new()).unwrap().question();
    builder.header_mut().set_id(asked.message.header().id());
    builder.header_mut().set_rd(true);
    builder.push((wire("other.test"), asked.family)).unwrap();
    builder.finish().as_ref().to_vec()
}

#[test]
fn a_family_that_never_answers_holds_nothing_up() {
    let mut world = World::new(2);
    world.ask("app.test", 1);
    world.answer_all(|asked| {
        (asked.family == Rtype::A).then(|| asked.addresses("10.1.1.1", "", 60))
    });
    assert_eq!(world.take(), []);
    world.wait();
    assert_eq!(world.now, millis(300));
    assert_eq!(world.take(), [(1, ips(&["10.1.1.1"]))]);
    // Known by half, so not for long.
    world.now = millis(10_300);
    world.ask("app.test", 2);
    assert_eq!(world.open.len(), 2);
}

#[test]
fn names_that_cannot_be_are_not_asked_for() {
    let mut world = World::new(1);
    let long = format!("{}.test", "a".repeat(64));
    let longer = format!("{}test", "abcdefghi.".repeat(26));
    for name in ["", ".", "a..b", "a b", "a\\000", "ü.test", long.as_str(), longer.as_str()] {
        world.ask(name, 1);
        assert_eq!(world.take(), [(1, Err(NameNotFound))], "{name}");
        assert!(world.open.is_empty());
    }
    let longest = format!("{}.test", vec!["a".repeat(61); 4].join("."));
    assert_eq!(longest.len(), 252);
    world.ask(&longest, 1);
    assert_eq!(world.open.len(), 2);
    // No server at all.
    let mut world = World::new(0);
    world.ask("app.test", 1);
    assert_eq!(world.take(), [(1, Err(NameServers))]);
}

#[test]
fn what_is_asked_at_once_is_bounded() {
    let mut world = World::new(1);
    for n in 0..5_000 {
        world.ask(&format!("{n}.test"), n);
    }
    assert_eq!((world.open.len(), world.resolver.waiting()), (128, 4096));
    let refused = world.take();
    assert_eq!(refused.len(), 5_000 - 4_096);
    assert!(refused.iter().all(|(_, answer)| *answer == Err(Resources)));
    let mut answered = 0;
    while world.resolver.waiting() > 0 {
        world.answer_all(|asked| Some(asked.addresses("10.1.1.1", "", 60)));
        answered += world.take().len();
    }
    assert_eq!(answered, 4_096);
}

/// Servers that answer well, late, wrongly, twice, in pieces or not at all: everybody who asks gets
/// one answer, in bounded time, and it is what an honest server said.
#[test]
fn lossy_and_hostile_servers() {
    for seed in 0..200_u8 {
        println!("seed {seed}");
        let mut random = Random::new([seed; 32]);
        let mut below = |n: u64| random.number() % n;
        let order = [ServerOrder::Listed, ServerOrder::RoundRobin][usize::from(seed % 2)];
        let mut world = World::with(&settings(1 + seed % 4, order));
        let mut heard = BTreeMap::new();
        for waiter in 0..60_u32 {
            world.ask(&format!("{}.test", below(20)), waiter);
            for (id, asked) in world.asked() {
                let good = asked.addresses("10.1.1.1", "fd00::1", below(3) as u32);
                match below(10) {
                    0..=3 => world.say(id, &good),
                    4 => world.say(id, &asked.truncated()),
                    5 => world.say(id, &asked.absent(Rcode::SERVFAIL, None)),
                    6 => world.resolver.failed(id, world.now),
                    7 => {
                        let mut bad = good.clone();
                        for _ in 0..=below(4) {
                            let at = below(bad.len() as u64) as usize;
                            // The addresses themselves are not signed.
                            let is_value = at >= bad.len() - 16;
                            bad[at] ^= if is_value { 0 } else { 1 << below(8) };
                        }
                        bad.truncate(below(bad.len() as u64 * 4) as usize);
                        world.say(id, &bad);
                    }
                    _ => {}
                }
            }
            world.carry_out();
            if below(3) == 0 && world.resolver.next_deadline().is_some() {
                world.wait();
            }
        }
        let begin = world.now;
        while world.resolver.waiting() > 0 {
            world.wait();
        }
        assert!(world.now.since(begin) <= Duration::from_secs(5 * 4 * 10));
        for (waiter, answer) in world.take() {
            assert!(heard.insert(waiter, ()).is_none(), "one answer each");
            if let Ok(found) = answer {
                assert!(!found.is_empty() && found.len() <= 2 * MAX_ADDRESSES);
            }
        }
        assert_eq!(heard.len(), 60);
        assert!(world.open.is_empty() && world.resolver.next_deadline().is_none());
    }
}
