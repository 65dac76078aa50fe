//! What a session promises, one test for each promise. Promises about time and places in the
//! ring are in `tests/timing.rs` and `tests/places.rs`; all at once is in `tests/simulation.rs`.

mod path;
mod places;
mod simulation;
mod timing;

use super::world::{Answers, CLIENT, Outcome, SERVER, Whole, World};

use super::*;
use crate::contract::Refusal;
use crate::kgp::ProtocolError;
use crate::kgp::frame::{FrameType, frame_length};

fn world() -> World {
    World::new(Settings::default(), Settings::default())
}

#[test]
fn a_finished_stream_is_not_scheduled_any_more() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    end.session.source_ready(key);
    assert_eq!(end.session.next_source().map(|(key, _)| key), Some(key));
    end.session.finish(key, &mut end.pool);
    assert_eq!(end.session.next_source(), None);
}

#[test]
fn a_stream_is_opened_answered_used_and_ended() {
    let mut w = world();
    let stream = w.open(SERVER).unwrap();
    w.run();
    assert!(w.ends[SERVER].apps[&stream].is_answered);
    for i in [CLIENT, SERVER] {
        w.ends[i].produce(stream, 1_000_000);
        w.ends[i].end(stream);
    }
    w.run_on(3).unwrap();
    for end in &w.ends {
        let app = &end.apps[&stream];
        assert!(app.is_complete());
        assert_eq!((app.got, app.taken), (1_000_000, 1_000_000));
    }
    assert_at_rest(&w);
}

fn assert_at_rest(w: &World) {
    for end in &w.ends {
        assert!(end.session.is_at_rest(), "{:?}", end.session);
    }
}

#[test]
fn every_outcome_of_a_dial_arrives() {
    use DialFailure as D;
    for failure in [
        D::Refused,
        D::Unreachable,
        D::TimedOut,
        D::NameNotFound,
        D::Denied,
        D::Tls,
        D::Resources,
        D::Draining,
        D::Other,
    ] {
        let mut w = world();
        w.ends[CLIENT].answers = Answers::WhenTold;
        let stream = w.open(SERVER).unwrap();
        // What was sent ahead is dropped without harm.
        w.ends[SERVER].produce(stream, 100);
        w.ends[SERVER].end(stream);
        w.run();
        w.ends[CLIENT].answer(stream, Err(failure));
        w.run_on(2).unwrap();
        let outcome = w.ends[SERVER].apps[&stream].outcome;
        assert_eq!(outcome, Outcome::Failed(failure));
        assert_at_rest(&w);
    }
}

#[test]
fn a_half_closed_stream_goes_on_the_other_way() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    w.ends[CLIENT].end(stream);
    w.run();
    assert!(w.ends[SERVER].apps[&stream].got_end);
    for _ in 0..10 {
        w.ends[SERVER].produce(stream, 500_000);
        w.run();
    }
    assert_eq!(w.ends[CLIENT].apps[&stream].got, 5_000_000);
    w.ends[SERVER].end(stream);
    w.run_on(2).unwrap();
    assert_at_rest(&w);
}

/// OPEN, DATA, FIN, RESET, OPENED and OPEN_FAILED of both sides in every order of crossing.
#[test]
fn resets_cross_everything() {
    let reason = ResetReason::Cancelled;
    for how in 0..2 * 2 * 2 * 3 * 2_u32 {
        let bit = |n: u32| how >> n & 1 == 1;
        let mut w = world();
        w.ends[SERVER].answers = Answers::WhenTold;
        let stream = w.open(CLIENT).unwrap();
        w.ends[CLIENT].produce(stream, 1000);
        if bit(0) {
            w.ends[CLIENT].end(stream);
        }
        w.run();
        // From here on both act without hearing of the other.
        match how >> 3 {
            0 | 1 => w.ends[SERVER].answer(stream, Ok(())),
            2 | 3 => w.ends[SERVER].answer(stream, Err(DialFailure::Refused)),
            _ => {}
        }
        w.ends[SERVER].produce(stream, 1000);
        if bit(1) {
            w.ends[SERVER].end(stream);
        }
        while w.ends[SERVER].read_source(&mut Whole) {}
        if bit(2) {
            w.ends[SERVER].reset(stream, reason);
        }
        w.ends[CLIENT].reset(stream, reason);
        w.run_on(2).unwrap();
        // An answer after the end means nothing.
        let end = &mut w.ends[SERVER];
        let key = end.apps[&stream].key;
        end.session.answer(key, Ok(()), &mut end.pool);
        end.session.finish(key, &mut end.pool);
        end.session.reset(key, reason, &mut end.pool);
        end.session.consumed(key, 1, w.now);
        w.run_on(2).unwrap();
        assert_at_rest(&w);
    }
}

