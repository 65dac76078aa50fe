//! Bytes through an established pair.

use proptest::prelude::*;

use super::*;

#[test]
fn bulk_both_ways() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let data = pattern(5_000_001);
    assert!(pair.upload(&data, usize::MAX) == data);
    assert!(pair.download(&data, usize::MAX) == data);
}

#[test]
fn an_idle_pipe_holds_no_buffer() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let data = pattern(100_000);
    assert!(pair.upload(&data, usize::MAX) == data);
    assert_eq!(pair.client.read_space(&mut pair.pool).len(), 64 * 1024);
    pair.client.filled(0, &mut pair.pool);
    for pipe in [&pair.client, &pair.server] {
        assert_eq!(
            std::format!("{pipe:?}"),
            "TlsPipe { state: Established, incoming: 0, plaintext: 0, outgoing: 0, failure: None, .. }"
        );
    }
    assert_eq!(pair.client.held_buffers() + pair.server.held_buffers(), 0);
}

#[test]
fn full_records_of_bulk() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let data = pattern(400_000);
    assert_eq!(pair.client.encrypt(&data, &mut pair.pool), 128 * 1024);
    // TLS 1.3 with AES-GCM: 5 bytes of header, 1 of type, 16 of tag (RFC 8446, section 5.2).
    assert_eq!(pair.client.ciphertext().len(), 8 * (16 * 1024 + 22));
    assert_eq!(pair.client.encrypt(&data, &mut pair.pool), 0);
    assert_eq!(pair.client.encrypt(b"x", &mut pair.pool), 0);
    // Room comes back once the unsent rest is the smaller part.
    pair.client.sent(5 * (16 * 1024 + 22), &mut pair.pool);
    assert_eq!(pair.client.encrypt(&data, &mut pair.pool), 5 * 16 * 1024);
}

#[test]
fn a_reader_that_does_not_consume_blocks_only_itself() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let Pair { client, server, pool } = &mut pair;
    let data = pattern(300_000);
    let mut wire = Vec::new();
    let mut rest = data.as_slice();
    while !rest.is_empty() {
        let taken = client.encrypt(rest, pool);
        rest = &rest[taken..];
        wire.extend_from_slice(client.ciphertext());
        client.sent(usize::MAX, pool);
    }
    let (mut arrived, mut fed, mut blocked) = (Vec::new(), 0, 0);
    while arrived.len() < data.len() {
        let space = server.read_space(pool);
        let n = space.len().min(wire.len() - fed);
        space[..n].copy_from_slice(&wire[fed..fed + n]);
        fed += n;
        server.filled(n, pool);
        while server.decrypt(pool).unwrap() == Progress::Blocked {
            blocked += 1;
            assert!(server.plaintext().len() >= 112 * 1024);
            // Sending does not decrypt a record more.
            let before = server.plaintext().len();
            assert_eq!(server.encrypt(b"pong", pool), 4);
            assert_eq!(server.plaintext().len(), before);
            assert!(before <= BufferPool::BUFFER);
            arrived.extend_from_slice(&server.plaintext()[..1000]);
            server.consume(1000, pool);
            if blocked % 20 == 0 {
                arrived.extend_from_slice(server.plaintext());
                server.consume(usize::MAX, pool);
            }
        }
        if fed == wire.len() {
            arrived.extend_from_slice(server.plaintext());
            server.consume(usize::MAX, pool);
        }
    }
    assert!(blocked > 0 && arrived == data);
}

#[test]
fn nothing_is_encrypted_before_the_handshake_is_done() {
    let identity = Identity::new();
    let mut pair = Pair::new(&identity.client(), &identity.server());
    assert_eq!(pair.client.state(), TlsState::Handshaking);
    assert_eq!(pair.client.encrypt(b"early", &mut pair.pool), 0);
    assert_eq!(pair.server.encrypt(b"early", &mut pair.pool), 0);
    assert_eq!(pair.settle(usize::MAX), (Ok(()), Ok(())));
    assert_eq!(pair.upload(b"late", 1), b"late");
}

#[test]
fn keys_change_amid_traffic() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let data = pattern(100_000);
    for chunk in [1, 5000, usize::MAX] {
        pair.client.refresh_keys(&mut pair.pool);
        assert!(pair.upload(&data, chunk) == data);
        assert!(pair.download(&data, chunk) == data);
        pair.server.refresh_keys(&mut pair.pool);
        pair.client.refresh_keys(&mut pair.pool);
        assert!(pair.download(&data, chunk) == data);
        assert!(pair.upload(&data, chunk) == data);
    }
}

#[test]
fn a_key_change_answered_while_the_output_is_full() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let data = pattern(200_000);
    let taken = pair.server.encrypt(&data, &mut pair.pool);
    pair.client.refresh_keys(&mut pair.pool);
    assert_eq!(pair.client.encrypt(b"ping", &mut pair.pool), 4);
    carry(&mut pair.client, &mut pair.server, usize::MAX, &mut pair.pool);
    assert_eq!(pair.server.plaintext(), b"ping");
    pair.server.consume(4, &mut pair.pool);
    assert_eq!(pair.server.encrypt(&data, &mut pair.pool), 0);
    assert!(pair.download(&data[taken..], usize::MAX)[taken..] == data[taken..]);
    assert_eq!(pair.upload(b"pong", 1), b"pong");
}

