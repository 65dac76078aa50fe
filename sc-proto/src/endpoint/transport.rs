//! Transports: their sockets, from the dial or accept to the close.
//!
//! `handshake.rs` begins their sessions, `pump.rs` moves their bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::preamble::Preamble;
use super::resume::Reach;
use super::socket::{Role, Socket, SocketKey};
use super::{Core, MAX_EVENTS, SessionKey};
use crate::contract::{
    Action, CloseMode, Connect, ConnectFailure, DialFailure, Event, Read, SocketId, TransportLoss,
    Write,
};
use crate::kgp::ProtocolError;
use crate::kgp::frame::{Frame, FrameType};
use crate::kgp::handshake::{Hello, Parameters, Resume, VERSION};
use crate::tls::{TlsPipe, TlsStack, TlsState};
use crate::{DeadlineReason, Time};

/// How long a transport that was told goodbye may take to be written out.
const LINGER: core::time::Duration = core::time::Duration::from_secs(5);

/// One TLS connection that carries a session, or will.
#[derive(Debug)]
pub(crate) struct Transport {
    /// Its TLS, perhaps within that of a proxy.
    pub(super) pipe: TlsStack,
    pub(super) stage: Stage,
    /// Plaintext that goes before all else: the handshake's frames.
    pub(super) first: Vec<u8>,
    /// Whether TLS takes more ciphertext.
    pub(super) intake: Intake,
    /// What is said to a proxy on the way, before its own TLS.
    pub(super) preamble: Option<Box<Preamble>>,
}

/// Whether TLS takes more ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    Open,
    /// It has to write something of its own first.
    Blocked,
}

/// How far a transport is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Server: the client's HELLO has not come.
    AwaitHello,
    /// Client: the server's answer to HELLO has not come.
    AwaitWelcome(Box<Reach>),
    /// Client: the server's answer to RESUME has not come.
    AwaitResumed(SessionKey),
    /// Server: the client is for another worker: its tunnel's home, or that of its session.
    Admitted(Admitted),
    /// It carries a session.
    Attached(SessionKey),
    /// What is left to be said is written, then it is closed.
    Closing,
}

/// What a client was let in for.
#[derive(Debug)]
pub(super) enum Admitted {
    /// It is for the tunnel's home to say whose the tunnel is.
    Hello(Hello),
    /// Home has let it in, in the tunnel's `era`.
    Approved {
        hello: Hello,
        era: u64,
    },
    Resume(Resume),
}

impl Stage {
    /// Refuses a frame that has no place here by its first byte, before the rest is awaited.
    pub(super) fn expects(&self, byte: u8) -> Result<(), ProtocolError> {
        let fits = match self {
            Self::AwaitHello => byte == FrameType::Hello as u8 || byte == FrameType::Resume as u8,
            Self::AwaitResumed(_) => {
                byte == FrameType::Resumed as u8 || byte == FrameType::Refused as u8
            }
            Self::AwaitWelcome(_) => {
                byte == FrameType::Welcome as u8 || byte == FrameType::Refused as u8
            }
            Self::Admitted(_) | Self::Attached(_) | Self::Closing => true,
        };
        if fits { Ok(()) } else { Err(ProtocolError::UnexpectedFrame(byte)) }
    }
}

impl Core {
    /// Client: dials the server.
    pub(super) fn connect(&mut self, connect: Connect, now: Time) {
        let Connect { tunnel, secret, client, connection, server, server_name, tls } = connect;
        if self.stopping.is_some() {
            let failure = ConnectFailure::Transport(TransportLoss::Ended);
            self.events.push_back(Event::ConnectFailed { tunnel, connection, failure });
            return;
        }
        let unix_time = self.unix_time(now);
        let pipe = match TlsPipe::client(&tls, &server_name, unix_time, &mut self.tls_pool) {
            Ok(pipe) => pipe,
            Err(error) => {
                let failure = ConnectFailure::Transport(TransportLoss::Tls(error));
                self.events.push_back(Event::ConnectFailed { tunnel, connection, failure });
                return;
            }
        };
        let parameters = Parameters::of(&self.config.kgp.share(connection.count()));
        let version = VERSION;
        let hello = Frame::Hello(Hello { version, tunnel, secret, client, connection, parameters });
        let first = hello.encode().as_slice().to_vec();
        let reach = Reach { tunnel, connection, server: server.clone(), server_name, tls };
        let stage = Stage::AwaitWelcome(Box::new(reach));
        let deadline = now.after(self.config.handshake_timeout);
        let _ = self.dial_transport(pipe, stage, first, server, (deadline, now));
    }

