//! A session without a transport: it waits, the client dials again, both go on where they were.
//!
//! `docs/kgp.md` has the procedure and why nothing is lost, doubled or reordered by it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::socket::{Role, Socket, SocketKey};
use super::timers::Timer;
use super::transport::{Intake, Stage, Transport};
use super::{Core, SessionKey};
use crate::contract::{
    Action, AddressGuard, CloseMode, ConnectFailure, ConnectionNumber, DialFailure, Event, Refusal,
    SocketClass, Target, TransportLoss, TunnelEnd, TunnelId,
};
use crate::egress::Way;
use crate::kgp::frame::Frame;
use crate::kgp::handshake::{Resume, VERSION};
use crate::tls::{TlsClient, TlsError, TlsPipe};
use crate::{Stop, Time};

/// The first wait between two tries, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A try that nobody answers is given up after so many round trips, within these limits, so that
/// the next one begins soon after the link is back.
const TRY_ROUND_TRIPS: u32 = 4;
const SHORTEST_TRY: Duration = Duration::from_millis(500);
/// Every so many tries one may take so long at least, with others beside it: the way to the server
/// may have become slower than it was.
const PATIENT_TRY: u32 = 4;
const LONG_TRY: Duration = Duration::from_secs(4);
/// A transport that is lost sooner than this was of no use. After some of these in a row the
/// first try is not made at once any more.
const STEADY: Duration = Duration::from_secs(1);
const QUICK_LOSSES: u32 = 3;
/// The wait after a dial that failed, for the first so many: it cost nobody more than one packet, and
/// the link's return is to be noticed within a tenth of a second. These are the first two seconds.
const DIAL_WAIT: Duration = Duration::from_millis(80);
const QUICK_DIALS: u32 = 32;
/// The longest wait after those.
const LONGEST_DIAL_WAIT: Duration = Duration::from_millis(400);

/// Client: how the server is reached again.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) tunnel: TunnelId,
    pub(super) connection: ConnectionNumber,
    pub(super) server: Target,
    pub(super) server_name: String,
    pub(super) tls: TlsClient,
}

/// The time a session spends without a transport.
#[derive(Debug)]
pub(super) struct Outage {
    began: Time,
    /// When the session is given up.
    until: Time,
    cause: TransportLoss,
    /// Client: tries so far.
    attempt: u32,
    /// Client: how many of them, or of transports just before, somebody had to deal with.
    burden: u32,
    /// Client: the socket of the latest try, or of the one that is connected.
    trying: Option<SocketKey>,
    /// Client: the socket of a patient try that dials beside the others.
    patient: Option<SocketKey>,
    /// Client: when the next try begins.
    next_try: Option<Time>,
    /// The round trip time before.
    rtt: Duration,
}

/// How long a try goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// As long as the round trips of before ask for.
    Usual,
    /// Long enough for a way that has become much slower.
    Long,
}

impl Outage {
    /// What kind of try the next one is.
    fn next_patience(&self) -> Patience {
        match self.attempt % PATIENT_TRY {
            0 if self.patient.is_none() => Patience::Long,
            _ => Patience::Usual,
        }
    }

    /// How long a dial may take.
    fn dial_time(&self, patience: Patience, longest: Duration) -> Duration {
        let usual = self.rtt.saturating_mul(TRY_ROUND_TRIPS).max(SHORTEST_TRY);
        let time = match patience {
            Patience::Usual => usual,
            Patience::Long => usual.max(LONG_TRY),
        };
        time.min(longest)
    }

    /// The sockets of all tries.
    fn take_sockets(&mut self) -> [Option<SocketKey>; 2] {
        [self.trying.take(), self.patient.take()]
    }
}

/// The wait after the `n`th dial that failed.
fn dial_wait(n: u32) -> Duration {
    match n.checked_sub(QUICK_DIALS) {
        None | Some(0) => DIAL_WAIT,
        Some(more) => backoff(more).min(LONGEST_DIAL_WAIT),
    }
}

/// The wait after the `n`th failure in a row, from 1.
fn backoff(n: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << n.saturating_sub(1).min(10)).min(LONGEST_WAIT)
}