#[test]
fn goodbyes() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    assert_eq!(pair.client.encrypt(b"last words", &mut pair.pool), 10);
    pair.client.close(&mut pair.pool);
    assert_eq!(pair.client.state(), TlsState::Closed);
    assert_eq!(pair.client.encrypt(b"more", &mut pair.pool), 0);
    assert_eq!(pair.settle(3), (Ok(()), Ok(())));
    assert_eq!(pair.server.state(), TlsState::PeerClosed);
    assert_eq!(pair.server.plaintext(), b"last words");
    assert_eq!(pair.server.input_ended(&mut pair.pool), Ok(()));
    // The other direction is still open.
    assert_eq!(pair.download(b"answer", 3), b"answer");
    assert_eq!(pair.client.input_ended(&mut pair.pool), Err(TlsError::Truncated));

    let mut pair = Pair::established(&identity.client(), &identity.server());
    pair.client.close(&mut pair.pool);
    pair.server.close(&mut pair.pool);
    pair.server.close(&mut pair.pool);
    assert_eq!(pair.settle(usize::MAX), (Ok(()), Ok(())));
    for pipe in [&mut pair.client, &mut pair.server] {
        assert_eq!(pipe.state(), TlsState::Closed);
        assert_eq!(pipe.input_ended(&mut pair.pool), Ok(()));
        feed(pipe, b"ignored", 99, &mut pair.pool);
        assert_eq!(pipe.decrypt(&mut pair.pool), Ok(Progress::Drained));
        assert_eq!((pipe.plaintext(), pipe.held_buffers()), (b"".as_slice(), 0));
    }
}

#[test]
fn closing_during_the_handshake() {
    let identity = Identity::new();
    let mut pair = Pair::new(&identity.client(), &identity.server());
    pair.client.close(&mut pair.pool);
    assert_eq!(pair.client.state(), TlsState::Closed);
    pair.settle(usize::MAX).0.unwrap();
    assert_eq!(pair.client.encrypt(b"data", &mut pair.pool), 0);
}

/// One thing that happens to a pair.
#[derive(Clone, Debug)]
enum Event {
    Encrypt(usize),
    Carry { most: usize, chunk: usize },
    Consume(usize),
    Refresh,
}

fn event() -> impl Strategy<Value = (bool, Event)> {
    let event = prop_oneof![
        4 => (0..200_000usize).prop_map(Event::Encrypt),
        6 => (1..150_000usize, 1..70_000usize)
            .prop_map(|(most, chunk)| Event::Carry { most, chunk }),
        3 => (0..150_000usize).prop_map(Event::Consume),
        1 => Just(Event::Refresh),
    ];
    (any::<bool>(), event)
}

/// One direction: what was encrypted, what was read.
#[derive(Default)]
struct Shadow {
    encrypted: usize,
    read: usize,
}

fn happen(
    from: &mut TlsPipe,
    to: &mut TlsPipe,
    shadow: &mut Shadow,
    event: &Event,
    pool: &mut BufferPool,
    data: &[u8],
) {
    match *event {
        Event::Encrypt(most) => {
            let upto = data.len().min(shadow.encrypted + most);
            shadow.encrypted += from.encrypt(&data[shadow.encrypted..upto], pool);
        }
        Event::Carry { most, chunk } => {
            let (mut carried, mut progress) = (0, to.decrypt(pool).unwrap());
            while carried < most && progress == Progress::Drained {
                let space = to.read_space(pool);
                let n = from.ciphertext().len().min(space.len()).min(chunk);
                space[..n].copy_from_slice(&from.ciphertext()[..n]);
                to.filled(n, pool);
                from.sent(n, pool);
                progress = to.decrypt(pool).unwrap();
                if n == 0 {
                    break;
                }
                carried += n;
            }
        }
        Event::Consume(most) => {
            let n = to.plaintext().len().min(most);
            assert!(to.plaintext()[..n] == data[shadow.read..shadow.read + n]);
            shadow.read += n;
            to.consume(n, pool);
        }
        Event::Refresh => from.refresh_keys(pool),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, max_shrink_iters: 50, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_calls_keeps_the_bytes(
        events in proptest::collection::vec(event(), 1..100)
    ) {
        let identity = identity();
        let mut pair = Pair::established(&identity.client(), &identity.server());
        let data = pattern(1_000_000);
        let (mut up, mut down) = (Shadow::default(), Shadow::default());
        let mut finish = alloc::vec![];
        for _ in 0..40 {
            finish.push(Event::Carry { most: 1_000_000, chunk: 50_000 });
            finish.push(Event::Consume(usize::MAX));
        }
        let finish = finish.into_iter().flat_map(|event| [(true, event.clone()), (false, event)]);
        for (upwards, event) in events.into_iter().chain(finish) {
            let Pair { client, server, pool } = &mut pair;
            if upwards {
                happen(client, server, &mut up, &event, pool, &data);
            } else {
                happen(server, client, &mut down, &event, pool, &data);
            }
        }
        prop_assert_eq!((up.read, down.read), (up.encrypted, down.encrypted));
        prop_assert_eq!(pair.client.held_buffers() + pair.server.held_buffers(), 0);
    }
}
