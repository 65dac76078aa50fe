//! What is malformed, hostile or silent is refused, dropped and logged once; nothing else notices.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::deployment::Tunnel;
use sc_tests::http::{self, Connection, Head};
use sc_tests::payload::{Digest, Payload};
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::tls;
use sc_tests::wait::{self, PATIENCE};

/// The corpus is shared with the unit tests of `sc-proto`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "it suits no_std too")]
mod corpus {
    include!("corpus/malformed_requests.rs");
}

static TUNNEL: Shared<Tunnel> = Shared::new(Tunnel::start);

/// The longest that a peer which never finishes its handshake may stay.
const DROPPED_WITHIN: Duration = Duration::from_secs(30);

/// How a peer breaks the rules of the tunnel port.
#[derive(Clone, Copy, Debug)]
enum Misbehaviour {
    Silence,
    PlainHttp,
    RandomBytes,
    HalfHello,
    NoAlpn,
    OtherAlpn,
    SilenceAfterTls,
    GarbageAfterTls,
}

const MISBEHAVIOURS: [Misbehaviour; 8] = [
    Misbehaviour::Silence,
    Misbehaviour::PlainHttp,
    Misbehaviour::RandomBytes,
    Misbehaviour::HalfHello,
    Misbehaviour::NoAlpn,
    Misbehaviour::OtherAlpn,
    Misbehaviour::SilenceAfterTls,
    Misbehaviour::GarbageAfterTls,
];

#[test]
fn strange_peers_on_the_tunnel_port_are_dropped_and_logged_once() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    // A transfer that runs all the while: one byte stream, confirmed part by part.
    let mut transfer = Connection::through(tunnel.proxy, &site.address().to_string()).unwrap();
    let mut parts = 0;
    transfer.send(format!("POST /parts HTTP/1.1\r\nHost: {}\r\n", site.address())).unwrap();
    transfer.send("Transfer-Encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(transfer.read_head().unwrap().status(), 200);
    let port = tunnel.server.tunnel_address();
    let peers = thread::scope(|scope| {
        let peers: Vec<_> = MISBEHAVIOURS
            .map(|how| scope.spawn(move || misbehave(port, how)))
            .into_iter()
            .collect();
        wait::until_within(DROPPED_WITHIN + PATIENCE, "all strange peers to be dropped", || {
            exchange_part(&mut transfer, parts);
            parts += 1;
            peers.iter().all(|peer| peer.is_finished()).then_some(())
        });
        peers.into_iter().map(|peer| peer.join().unwrap()).collect::<Vec<_>>()
    });
    exchange_part(&mut transfer, parts);
    for (how, peer) in MISBEHAVIOURS.iter().zip(peers) {
        let shown = peer.to_string();
        let process = &tunnel.server.process;
        wait::until(&format!("a log line about {how:?} from {shown}"), || {
            (process.count_lines(&shown) > 0).then_some(())
        });
        assert_eq!(process.count_lines(&shown), 1, "{how:?}\n{}", process.report());
    }
}

/// Sends one part and reads that the site has it.
fn exchange_part(transfer: &mut Connection, number: u64) {
    let line = format!("part {number:08}\n");
    transfer.send(format!("{:x}\r\n{line}\r\n", line.len())).unwrap();
    let expected = format!("{:x}\r\ngot {line}\r\n", line.len() + 4);
    let mut received = vec![0; expected.len()];
    transfer.read_exact(&mut received).expect("the transfer goes on");
    assert_eq!(String::from_utf8_lossy(&received), expected);
}

