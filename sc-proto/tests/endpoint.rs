//! A server's core and a client's core, browsers and sites: the whole way, without sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::contract::{
    ConnectFailure, ConnectionNumber, Refusal, Stop, TransportLoss, TunnelEnd, TunnelSecret,
};
use sc_proto::{Command, Event};
use world::traffic::{connect, pattern, transfer};
use world::{SECRET, TUNNEL, World};

#[test]
fn connect_carries_bytes_both_ways() {
    for seed in 1..6 {
        println!("seed {seed}");
        let (mut world, proxy) = World::tunnel(seed, |_| {});
        let (browser, site) = connect(&mut world, proxy);
        transfer(&mut world, browser, site, &pattern(3_000_000));
        transfer(&mut world, site, browser, &pattern(5_000_000));
        world.finish(browser);
        world.run();
        assert!(world.has_ended(site), "the half-close arrives");
        transfer(&mut world, site, browser, b"still open this way");
        world.finish(site);
        world.run();
        assert!(world.has_ended(browser));
        assert_eq!(world.cores[0].statistics().streams, 0);
    }
}

#[test]
fn a_reset_is_a_reset_on_the_other_side() {
    let (mut world, proxy) = World::tunnel(1, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    world.abort(site);
    world.run();
    assert!(world.was_reset(browser));
    let (browser, site) = connect(&mut world, proxy);
    world.abort(browser);
    world.run();
    assert!(world.was_reset(site));
}

#[test]
fn plain_http_keeps_the_browser_connection() {
    let (mut world, proxy) = World::tunnel(3, |_| {});
    let browser = world.browse(0, proxy).unwrap();
    for i in 0..3 {
        let request = format!("GET http://app.test/{i} HTTP/1.1\r\nHost: app.test\r\n\r\n");
        world.send(browser, request.as_bytes());
        world.run();
        let (target, site) = world.sites.pop_front().unwrap();
        assert_eq!(target, "app.test:80");
        let head = world.take_all(site);
        assert!(head.starts_with(&format!("GET /{i} HTTP/1.1\r\n")), "{head}");
        world.send(site, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        world.run();
        let answer = world.take_all(browser);
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
        assert!(world.has_ended(site), "the site's connection is done with");
    }
    assert!(!world.has_ended(browser));
}

#[test]
fn an_upload_and_a_download_by_plain_http() {
    let (mut world, proxy) = World::tunnel(4, |_| {});
    let browser = world.browse(0, proxy).unwrap();
    let body = pattern(2_000_000);
    let head = format!(
        "POST http://app.test/ HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    world.send(browser, head.as_bytes());
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    let head = world.take_all(site);
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    transfer(&mut world, browser, site, &body);
    world.send(site, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    world.run();
    let head = world.take_all(browser);
    assert!(head.contains("chunked"), "{head}");
    let mut chunked = Vec::new();
    for part in body.chunks(50_000) {
        chunked.extend(format!("{:x}\r\n", part.len()).bytes());
        chunked.extend(part);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    transfer(&mut world, site, browser, &chunked);
    assert!(!world.has_ended(browser));
}

#[test]
fn a_refused_dial_is_a_page() {
    let (mut world, proxy) = World::tunnel(5, |_| {});
    world.refusing = true;
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n");
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("dial-refused"), "{page}");
    assert!(!world.has_ended(browser), "the connection stays usable");
}

#[test]
fn without_a_client_there_is_a_page() {
    let mut world = World::new(1, |_| {});
    let proxy = world.add_tunnel(0);
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n\r\n");
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 503 ") && page.contains("tunnel-not-connected"), "{page}");
    assert!(world.has_ended(browser));
}

#[test]
fn a_stalled_reader_stops_its_own_stream_only() {
    let (mut world, proxy) = World::tunnel(6, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    // Far more than any window: it must not all be taken.
    world.send(site, &pattern(80_000_000));
    world.run();
    let (other_browser, other_site) = connect(&mut world, proxy);
    transfer(&mut world, other_site, other_browser, &pattern(10_000_000));
    let arrived = world.take(browser, usize::MAX).len();
    assert!(arrived <= world.capacity, "{arrived}");
}

#[test]
fn a_wrong_secret_is_refused_and_told() {
    let mut world = World::new(1, |_| {});
    world.add_tunnel(0);
    world.connect(TunnelSecret::new([1; 32]));
    world.run();
    let refused = TransportLoss::Refused(Refusal::Credentials);
    assert!(world.events.iter().any(|(id, event)| *id == 0
        && matches!(event, Event::TransportDropped { loss, .. } if *loss == refused)));
    let failure = ConnectFailure::Transport(refused);
    let (tunnel, connection) = (TUNNEL, ConnectionNumber::ONLY);
    let told = (1, Event::ConnectFailed { tunnel, connection, failure });
    assert!(world.events.contains(&told));
}

#[test]
fn silence_ends_a_handshake_by_its_deadline() {
    let mut world = World::new(1, |_| {});
    let peer = world.browse(0, world::KGP).unwrap();
    world.pass(Duration::from_secs(14));
    assert!(!world.has_ended(peer));
    world.pass(Duration::from_secs(2));
    assert!(world.has_ended(peer));
    assert!(world.events.iter().any(|(_, event)| matches!(
        event,
        Event::TransportDropped { loss: TransportLoss::HandshakeTimeout, .. }
    )));
}

#[test]
fn garbage_ends_a_handshake_at_once() {
    let mut world = World::new(1, |_| {});
    let peer = world.browse(0, world::KGP).unwrap();
    world.send(peer, b"GET / HTTP/1.1\r\n\r\n");
    world.run();
    assert!(!world.take(peer, 100).is_empty(), "an alert says why");
    assert!(world.has_ended(peer));
    let dropped = |event: &Event| {
        matches!(event, Event::TransportDropped { loss: TransportLoss::Tls(_), .. })
    };
    assert_eq!(world.events.iter().filter(|(_, event)| dropped(event)).count(), 1);
}

#[test]
fn a_transport_is_handed_to_the_worker_of_its_tunnel() {
    let mut world = World::with_server_workers(7, 3, |_| {});
    let proxy = world.add_tunnel(2);
    world.connect(SECRET);
    world.run();
    assert!(world.events.iter().any(|(id, e)| *id == 2 && matches!(e, Event::TunnelUp { .. })));
    let browser = world.browse(2, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    let _ = world.take_all(browser);
    transfer(&mut world, site, browser, &pattern(1_000_000));
}

#[test]
fn draining_lets_streams_finish() {
    let (mut world, proxy) = World::tunnel(8, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    let client = world.client();
    world.cores[client].command(Command::Stop(Stop::Drain), world.now);
    world.run();
    let late = world.browse(0, proxy).unwrap();
    world.send(late, b"CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n\r\n");
    world.run();
    assert!(world.take_all(late).starts_with("HTTP/1.1 503 "));
    transfer(&mut world, site, browser, &pattern(1_000_000));
    assert!(!world.events.contains(&(client, Event::Stopped)));
    world.finish(browser);
    world.finish(site);
    world.run();
    assert!(world.events.contains(&(client, Event::Stopped)), "{:?}", world.events);
    assert!(world.events.iter().any(|(id, event)| *id == 0
        && matches!(event, Event::TunnelDown { end: TunnelEnd::PeerDrained, .. })));
}

#[test]
fn a_drained_client_goes_when_its_sites_have_taken_everything() {
    for patience in [100, 400] {
        let (mut world, proxy) = World::tunnel(15, |_| {});
        let (browser, site) = connect(&mut world, proxy);
        let client = world.client();
        world.send(browser, &[5; 100_000]);
        world.finish(browser);
        world.finish(site);
        world.pass(Duration::from_secs(1));
        world.cores[client].command(Command::Stop(Stop::Drain), world.now);
        world.pass(Duration::from_secs(patience));
        let stopped = world.events.contains(&(client, Event::Stopped));
        assert_eq!(stopped, patience > 300, "there is a limit for a site that reads nothing");
        if !stopped {
            let mut got = 0;
            while !world.has_ended(site) {
                got += world.discard(site);
                world.run();
            }
            assert_eq!(got, 100_000);
            assert!(world.events.contains(&(client, Event::Stopped)));
        }
    }
}

#[test]
fn a_lost_client_fails_running_exchanges() {
    let (mut world, proxy) = World::tunnel(9, |_| {});
    let (raw, _site) = connect(&mut world, proxy);
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n");
    world.run();
    world.cores[0].command(Command::RemoveTunnel(TUNNEL), world.now);
    world.run();
    assert!(world.was_reset(raw));
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 ") || page.starts_with("HTTP/1.1 503 "), "{page}");
    let client = world.client();
    assert!(
        world.events.iter().any(|(id, e)| *id == client && matches!(e, Event::TunnelDown { .. }))
    );
}

#[test]
fn requests_wait_for_a_free_stream() {
    let (mut world, proxy) = World::tunnel(10, |config| config.kgp.max_streams = 2);
    let (first, _) = connect(&mut world, proxy);
    let _second = connect(&mut world, proxy);
    let third = world.browse(0, proxy).unwrap();
    world.send(third, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    assert!(world.sites.is_empty());
    world.abort(first);
    world.run();
    assert_eq!(world.sites.len(), 1);
    assert!(world.take_all(third).contains(" 200 "));
}

#[test]
fn a_quiet_tunnel_stays_up() {
    let (mut world, proxy) = World::tunnel(11, |_| {});
    world.pass(Duration::from_secs(600));
    let (browser, site) = connect(&mut world, proxy);
    transfer(&mut world, site, browser, b"hello");
}

#[test]
fn a_browser_that_reads_nothing_gets_one_answer_at_a_time() {
    let (mut world, proxy) = World::tunnel(12, |_| {});
    let browser = world.browse(0, proxy).unwrap();
    let requests = "GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n".repeat(20);
    world.send(browser, requests.as_bytes());
    world.run();
    let body = pattern(200_000);
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(&body);
    let (_, site) = world.sites.pop_front().unwrap();
    world.send(site, &answer);
    world.run();
    assert!(world.sites.is_empty(), "the second request waits until the first answer is read");
    let mut answers = 1;
    let mut got = Vec::new();
    loop {
        let some = world.take(browser, usize::MAX);
        world.run();
        while let Some((_, site)) = world.sites.pop_front() {
            world.send(site, &answer);
            world.run();
            answers += 1;
        }
        if some.is_empty() {
            break;
        }
        got.extend(some);
    }
    assert_eq!(answers, 20);
    assert_eq!(String::from_utf8_lossy(&got).matches("HTTP/1.1 200").count(), 20);
    assert!(got.len() > 20 * body.len());
}

#[test]
fn a_second_client_with_a_wrong_secret_does_not_disturb_the_first() {
    let (mut world, proxy) = World::tunnel(13, |_| {});
    world.connect(TunnelSecret::new([1; 32]));
    world.run();
    assert!(!world.events.iter().any(|(_, event)| matches!(event, Event::TunnelDown { .. })));
    let (browser, site) = connect(&mut world, proxy);
    transfer(&mut world, site, browser, b"still here");
}

#[test]
fn the_newest_client_wins() {
    let (mut world, proxy) = World::tunnel(14, |_| {});
    let (old, _) = connect(&mut world, proxy);
    world.connect(SECRET);
    world.run();
    assert!(world.was_reset(old));
    let (browser, site) = connect(&mut world, proxy);
    transfer(&mut world, site, browser, b"by the new one");
}

#[test]
fn a_drained_tunnel_ends_with_its_last_stream() {
    let (mut world, proxy) = World::tunnel(15, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    world.cores[0].command(Command::DrainTunnel(TUNNEL), world.now);
    world.run();
    let late = world.browse(0, proxy).unwrap();
    world.send(late, b"CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n\r\n");
    world.run();
    assert!(world.take_all(late).starts_with("HTTP/1.1 503 "));
    transfer(&mut world, site, browser, &pattern(300_000));
    let down = |event: &Event| matches!(event, Event::TunnelDown { .. });
    assert!(!world.events.iter().any(|(_, event)| down(event)));
    world.finish(browser);
    world.finish(site);
    world.run();
    assert_eq!(world.events.iter().filter(|(_, event)| down(event)).count(), 2);
}