    /// Server: a client's connection was accepted. None is taken by a full queue of events, nor
    /// after a stop, which strangers could put off for ever else.
    pub(super) fn accept_transport(&mut self, peer: SocketAddr, now: Time) -> Option<SocketId> {
        if self.stopping.is_some() || self.events.len() >= MAX_EVENTS {
            return None;
        }
        let tls = self.config.tls_server.as_ref()?;
        let pipe = TlsStack::new(TlsPipe::server(tls, self.unix_time(now)).ok()?);
        let (stage, first, intake) = (Stage::AwaitHello, Vec::new(), Intake::Open);
        let transport = Transport { pipe, stage, first, intake, preamble: None };
        let role = Role::Transport(Some(Box::new(transport)));
        self.counters.connected(&role);
        let key = self.sockets.insert(Socket::new(role, Some(peer)));
        self.set_timer(key, now.after(self.config.handshake_timeout), DeadlineReason::Handshake);
        Some(key.into())
    }

    /// Client: the dial of a transport has succeeded.
    pub(super) fn transport_connected(&mut self, key: SocketKey, now: Time) {
        let transport = self.sockets.get_mut(key).and_then(Socket::transport);
        let resumes = match transport.map(|transport| &transport.stage) {
            Some(Stage::AwaitResumed(session)) => Some(*session),
            _ => None,
        };
        let patience = match resumes {
            Some(session) => self.try_connected(session, key),
            None => self.config.handshake_timeout,
        };
        self.set_timer(key, now.after(patience), DeadlineReason::Handshake);
        if self.preamble_is_impossible(key) {
            return self.preamble_failed(key, DialFailure::ProxyTls, now);
        }
        self.kick_transport(key);
    }

    /// Client: the dial of a transport has failed.
    pub(super) fn transport_dial_failed(
        &mut self,
        key: SocketKey,
        failure: DialFailure,
        now: Time,
    ) {
        let failure = ConnectFailure::Dial(failure);
        match self.remove_transport(key).map(|transport| transport.stage) {
            Some(Stage::AwaitWelcome(reach)) => {
                let (tunnel, connection) = (reach.tunnel, reach.connection);
                self.events.push_back(Event::ConnectFailed { tunnel, connection, failure });
            }
            Some(Stage::AwaitResumed(session)) => {
                self.try_failed(session, Some(key), failure, now);
            }
            _ => {}
        }
    }

    pub(super) fn transport_space(&mut self, key: SocketKey) -> &mut [u8] {
        let transport = self.sockets.get_mut(key).and_then(Socket::transport);
        if transport.is_some_and(|transport| transport.preamble.is_some()) {
            return self.preamble_space(key);
        }
        let Self { sockets, tls_pool, .. } = self;
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
        let Self { sockets, tls_pool, .. } = self;
        let Some(transport) = sockets.get_mut(key).and_then(Socket::transport) else {
            return;
        };
        if transport.preamble.is_some() {
            return self.preamble_read(key, n, outcome, now);
        }
        transport.pipe.filled(n, tls_pool);
        if n > 0 {
            self.sign_of_life(key, now);
            self.pump_in(key, now);
        }
        match outcome {
            Read::Bytes(_) | Read::Drained(_) | Read::WouldBlock => {}
            Read::End => {
                self.settle();
                let loss = self.end_of_input(key);
                self.lose_transport(key, loss, now);
            }
            Read::Failed => {
                self.settle();
                self.lose_transport(key, TransportLoss::Failed, now);
            }
        }
    }

