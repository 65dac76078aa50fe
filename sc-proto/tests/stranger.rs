//! Who may go on with a session, and who may not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod world;

use std::time::Duration;

use sc_proto::Event;
use sc_proto::contract::{Refusal, TransportLoss, TunnelId};
use sc_proto::kgp::frame::Frame;
use sc_proto::tls::{BufferPool, TlsPipe, TlsState};
use world::dials::Way;
use world::faults::Cut;
use world::{CLIENT, End, KGP, SECRET, TUNNEL, World};

/// A connection to the server's port, spoken by the test itself.
struct Stranger {
    pipe: TlsPipe,
    pool: BufferPool,
    end: End,
}

impl Stranger {
    fn new(world: &mut World) -> Self {
        let mut pool = BufferPool::default();
        let pipe = TlsPipe::client(&world.trust(), "localhost", 1_800_000_000, &mut pool).unwrap();
        let end = world.browse(0, KGP).unwrap();
        let mut stranger = Self { pipe, pool, end };
        for _ in 0..6 {
            stranger.exchange(world);
        }
        assert_eq!(stranger.pipe.state(), TlsState::Established);
        stranger
    }

    fn exchange(&mut self, world: &mut World) {
        let out = self.pipe.ciphertext().to_vec();
        self.pipe.sent(out.len(), &mut self.pool);
        world.send(self.end, &out);
        world.run();
        for part in world.take(self.end, usize::MAX).chunks(8192) {
            self.pipe.read_space(&mut self.pool)[..part.len()].copy_from_slice(part);
            self.pipe.filled(part.len(), &mut self.pool);
            let _ = self.pipe.decrypt(&mut self.pool).unwrap();
        }
    }

    /// Says this and hears the first frame of the answer.
    fn ask(&mut self, world: &mut World, bytes: &[u8]) -> Option<Frame<'_>> {
        assert_eq!(self.pipe.encrypt(bytes, &mut self.pool), bytes.len());
        self.exchange(world);
        self.exchange(world);
        Frame::decode(self.pipe.plaintext()).unwrap().map(|(frame, _)| frame)
    }
}

/// A HELLO of the tunnel's client as bytes, but for the number of the connection.
fn hello(connection: u8, connections: u8) -> Vec<u8> {
    let mut bytes = vec![1, 0, 82, 0, 0, 0, 0, 0, 0, 1];
    bytes.extend(TUNNEL.0);
    bytes.extend(SECRET.expose());
    bytes.extend([0, 0, 1, 0, 0, 0, 16, 0, 255, 255, 0, 0, 7, 208]);
    bytes.extend(CLIENT.0);
    bytes.extend([connection, connections]);
    bytes
}

#[test]
fn there_are_no_connections_but_those_of_the_client() {
    for (connection, connections) in [(0, 0), (1, 1), (5, 4), (32, 33), (255, 255)] {
        let (mut world, _) = World::tunnel_of(2, 3, |_| {});
        let mut stranger = Stranger::new(&mut world);
        let answer = stranger.ask(&mut world, &hello(connection, connections));
        assert_eq!(answer, Some(Frame::Refused(Refusal::Parameters)));
        world.run();
        assert!(world.has_ended(stranger.end));
        assert_eq!(world.cores[0].statistics().sessions, 2);
    }
    let (mut world, _) = World::tunnel_of(2, 3, |_| {});
    let mut stranger = Stranger::new(&mut world);
    let answer = stranger.ask(&mut world, &hello(1, 2));
    assert!(matches!(answer, Some(Frame::Welcome(_))), "so the bytes are right: {answer:?}");
}

#[test]
fn a_resume_names_the_connection_of_its_session() {
    let (mut world, _) = World::tunnel_of(2, 4, |_| {});
    let session = world.events.iter().find_map(|(_, event)| match event {
        Event::TunnelUp { session, .. } => Some(session.0),
        _ => None,
    });
    let mut stranger = Stranger::new(&mut world);
    let bytes = resume(1, TUNNEL, session.unwrap(), 0);
    assert_eq!(stranger.ask(&mut world, &bytes), Some(Frame::Refused(Refusal::Session)));
}

/// A RESUME as bytes.
fn resume(version: u16, tunnel: TunnelId, session: [u8; 16], received: u64) -> Vec<u8> {
    let mut bytes = vec![8, 0, 76, 0, 0, 0, 0, 0];
    bytes.extend(version.to_be_bytes());
    bytes.extend(tunnel.0);
    bytes.extend(session);
    bytes.extend([0x55; 32]);
    bytes.extend(received.to_be_bytes());
    // Connection 0 of 1.
    bytes.extend([0, 1]);
    bytes
}

#[test]
fn without_its_secret_nobody_gets_a_session() {
    for cut in [None, Some(Cut::Reset)] {
        let (mut world, _) = World::tunnel(1, |_| {});
        let session = world.events.iter().find_map(|(_, event)| match event {
            Event::TunnelUp { session, .. } => Some(session.0),
            _ => None,
        });
        let session = session.unwrap();
        if let Some(cut) = cut {
            world.way = Way::Unreachable;
            world.cut(cut);
            world.pass(Duration::from_secs(1));
        }
        let before = world.events.len();
        let cases = [
            (resume(1, TUNNEL, session, 0), Refusal::Session),
            (resume(1, TUNNEL, session, u64::MAX), Refusal::Session),
            (resume(1, TUNNEL, [1; 16], 0), Refusal::Session),
            (resume(1, TunnelId([8; 16]), session, 0), Refusal::Session),
            (resume(2, TUNNEL, session, 0), Refusal::Version),
        ];
        for (bytes, refusal) in cases {
            let mut stranger = Stranger::new(&mut world);
            let answer = stranger.ask(&mut world, &bytes);
            assert_eq!(answer, Some(Frame::Refused(refusal)));
            world.run();
            assert!(world.has_ended(stranger.end));
        }
        for (core, event) in &world.events[before..] {
            let is_told =
                matches!(event, Event::TransportDropped { loss: TransportLoss::Refused(_), .. });
            let is_try = *core == 1 && matches!(event, Event::Reconnecting { .. });
            assert!(is_told || is_try, "{event:?}");
        }
        world.way = Way::Open;
        world.pass(Duration::from_secs(3));
        let down = world.events.iter().any(|(_, e)| matches!(e, Event::TunnelDown { .. }));
        assert!(!down, "the session was not disturbed");
    }
}

#[test]
fn a_resume_that_is_not_the_first_frame_is_an_error() {
    let (mut world, _) = World::tunnel(2, |_| {});
    let mut stranger = Stranger::new(&mut world);
    // PING, then RESUME.
    let mut bytes = vec![5, 0, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    bytes.extend(resume(1, TUNNEL, [0; 16], 0));
    assert_eq!(stranger.ask(&mut world, &bytes), None);
    let dropped = |(_, event): &(usize, Event)| {
        matches!(event, Event::TransportDropped { loss: TransportLoss::Protocol(_), .. })
    };
    assert!(world.events.iter().any(dropped), "{:?}", world.events);
}