#[test]
fn a_stalled_reader_stops_its_own_stream_only() {
    let mut w = world();
    let (stalled, good) = (w.open(CLIENT).unwrap(), w.open(CLIENT).unwrap());
    w.run();
    w.ends[SERVER].apps.get_mut(&stalled).unwrap().is_stalled = true;
    for stream in [stalled, good] {
        w.ends[CLIENT].produce(stream, 20_000_000);
    }
    w.run_on(20).unwrap();
    let got = |w: &World, stream| w.ends[SERVER].apps[&stream].got;
    assert_eq!(got(&w, good), 20_000_000);
    let stopped_at = got(&w, stalled);
    let settings = Settings::default();
    assert!(stopped_at <= settings.max_window.into());
    // What the stalled stream was granted does not grow, and it goes on when it is read.
    w.ends[SERVER].apps.get_mut(&stalled).unwrap().is_stalled = false;
    w.run_on(20).unwrap();
    assert_eq!(got(&w, stalled), 20_000_000);
}

#[test]
fn more_than_the_credit_breaks_the_session() {
    let mut w = world();
    inject(&mut w, SERVER, open_frame(1)).unwrap();
    let payload = std::vec![0; 65_535];
    let (stream, payload) = (id(1), payload.as_slice());
    let broken = (0..5)
        .map(|_| inject(&mut w, SERVER, Frame::Data { stream, payload }))
        .find(Result::is_err);
    assert_eq!(broken, Some(Err(ProtocolError::Credit)));
}

#[test]
fn the_limit_of_streams_holds_opening_back_until_one_ends() {
    let few = Settings { max_streams: 3, ..Settings::default() };
    let mut w = World::new(Settings::default(), few);
    let streams = [(); 3].map(|()| w.open(CLIENT).unwrap());
    assert_eq!(w.open(CLIENT), Err(OpenRefused::TooMany));
    w.run();
    w.ends[CLIENT].reset(streams[1], ResetReason::Cancelled);
    w.open(CLIENT).unwrap();
    assert_eq!(w.open(CLIENT), Err(OpenRefused::TooMany));
    w.run();
    assert_eq!(w.ends[SERVER].session.stream_count(), 3);
    // A peer that does not keep to it is thrown out.
    let too_many = Err(ProtocolError::TooManyStreams);
    assert_eq!(inject(&mut w, SERVER, open_frame(99)), too_many);
}

#[test]
fn opening_waits_while_the_transport_is_behind() {
    let mut w = world();
    w.ends[CLIENT].is_blocked = true;
    let mut opened = 0;
    while w.open(CLIENT).is_ok() {
        opened += 1;
    }
    assert!(opened > 1000 && !w.ends[CLIENT].session.has_room());
    w.ends[CLIENT].is_blocked = false;
    w.run();
    w.open(CLIENT).unwrap();
}

#[test]
fn goaway_lets_streams_finish_and_takes_no_new_ones() {
    let mut w = world();
    let stream = w.open(SERVER).unwrap();
    w.run();
    // This one crosses the GOAWAY.
    let crossing = w.open(SERVER).unwrap();
    let end = &mut w.ends[CLIENT];
    end.session.go_away(&mut end.pool);
    end.session.go_away(&mut end.pool);
    assert_eq!(w.open(CLIENT), Err(OpenRefused::Draining));
    w.run();
    assert_eq!(w.open(SERVER), Err(OpenRefused::Draining));
    assert!(w.ends[SERVER].session.peer_is_going());
    let failed = Outcome::Failed(DialFailure::Draining);
    assert_eq!(w.ends[SERVER].apps[&crossing].outcome, failed);
    for i in [CLIENT, SERVER] {
        assert!(!w.ends[i].session.is_drained());
        w.ends[i].produce(stream, 100_000);
        w.ends[i].end(stream);
    }
    w.run_on(2).unwrap();
    for end in &w.ends {
        assert!(end.session.is_drained());
        assert!(end.apps[&stream].is_complete());
    }
    assert_at_rest(&w);
}

#[test]
fn an_acknowledgement_frees_the_ring_and_a_lying_one_breaks_the_session() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    w.run();
    w.ends[CLIENT].produce(stream, 100_000);
    w.run();
    assert!(w.ends[CLIENT].session.ring.retained() > 0);
    w.pass(ACK_DELAY);
    w.fire(SERVER).unwrap();
    w.run();
    assert_eq!(w.ends[CLIENT].session.ring.retained(), 0);
    assert_eq!(w.ends[CLIENT].session.ring.memory(), 0);
    let sent = w.ends[CLIENT].session.ring.sent();
    for received in [sent + 1, sent - 1, u64::MAX] {
        let lie = inject(&mut w, CLIENT, Frame::Ack { received });
        assert_eq!(lie, Err(ProtocolError::Ack));
    }
}

