//! The machine: who asks for what, which answers are known, and what is to be sent.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use super::cache::Cache;
use super::hosts::Hosts;
use super::lookup::{Lookup, Outbox, Outcome};
use super::message::QuestionName;
use super::servers::{ServerOrder, Servers};
use crate::contract::DialFailure;
use crate::random::Random;
use crate::time::Time;

/// Most names that are asked for at once: each takes two sockets.
const MAX_LOOKUPS: usize = 64;
/// Most that wait, for a name that is asked for or for their turn.
const MAX_WAITING: usize = 4096;

/// Which name servers, and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The servers; the first [`MAX_SERVERS`](super::MAX_SERVERS) count.
    pub servers: Vec<SocketAddr>,
    /// Which one is asked first.
    pub order: ServerOrder,
    /// How long one has for its answer before the next one is asked.
    pub timeout: Duration,
}

/// One question to one server, with a socket of its own. The number is never used again; it can
/// serve a driver as its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub usize);

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram there and one back.
    Udp,
    /// A connection, for what a datagram cannot hold.
    Tcp,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a socket from a port that nobody can guess, and send this.
    Open {
        /// Its name from now on.
        exchange: ExchangeId,
        /// To whom.
        server: SocketAddr,
        /// How.
        transport: Transport,
        /// All that is to be sent.
        message: Vec<u8>,
    },
    /// Close its socket.
    Close(ExchangeId),
}

/// The addresses of a name, at least one; or [`DialFailure::NameNotFound`], [`DialFailure::NameServers`]
/// if none could say, [`DialFailure::Resources`] if too many wait.
pub type Answer = Result<Vec<IpAddr>, DialFailure>;

/// A resolver. `W` is who waits for an answer.
///
/// Tell it what happens ([`ask`](Self::ask), [`received`](Self::received),
/// [`failed`](Self::failed), [`handle_timeout`](Self::handle_timeout)), then take all of
/// [`poll_action`](Self::poll_action) and [`poll_answer`](Self::poll_answer).
#[derive(Debug)]
pub struct Resolver<W> {
    hosts: Hosts,
    cache: Cache,
    lookups: BTreeMap<Box<str>, Lookup<W>>,
    /// For which there is no lookup free.
    queue: VecDeque<(Box<str>, W)>,
    /// In lookups and in the queue.
    waiting: usize,
    answers: VecDeque<(W, Answer)>,
    out: Outbox,
}

impl<W> Resolver<W> {
    /// A resolver that knows nothing yet. `seed`: unpredictable bytes, for the ids of questions.
    pub fn new(settings: &Settings, seed: [u8; 32]) -> Self {
        Self {
            hosts: Hosts::default(),
            cache: Cache::default(),
            lookups: BTreeMap::new(),
            queue: VecDeque::new(),
            waiting: 0,
            answers: VecDeque::new(),
            out: Outbox {
                actions: VecDeque::new(),
                exchanges: BTreeMap::new(),
                servers: Servers::new(&settings.servers, settings.order),
                random: Random::new(seed),
                timeout: settings.timeout,
                last_id: 0,
            },
        }
    }

    /// Replaces what the hosts file says.
    pub fn set_hosts(&mut self, hosts: Hosts) {
        self.hosts = hosts;
    }

    /// Asks for the addresses of a name. The answer comes by [`poll_answer`](Self::poll_answer), at
    /// once if it is known.
    pub fn ask(&mut self, name: &str, waiter: W, now: Time) {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if let Some(answer) = self.known(&name, now) {
            return self.answers.push_back((waiter, answer));
        }
        if self.waiting >= MAX_WAITING {
            return self.answers.push_back((waiter, Err(DialFailure::Resources)));
        }
        self.waiting += 1;
        if let Some(lookup) = self.lookups.get_mut(name.as_str()) {
            lookup.waiters.push(waiter);
        } else if self.lookups.len() < MAX_LOOKUPS {
            self.begin(&name, waiter, now);
        } else {
            self.queue.push_back((name.into(), waiter));
        }
    }