impl Core {
    /// The transport of a session has ended. The session waits for another, unless nothing could
    /// come of it.
    pub(super) fn transport_lost(&mut self, key: SessionKey, loss: TransportLoss, now: Time) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let session = &mut entry.session;
        let peer_left = loss == TransportLoss::Closed && session.peer_is_going();
        if self.stopping.is_some() && session.is_done() {
            return self.end_session(key, TunnelEnd::Local, now);
        }
        if peer_left || session.is_done() {
            return self.end_session(key, TunnelEnd::PeerDrained, now);
        }
        if !is_survivable(&loss) || self.stopping == Some(Stop::Now) {
            return self.end_session(key, TunnelEnd::Lost(loss), now);
        }
        let until = now.after(self.config.grace);
        let rtt = session.rtt();
        session.detach();
        let lived = now.since(entry.carried_since);
        entry.quick_losses = if lived < STEADY { entry.quick_losses.saturating_add(1) } else { 0 };
        let burden = entry.quick_losses.saturating_sub(QUICK_LOSSES);
        self.timers.set(until, Timer::Grace(key));
        entry.outage = Some(Outage {
            began: now,
            until,
            cause: loss.clone(),
            attempt: 0,
            burden,
            trying: None,
            patient: None,
            next_try: None,
            rtt,
        });
        self.events.push_back(Event::TunnelInterrupted {
            tunnel: entry.tunnel,
            session: session.id,
            connection: entry.connection,
            cause: loss,
        });
        let tunnel = entry.tunnel;
        self.publish(tunnel);
        match burden {
            0 => self.try_again(key, now),
            n => drop(self.try_later(key, backoff(n), now)),
        }
    }

    /// Client: the next try follows after `wait`, or a little less. Says how long it is.
    fn try_later(&mut self, key: SessionKey, wait: Duration, now: Time) -> Option<Duration> {
        let random = self.random.number();
        self.sessions.get(key).filter(|entry| entry.reach.is_some() && entry.outage.is_some())?;
        // Between a half and the whole of it, so that many clients do not come at once.
        let jitter = wait.as_nanos() as u64 / 2;
        let wait = wait - Duration::from_nanos(random % jitter.max(1));
        self.next_try_at(key, now.after(wait));
        Some(wait)
    }

    /// Client: dials the server for a session that waits.
    pub(super) fn try_again(&mut self, key: SessionKey, now: Time) {
        let unix_time = self.unix_time(now);
        let longest = self.config.handshake_timeout;
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let (Some(reach), Some(outage)) = (&entry.reach, &mut entry.outage) else { return };
        outage.attempt += 1;
        outage.next_try = None;
        let patience = outage.next_patience();
        let deadline = now.after(outage.dial_time(patience, longest));
        let usual = outage.dial_time(Patience::Usual, longest);
        let resume = Frame::Resume(Resume {
            version: VERSION,
            tunnel: entry.tunnel,
            session: entry.session.id,
            secret: entry.secret.clone(),
            received: entry.session.received(),
            connection: entry.connection,
        });
        let reach = reach.clone();
        let first = resume.encode().as_slice().to_vec();
        let stage = Stage::AwaitResumed(key);
        let pipe =
            match TlsPipe::client(&reach.tls, &reach.server_name, unix_time, &mut self.tls_pool) {
                Ok(pipe) => pipe,
                Err(error) => {
                    let failure = ConnectFailure::Transport(TransportLoss::Tls(error));
                    return self.try_failed(key, None, failure, now);
                }
            };
        let socket = self.dial_transport(pipe, stage, first, reach.server.clone(), (deadline, now));
        let Some(outage) = self.sessions.get_mut(key).and_then(|e| e.outage.as_mut()) else {
            return;
        };
        match patience {
            Patience::Usual => outage.trying = Some(socket),
            Patience::Long => {
                outage.patient = Some(socket);
                self.next_try_at(key, now.after(usual));
            }
        }
    }

    /// Client: the next try begins at `at`.
    fn next_try_at(&mut self, key: SessionKey, at: Time) {
        let Some(outage) = self.sessions.get_mut(key).and_then(|e| e.outage.as_mut()) else {
            return;
        };
        if let Some(before) = outage.next_try.replace(at) {
            self.timers.cancel(before, Timer::Try(key));
        }
        self.timers.set(at, Timer::Try(key));
    }

    /// Client: the dial of a try has succeeded. It is the only one from here on. Says how long TLS
    /// and RESUME may take: some times as long as the dial.
    pub(super) fn try_connected(&mut self, key: SessionKey, socket: SocketKey) -> Duration {
        let longest = self.config.handshake_timeout;
        let Some(outage) = self.sessions.get_mut(key).and_then(|e| e.outage.as_mut()) else {
            return longest;
        };
        let patience = match outage.patient {
            Some(patient) if patient == socket => Patience::Long,
            _ => Patience::Usual,
        };
        let time = outage.dial_time(patience, longest).saturating_mul(4).min(longest);
        let others = outage.take_sockets();
        outage.trying = Some(socket);
        if let Some(at) = outage.next_try.take() {
            self.timers.cancel(at, Timer::Try(key));
        }
        for other in others.into_iter().flatten().filter(|other| *other != socket) {
            self.drop_transport(other, CloseMode::Abort);
        }
        time
    }

    /// Client: has the driver dial the server.
    pub(super) fn dial_transport(
        &mut self,
        pipe: TlsPipe,
        stage: Stage,
        first: Vec<u8>,
        target: Target,
        (deadline, now): (Time, Time),
    ) -> SocketKey {
        let way = self.config.egress.transport_way(&target.host).cloned();
        let proxy = way.as_ref().and_then(Way::proxy).map(|proxy| proxy.address.clone());
        let (pipe, preamble) = self.preamble(way, &target, pipe, now);
        let target = proxy.unwrap_or(target);
        let transport = Transport { pipe, stage, first, intake: Intake::Open, preamble };
        let role = Role::Transport(Some(Box::new(transport)));
        self.counters.transports.dials += 1;
        let key = self.sockets.insert(Socket::new(role, None));
        let (socket, class) = (key.into(), SocketClass::Transport);
        let guard = AddressGuard::Anywhere;
        self.actions.push_back(Action::Dial { socket, target, class, guard, deadline });
        key
    }

    /// Client: a try has come to nothing; `socket` was its. The next follows after a while.
    pub(super) fn try_failed(
        &mut self,
        key: SessionKey,
        socket: Option<SocketKey>,
        failure: ConnectFailure,
        now: Time,
    ) {
        if let ConnectFailure::Transport(TransportLoss::Refused(refusal)) = failure {
            let end = TunnelEnd::Lost(TransportLoss::Refused(refusal));
            return self.end_session(key, end, now);
        }
        let Some(entry) = self.sessions.get_mut(key) else { return };
        let Some(outage) = &mut entry.outage else { return };
        if socket.is_some() && outage.patient == socket {
            outage.patient = None;
            if outage.trying.is_some() {
                return;
            }
        } else {
            outage.trying = None;
        }
        let wait = match failure {
            ConnectFailure::Dial(DialFailure::TimedOut | DialFailure::Unreachable) => DIAL_WAIT,
            ConnectFailure::Dial(_) => dial_wait(outage.attempt),
            // The server has had work with it.
            ConnectFailure::Transport(_) | ConnectFailure::ServerName(_) => {
                outage.burden = outage.burden.saturating_add(1);
                backoff(outage.burden)
            }
        };
        let Some(wait) = self.try_later(key, wait, now) else { return };
        let Some(entry) = self.sessions.get(key) else { return };
        let Some(outage) = &entry.outage else { return };
        self.events.push_back(Event::Reconnecting {
            tunnel: entry.tunnel,
            session: entry.session.id,
            connection: entry.connection,
            attempt: outage.attempt,
            failure,
            next_try_in: wait,
        });
    }

    /// Server: a client wants to go on with its session. The newest transport wins.
    pub(super) fn resume_here(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        resume: &Resume,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let session = self.sessions_of(resume.tunnel).find(|(_, entry)| {
            entry.session.id == resume.session
                && entry.connection == resume.connection
                && entry.secret.verify(&resume.secret).is_ok()
        });
        let Some((session, _)) = session else {
            return Err(transport.refuse(Refusal::Session));
        };
        let Some(entry) = self.sessions.get(session) else { return Ok(()) };
        // One that was under way for long, behind a newer one, must not harm the session.
        entry.session.judge_received(resume.received)?;
        self.fence(session);
        let Some(entry) = self.sessions.get(session) else { return Ok(()) };
        let resumed = Frame::Resumed { received: entry.session.received() };
        transport.first.extend_from_slice(resumed.encode().as_slice());
        self.carry_on(key, transport, session, resume.received, now)
    }

    /// Takes the present transport away from a session, if it has one. What it has delivered
    /// counts; nothing of it will be taken any more.
    fn fence(&mut self, session: SessionKey) {
        let Some(entry) = self.sessions.get(session) else { return };
        let old = entry.transport;
        if entry.outage.is_none() {
            self.drop_transport(old, CloseMode::Abort);
        }
    }

    /// The new transport carries the session on; the peer has taken in `received` bytes.
    pub(super) fn carry_on(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        session: SessionKey,
        received: u64,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let Some(entry) = self.sessions.get_mut(session) else {
            return Err(TransportLoss::Ended);
        };
        transport.stage = Stage::Attached(session);
        entry.transport = key;
        let replayed = entry.session.resume(received, &mut self.pool, now)?;
        self.counters.resumes += 1;
        self.counters.replayed += replayed;
        let outage = entry.outage.take();
        let tunnel = entry.tunnel;
        let event = Event::TunnelResumed {
            tunnel,
            session: entry.session.id,
            connection: entry.connection,
            replayed,
            streams: entry.session.stream_count(),
            outage: outage.as_ref().map_or(Duration::ZERO, |outage| now.since(outage.began)),
        };
        entry.carried_since = now;
        if let Some(outage) = outage {
            self.cancel_timers(session, &outage);
        }
        self.events.push_back(event);
        self.clear_timer(key);
        self.retime_session(session);
        self.queue_sources(session);
        self.publish(tunnel);
        Ok(())
    }

    /// The session of an outage has ended: so does the try that is under way.
    pub(super) fn cancel_outage(&mut self, session: SessionKey, outage: &mut Outage) {
        self.cancel_timers(session, outage);
        for socket in outage.take_sockets().into_iter().flatten() {
            self.drop_transport(socket, CloseMode::Abort);
        }
    }

    fn cancel_timers(&mut self, session: SessionKey, outage: &Outage) {
        self.timers.cancel(outage.until, Timer::Grace(session));
        if let Some(at) = outage.next_try {
            self.timers.cancel(at, Timer::Try(session));
        }
    }

    /// The session has waited long enough.
    pub(super) fn grace_over(&mut self, key: SessionKey, now: Time) {
        let cause = self.sessions.get(key).and_then(|entry| entry.outage.as_ref());
        if let Some(cause) = cause.map(|outage| outage.cause.clone()) {
            self.end_session(key, TunnelEnd::Lost(cause), now);
        }
    }
}

