//! Places in the ring and the order of frames in the transport.

use super::super::world::{CLIENT, Whole};
use super::super::*;

#[test]
fn bytes_read_into_a_place_survive_an_acknowledgement_meanwhile() {
    let mut w = super::world();
    let stream = w.open(CLIENT).unwrap();
    w.run_on(2).unwrap();
    let end = &mut w.ends[CLIENT];
    assert_eq!(end.session.ring.retained(), 0);
    let key = end.apps[&stream].key;
    assert_eq!(end.session.send(key, b"one", &mut end.pool), 3);
    while w.transmit(CLIENT, &mut Whole) {}
    let end = &mut w.ends[CLIENT];
    end.session.reserve(key, 3, &mut end.pool)[..3].copy_from_slice(b"two");
    let (received, sent) = (end.session.ring.acked(), end.session.ring.sent());
    assert!(received < sent);
    let ack = Frame::Ack { received: sent };
    end.session.receive(ack, 16, &mut end.pool, w.now).unwrap();
    assert_eq!(end.session.commit(key, 3, &mut end.pool), Ok(()));
    assert_eq!(&end.session.unsent()[8..], b"two");
}

#[test]
fn a_place_is_lost_to_a_frame_and_only_its_own_stream_loses_it() {
    let mut w = super::world();
    let (a, b) = (w.open(CLIENT).unwrap(), w.open(CLIENT).unwrap());
    let end = &mut w.ends[CLIENT];
    let (a, b) = (end.apps[&a].key, end.apps[&b].key);
    end.session.reserve(a, 10, &mut end.pool);
    end.session.go_away(&mut end.pool);
    assert_eq!(end.session.commit(a, 10, &mut end.pool), Err(send::PlaceLost));
    assert_eq!(end.session.commit(a, 0, &mut end.pool), Ok(()));
    end.session.reserve(a, 10, &mut end.pool);
    end.session.reserve(b, 10, &mut end.pool);
    assert_eq!(end.session.commit(a, 10, &mut end.pool), Err(send::PlaceLost));
    assert_eq!(end.session.commit(b, 10, &mut end.pool), Ok(()));
}

#[test]
fn no_more_is_taken_in_than_place_and_credit() {
    let mut w = super::world();
    let stream = w.open(CLIENT).unwrap();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    let credit = end.session.credit_of(key);
    let before = end.session.ring.unsent_len();
    let room = end.session.reserve(key, usize::MAX, &mut end.pool).len();
    assert_eq!(room, credit);
    end.session.commit(key, usize::MAX, &mut end.pool).unwrap();
    let taken = end.session.ring.unsent_len() - before;
    assert_eq!((taken, end.session.credit_of(key)), (8 + room as u64, 0));
    assert!(end.session.reserve(key, 1, &mut end.pool).is_empty());
}

#[test]
fn no_frame_overtakes_one_that_has_gone_in_part() {
    let mut w = super::world();
    let stream = w.open(CLIENT).unwrap();
    w.run();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    end.session.send(key, &[1; 100], &mut end.pool);
    end.session.send(key, &[2; 100], &mut end.pool);
    while end.session.next_control(w.now).is_some() {}
    end.session.mark_sent(108 + 3);
    let ping = Frame::Ping { token: 5 };
    end.session.receive(ping, 16, &mut end.pool, w.now).unwrap();
    assert!(end.session.next_control(w.now).is_none());
    end.session.mark_sent(usize::MAX);
    assert!(end.session.unsent().is_empty());
    let pong = Frame::Pong { token: 5 }.encode();
    let next = end.session.next_control(w.now).unwrap();
    assert_eq!(next.as_slice(), pong.as_slice());
}

#[test]
fn what_is_sent_by_copying_keeps_to_the_credit_in_as_many_frames_as_it_takes() {
    let mut w = super::world();
    let stream = w.open(CLIENT).unwrap();
    w.run();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    let credit = end.session.credit_of(key);
    assert!(credit > 2 * usize::from(u16::MAX));
    let bytes = std::vec![7; credit + 1000];
    assert_eq!(end.session.send(key, &bytes, &mut end.pool), credit);
    assert_eq!(end.session.send(key, &bytes, &mut end.pool), 0);
    end.session.finish(key, &mut end.pool);
    assert_eq!(end.session.send(key, &bytes, &mut end.pool), 0);
}
