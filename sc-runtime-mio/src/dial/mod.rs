//! Dialling: resolve a target, try its addresses, report one connection or one failure.
//!
//! Happy eyeballs (RFC 8305): the addresses of both families are tried in turn, each a little
//! after the one before or at once when that one failed; the first that connects wins. All
//! attempts of a dial share the index of its [`SocketId`] and have tokens of their own.
//! What the core cancels is forgotten; what comes late finds no dial and is dropped.

mod addresses;
mod attempt;
mod failure;
mod resolve;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::Registry;
use mio::event::Event;
use sc_proto::contract::{AddressGuard, DialFailure, Host, Target};
use sc_proto::{SocketClass, SocketId, Time};

use crate::capacity::Capacity;
use crate::connection::Connection;
use crate::dns::NameServers;
use crate::slots::Slots;
use crate::token::Tokens;
use attempt::{Attempt, Progress};
use resolve::Query;
pub(crate) use resolve::{Answer, ReplyTo, Resolver, system_lookup};

/// The dials of one worker.
pub(crate) struct Dials {
    dials: Slots<Box<Dial>>,
    /// When each dial needs a look without an event: its next attempt or its deadline.
    alarms: BTreeSet<(Time, SocketId)>,
    stagger: Duration,
    resolver: Arc<Resolver>,
    /// Asked instead of the resolver for proxied connections.
    name_servers: Option<NameServers>,
    reply: ReplyTo,
}

/// What a dial needs of its worker.
pub(crate) struct Means<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) tokens: &'a mut Tokens,
    pub(crate) capacity: &'a Arc<Capacity>,
    pub(crate) now: Time,
}

/// What became of a dial; it is forgotten.
#[derive(Debug)]
pub(crate) enum Outcome {
    Connected { socket: SocketId, connection: Connection, peer: SocketAddr },
    Failed { socket: SocketId, failure: DialFailure },
}

struct Dial {
    class: SocketClass,
    /// Which addresses may be tried.
    guard: AddressGuard,
    deadline: Time,
    alarm: Time,
    /// Not yet tried.
    addresses: VecDeque<SocketAddr>,
    /// On their way.
    attempts: Vec<Attempt>,
    /// The most telling failure so far.
    failure: Option<DialFailure>,
    /// Held while the resolver is asked.
    wanted: Option<Arc<()>>,
}

impl Dials {
    pub(crate) const fn new(
        resolver: Arc<Resolver>,
        name_servers: Option<NameServers>,
        reply: ReplyTo,
        stagger: Duration,
    ) -> Self {
        let alarms = BTreeSet::new();
        Self { dials: Slots::new(), alarms, stagger, resolver, name_servers, reply }
    }

    /// Begins. `Some` if it failed on the spot.
    pub(crate) fn start(
        &mut self,
        means: &mut Means<'_>,
        socket: SocketId,
        target: &Target,
        class: SocketClass,
        guard: AddressGuard,
        deadline: Time,
    ) -> Option<Outcome> {
        self.cancel(socket);
        let dial = Dial {
            class,
            guard,
            deadline,
            alarm: deadline,
            addresses: VecDeque::new(),
            attempts: Vec::new(),
            failure: None,
            wanted: None,
        };
        if self.dials.insert(socket, Box::new(dial)).is_err() {
            let failure = DialFailure::Resources;
            return Some(Outcome::Failed { socket, failure });
        }
        self.alarms.insert((deadline, socket));
        match &target.host {
            Host::Ip(ip) => self.found(means, socket, &[SocketAddr::new(*ip, target.port)]),
            Host::Name(name) => match addresses::loopback(name, target.port) {
                Some(both) => self.found(means, socket, &both),
                None => self.ask(socket, class, name, target.port),
            },
        }
    }

    /// Takes the resolver's answer.
    pub(crate) fn answered(&mut self, means: &mut Means<'_>, answer: Answer) -> Option<Outcome> {
        let socket = answer.socket;
        self.dials.get_mut(socket)?.wanted.take()?;
        match answer.found {
            Ok(found) => self.found(means, socket, &found),
            Err(failure) => self.fail(socket, failure),
        }
    }