/// Breaks the rules and waits to be dropped. Returns the address it did so from.
fn misbehave(port: SocketAddr, how: Misbehaviour) -> SocketAddr {
    let mut stream = TcpStream::connect(port).unwrap();
    stream.set_read_timeout(Some(DROPPED_WITHIN + PATIENCE)).unwrap();
    let own = stream.local_addr().unwrap();
    let begin = Instant::now();
    let drain = |mut stream: TcpStream| {
        // A reset or an alert before the end is as good as the end.
        let _ = stream.read_to_end(&mut Vec::new());
    };
    match how {
        Misbehaviour::Silence => drain(stream),
        Misbehaviour::PlainHttp => {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            drain(stream);
        }
        Misbehaviour::RandomBytes => {
            // The peer may already have closed when the last of it goes.
            let _ = stream.write_all(&Payload::new(3, 100_000).bytes());
            drain(stream);
        }
        Misbehaviour::HalfHello => {
            let hello = tls::client_hello();
            stream.write_all(&hello[..hello.len() / 2]).unwrap();
            drain(stream);
        }
        Misbehaviour::NoAlpn => expect_no_session(stream, &[]),
        Misbehaviour::OtherAlpn => expect_no_session(stream, &[b"h2", b"http/1.1"]),
        Misbehaviour::SilenceAfterTls => {
            let mut stream = tls::shake_hands(stream, &[b"kgp/1"]).expect("TLS is in order");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        Misbehaviour::GarbageAfterTls => {
            let mut stream = tls::shake_hands(stream, &[b"kgp/1"]).expect("TLS is in order");
            let _ = stream.write_all(&Payload::new(4, 10_000).bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    let stayed = begin.elapsed();
    assert!(stayed <= DROPPED_WITHIN, "{how:?} stayed for {stayed:?}");
    own
}

/// Without the right protocol name the connection comes to nothing: in the handshake or at once
/// after it.
fn expect_no_session(stream: TcpStream, alpn: &[&[u8]]) {
    if let Ok(mut stream) = tls::shake_hands(stream, alpn) {
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received);
        assert!(received.is_empty(), "the server speaks to a peer without kgp/1: {received:?}");
    }
}

#[test]
fn malformed_requests_are_refused_and_never_forwarded() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let requests = corpus::malformed_requests();
    assert!(requests.len() >= 60, "{}", requests.len());
    for request in &requests {
        expect_refusal(&tunnel, request.name, &request.bytes, request.status);
        // A port makes this one well-formed.
        if request.name != "CONNECT without port" {
            let aimed = aimed_at(&site, &request.bytes);
            expect_refusal(&tunnel, request.name, &aimed, request.status);
        }
    }
    assert_eq!(site.received(""), [], "the site has got a request");
    // The proxy is as well as before.
    assert_eq!(http::get(tunnel.proxy, &site.url("/hello")).unwrap().status(), 200);
}

/// The same bytes towards a site that really listens, and a good request behind them that must
/// not get through either.
fn aimed_at(site: &Site, bytes: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"site.test";
    let address = site.address().to_string();
    let mut aimed = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(PLACE.len()).position(|part| part == PLACE) {
        aimed.extend_from_slice(&rest[..at]);
        aimed.extend_from_slice(address.as_bytes());
        rest = &rest[at + PLACE.len()..];
    }
    aimed.extend_from_slice(rest);
    let smuggled = format!("GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n", site.url("/smuggled"));
    aimed.extend_from_slice(smuggled.as_bytes());
    aimed
}

/// Exactly one answer with this status comes, then the end of the connection.
fn expect_refusal(tunnel: &Tunnel, name: &str, bytes: &[u8], status: u16) {
    let mut user = Connection::open(tunnel.proxy).unwrap();
    // The proxy may have refused and closed before the last byte is out.
    let _ = user.send(bytes);
    let answer = user.read_to_close().unwrap_or_else(|error| panic!("{name}: {error}"));
    let shown = String::from_utf8_lossy(&answer);
    let mut reader = answer.as_slice();
    let head = Head::read(&mut reader).ok().flatten();
    let head = head.unwrap_or_else(|| panic!("{name}: {shown:?}"));
    assert_eq!(head.status(), status, "{name}: {shown:?}");
    assert!(head.lists("Connection", "close"), "{name}: {shown:?}");
    let length = head.field("Content-Length").and_then(|text| text.parse().ok());
    assert_eq!(length, Some(reader.len()), "one answer and no more; {name}: {shown:?}");
}

#[test]
fn a_download_beside_all_that_is_whole() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let length = 16 * 1024 * 1024;
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let (url, host) = (site.url(&format!("/bytes/{length}")), site.address());
    user.send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    let mut digest = Digest::default();
    user.read_answer_into("GET", &mut digest).unwrap();
    assert_eq!(digest.finish(), (length, Payload::new(length, length).sha256()));
}
