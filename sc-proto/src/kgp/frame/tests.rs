use std::format;
use std::string::{String, ToString as _};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::contract::{
    ClientId, ConnectionNumber, ResumeSecret, SessionId, TunnelId, TunnelSecret,
};
use crate::kgp::handshake::Parameters;

const DOCUMENT: &str = include_str!("../../../../docs/kgp.md");

/// The lines of the fenced block of this kind in `docs/kgp.md`, as name and the rest.
fn vectors(kind: &str) -> Vec<(&'static str, &'static str)> {
    let fence = format!("```{kind}\n");
    let begin = DOCUMENT.find(&fence).unwrap() + fence.len();
    let block = &DOCUMENT[begin..];
    block[..block.find("```").unwrap()].lines().map(|line| line.split_once(": ").unwrap()).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap())
        .collect()
}

fn to_bytes(frame: &Frame<'_>) -> Vec<u8> {
    match frame {
        Frame::Data { stream, payload } => {
            let mut out = vec![0; HEADER];
            put_header(&mut out, FrameType::Data, payload.len(), stream.get());
            out.extend_from_slice(payload);
            out
        }
        other => other.encode().as_slice().to_vec(),
    }
}

fn id(number: u64) -> StreamId {
    StreamId::new(number).unwrap()
}

fn open(number: u64, kind: StreamKind, window: u32, target: &str) -> Frame<'static> {
    let target = target.parse().unwrap();
    let open = Open { kind, window, target };
    let stream = id(number);
    Frame::Open { stream, open }
}

/// What `docs/kgp.md` says about each of its vectors.
fn described() -> Vec<(&'static str, Frame<'static>)> {
    let parameters = Parameters {
        max_streams: 16_384,
        initial_window: 4096,
        max_data: u16::MAX,
        keepalive_ms: 2000,
    };
    let hello = Hello {
        version: 1,
        tunnel: TunnelId(core::array::from_fn(|i| i as u8)),
        secret: TunnelSecret::new(core::array::from_fn(|i| 0x80 + i as u8)),
        parameters,
        client: ClientId(core::array::from_fn(|i| 0xc0 + i as u8)),
        connection: ConnectionNumber::new(1, 4).unwrap(),
    };
    let welcome = Welcome {
        version: 1,
        session: SessionId(core::array::from_fn(|i| 0xf0 + i as u8)),
        secret: ResumeSecret::new(core::array::from_fn(|i| 0xa0 + i as u8)),
        parameters,
    };
    let resume = Resume {
        version: 1,
        tunnel: hello.tunnel,
        session: welcome.session,
        secret: welcome.secret.clone(),
        received: 1_000_000,
        connection: hello.connection,
    };
    let token = 0x0102_0304_0506_0708;
    let (stream, window) = (id(2), 262_144);
    vec![
        ("HELLO", Frame::Hello(hello)),
        ("WELCOME", Frame::Welcome(welcome)),
        ("REFUSED", Frame::Refused(Refusal::Credentials)),
        ("ACK", Frame::Ack { received: 1_000_000 }),
        ("PING", Frame::Ping { token }),
        ("PONG", Frame::Pong { token }),
        ("CREDIT", Frame::Credit { stream, limit: 262_144 }),
        ("RESUME", Frame::Resume(resume)),
        ("RESUMED", Frame::Resumed { received: 2_000_000 }),
        ("OPEN name", open(2, StreamKind::Connect, window, "app.test:443")),
        ("OPEN IPv4", open(4, StreamKind::Http, 4096, "192.0.2.1:80")),
        ("OPEN https", open(6, StreamKind::Https, window, "app.test:443")),
        ("OPEN IPv6", open(StreamId::MAX, StreamKind::Connect, 0, "[2001:db8::1]:8080")),
        ("OPENED", Frame::Opened { stream, window }),
        ("OPEN_FAILED", Frame::OpenFailed { stream, failure: DialFailure::NameNotFound }),
        ("DATA", Frame::Data { stream, payload: b"hello" }),
        ("FIN", Frame::Fin { stream }),
        ("RESET", Frame::Reset { stream, reason: ResetReason::Cancelled }),
        ("GOAWAY", Frame::GoAway),
    ]
}

