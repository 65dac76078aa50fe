//! Transports: TLS, the handshake, and the pump between a socket and its session.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::socket::{Role, Socket, SocketKey};
use super::timers::Timer;
use super::tunnel::SessionEntry;
use super::{Core, SessionKey};
use crate::contract::{
    Action, CloseMode, Connect, ConnectFailure, DialFailure, Event, HandOver, Read, Refusal,
    SessionId, SocketClass, SocketId, TransportLoss, TunnelEnd, TunnelId, Write,
};
use crate::kgp::frame::Frame;
use crate::kgp::handshake::{Hello, Parameters, VERSION, Welcome};
use crate::kgp::{ProtocolError, Session, Side};
use crate::tls::{Progress, TlsPipe, TlsState};
use crate::{DeadlineReason, Time};

/// With so much ciphertext waiting for the socket nothing more is encrypted: the choice of what
/// goes next stays open.
const OUTPUT_LOW: usize = 16 * 1024;
/// How much is encrypted for one write, in bytes.
const OUTPUT_FULL: usize = 64 * 1024;
/// One full TLS record.
const RECORD: usize = 16 * 1024;
/// How long a transport that was told goodbye may take to be written out.
const LINGER: core::time::Duration = core::time::Duration::from_secs(5);

/// One TLS connection that carries a session, or will.
#[derive(Debug)]
pub(crate) struct Transport {
    pipe: TlsPipe,
    stage: Stage,
    /// Plaintext that goes before all else: the handshake's frames.
    first: Vec<u8>,
}

/// How far a transport is.
#[derive(Debug)]
enum Stage {
    /// Server: the client's HELLO has not come.
    AwaitHello,
    /// Client: the server's answer to HELLO has not come.
    AwaitWelcome(TunnelId),
    /// Server: the HELLO was good; the session is made by the worker it belongs to.
    Admitted(Hello),
    /// It carries a session.
    Attached(SessionKey),
    /// What is left to be said is written, then it is closed.
    Closing,
}

impl Core {
    /// Client: dials the server.
    pub(super) fn connect(&mut self, connect: Connect, now: Time) {
        let Connect {
            tunnel,
            secret,
            server,
            server_name,
            tls,
        } = connect;
        let unix_time = self.unix_time(now);
        let pipe = match TlsPipe::client(&tls, &server_name, unix_time, &mut self.tls_pool) {
            Ok(pipe) => pipe,
            Err(error) => {
                let failure = ConnectFailure::Transport(TransportLoss::Tls(error));
                self.events
                    .push_back(Event::ConnectFailed { tunnel, failure });
                return;
            }
        };
        let parameters = Parameters::of(&self.config.kgp);
        let hello = Frame::Hello(Hello {
            version: VERSION,
            tunnel,
            secret,
            parameters,
        });
        let first = hello.encode().as_slice().to_vec();
        let transport = Transport {
            pipe,
            stage: Stage::AwaitWelcome(tunnel),
            first,
        };
        let key = self.sockets.insert(Socket::new(
            Role::Transport(Some(Box::new(transport))),
            None,
        ));
        let deadline = now.after(self.config.handshake_timeout);
        let action = Action::Dial {
            socket: key.into(),
            target: server,
            class: SocketClass::Transport,
            deadline,
        };
        self.actions.push_back(action);
    }

    /// Server: a client's connection was accepted.
    pub(super) fn accept_transport(&mut self, peer: SocketAddr, now: Time) -> Option<SocketId> {
        let tls = self.config.tls_server.as_ref()?;
        let pipe = TlsPipe::server(tls, self.unix_time(now)).ok()?;
        let transport = Transport {
            pipe,
            stage: Stage::AwaitHello,
            first: Vec::new(),
        };
        let role = Role::Transport(Some(Box::new(transport)));
        let key = self.sockets.insert(Socket::new(role, Some(peer)));
        self.set_timer(
            key,
            now.after(self.config.handshake_timeout),
            DeadlineReason::Handshake,
        );
        Some(key.into())
    }

    /// Client: the dial of a transport has succeeded.
    pub(super) fn transport_connected(&mut self, key: SocketKey, now: Time) {
        self.set_timer(
            key,
            now.after(self.config.handshake_timeout),
            DeadlineReason::Handshake,
        );
        self.kick_transport(key);
    }