    /// Something came for an exchange: a datagram, or bytes by TCP. One that is over is ignored.
    pub fn received(&mut self, id: ExchangeId, from: SocketAddr, bytes: &[u8], now: Time) {
        let Some(name) = self.whose(id) else { return };
        if let Some(lookup) = self.lookups.get_mut(&name) {
            lookup.received(id, from, bytes, &mut self.out, now);
        }
        self.settle(&name, now);
        self.refill(now);
    }

    /// The socket of an exchange could not be opened, has failed, or was closed by the server.
    pub fn failed(&mut self, id: ExchangeId, now: Time) {
        let Some(name) = self.whose(id) else { return };
        if let Some(lookup) = self.lookups.get_mut(&name) {
            lookup.failed(id, &mut self.out, now);
        }
        self.settle(&name, now);
        self.refill(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn next_deadline(&self) -> Option<Time> {
        self.lookups.values().filter_map(Lookup::deadline).min()
    }

    /// Looks after servers that are silent. The next deadline is later than `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let is_due = |lookup: &Lookup<W>| lookup.deadline().is_some_and(|at| at <= now);
        let due: Vec<Box<str>> = self
            .lookups
            .iter()
            .filter(|(_, lookup)| is_due(lookup))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            if let Some(lookup) = self.lookups.get_mut(&name) {
                lookup.expire(&mut self.out, now);
            }
            self.settle(&name, now);
        }
        self.refill(now);
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    /// The next answer, and whom it is for.
    pub fn poll_answer(&mut self) -> Option<(W, Answer)> {
        self.answers.pop_front()
    }

    /// How many wait.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// What is known of a name without asking.
    fn known(&self, name: &str, now: Time) -> Option<Answer> {
        if is_localhost(name) {
            return Some(Ok([Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()].into()));
        }
        let found = self.hosts.get(name).or_else(|| self.cache.get(name, now))?;
        Some(if found.is_empty() { Err(DialFailure::NameNotFound) } else { Ok(found.to_vec()) })
    }

    fn begin(&mut self, name: &str, waiter: W, now: Time) {
        let Some(question) = QuestionName::new(name) else {
            return self.answer(waiter, Err(DialFailure::NameNotFound));
        };
        let mut lookup = Lookup::begin(name, &question, &mut self.out, now);
        lookup.waiters.push(waiter);
        self.lookups.insert(name.into(), lookup);
        // It is over already if there is no server.
        self.settle(name, now);
    }

    fn whose(&self, id: ExchangeId) -> Option<Box<str>> {
        Some(self.out.exchanges.get(&id)?.0.clone())
    }

    /// Ends a lookup that has come to something.
    fn settle(&mut self, name: &str, now: Time) {
        let Some(outcome) = self.lookups.get_mut(name).and_then(|lookup| lookup.outcome(now))
        else {
            return;
        };
        let Some(lookup) = self.lookups.remove(name) else { return };
        let answer = match outcome {
            Outcome::Found(addresses, seconds) => {
                self.cache.put(name, &addresses, seconds, now);
                Ok(addresses)
            }
            Outcome::Nothing(seconds) => {
                self.cache.put(name, &[], seconds, now);
                Err(DialFailure::NameNotFound)
            }
            Outcome::Failed => Err(DialFailure::NameServers),
        };
        for waiter in lookup.waiters {
            self.answer(waiter, answer.clone());
        }
    }

    /// Begins what waited for a place.
    fn refill(&mut self, now: Time) {
        while self.lookups.len() < MAX_LOOKUPS
            && let Some((name, waiter)) = self.queue.pop_front()
        {
            self.waiting = self.waiting.saturating_sub(1);
            self.ask(&name, waiter, now);
        }
    }

    fn answer(&mut self, waiter: W, answer: Answer) {
        self.waiting = self.waiting.saturating_sub(1);
        self.answers.push_back((waiter, answer));
    }
}

/// `localhost` and the names below it are never asked for (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    name.strip_suffix("localhost").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