#[test]
fn the_document_has_the_bytes_of_this_codec() {
    let vectors = vectors("vectors");
    let described = described();
    assert_eq!(vectors.len(), described.len());
    for ((name, text), (expected, frame)) in vectors.into_iter().zip(described) {
        assert_eq!(name, expected);
        let bytes = from_hex(text);
        assert_eq!(to_bytes(&frame), bytes, "{name}");
        let whole = Ok(Some((frame, bytes.len())));
        assert_eq!(Frame::decode(&bytes), whole, "{name}");
        assert_eq!(frame_length(&bytes), bytes.len(), "{name}");
        for cut in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..cut]), Ok(None), "{name} {cut}");
        }
    }
}

#[test]
fn what_the_document_refuses_is_refused() {
    let vectors = vectors("bad-vectors");
    assert!(vectors.len() >= 25);
    for (name, line) in vectors {
        let (text, error) = line.split_once(" = ").unwrap();
        let bytes = from_hex(text);
        let refused = Frame::decode(&bytes).unwrap_err();
        let expected = format!("{error}({})", bytes[0]);
        assert_eq!(format!("{refused:?}"), expected, "{name}");
    }
}

/// The table of part 3 of the document, against the codec.
#[test]
fn the_document_has_the_types_and_lengths_of_this_codec() {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `0x"));
    let mut known = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let byte = from_hex(cells[1].trim_matches('`').trim_start_matches("0x"))[0];
        let kind = FrameType::from_byte(byte).unwrap();
        let name = format!("{kind:?}").to_uppercase();
        assert_eq!(cells[2].replace('_', ""), name);
        let number = |text: &str| text.replace(',', "").parse::<usize>().unwrap();
        let (least, most) = match cells[3].split_once(" to ") {
            Some((least, most)) => (number(least), number(most)),
            None => (number(cells[3]), number(cells[3])),
        };
        for length in 0..=MAX_PAYLOAD {
            let fits = (least..=most).contains(&length);
            assert_eq!(check_length(kind, length).is_ok(), fits, "{row} {length}");
        }
        assert_eq!(of_a_stream(kind), cells[4] == "id", "{row}");
        assert_eq!(kind.is_reliable(), byte >= 0x40, "{row}");
        known.push(byte);
    }
    let all = (0..=u8::MAX).filter(|byte| FrameType::from_byte(*byte).is_ok());
    assert_eq!(known, all.collect::<Vec<_>>());
}

#[test]
fn later_versions_may_say_more_in_the_handshake() {
    let grows = |name: &str| ["HELLO", "WELCOME", "RESUME"].contains(&name);
    for (_, frame) in described().into_iter().filter(|(name, _)| grows(name)) {
        let mut bytes = to_bytes(&frame);
        bytes.resize(HEADER + 512, 0xee);
        bytes[1..3].copy_from_slice(&512_u16.to_be_bytes());
        assert_eq!(Frame::decode(&bytes), Ok(Some((frame, HEADER + 512))));
    }
}

#[test]
fn no_secret_is_shown() {
    for (name, frame) in described() {
        let shown = format!("{frame:?} {:?}", frame.encode());
        for secret in ["8081", "128, 129", "80, 81", "a0a1", "160, 161", "a0, a1"] {
            assert!(!shown.contains(secret), "{name}: {shown}");
        }
    }
}

fn any_target() -> impl Strategy<Value = Target> {
    let host = prop_oneof![
        "[a-z_]([a-z0-9_-]{0,20}\\.){0,5}[a-z0-9-]{1,20}",
        any::<[u8; 4]>().prop_map(|ip| Ipv4Addr::from(ip).to_string()),
        any::<[u8; 16]>().prop_map(|ip| format!("[{}]", Ipv6Addr::from(ip))),
    ];
    (host, 1..=u16::MAX).prop_filter_map("not a host", |(host, port)| {
        let host = Host::parse(&host).ok()?;
        Some(Target { host, port })
    })
}

fn any_kind() -> impl Strategy<Value = StreamKind> {
    prop_oneof![Just(StreamKind::Connect), Just(StreamKind::Http), Just(StreamKind::Https)]
}