impl Transport {
    /// Tells the peer why it is not let in, or let on. That is the end of the transport.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> TransportLoss {
        self.first.extend_from_slice(Frame::Refused(refusal).encode().as_slice());
        TransportLoss::Refused(refusal)
    }
}

/// Whether a session may go on with another transport after this.
fn is_survivable(loss: &TransportLoss) -> bool {
    match loss {
        TransportLoss::Closed
        | TransportLoss::Failed
        | TransportLoss::Silent
        | TransportLoss::HandshakeTimeout => true,
        TransportLoss::Tls(error) => !matches!(error, TlsError::Internal(_)),
        TransportLoss::Protocol(_) | TransportLoss::Refused(_) | TransportLoss::Ended => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketId;

    fn outage(rtt: Duration) -> Outage {
        Outage {
            began: Time::ZERO,
            until: Time::ZERO,
            cause: TransportLoss::Failed,
            attempt: 1,
            burden: 0,
            trying: None,
            patient: None,
            next_try: None,
            rtt,
        }
    }

    #[test]
    fn now_and_then_a_try_is_patient() {
        let mut outage = outage(Duration::from_millis(1));
        assert_eq!(outage.next_patience(), Patience::Usual);
        outage.attempt = 4;
        assert_eq!(outage.next_patience(), Patience::Long);
        outage.attempt = 8;
        outage.patient = Some(SocketId { index: 1, generation: 1 }.into());
        assert_eq!(outage.next_patience(), Patience::Usual, "one at a time");
    }

    #[test]
    fn a_dial_takes_some_round_trips_at_most() {
        let longest = Duration::from_secs(15);
        let near = outage(Duration::from_millis(1));
        assert_eq!(near.dial_time(Patience::Usual, longest), SHORTEST_TRY);
        assert_eq!(near.dial_time(Patience::Long, longest), LONG_TRY);
        let usual = outage(Duration::from_millis(100));
        assert_eq!(usual.dial_time(Patience::Usual, longest), SHORTEST_TRY);
        let far = outage(Duration::from_secs(2));
        assert_eq!(far.dial_time(Patience::Usual, longest), Duration::from_secs(8));
        assert_eq!(far.dial_time(Patience::Long, longest), Duration::from_secs(8));
        let short = Duration::from_millis(50);
        assert_eq!(near.dial_time(Patience::Long, short), short);
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let dials = [1, 32, 33, 34, 35, 36, u32::MAX].map(|n| dial_wait(n).as_millis());
        assert_eq!(dials, [80, 80, 100, 200, 400, 400, 400]);
        assert_eq!([1, 2, 3, 7, 1000].map(|n| backoff(n).as_millis()), [100, 200, 400, 5000, 5000]);
    }
}