    /// Client: the dial of a transport has failed.
    pub(super) fn transport_dial_failed(&mut self, key: SocketKey, failure: DialFailure) {
        if let Some(Stage::AwaitWelcome(tunnel)) = self.remove_transport(key).map(|t| t.stage) {
            let failure = ConnectFailure::Dial(failure);
            self.events
                .push_back(Event::ConnectFailed { tunnel, failure });
        }
    }

    /// Server: takes an admitted transport from another worker.
    pub(super) fn adopt_transport(
        &mut self,
        state: HandOver,
        peer: SocketAddr,
        now: Time,
    ) -> SocketId {
        let role = Role::Transport(Some(state.0));
        let key = self.sockets.insert(Socket::new(role, Some(peer)));
        if let Some(mut transport) = self.take_transport(key) {
            let outcome = match core::mem::replace(&mut transport.stage, Stage::AwaitHello) {
                Stage::Admitted(hello) => self.admit_here(key, &mut transport, hello, now),
                _ => Ok(()),
            };
            self.put_transport(key, transport);
            match outcome {
                Ok(()) => self.pump_in(key, now),
                Err(loss) => self.lose_transport(key, loss, now),
            }
        }
        key.into()
    }

    pub(super) fn transport_space(&mut self, key: SocketKey) -> &mut [u8] {
        let Self {
            sockets, tls_pool, ..
        } = self;
        match sockets.get_mut(key).and_then(Socket::transport) {
            Some(transport) => transport.pipe.read_space(tls_pool),
            None => &mut [],
        }
    }

