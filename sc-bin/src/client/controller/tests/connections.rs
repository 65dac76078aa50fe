//! A tunnel over several connections.

use super::*;

fn number(index: u8) -> ConnectionNumber {
    ConnectionNumber::new(index, 4).unwrap()
}

fn interrupted(index: u8) -> Input {
    let (tunnel, session, connection) = (ID, SESSION, number(index));
    let cause = TransportLoss::Failed;
    Input::Tunnel(Event::TunnelInterrupted { tunnel, session, connection, cause })
}

fn resumed(index: u8) -> Input {
    Input::Tunnel(Event::TunnelResumed {
        tunnel: ID,
        session: SESSION,
        connection: number(index),
        replayed: 1,
        streams: 2,
        outage: Duration::from_secs(1),
    })
}

fn refused_of(index: u8) -> Input {
    connect_failed_of(number(index), ConnectFailure::Dial(DialFailure::Refused))
}

impl Run {
    /// Serving with all four connections up.
    fn serving_by_four() -> Self {
        let mut run = Self::with_connections(4).create();
        run.give(created(Status::Running));
        assert_eq!(run.dialled(), [0], "the first comes alone");
        run.give(up_of(number(0)));
        assert!(run.said(&Line::Ready));
        assert_eq!(run.dialled(), [0, 1, 2, 3]);
        (1..4).for_each(|index| run.give(up_of(number(index))));
        assert_eq!(run.count(|effect| matches!(effect, Effect::Say(Line::Ready))), 1);
        assert_eq!(run.count(|effect| matches!(effect, Effect::Say(Line::Established { .. }))), 4);
        run.give(polled(Status::Running));
        run.seen.clear();
        run
    }

    /// The connections that were dialled, in order.
    fn dialled(&self) -> Vec<u8> {
        let index = |effect: &Effect| match effect {
            Effect::Connect(_, connection) => Some(connection.index()),
            _ => None,
        };
        self.seen.iter().filter_map(index).collect()
    }

    fn lines(&self) -> Vec<&Line> {
        let said = self.seen.iter().filter_map(|effect| match effect {
            Effect::Say(line) => Some(line),
            _ => None,
        });
        said.collect()
    }

    /// Wakes until something was dialled.
    fn wake_until_dial(&mut self) {
        let before = self.dialled().len();
        while self.dialled().len() == before {
            self.wake();
            if self.controller.poll == Timer::UnderWay {
                self.give(polled(Status::Running));
            }
            if self.controller.heartbeat == Timer::UnderWay {
                self.give(Input::Answer(Answer::Heartbeat(Ok(()))));
            }
        }
    }
}

#[test]
fn while_one_is_up_the_tunnel_is_and_each_change_is_told_once() {
    let mut run = Run::serving_by_four();
    let since = run.controller.link_changed;
    run.now += Duration::from_secs(1);
    for index in 0..3 {
        run.give(interrupted(index));
        assert_eq!(run.controller.links.all(), Link::Up);
    }
    assert_eq!(run.controller.link_changed, since, "the tunnel is as it was");
    assert!(run.controller.beat(run.now).kgp_is_connected);
    run.give(interrupted(3));
    assert_eq!(run.controller.links.all(), Link::Interrupted);
    assert_eq!(run.controller.link_changed, run.now);
    assert!(!run.controller.beat(run.now).kgp_is_connected);
    let left = run.lines().into_iter().map(|line| match line {
        Line::Interrupted { left, .. } => *left,
        other => panic!("{other:?}"),
    });
    assert_eq!(left.collect::<Vec<_>>(), [3, 2, 1, 0]);
    (0..4).for_each(|index| run.give(resumed(index)));
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::Resumed { .. }))), 4);
    assert_eq!(run.lines().len(), 8);
    assert_eq!(run.count(is_connect), 0, "the core dials by itself");
}

#[test]
fn one_that_is_lost_comes_back_by_itself() {
    let mut run = Run::serving_by_four();
    run.give(down_of(number(2)));
    assert_eq!(run.lines().len(), 0, "the record may say that the tunnel was ended");
    run.give(polled(Status::Running));
    let why = TunnelEnd::Lost(TransportLoss::Failed).to_string();
    assert!(run.said(&Line::ConnectionLost { connection: number(2), why }));
    for tries in 1..=3 {
        run.wake_until_dial();
        assert_eq!(run.dialled(), vec![2; tries]);
        run.give(refused_of(2));
    }
    run.wake_until_dial();
    run.give(up_of(number(2)));
    assert!(run.said(&Line::ConnectionBack { connection: number(2), up: 4 }));
    assert!(!run.said(&Line::Restored));
    let is_create = |e: &Effect| matches!(e, Effect::Call(Call::Create(_)));
    assert_eq!((run.count(is_create), run.exit()), (0, None), "REST is not asked for a tunnel");
}