    /// Bytes came from a transport. Whole frames may take long on a slow link.
    fn sign_of_life(&mut self, key: SocketKey, now: Time) {
        let transport = self.sockets.get_mut(key).and_then(Socket::transport);
        if let Some(Stage::Attached(session)) = transport.map(|transport| &transport.stage)
            && let Some(entry) = self.sessions.get_mut(*session)
        {
            entry.session.heard(now);
        }
    }

    /// What the end of the socket's bytes means: an orderly end only after TLS' goodbye.
    fn end_of_input(&mut self, key: SocketKey) -> TransportLoss {
        let Self { sockets, tls_pool, .. } = self;
        let transport = sockets.get_mut(key).and_then(Socket::transport);
        match transport.map(|transport| transport.pipe.input_ended(tls_pool)) {
            Some(Ok(())) => TransportLoss::Closed,
            _ => TransportLoss::Failed,
        }
    }

    pub(super) fn transport_slices<'a>(&'a self, key: SocketKey, out: &mut [&'a [u8]]) -> usize {
        let Some(Role::Transport(Some(transport))) = self.sockets.get(key).map(|s| &s.role) else {
            return 0;
        };
        match out.first_mut() {
            Some(slot) => {
                *slot = match transport.preamble_output() {
                    Some(preamble) => preamble,
                    None => transport.pipe.ciphertext(),
                };
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
        let Self { sockets, tls_pool, .. } = self;
        let Some(socket) = sockets.get_mut(key) else {
            return;
        };
        let Some(transport) = socket.transport() else {
            return;
        };
        if transport.preamble_sent(n, tls_pool) {
            return self.kick_transport(key);
        }
        transport.pipe.sent(n, tls_pool);
        let blocked = transport.intake == Intake::Blocked;
        let attached = match transport.stage {
            Stage::Attached(session) => Some(session),
            _ => None,
        };
        if let Some(session) = attached {
            // Room in the ring: sockets may be read again, streams be opened.
            self.queue_sources(session);
            if let Some(tunnel) = self.sessions.get(session).map(|entry| entry.tunnel) {
                self.retry_waiting(tunnel, now);
            }
            self.note_drained(session);
        }
        if blocked && self.lent.is_empty() {
            self.pump_in(key, now);
            self.queue_transport_read(key);
        }
        self.kick_transport(key);
        self.close_if_written(key);
    }

    /// Whether this transport may be read now.
    pub(super) fn transport_may_read(&mut self, key: SocketKey) -> bool {
        let lent_out = self.lent.transport == Some(key.into());
        let open = |transport: &mut Transport| {
            transport.intake == Intake::Open && !matches!(transport.stage, Stage::Closing)
        };
        !lent_out && self.sockets.get_mut(key).and_then(Socket::transport).is_some_and(open)
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
            Stage::Attached(session) => self.transport_lost(session, loss.clone(), now),
            Stage::AwaitResumed(session) => {
                let failure = ConnectFailure::Transport(loss.clone());
                self.try_failed(session, Some(key), failure, now);
            }
            Stage::AwaitWelcome(reach) => {
                let (tunnel, connection) = (reach.tunnel, reach.connection);
                let failure = ConnectFailure::Transport(loss.clone());
                self.events.push_back(Event::ConnectFailed { tunnel, connection, failure });
            }
            Stage::AwaitHello | Stage::Admitted(_) => {
                if let Some(peer) = peer {
                    self.events.push_back(Event::TransportDropped { peer, loss: loss.clone() });
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
        if transport.preamble.is_some() {
            return self.drop_transport(key, CloseMode::Abort);
        }
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
        if matches!(transport.stage, Stage::Closing) && !transport.pipe.has_output() && !unsaid {
            self.drop_transport(key, CloseMode::Graceful);
        }
    }

    /// Closes the socket of a transport at once.
    pub(super) fn drop_transport(&mut self, key: SocketKey, mode: CloseMode) {
        if self.remove_transport(key).is_some() {
            self.actions.push_back(Action::Close { socket: key.into(), mode });
            self.check_stopped();
        }
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

    pub(super) fn remove_transport(&mut self, key: SocketKey) -> Option<Transport> {
        self.settle_of(key);
        self.clear_timer(key);
        let socket = self.sockets.remove(key)?;
        self.counters.closed(&socket);
        match socket.role {
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
}