    pub(super) fn transport_read(&mut self, key: SocketKey, outcome: Read, now: Time) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n,
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        let Self {
            sockets, tls_pool, ..
        } = self;
        let Some(transport) = sockets.get_mut(key).and_then(Socket::transport) else {
            return;
        };
        transport.pipe.filled(n, tls_pool);
        if n > 0 {
            self.pump_in(key, now);
        }
        match outcome {
            Read::Bytes(_) | Read::Drained(_) | Read::WouldBlock => {}
            Read::End => {
                self.settle();
                self.lose_transport(key, TransportLoss::Closed, now);
            }
            Read::Failed => {
                self.settle();
                self.lose_transport(key, TransportLoss::Failed, now);
            }
        }
    }

    /// Decrypts and takes frames in, until a part of the plaintext has been lent out or nothing
    /// whole is left.
    pub(super) fn pump_in(&mut self, key: SocketKey, now: Time) {
        self.settle();
        let Some(mut transport) = self.take_transport(key) else {
            return;
        };
        let outcome = self.pump_in_taken(key, &mut transport, now);
        let handed_over = matches!(transport.stage, Stage::Admitted(_));
        let attached = match transport.stage {
            Stage::Attached(session) => Some(session),
            _ => None,
        };
        self.put_transport(key, transport);
        match outcome {
            Ok(()) if handed_over => self.hand_over(key),
            Ok(()) => {}
            Err(loss) => {
                self.settle();
                self.lose_transport(key, loss, now);
            }
        }
        if let Some(session) = attached {
            self.after_session(session, now);
        }
        self.kick_transport(key);
    }

    fn pump_in_taken(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        now: Time,
    ) -> Result<(), TransportLoss> {
        loop {
            let progress = transport.pipe.decrypt(&mut self.tls_pool);
            // What was decrypted before an error is intact and counts.
            let used = self.take_frames(key, transport, now)?;
            let progress = progress?;
            if matches!(transport.stage, Stage::Admitted(_)) || !self.lent.is_empty() {
                return Ok(());
            }
            transport.pipe.consume(used, &mut self.tls_pool);
            if progress == Progress::Drained || used == 0 {
                break;
            }
        }
        match transport.pipe.state() {
            TlsState::PeerClosed => Err(TransportLoss::Closed),
            _ => Ok(()),
        }
    }

    /// Takes all whole frames at the front of the plaintext; says how many bytes they have.
    fn take_frames(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        now: Time,
    ) -> Result<usize, TransportLoss> {
        let mut used = 0;
        loop {
            let Stage::Attached(session) = transport.stage else {
                let Some((frame, length)) = Frame::decode(&transport.pipe.plaintext()[used..])?
                else {
                    break;
                };
                used += length;
                match (&transport.stage, frame) {
                    (Stage::AwaitHello, Frame::Hello(hello)) => {
                        // The plaintext has to go before the transport may move.
                        transport.pipe.consume(used, &mut self.tls_pool);
                        self.judge(key, transport, hello, now)?;
                        return Ok(0);
                    }
                    (Stage::AwaitWelcome(tunnel), Frame::Welcome(welcome)) => {
                        let tunnel = *tunnel;
                        self.begin_client_session(key, transport, tunnel, welcome, now)?;
                    }
                    (Stage::AwaitWelcome(_), Frame::Refused(refusal)) => {
                        return Err(TransportLoss::Refused(refusal));
                    }
                    (Stage::Closing, _) => {}
                    (_, frame) => {
                        return Err(ProtocolError::UnexpectedFrame(frame.frame_type() as u8).into());
                    }
                }
                continue;
            };
            let input = &transport.pipe.plaintext()[used..];
            let Some((frame, length)) = Frame::decode(input)? else {
                break;
            };
            let range = used..used + length;
            self.take_session_frame(session, frame, transport.pipe.plaintext(), range, now)?;
            used += length;
            if !self.lent.is_empty() {
                self.lent.transport = Some(key.into());
                self.lent.length = used;
            }
        }
        Ok(used)
    }

    /// Server: decides about a HELLO.
    fn judge(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        hello: Hello,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let refusal = if hello.version != VERSION {
            Some(Refusal::Version)
        } else if hello.parameters.check().is_err() {
            Some(Refusal::Parameters)
        } else if self.stopping.is_some() {
            Some(Refusal::Ending)
        } else {
            match self.tunnels.get(&hello.tunnel) {
                Some(tunnel) if tunnel.secret.verify(&hello.secret).is_ok() => None,
                _ => Some(Refusal::Credentials),
            }
        };
        if let Some(refusal) = refusal {
            transport
                .first
                .extend_from_slice(Frame::Refused(refusal).encode().as_slice());
            return Err(TransportLoss::Refused(refusal));
        }
        let here = self
            .tunnels
            .get(&hello.tunnel)
            .is_some_and(|t| t.home == self.worker);
        if here {
            return self.admit_here(key, transport, hello, now);
        }
        transport.stage = Stage::Admitted(hello);
        Ok(())
    }

    /// Server: begins the session of an admitted client.
    fn admit_here(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        hello: Hello,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let tunnel = hello.tunnel;
        let Some(entry) = self.tunnels.get(&tunnel) else {
            transport
                .first
                .extend_from_slice(Frame::Refused(Refusal::Ending).encode().as_slice());
            return Err(TransportLoss::Refused(Refusal::Ending));
        };
        // The newest authenticated transport wins.
        if let Some(old) = entry.session {
            self.end_session(old, TunnelEnd::Lost(TransportLoss::Ended), now);
        }
        let id = SessionId(self.random_id());
        let parameters = Parameters::of(&self.config.kgp);
        let welcome = Frame::Welcome(Welcome {
            version: VERSION,
            session: id,
            parameters,
        });
        transport
            .first
            .extend_from_slice(welcome.encode().as_slice());
        let session = Session::new(id, Side::Server, self.config.kgp, hello.parameters);
        self.begin_session(key, transport, tunnel, session, now);
        Ok(())
    }

    fn begin_client_session(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        tunnel: TunnelId,
        welcome: Welcome,
        now: Time,
    ) -> Result<(), TransportLoss> {
        if welcome.version != VERSION {
            return Err(TransportLoss::Refused(Refusal::Version));
        }
        if welcome.parameters.check().is_err() {
            return Err(TransportLoss::Refused(Refusal::Parameters));
        }
        let session = Session::new(
            welcome.session,
            Side::Client,
            self.config.kgp,
            welcome.parameters,
        );
        self.begin_session(key, transport, tunnel, session, now);
        Ok(())
    }

    fn begin_session(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        tunnel: TunnelId,
        mut session: Session,
        now: Time,
    ) {
        session.attach(now);
        let id = session.id;
        let entry = SessionEntry::new(session, tunnel, key);
        let session_key = self.sessions.insert(entry);
        transport.stage = Stage::Attached(session_key);
        self.clear_timer(key);
        if let Some(entry) = self.tunnels.get_mut(&tunnel) {
            entry.session = Some(session_key);
        }
        if let Some(peer) = self.sockets.get(key).and_then(|socket| socket.peer) {
            self.events.push_back(Event::TunnelUp {
                tunnel,
                session: id,
                peer,
            });
        }
        self.retime_session(session_key);
        self.retry_waiting(tunnel, now);
    }

    /// Gives an admitted transport to the worker that owns its session.
    fn hand_over(&mut self, key: SocketKey) {
        let Some(transport) = self.remove_transport(key) else {
            return;
        };
        let to = match &transport.stage {
            Stage::Admitted(hello) => self.tunnels.get(&hello.tunnel).map(|tunnel| tunnel.home),
            _ => None,
        };
        let socket = SocketId::from(key);
        self.actions.push_back(match to {
            Some(to) => Action::HandOver {
                socket,
                to,
                state: HandOver(Box::new(transport)),
            },
            None => Action::Close {
                socket,
                mode: CloseMode::Abort,
            },
        });
    }

    /// Encrypts what goes next, if little is waiting. Says whether the socket has something to
    /// write.
    pub(super) fn pump_out(&mut self, key: SocketKey, now: Time) -> HasOutput {
        let Some(mut transport) = self.take_transport(key) else {
            return HasOutput::No;
        };
        if transport.pipe.ciphertext().len() < OUTPUT_LOW {
            self.fill_output(&mut transport, now);
        }
        let has_output = !transport.pipe.ciphertext().is_empty();
        self.put_transport(key, transport);
        if has_output {
            HasOutput::Yes
        } else {
            HasOutput::No
        }
    }

    fn fill_output(&mut self, transport: &mut Transport, now: Time) {
        let Transport { pipe, first, stage } = transport;
        if !first.is_empty() {
            let n = pipe.encrypt(first, &mut self.tls_pool);
            first.drain(..n);
            if !first.is_empty() {
                return;
            }
        }
        if let Stage::Closing = stage {
            pipe.close(&mut self.tls_pool);
        }
        let Stage::Attached(session) = *stage else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let session = &mut entry.session;
        while session.wants_to_send() {
            // Control frames and the beginning of the ring share a record.
            let record = &mut self.record;
            record.clear();
            while record.len() < RECORD - 512
                && let Some(frame) = session.next_control(now)
            {
                record.extend_from_slice(frame.as_slice());
            }
            let taken = if record.is_empty() {
                let n = pipe.encrypt(session.unsent(), &mut self.tls_pool);
                session.mark_sent(n);
                n
            } else {
                let unsent = session.unsent();
                let n = unsent.len().min(RECORD - record.len());
                record.extend_from_slice(&unsent[..n]);
                session.mark_sent(n);
                let taken = pipe.encrypt(record, &mut self.tls_pool);
                // Only a pipe that has failed takes less than a record with its output this low.
                first.extend_from_slice(&record[taken..]);
                taken
            };
            if taken == 0 || pipe.ciphertext().len() >= OUTPUT_FULL {
                break;
            }
        }
    }

    pub(super) fn transport_slices<'a>(&'a self, key: SocketKey, out: &mut [&'a [u8]]) -> usize {
        let transport = match self.sockets.get(key).map(|socket| &socket.role) {
            Some(Role::Transport(Some(transport))) => transport,
            _ => return 0,
        };
        match out.first_mut() {
            Some(slot) => {
                *slot = transport.pipe.ciphertext();
                1
            }
            None => 0,
        }
    }

    pub(super) fn transport_written(&mut self, key: SocketKey, outcome: Write, now: Time) {
        let n = match outcome {
            Write::Bytes(n) | Write::Blocked(n) => n,
            Write::Failed => {
                self.settle();
                self.lose_transport(key, TransportLoss::Failed, now);
                return;
            }
        };
        let Self {
            sockets, tls_pool, ..
        } = self;
        let Some(socket) = sockets.get_mut(key) else {
            return;
        };
        let Some(transport) = socket.transport() else {
            return;
        };
        transport.pipe.sent(n, tls_pool);
        let attached = match transport.stage {
            Stage::Attached(session) => Some(session),
            _ => None,
        };
        if let Some(session) = attached {
            // Room in the ring: sockets may be read again.
            self.queue_sources(session);
            self.note_drained(session);
        }
        self.kick_transport(key);
        self.close_if_written(key);
    }

    /// Puts a transport in the list of those to write, if it has anything to write.
    pub(super) fn kick_transport(&mut self, key: SocketKey) {
        let Self {
            sockets, sessions, ..
        } = self;
        let Some(socket) = sockets.get_mut(key) else {
            return;
        };
        let can_write = socket.can_write && !socket.write_queued;
        let Some(transport) = socket.transport() else {
            return;
        };
        let wants = !transport.pipe.ciphertext().is_empty()
            || (!transport.first.is_empty() && transport.pipe.state() == TlsState::Established)
            || match transport.stage {
                Stage::Attached(session) => sessions
                    .get(session)
                    .is_some_and(|entry| entry.session.wants_to_send()),
                _ => false,
            };
        if can_write && wants {
            socket.write_queued = true;
            self.transport_writes.push_back(key);
        }
    }

    /// Whether this transport may be read now.
    pub(super) fn transport_may_read(&mut self, key: SocketKey) -> bool {
        let lent_out = self.lent.transport == Some(key.into());
        let open = |transport: &mut Transport| !matches!(transport.stage, Stage::Closing);
        !lent_out
            && self
                .sockets
                .get_mut(key)
                .and_then(Socket::transport)
                .is_some_and(open)
    }

    /// The transport has ended, or has to. What it carried ends with it.
    pub(super) fn lose_transport(&mut self, key: SocketKey, loss: TransportLoss, now: Time) {
        let Some(transport) = self.sockets.get_mut(key).and_then(Socket::transport) else {
            return;
        };
        let stage = core::mem::replace(&mut transport.stage, Stage::Closing);
        if let Stage::Closing = stage {
            // It is on its way out already, and its time is limited.
            if matches!(loss, TransportLoss::Closed | TransportLoss::Failed) {
                self.drop_transport(key, CloseMode::Graceful);
            }
            return;
        }
        let peer = self.sockets.get(key).and_then(|socket| socket.peer);
        match stage {
            Stage::Attached(session) => {
                let peer_drained = loss == TransportLoss::Closed
                    && self
                        .sessions
                        .get(session)
                        .is_some_and(|entry| entry.session.peer_is_going());
                let end = if peer_drained {
                    TunnelEnd::PeerDrained
                } else {
                    TunnelEnd::Lost(loss.clone())
                };
                self.end_session(session, end, now);
            }
            Stage::AwaitWelcome(tunnel) => {
                let failure = ConnectFailure::Transport(loss.clone());
                self.events
                    .push_back(Event::ConnectFailed { tunnel, failure });
            }
            Stage::AwaitHello | Stage::Admitted(_) => {
                if let Some(peer) = peer {
                    self.events.push_back(Event::TransportDropped {
                        peer,
                        loss: loss.clone(),
                    });
                }
            }
            Stage::Closing => {}
        }
        match loss {
            // The peer is still there to hear why.
            TransportLoss::Refused(_)
            | TransportLoss::Protocol(_)
            | TransportLoss::Tls(_)
            | TransportLoss::Ended => self.close_transport(key, now),
            TransportLoss::Closed
            | TransportLoss::Failed
            | TransportLoss::Silent
            | TransportLoss::HandshakeTimeout => self.drop_transport(key, CloseMode::Graceful),
        }
    }

    /// Writes out what is left to say, within a limit, then closes.
    pub(super) fn close_transport(&mut self, key: SocketKey, now: Time) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        if socket.peer.is_none() {
            self.drop_transport(key, CloseMode::Abort);
            return;
        }
        let Some(transport) = socket.transport() else {
            return;
        };
        transport.stage = Stage::Closing;
        self.set_timer(key, now.after(LINGER), DeadlineReason::Linger);
        let _ = self.pump_out(key, now);
        self.kick_transport(key);
        self.close_if_written(key);
    }

    fn close_if_written(&mut self, key: SocketKey) {
        let Some(transport) = self.sockets.get_mut(key).and_then(Socket::transport) else {
            return;
        };
        let unsaid = !transport.first.is_empty() && transport.pipe.state() == TlsState::Established;
        if matches!(transport.stage, Stage::Closing)
            && transport.pipe.ciphertext().is_empty()
            && !unsaid
        {
            self.drop_transport(key, CloseMode::Graceful);
        }
    }

    /// Closes the socket of a transport at once.
    pub(super) fn drop_transport(&mut self, key: SocketKey, mode: CloseMode) {
        if self.remove_transport(key).is_some() {
            self.actions.push_back(Action::Close {
                socket: key.into(),
                mode,
            });
            self.check_stopped();
        }
    }

    /// Whether any transport is left, in whatever state.
    pub(super) fn has_transports(&self) -> bool {
        self.sockets
            .iter()
            .any(|(_, socket)| matches!(socket.role, Role::Transport(_)))
    }

    /// Closes all transports that carry no session.
    pub(super) fn close_idle_transports(&mut self, now: Time) {
        for key in self.sockets.keys() {
            let Some(transport) = self.sockets.get_mut(key).and_then(Socket::transport) else {
                continue;
            };
            if !matches!(transport.stage, Stage::Attached(_) | Stage::Closing) {
                self.lose_transport(key, TransportLoss::Ended, now);
            }
        }
    }

    fn remove_transport(&mut self, key: SocketKey) -> Option<Transport> {
        self.settle_of(key);
        self.clear_timer(key);
        match self.sockets.remove(key)?.role {
            Role::Transport(Some(transport)) => Some(*transport),
            Role::Transport(None) | Role::Proxied(_) => None,
        }
    }

    pub(super) fn transport_timeout(&mut self, key: SocketKey, reason: DeadlineReason, now: Time) {
        if reason == DeadlineReason::Linger {
            self.drop_transport(key, CloseMode::Abort);
        } else {
            self.lose_transport(key, TransportLoss::HandshakeTimeout, now);
        }
    }

    /// The decrypted bytes that are lent out.
    pub(super) fn plaintext_of(&self, key: SocketKey) -> &[u8] {
        match self.sockets.get(key).map(|socket| &socket.role) {
            Some(Role::Transport(Some(transport))) => transport.pipe.plaintext(),
            _ => &[],
        }
    }

    /// The first `n` bytes of the plaintext are used up.
    pub(super) fn consume_plaintext(&mut self, key: SocketKey, n: usize) {
        let Self {
            sockets, tls_pool, ..
        } = self;
        if let Some(transport) = sockets.get_mut(key).and_then(Socket::transport) {
            transport.pipe.consume(n, tls_pool);
        }
    }

    fn take_transport(&mut self, key: SocketKey) -> Option<Box<Transport>> {
        match &mut self.sockets.get_mut(key)?.role {
            Role::Transport(transport) => transport.take(),
            Role::Proxied(_) => None,
        }
    }

    fn put_transport(&mut self, key: SocketKey, transport: Box<Transport>) {
        if let Some(Role::Transport(slot)) =
            self.sockets.get_mut(key).map(|socket| &mut socket.role)
        {
            *slot = Some(transport);
        }
    }

    pub(super) fn set_timer(&mut self, key: SocketKey, at: Time, reason: DeadlineReason) {
        self.clear_timer(key);
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.timer = Some((at, reason));
            self.timers.set(at, Timer::Socket(key.into(), reason));
        }
    }

    pub(super) fn clear_timer(&mut self, key: SocketKey) {
        if let Some((at, reason)) = self
            .sockets
            .get_mut(key)
            .and_then(|socket| socket.timer.take())
        {
            self.timers.cancel(at, Timer::Socket(key.into(), reason));
        }
    }
}

/// Whether a transport has ciphertext to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasOutput {
    Yes,
    No,
}