#[test]
fn one_comes_back_while_all_others_wait() {
    let mut run = Run::serving_by_four();
    run.give(down_of(number(2)));
    [0, 1, 3].into_iter().for_each(|index| run.give(interrupted(index)));
    run.give(polled(Status::Running));
    run.wake_until_dial();
    run.give(up_of(number(2)));
    assert_eq!(run.controller.links.all(), Link::Up);
    assert_eq!(run.controller.link_changed, run.now);
}

#[test]
fn after_all_were_lost_one_leads_the_way_back() {
    let mut run = Run::serving_by_four();
    (0..4).for_each(|index| run.give(interrupted(index)));
    (0..4).for_each(|index| run.give(down_of(number(index))));
    run.give(polled(Status::Running));
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::Lost { .. }))), 1);
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::ConnectionLost { .. }))), 3);
    // Those that were to come back by themselves fail, until one is left.
    for _ in 0..40 {
        run.wake_until_dial();
        let last = *run.dialled().last().unwrap();
        run.give(refused_of(last));
    }
    let lately = run.dialled().split_off(30);
    assert!(lately.iter().all(|index| *index == lately[0]), "{lately:?}");
    run.wake_until_dial();
    run.seen.clear();
    run.give(up_of(number(lately[0])));
    assert!(run.said(&Line::Restored));
    assert_eq!(run.dialled().len(), 3, "the others follow");
    let others: Vec<_> = run.dialled();
    others.into_iter().for_each(|index| run.give(up_of(number(index))));
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::ConnectionBack { .. }))), 3);
    assert_eq!(run.controller.links.all(), Link::Up);
}

#[test]
fn a_server_that_restarts_gets_all_of_them_back() {
    let mut run = Run::serving_by_four();
    (0..4).for_each(|index| run.give(interrupted(index)));
    let end = || TunnelEnd::Lost(TransportLoss::Refused(Refusal::Session));
    for index in 0..4 {
        let (tunnel, session, connection) = (ID, SESSION, number(index));
        run.give(Input::Tunnel(Event::TunnelDown { tunnel, session, connection, end: end() }));
    }
    let mut record = tunnel(Status::Terminated);
    record.shutdown_reason = Some("serverRestart".to_owned());
    record.user_shutdown = Some(false);
    run.give(Input::Answer(Answer::Polled(Ok(Box::new(record)))));
    assert!(run.said(&Line::Recovering));
    run.seen.clear();
    run.give(created(Status::Running));
    assert_eq!(run.dialled(), [0], "one at first");
    run.give(up_of(number(0)));
    assert_eq!(run.dialled(), [0, 1, 2, 3]);
}

#[test]
fn what_a_server_drains_is_not_made_again_unless_the_tunnel_goes_on() {
    let mut run = Run::serving_by_four();
    let drained = |index| {
        let (tunnel, session, connection) = (ID, SESSION, number(index));
        let end = TunnelEnd::PeerDrained;
        Input::Tunnel(Event::TunnelDown { tunnel, session, connection, end })
    };
    run.give(drained(1));
    assert_eq!((run.count(is_connect), run.lines().len()), (0, 0));
    run.give(polled(Status::Running));
    assert_eq!(run.dialled(), [1]);
    run.give(up_of(number(1)));
    run.give(drained(3));
    run.give(polled(Status::Halting));
    assert_eq!(run.dialled(), [1]);
}

#[test]
fn a_stop_waits_for_all_of_them() {
    let mut run = Run::serving_by_four();
    run.give(down_of(number(1)));
    run.give(Input::Signal);
    run.give(deleted(JobsAtEnd::Wait, 0));
    assert_eq!(run.count(|effect| matches!(effect, Effect::Stop(Stop::Drain))), 1);
    for index in [0, 2] {
        run.give(down_of(number(index)));
        assert!(matches!(run.controller.stage, Stage::Draining { .. }));
    }
    run.give(down_of(number(3)));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 1);
    run.give(Input::Tunnel(Event::Stopped));
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::Orderly));
}

#[test]
fn a_connection_more_that_cannot_be_made_does_not_end_the_tunnel() {
    let mut run = Run::serving_by_four();
    run.give(down_of(number(1)));
    run.give(polled(Status::Running));
    run.wake_until_dial();
    let failure = || Failure::Machine { what: "no", error: "descriptors".to_owned() };
    run.controller.cannot_connect(number(1), failure(), run.now);
    run.collect();
    assert_eq!(run.exit(), None);
    run.wake_until_dial();
    assert_eq!(run.dialled(), [1, 1]);
}
