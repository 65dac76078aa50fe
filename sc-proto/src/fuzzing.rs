//! What the fuzz targets in `fuzz/` drive beyond the public API. Only `cargo fuzz` builds it.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Time;
use crate::contract::{
    ConnectionNumber, DialFailure, Refusal, ResetReason, ResumeSecret, SessionId, SocketId,
    StreamKind, TransportLoss, TunnelId,
};
use crate::kgp::frame::{Frame, FrameType, HEADER, Open, StreamId, put_header};
use crate::kgp::handshake::{Parameters, Resume, VERSION};
use crate::kgp::session::world::{Choice, Transports, World, steps};
use crate::kgp::session::{Session, Side};
use crate::kgp::{Pool, ProtocolError, StreamKey};

/// The frame as bytes.
pub fn encode(frame: &Frame<'_>) -> Vec<u8> {
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

/// Decisions out of the fuzzer's input, until it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> usize {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                usize::from(*byte)
            }
            None => 0,
        }
    }
}

impl Choice for Input<'_> {
    fn below(&mut self, n: usize) -> usize {
        let mut value = self.byte();
        if n > 256 {
            value = value << 8 | self.byte();
        }
        if n > 1 << 16 {
            value = value << 8 | self.byte();
        }
        value % n.max(1)
    }
}

/// Two honest sessions: whatever happens to them, every stream gets its bytes once and in order,
/// credit is conserved, and all comes to rest.
///
/// # Panics
///
/// If not so.
pub fn pair(input: &[u8]) {
    live(input, Transports::Safe);
}

/// As [`pair`], over transports that die, linger and are replaced.
///
/// # Panics
///
/// If a byte is lost, doubled or moved, or the two do not come to rest.
pub fn resume_pair(input: &[u8]) {
    live(input, Transports::Mortal);
}

fn live(input: &[u8], transports: Transports) {
    let choice = &mut Input(input);
    let mut world = World::new(steps::settings(choice), steps::settings(choice));
    world.transports = transports;
    let mut life = || {
        while !choice.0.is_empty() {
            world.step(choice)?;
            world.check();
        }
        world.calm_down(choice)
    };
    match life() {
        // The input may block a transport for as long as it takes.
        Ok(()) | Err(TransportLoss::Silent) => {}
        Err(loss) => panic!("{loss}"),
    }
}

/// One session against a peer that sends anything: it never panics, its credit is conserved and
/// its memory stays within bounds.
///
/// # Panics
///
/// If not so.
pub fn hostile(input: &[u8]) {
    let choice = &mut Input(input);
    let side = [Side::Client, Side::Server][choice.below(2)];
    let settings = steps::settings(choice);
    let peer = Parameters::of(&steps::settings(choice));
    let mut victim = Victim {
        session: Session::new(SessionId([0; 16]), side, settings, peer),
        pool: Pool::new(2),
        keys: Vec::new(),
        now: Time::ZERO,
        is_broken: false,
    };
    victim.session.attach(Time::ZERO);
    while !choice.0.is_empty() {
        let outcome = match choice.below(4) {
            0 if !victim.is_broken => victim.raw(choice),
            1 if !victim.is_broken => victim.frame(choice),
            _ => {
                victim.act(choice);
                Ok(())
            }
        };
        victim.session.check();
        // After an error its own side may still do something before it ends the session.
        victim.is_broken |= outcome.is_err();
    }
    victim.session.clear(&mut victim.pool);
}

struct Victim {
    session: Session,
    pool: Pool,
    /// Of all streams there ever were.
    keys: Vec<StreamKey>,
    now: Time,
    /// The peer broke the rules.
    is_broken: bool,
}

impl Victim {
    /// Takes the input itself for frames.
    fn raw(&mut self, choice: &mut Input<'_>) -> Result<(), ProtocolError> {
        let input = choice.0;
        match Frame::decode(input)? {
            Some((frame, length)) => {
                choice.0 = &input[length..];
                self.take(frame, length)
            }
            None => Ok(()),
        }
    }