fn any_parameters() -> impl Strategy<Value = Parameters> {
    any::<(u32, u32, u16, u32)>().prop_map(|(a, b, c, d)| Parameters {
        max_streams: a,
        initial_window: b,
        max_data: c,
        keepalive_ms: d,
    })
}

fn any_control() -> impl Strategy<Value = Frame<'static>> {
    let stream = || (1..=StreamId::MAX).prop_map(id);
    prop_oneof![
        (any::<(u16, [u8; 16], [u8; 32])>(), any_parameters(), any::<([u8; 16], u8, u8)>())
            .prop_map(|((v, t, s), p, (c, i, n))| {
                Frame::Hello(Hello {
                    version: v,
                    tunnel: TunnelId(t),
                    secret: TunnelSecret::new(s),
                    parameters: p,
                    client: ClientId(c),
                    connection: ConnectionNumber::said(i, n),
                })
            }),
        (any::<(u16, [u8; 16], [u8; 32])>(), any_parameters()).prop_map(|((v, s, r), p)| {
            Frame::Welcome(Welcome {
                version: v,
                session: SessionId(s),
                secret: ResumeSecret::new(r),
                parameters: p,
            })
        }),
        any::<(u16, [u8; 16], [u8; 16], [u8; 32], u64, u8, u8)>().prop_map(
            |(v, t, s, r, n, i, m)| {
                Frame::Resume(Resume {
                    version: v,
                    tunnel: TunnelId(t),
                    session: SessionId(s),
                    secret: ResumeSecret::new(r),
                    received: n,
                    connection: ConnectionNumber::said(i, m),
                })
            }
        ),
        any::<u64>().prop_map(|received| Frame::Resumed { received }),
        (1..=5_u8).prop_map(|code| Frame::Refused(refusal_from(code).unwrap())),
        any::<u64>().prop_map(|received| Frame::Ack { received }),
        any::<u64>().prop_map(|token| Frame::Ping { token }),
        any::<u64>().prop_map(|token| Frame::Pong { token }),
        (stream(), any::<u64>()).prop_map(|(stream, limit)| Frame::Credit { stream, limit }),
        (stream(), any_kind(), any::<u32>(), any_target()).prop_map(
            |(stream, kind, window, target)| {
                let open = Open { kind, window, target };
                Frame::Open { stream, open }
            }
        ),
        (stream(), any::<u32>()).prop_map(|(stream, window)| Frame::Opened { stream, window }),
        (stream(), 1..=27_u8).prop_map(|(stream, code)| Frame::OpenFailed {
            stream,
            failure: failure_from(code).unwrap(),
        }),
        stream().prop_map(|stream| Frame::Fin { stream }),
        (stream(), 1..=5_u8)
            .prop_map(|(stream, code)| Frame::Reset { stream, reason: reset_from(code).unwrap() }),
        Just(Frame::GoAway),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(frame in any_control(), tail in any::<Vec<u8>>()) {
        let mut bytes = to_bytes(&frame);
        let length = bytes.len();
        prop_assert!(length <= MAX_CONTROL);
        for cut in 0..length {
            prop_assert_eq!(Frame::decode(&bytes[..cut]), Ok(None));
        }
        bytes.extend(tail);
        prop_assert_eq!(Frame::decode(&bytes), Ok(Some((frame, length))));
    }

    #[test]
    fn data_decodes_in_place(number in 1..=StreamId::MAX, payload in proptest::collection::vec(any::<u8>(), 1..3000)) {
        let frame = Frame::Data { stream: id(number), payload: &payload };
        let bytes = to_bytes(&frame);
        prop_assert_eq!(Frame::decode(&bytes), Ok(Some((frame, bytes.len()))));
    }

    /// Any bytes: an error stays one and a frame stays the same, whatever follows.
    #[test]
    fn more_input_never_changes_a_verdict(bytes in proptest::collection::vec(prop_oneof![0..0x48_u8, any::<u8>()], 0..400)) {
        let mut verdict = Ok(None);
        for end in 0..=bytes.len() {
            let now = Frame::decode(&bytes[..end]);
            if verdict != Ok(None) {
                prop_assert_eq!(&now, &verdict);
            }
            verdict = now;
        }
    }
}
