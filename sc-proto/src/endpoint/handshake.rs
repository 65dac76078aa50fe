//! The handshake: who is let in, and the beginning of a session.

use alloc::boxed::Box;
use core::net::SocketAddr;

use super::Core;
use super::resume::Reach;
use super::socket::{Role, Socket, SocketKey};
use super::spread::Client;
use super::transport::{Admitted, Stage, Transport};
use super::tunnel::{Life, SessionEntry};
use crate::Time;
use crate::contract::{
    Action, CloseMode, ConnectionNumber, Event, HandOver, HandedOver, Refusal, ResumeSecret,
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
                Stage::Admitted(Admitted::Approved { hello, era }) => {
                    self.admit_approved(key, &mut transport, hello, era, now)
                }
                Stage::Admitted(Admitted::Resume(resume))
                    if self.is_elsewhere(resume.tunnel, resume.connection) =>
                {
                    Err(TransportLoss::Failed)
                }
                Stage::Admitted(Admitted::Resume(resume)) => {
                    self.resume_here(key, &mut transport, &resume, now)
                }
                _ => Ok(()),
            };
            let goes_on = matches!(transport.stage, Stage::Admitted(_));
            self.put_transport(key, transport);
            match outcome {
                Ok(()) if goes_on => self.movers.push_back(key),
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
        if resume.version == VERSION && self.is_elsewhere(resume.tunnel, resume.connection) {
            transport.stage = Stage::Admitted(Admitted::Resume(resume));
            return Ok(());
        }
        if resume.version != VERSION {
            return Err(transport.refuse(Refusal::Version));
        }
        self.resume_here(key, transport, &resume, now)
    }

    /// Server, at the tunnel's home: lets a client in, as the one that the tunnel has from here on.
    /// Its session begins here or on another worker.
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
        if refusal.is_some() {
            return Err(transport.refuse(Refusal::Ending));
        }
        if !is_here {
            return Err(TransportLoss::Failed);
        }
        let newcomer = (hello.client, hello.connection.count());
        if self.change_client(tunnel, newcomer, now) == Client::Another {
            self.announce_client(tunnel);
        }
        if self.is_elsewhere(tunnel, hello.connection) {
            let era = self.tunnels.get(&tunnel).map_or(0, |entry| entry.era);
            transport.stage = Stage::Admitted(Admitted::Approved { hello, era });
            return Ok(());
        }
        self.welcome_client(key, transport, hello, now);
        Ok(())
    }

    /// Server: begins the session of a client that the tunnel's home has let in, unless home has
    /// let another in since.
    fn admit_approved(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        hello: Hello,
        era: u64,
        now: Time,
    ) -> Result<(), TransportLoss> {
        let refusal = self.refusal(&hello);
        let is_elsewhere = self.is_elsewhere(hello.tunnel, hello.connection);
        let Some(entry) = self.tunnels.get_mut(&hello.tunnel).filter(|_| refusal.is_none()) else {
            return Err(transport.refuse(Refusal::Ending));
        };
        if era < entry.era {
            return Err(transport.refuse(Refusal::Ending));
        }
        if is_elsewhere {
            return Err(TransportLoss::Failed);
        }
        entry.era = era;
        let _ = self.change_client(hello.tunnel, (hello.client, hello.connection.count()), now);
        self.welcome_client(key, transport, hello, now);
        Ok(())
    }

    /// Server: begins the session of an admitted client.
    fn welcome_client(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        hello: Hello,
        now: Time,
    ) {
        let tunnel = hello.tunnel;
        self.replace_session(tunnel, hello.connection, now);
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
    }

    /// Server: ends the session whose place a new one of the same connection takes. The requests that
    /// wait stay.
    fn replace_session(&mut self, tunnel: TunnelId, connection: ConnectionNumber, now: Time) {
        let replaced = self.sessions_of(tunnel).find(|(_, entry)| entry.connection == connection);
        let Some(replaced) = replaced.map(|(key, _)| key) else { return };
        let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
        let waiting = core::mem::take(&mut entry.waiting);
        self.end_session(replaced, TunnelEnd::Lost(TransportLoss::Ended), now);
        if let Some(entry) = self.tunnels.get_mut(&tunnel) {
            entry.waiting = waiting;
        }
        self.publish_waiting(tunnel);
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

    /// Gives an admitted transport to the worker that is to go on with it.
    pub(super) fn hand_over(&mut self, key: SocketKey) -> Option<Action> {
        let transport = self.remove_transport(key)?;
        let to = match &transport.stage {
            Stage::Admitted(Admitted::Hello(hello)) => {
                self.tunnels.get(&hello.tunnel).map(|tunnel| tunnel.home)
            }
            Stage::Admitted(Admitted::Approved { hello, .. }) => {
                self.worker_of(hello.tunnel, hello.connection)
            }
            Stage::Admitted(Admitted::Resume(resume)) => {
                self.worker_of(resume.tunnel, resume.connection)
            }
            _ => None,
        };
        let socket = SocketId::from(key);
        let state = HandOver(HandedOver::Transport(Box::new(transport)));
        Some(match to {
            Some(to) => Action::HandOver { socket, to, state },
            None => Action::Close { socket, mode: CloseMode::Abort },
        })
    }
}