#[test]
fn a_peer_that_never_acknowledges_is_held_and_then_thrown_out() {
    let small = Settings { max_retained: 256 * 1024, ..Settings::default() };
    let mut w = World::new(small, Settings::default());
    let end = &mut w.ends[CLIENT];
    end.session.go_away(&mut end.pool);
    // Each is answered by an OPEN_FAILED.
    let broken = (1..200_000).find_map(|i| {
        let refused = inject(&mut w, CLIENT, open_frame(2 * i));
        while w.transmit(CLIENT, &mut Whole) {}
        w.lose(SERVER);
        refused.err()
    });
    assert_eq!(broken, Some(ProtocolError::Unacknowledged));
    assert!(w.ends[CLIENT].session.ring.retained() <= 2 * small.max_retained + 1000);
}

#[test]
fn ids_are_used_once_and_by_their_side() {
    let mut w = world();
    inject(&mut w, SERVER, open_frame(5)).unwrap();
    for wrong in [5, 3, 2, 8] {
        let used = inject(&mut w, SERVER, open_frame(wrong));
        assert_eq!(used, Err(ProtocolError::StreamId), "{wrong}");
    }
    let (stream, never) = (id(7), ProtocolError::UnexpectedFrame(FrameType::Fin as u8));
    assert_eq!(inject(&mut w, SERVER, Frame::Fin { stream }), Err(never));
    // A number below the last one counts as used: what comes for it is dropped.
    let stream = id(3);
    assert_eq!(inject(&mut w, SERVER, Frame::Fin { stream }), Ok(()));
    inject(&mut w, SERVER, open_frame(StreamId::MAX)).unwrap();
}

#[test]
fn frames_out_of_place_break_the_session() {
    let unexpected = |kind: FrameType| Err(ProtocolError::UnexpectedFrame(kind as u8));
    let (mine, peers) = (id(2), id(1));
    let cases = [
        Frame::Opened { stream: mine, window: 0 },
        Frame::Opened { stream: peers, window: 0 },
        Frame::OpenFailed { stream: peers, failure: DialFailure::Other },
        Frame::Refused(Refusal::Ending),
    ];
    for frame in cases {
        let mut w = world();
        w.open(SERVER).unwrap();
        inject(&mut w, SERVER, open_frame(1)).unwrap();
        if frame.frame_type() == FrameType::Opened {
            // The first answer is good, the second is not.
            inject(&mut w, SERVER, Frame::Opened { stream: mine, window: 0 }).unwrap();
        }
        let kind = frame.frame_type();
        assert_eq!(inject(&mut w, SERVER, frame), unexpected(kind));
    }
    let mut w = world();
    inject(&mut w, SERVER, open_frame(1)).unwrap();
    inject(&mut w, SERVER, Frame::Fin { stream: peers }).unwrap();
    let twice = inject(&mut w, SERVER, Frame::Fin { stream: peers });
    assert_eq!(twice, unexpected(FrameType::Fin));
}

fn id(number: u64) -> StreamId {
    StreamId::new(number).unwrap()
}

/// What end `to` makes of a frame that its peer sends.
fn inject(w: &mut World, to: usize, frame: Frame<'_>) -> Result<(), ProtocolError> {
    let end = &mut w.ends[to];
    let n = frame_length(frame.encode().as_slice());
    end.session.receive(frame, n, &mut end.pool, w.now)?;
    Ok(())
}

fn open_frame(number: u64) -> Frame<'static> {
    let open =
        Open { kind: StreamKind::Connect, window: 0, target: "example.com:80".parse().unwrap() };
    let stream = id(number);
    Frame::Open { stream, open }
}

/// OPEN under way, no answer yet: the answering side may not send before it.
#[test]
fn nothing_comes_before_the_answer() {
    for kind in [FrameType::Data, FrameType::Fin] {
        let mut w = world();
        w.open(CLIENT).unwrap();
        let stream = id(1);
        let frame = match kind {
            FrameType::Fin => Frame::Fin { stream },
            _ => Frame::Data { stream, payload: b"x" },
        };
        let wrong = ProtocolError::UnexpectedFrame(kind as u8);
        assert_eq!(inject(&mut w, CLIENT, frame), Err(wrong));
    }
}

#[test]
fn nothing_goes_before_the_answer() {
    let mut w = world();
    w.ends[SERVER].answers = Answers::WhenTold;
    let stream = w.open(CLIENT).unwrap();
    w.run();
    w.ends[SERVER].produce(stream, 10);
    w.ends[SERVER].end(stream);
    let end = &mut w.ends[SERVER];
    let key = end.apps[&stream].key;
    end.session.finish(key, &mut end.pool);
    assert_eq!((end.session.credit_of(key), end.session.next_source()), (0, None));
    end.answer(stream, Ok(()));
    w.run();
    let app = &w.ends[CLIENT].apps[&stream];
    assert_eq!((app.is_answered, app.got, app.got_end), (true, 10, true));
}

#[test]
fn no_open_follows_a_goaway_of_the_same_side() {
    let mut w = world();
    inject(&mut w, SERVER, Frame::GoAway).unwrap();
    let wrong = ProtocolError::UnexpectedFrame(FrameType::Open as u8);
    assert_eq!(inject(&mut w, SERVER, open_frame(1)), Err(wrong));
}
