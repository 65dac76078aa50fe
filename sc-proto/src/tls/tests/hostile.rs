//! Bytes that no honest peer sends.

use proptest::prelude::*;

use super::*;

#[test]
fn garbage_instead_of_a_handshake() {
    let server = Identity::new().server();
    for garbage in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        &[0xff; 70_000],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x00",
    ] {
        let mut pool = BufferPool::default();
        let mut pipe = TlsPipe::server(&server, NOW).unwrap();
        feed(&mut pipe, garbage, usize::MAX, &mut pool);
        let failure = pipe.failure().cloned().expect("must fail");
        assert!(matches!(failure, TlsError::Protocol(_) | TlsError::NotTls), "{failure:?}");
        assert_eq!(failure.fault(), Fault::Peer);
        assert_eq!(pipe.decrypt(&mut pool), Err(failure));
        assert_eq!((pipe.state(), pipe.plaintext()), (TlsState::Failed, b"".as_slice()));
        // A fatal alert (level 2) waits to be sent, and nothing else is held.
        assert_eq!(pipe.ciphertext()[..2], [0x15, 0x03]);
        assert_eq!(pipe.ciphertext()[5], 2);
        pipe.sent(usize::MAX, &mut pool);
        assert_eq!((pipe.held_buffers(), pool.spare()), (0, 2));
    }
}

#[test]
fn a_handshake_message_without_end() {
    let server = Identity::new().server();
    let mut pool = BufferPool::default();
    let mut pipe = TlsPipe::server(&server, NOW).unwrap();
    // A ClientHello of 65535 bytes, one byte a record: the records do not fit the buffer.
    feed(&mut pipe, b"\x16\x03\x01\x00\x04\x01\x00\xff\xff", 99, &mut pool);
    for _ in 0..BufferPool::BUFFER {
        if pipe.state() == TlsState::Failed {
            break;
        }
        feed(&mut pipe, b"\x16\x03\x01\x00\x01\x00", 99, &mut pool);
    }
    assert_eq!(pipe.failure(), Some(&TlsError::TooLarge));
    pipe.sent(usize::MAX, &mut pool);
    assert_eq!(pipe.held_buffers(), 0);
}

#[test]
fn a_tampered_record_ends_it_after_the_good_ones() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let Pair { client, server, pool } = &mut pair;
    assert_eq!(client.encrypt(b"good", pool), 4);
    let good = client.ciphertext().len();
    assert_eq!(client.encrypt(b"evil", pool), 4);
    let mut wire = client.ciphertext().to_vec();
    wire[good + 7] ^= 1;
    feed(server, &wire, usize::MAX, pool);
    assert_eq!(server.failure(), Some(&TlsError::Tampered));
    assert_eq!(server.plaintext(), b"good");
    assert_eq!(server.encrypt(b"more", pool), 0);
    // The client is told.
    carry(server, client, usize::MAX, pool);
    assert_eq!(client.failure(), Some(&TlsError::PeerAlert(Alert(20))));
}

#[test]
fn a_replayed_record_is_tampering() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let Pair { client, server, pool } = &mut pair;
    assert_eq!(client.encrypt(b"once", pool), 4);
    let wire = client.ciphertext().to_vec();
    feed(server, &wire, usize::MAX, pool);
    feed(server, &wire, usize::MAX, pool);
    assert_eq!(server.failure(), Some(&TlsError::Tampered));
    assert_eq!(server.plaintext(), b"once");
}

#[test]
fn an_end_without_goodbye_is_no_end() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    let Pair { client, server, pool } = &mut pair;
    assert_eq!(client.encrypt(b"half of it", pool), 10);
    let wire = client.ciphertext().to_vec();
    feed(server, &wire[..wire.len() - 1], usize::MAX, pool);
    assert_eq!(server.input_ended(pool), Err(TlsError::Truncated));
    assert_eq!(server.decrypt(pool), Err(TlsError::Truncated));
    assert_eq!(server.plaintext(), b"");
    assert_eq!(server.held_buffers(), 0);

    let mut pair = Pair::new(&identity.client(), &identity.server());
    assert_eq!(pair.server.input_ended(&mut pair.pool), Err(TlsError::Truncated));
}

#[test]
fn too_many_key_changes_in_a_row() {
    let identity = Identity::new();
    let mut pair = Pair::established(&identity.client(), &identity.server());
    for _ in 0..1000 {
        pair.client.refresh_keys(&mut pair.pool);
        carry(&mut pair.client, &mut pair.server, usize::MAX, &mut pair.pool);
    }
    assert!(pair.server.ciphertext().len() < 1024);
    assert!(matches!(pair.server.failure(), Some(TlsError::Protocol(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, max_shrink_iters: 50, ..ProptestConfig::default() })]

    /// Flipping any byte on the wire never panics and never delivers a changed byte.
    #[test]
    fn a_flipped_byte(at in 0..8000usize, by in 1..=255u8, chunk in 1..3000usize) {
        let identity = identity();
        let mut pair = Pair::new(&identity.client(), &identity.server());
        let data = pattern(3000);
        let mut carried = 0;
        loop {
            let Pair { client, server, pool } = &mut pair;
            let mut moved = 0;
            for upwards in [true, false] {
                let (from, to) = if upwards { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
                if carried < 20_000 {
                    let _ = from.encrypt(&data, pool);
                }
                let mut wire = from.ciphertext().to_vec();
                from.sent(wire.len(), pool);
                if let Some(byte) = at.checked_sub(carried).and_then(|i| wire.get_mut(i)) {
                    *byte ^= by;
                }
                carried += wire.len();
                moved += wire.len();
                feed(to, &wire, chunk, pool);
                prop_assert!(to.plaintext().chunks(3000).all(|got| data.starts_with(got)));
                to.consume(usize::MAX, pool);
            }
            if moved == 0 {
                break;
            }
        }
    }

    /// No bytes whatsoever make a pipe panic.
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000), chunk in 1..500usize, header in any::<bool>()) {
        let mut pool = BufferPool::default();
        let identity = identity();
        let mut server = TlsPipe::server(&identity.server(), NOW).unwrap();
        let mut client = TlsPipe::client(&identity.client(), NAME, NOW, &mut pool).unwrap();
        for pipe in [&mut server, &mut client] {
            if header {
                feed(pipe, &[0x16, 3, 1, (bytes.len() >> 8) as u8, bytes.len() as u8], chunk, &mut pool);
            }
            feed(pipe, &bytes, chunk, &mut pool);
            prop_assert!(pipe.plaintext().is_empty());
        }
    }
}
