//! The handshake: who is let in, and the beginning of a session.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::access::Handed;
use super::resume::Reach;
use super::socket::{Role, Socket, SocketKey};
use super::transport::{Admitted, Stage, Transport};
use super::tunnel::{Life, SessionEntry};
use super::{Core, SessionKey};
use crate::Time;
use crate::contract::{
    Action, ClientId, CloseMode, ConnectionNumber, Event, HandOver, Refusal, ResumeSecret,
    SessionId, SocketId, TransportLoss, TunnelEnd, TunnelId,
};
use crate::kgp::frame::Frame;
use crate::kgp::handshake::{Hello, Parameters, Resume, VERSION, Welcome};
use crate::kgp::{Session, Side};

impl Core {
    /// Server: takes an admitted transport from another worker.
    pub(super) fn adopt_transport(
        &mut self,
        transport: Box<Transport>,
        peer: SocketAddr,
        now: Time,
    ) -> SocketId {
        let role = Role::Transport(Some(transport));
        self.counters.connected(&role);
        let key = self.sockets.insert(Socket::new(role, Some(peer)));
        if let Some(mut transport) = self.take_transport(key) {
            let outcome = match core::mem::replace(&mut transport.stage, Stage::AwaitHello) {
                Stage::Admitted(Admitted::Hello(hello)) => {
                    self.admit_here(key, &mut transport, hello, now)
                }
                Stage::Admitted(Admitted::Resume(resume)) => {
                    self.resume_here(key, &mut transport, &resume, now)
                }
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

    /// Server: decides about a HELLO.
    pub(super) fn judge(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        hello: Hello,
        now: Time,
    ) -> Result<(), TransportLoss> {
        if let Some(refusal) = self.refusal(&hello) {
            return Err(transport.refuse(refusal));
        }
        let here = self.tunnels.get(&hello.tunnel).is_some_and(|t| t.home == self.worker);
        if here {
            return self.admit_here(key, transport, hello, now);
        }
        transport.stage = Stage::Admitted(Admitted::Hello(hello));
        Ok(())
    }

    /// Server: why a client is not let in.
    fn refusal(&self, hello: &Hello) -> Option<Refusal> {
        if hello.version != VERSION {
            Some(Refusal::Version)
        } else if hello.parameters.check().is_err() || !hello.connection.is_within_limits() {
            Some(Refusal::Parameters)
        } else if self.stopping.is_some() {
            Some(Refusal::Ending)
        } else {
            match self.tunnels.get(&hello.tunnel) {
                Some(tunnel) if tunnel.secret.verify(&hello.secret).is_ok() => match tunnel.life {
                    Life::Serving => None,
                    Life::Ending => Some(Refusal::Ending),
                },
                _ => Some(Refusal::Credentials),
            }
        }
    }

    /// Server: decides about a RESUME, or leaves that to the worker of its session.
    pub(super) fn judge_resume(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        resume: Resume,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let home = self.tunnels.get(&resume.tunnel).map(|tunnel| tunnel.home);
        if resume.version == VERSION && home.is_some_and(|home| home != self.worker) {
            transport.stage = Stage::Admitted(Admitted::Resume(resume));
            return Ok(());
        }
        if resume.version != VERSION {
            return Err(transport.refuse(Refusal::Version));
        }
        self.resume_here(key, transport, &resume, now)
    }

    /// Server: begins the session of an admitted client.
    pub(super) fn admit_here(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        hello: Hello,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let tunnel = hello.tunnel;
        // It may have changed while the transport was on its way from another worker.
        let refusal = self.refusal(&hello);
        let is_here = self.tunnels.get(&tunnel).is_some_and(|entry| entry.home == self.worker);
        if refusal.is_some() || !is_here {
            return Err(transport.refuse(Refusal::Ending));
        }
        self.make_way(tunnel, hello.client, hello.connection, now);
        let id = SessionId(self.random.bytes());
        let secret = ResumeSecret::new(self.random.bytes());
        let settings = self.config.kgp.share(hello.connection.count());
        let parameters = Parameters::of(&settings);
        let welcome = Welcome { version: VERSION, session: id, secret: secret.clone(), parameters };
        let welcome = Frame::Welcome(welcome);
        transport.first.extend_from_slice(welcome.encode().as_slice());
        let session = Session::new(id, Side::Server, settings, hello.parameters);
        let entry = SessionEntry::new(session, tunnel, hello.connection, key, secret, None);
        self.begin_session(key, transport, entry, now);
        Ok(())
    }

    /// Server: ends the sessions that an admitted client takes the place of: all of another
    /// client, or its own one of the same connection. The requests that wait stay.
    fn make_way(
        &mut self,
        tunnel: TunnelId,
        client: ClientId,
        connection: ConnectionNumber,
        now: Time,
    ) {
        let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
        let newcomer = Some((client, connection.count()));
        let is_another = entry.client != newcomer;
        entry.client = newcomer;
        let waiting = core::mem::take(&mut entry.waiting);
        let replaced = |(key, entry): (SessionKey, &SessionEntry)| {
            (is_another || entry.connection == connection).then_some(key)
        };
        let replaced: Vec<_> = self.sessions_of(tunnel).filter_map(replaced).collect();
        for session in replaced {
            self.end_session(session, TunnelEnd::Lost(TransportLoss::Ended), now);
        }
        if let Some(entry) = self.tunnels.get_mut(&tunnel) {
            entry.waiting = waiting;
        }
    }

    pub(super) fn begin_client_session(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        reach: Box<Reach>,
        welcome: Welcome,
        now: Time,
    ) -> Result<(), TransportLoss> {
        if welcome.version != VERSION {
            return Err(TransportLoss::Refused(Refusal::Version));
        }
        if welcome.parameters.check().is_err() {
            return Err(TransportLoss::Refused(Refusal::Parameters));
        }
        let (tunnel, connection) = (reach.tunnel, reach.connection);
        let settings = self.config.kgp.share(connection.count());
        let session = Session::new(welcome.session, Side::Client, settings, welcome.parameters);
        let (secret, reach) = (welcome.secret, Some(reach));
        let entry = SessionEntry::new(session, tunnel, connection, key, secret, reach);
        self.begin_session(key, transport, entry, now);
        Ok(())
    }

    fn begin_session(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        mut entry: SessionEntry,
        now: Time,
    ) {
        entry.session.attach(now);
        entry.carried_since = now;
        let (id, tunnel, connection) = (entry.session.id, entry.tunnel, entry.connection);
        self.counters.sessions += 1;
        let session_key = self.sessions.insert(entry);
        transport.stage = Stage::Attached(session_key);
        self.clear_timer(key);
        if let Some(entry) = self.tunnels.get_mut(&tunnel) {
            entry.sessions.push(session_key);
        }
        if let Some(peer) = self.sockets.get(key).and_then(|socket| socket.peer) {
            self.events.push_back(Event::TunnelUp { tunnel, session: id, connection, peer });
        }
        self.retime_session(session_key);
        self.retry_waiting(tunnel, now);
    }

    /// Gives an admitted transport to the worker that owns its session.
    pub(super) fn hand_over(&mut self, key: SocketKey) {
        let Some(transport) = self.remove_transport(key) else {
            return;
        };
        let to = match &transport.stage {
            Stage::Admitted(client) => self.tunnels.get(&client.tunnel()).map(|tunnel| tunnel.home),
            _ => None,
        };
        let socket = SocketId::from(key);
        self.actions.push_back(match to {
            Some(to) => {
                let state = HandOver(Handed::Transport(Box::new(transport)));
                Action::HandOver { socket, to, state }
            }
            None => Action::Close { socket, mode: CloseMode::Abort },
        });
    }
}