    /// Takes a frame that makes sense more often.
    fn frame(&mut self, choice: &mut Input<'_>) -> Result<(), ProtocolError> {
        let zeros = [0; 65_535];
        let number = 1 + choice.below(12) as u64;
        let Some(stream) = StreamId::new(number) else {
            return Ok(());
        };
        let amount = [0, 1, 5000, 1 << 20, 1 << 40, u64::MAX][choice.below(6)];
        let window = amount as u32;
        let frame = match choice.below(13) {
            0 | 1 => {
                let kind = StreamKind::Connect;
                let Ok(target) = "a:1".parse() else {
                    return Ok(());
                };
                let open = Open { kind, window, target };
                Frame::Open { stream, open }
            }
            2 => Frame::Opened { stream, window },
            3 => Frame::OpenFailed { stream, failure: DialFailure::Other },
            4 | 5 => {
                let payload = &zeros[..1 + choice.below(65_535)];
                Frame::Data { stream, payload }
            }
            6 => Frame::Fin { stream },
            7 => Frame::Reset { stream, reason: ResetReason::Cancelled },
            8 => Frame::Credit { stream, limit: amount },
            9 => Frame::Ack { received: choice.below(1 << 24) as u64 },
            10 => Frame::Ping { token: amount },
            11 => out_of_place(choice.below(3), amount),
            _ => match choice.below(20) {
                0 => Frame::GoAway,
                _ => Frame::Pong { token: amount },
            },
        };
        let length = encode(&frame).len();
        self.take(frame, length)
    }

    fn take(&mut self, frame: Frame<'_>, length: usize) -> Result<(), ProtocolError> {
        use crate::kgp::Received;
        let received = self.session.receive(frame, length, &mut self.pool, self.now)?;
        if let Received::Open { stream, .. } = received {
            self.session.set_owner(stream, owner());
            self.keys.push(stream);
        }
        Ok(())
    }

    /// Anything its own side may do, with any stream there ever was.
    fn act(&mut self, choice: &mut Input<'_>) {
        let (session, pool, now) = (&mut self.session, &mut self.pool, self.now);
        let key = self.keys.get(choice.below(self.keys.len())).copied();
        match (choice.below(18), key) {
            (0, _) => {
                let Ok(target) = "a:1".parse() else { return };
                if let Ok(key) = session.open(owner(), StreamKind::Http, target, pool, now) {
                    self.keys.push(key);
                }
            }
            (1, _) => session.mark_sent(choice.below(100_000)),
            (2, _) => while session.next_control(now).is_some() {},
            (3, _) => {
                self.now = now.after(Duration::from_millis(choice.below(30_000) as u64));
                let alive = session.handle_timeout(self.now).is_ok();
                let next = session.deadline();
                assert!(!alive || next.is_none_or(|at| at > self.now));
            }
            (4, _) => {
                if choice.below(20) == 0 {
                    session.go_away(pool);
                }
            }
            (5 | 6, Some(key)) => session.source_ready(key),
            (7, _) => {
                if let Some((key, max)) = session.next_source() {
                    assert!(max > 0);
                    match choice.below(2) {
                        0 => session.source_dry(key),
                        _ => drop(session.reserve(key, max, pool)),
                    }
                }
            }
            (8, Some(key)) => drop(session.commit(key, choice.below(70_000), pool)),
            (9, Some(key)) => {
                if session.has_room() {
                    session.send(key, &[1; 3000], pool);
                }
            }
            (10, Some(key)) => session.answer(key, Ok(()), pool),
            (11, Some(key)) => session.answer(key, Err(DialFailure::Other), pool),
            (12, Some(key)) => session.finish(key, pool),
            (13, Some(key)) => session.reset(key, ResetReason::Cancelled, pool),
            (14 | 15, Some(key)) => {
                let n = [1, 3000, u64::MAX][choice.below(3)];
                session.consumed(key, n, now);
            }
            (16, _) => session.detach(),
            (17, _) => {
                // A peer that has the secret and lies about what it has.
                let received = [choice.below(1 << 20) as u64, u64::MAX][choice.below(2)];
                let before = session.received();
                let judged = session.judge_received(received).is_ok();
                assert_eq!(session.resume(received, pool, now).is_ok(), judged);
                assert_eq!(session.received(), before);
            }
            _ => {}
        }
    }
}

/// A frame of the handshake, which has no place in a session.
fn out_of_place(which: usize, received: u64) -> Frame<'static> {
    match which {
        0 => Frame::Refused(Refusal::Session),
        1 => Frame::Resumed { received },
        _ => Frame::Resume(Resume {
            version: VERSION,
            tunnel: TunnelId([0; 16]),
            session: SessionId([0; 16]),
            secret: ResumeSecret::new([0; 32]),
            received,
            connection: ConnectionNumber::ONLY,
        }),
    }
}

fn owner() -> SocketId {
    SocketId { index: 0, generation: 0 }
}