    /// Takes an event of one of the attempts of the dial at `index`.
    pub(crate) fn ready(
        &mut self,
        means: &mut Means<'_>,
        index: usize,
        event: &Event,
    ) -> Option<Outcome> {
        let (socket, dial) = self.dials.at_mut(index)?;
        let token = event.token();
        let at = dial.attempts.iter().position(|a| a.token() == token)?;
        match dial.attempts.get(at)?.progress(event) {
            Progress::Pending => None,
            Progress::Connected(peer) => {
                let attempt = dial.attempts.swap_remove(at);
                let mut connection = attempt.into_connection(dial.class);
                connection.note(event);
                self.cancel(socket);
                Some(Outcome::Connected { socket, connection, peer })
            }
            Progress::Failed(failure) => {
                dial.attempts.swap_remove(at);
                dial.note(failure);
                self.advance(means, socket)
            }
        }
    }

    /// When [`Dials::expire`] has something to do.
    pub(crate) fn next_alarm(&self) -> Option<Time> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Looks after one dial whose alarm is due; call it until there is none.
    /// The alarm it leaves is later than `now`.
    pub(crate) fn expire(&mut self, means: &mut Means<'_>) -> Option<Outcome> {
        while let Some((at, socket)) = self.alarms.first().copied()
            && at <= means.now
        {
            let Some(dial) = self.dials.get_mut(socket) else {
                self.alarms.remove(&(at, socket));
                continue;
            };
            let outcome = if dial.deadline <= means.now {
                self.fail(socket, DialFailure::TimedOut)
            } else {
                self.advance(means, socket)
            };
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    /// Forgets a dial and closes its attempts.
    pub(crate) fn cancel(&mut self, socket: SocketId) {
        if let Some(dial) = self.dials.remove(socket) {
            self.alarms.remove(&(dial.alarm, socket));
        }
    }

    fn ask(
        &mut self,
        socket: SocketId,
        class: SocketClass,
        name: &str,
        port: u16,
    ) -> Option<Outcome> {
        let wanted = Arc::new(());
        if let (Some(servers), SocketClass::Proxied) = (&self.name_servers, class) {
            if let Err(failure) = servers.ask(name, self.reply.of_name_servers(socket, port)) {
                return self.fail(socket, failure);
            }
            self.dials.get_mut(socket)?.wanted = Some(wanted);
            return None;
        }
        let query = Query {
            socket,
            name: name.into(),
            port,
            wanted: Arc::downgrade(&wanted),
            reply: self.reply.clone(),
        };
        if self.resolver.submit(query).is_err() {
            return self.fail(socket, DialFailure::Resources);
        }
        self.dials.get_mut(socket)?.wanted = Some(wanted);
        None
    }

    fn found(
        &mut self,
        means: &mut Means<'_>,
        socket: SocketId,
        found: &[SocketAddr],
    ) -> Option<Outcome> {
        let dial = self.dials.get_mut(socket)?;
        dial.addresses = addresses::interleave(found);
        dial.addresses.retain(|address| dial.guard.permits(address.ip()));
        if dial.addresses.len() < found.len() {
            dial.note(DialFailure::Denied);
        }
        self.advance(means, socket)
    }

    /// Tries the next address that can be tried; fails the dial if there is none and nothing is
    /// on its way.
    fn advance(&mut self, means: &mut Means<'_>, socket: SocketId) -> Option<Outcome> {
        let dial = self.dials.get_mut(socket)?;
        while let Some(address) = dial.addresses.pop_front() {
            match Attempt::start(means, socket.index(), address) {
                Ok(attempt) => {
                    dial.attempts.push(attempt);
                    break;
                }
                Err(failure) => dial.note(failure),
            }
        }
        if dial.attempts.is_empty() {
            let failure = dial.failure.unwrap_or(DialFailure::Other);
            return self.fail(socket, failure);
        }
        let alarm = match dial.addresses.is_empty() {
            true => dial.deadline,
            false => dial.deadline.min(means.now.after(self.stagger)),
        };
        self.alarms.remove(&(dial.alarm, socket));
        dial.alarm = alarm;
        self.alarms.insert((alarm, socket));
        None
    }

    fn fail(&mut self, socket: SocketId, failure: DialFailure) -> Option<Outcome> {
        self.cancel(socket);
        Some(Outcome::Failed { socket, failure })
    }
}

impl Dial {
    fn note(&mut self, failure: DialFailure) {
        self.failure = Some(match self.failure {
            Some(earlier) => failure::more_telling(earlier, failure),
            None => failure,
        });
    }
}

#[cfg(test)]
mod tests;
