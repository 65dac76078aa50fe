//! Who may use which tunnel: the answers to what the data plane asks about its browsers.
//!
//! The workers remember who was let in for some seconds, so this is asked now and then. It runs
//! beside the REST API, at most [`AT_ONCE`] at a time.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sc_proto::WorkerId;
use sc_proto::contract::{Access, AccessRefused, Door, SocketId, TunnelId, TunnelName, Visitor};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{Live, State, Tunnels, unix_now};
use crate::server::access_key;
use crate::server::guesses::Guesses;
use crate::server::log_limit::LogLimit;

/// Keys that are looked up at a time, and questions that wait for that. More are answered 503.
const AT_ONCE: usize = 16;
const MOST_WAITING: usize = 1024;

/// A request that wants to be let in.
#[derive(Debug)]
pub(crate) struct Question {
    /// Who asks for it, and for which connection.
    pub(crate) worker: WorkerId,
    pub(crate) socket: SocketId,
    /// The browser, the port it came to, and what it says.
    pub(crate) peer: SocketAddr,
    pub(crate) door: Door,
    pub(crate) visitor: Box<Visitor>,
}

/// What is needed to answer.
#[derive(Debug)]
pub(super) struct Gate {
    guesses: Mutex<Guesses>,
    waiting: Arc<Semaphore>,
    looking: Semaphore,
    /// Whose turn it is in a pool.
    turn: AtomicUsize,
    wrong_keys: LogLimit,
    outside: LogLimit,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            guesses: Mutex::default(),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            looking: Semaphore::new(AT_ONCE),
            turn: AtomicUsize::new(0),
            wrong_keys: LogLimit::new("wrong access keys at proxy ports"),
            outside: LogLimit::new("connections to proxy ports from other networks"),
        }
    }

    /// Tells of log lines that were kept back.
    pub(super) fn sum_up(&self) {
        self.wrong_keys.sum_up();
        self.outside.sum_up();
    }

    /// Somebody came from a network that is not let in.
    pub(super) fn came_from_outside(&self, peer: SocketAddr) {
        if self.outside.admits(Instant::now()) {
            log::info!("proxy: closed a connection from {peer}: not in --proxy-networks");
        }
    }

    fn guesses(&self) -> std::sync::MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_wrong(&self, peer: SocketAddr, user: &str) {
        let now = Instant::now();
        self.guesses().was_wrong(peer.ip(), user, now);
        if self.wrong_keys.admits(now) {
            let user: String = user.chars().take(64).collect();
            log::info!("proxy: {peer}: wrong access key for the user {user:?}");
        }
    }
}

impl Tunnels {
    /// Answers in a task of its own, so that whoever brings the question can bring the next.
    pub(crate) fn consider(self: &Arc<Self>, question: Question, runtime: &Handle) {
        let Ok(place) = Arc::clone(&self.gate.waiting).try_acquire_owned() else {
            return self.answer(&question, Access::Refused(AccessRefused::Unchecked));
        };
        let tunnels = Arc::clone(self);
        runtime.spawn(async move {
            let access = tunnels.judge(&question).await;
            let access = access.map_or_else(Access::Refused, Access::Granted);
            tunnels.answer(&question, access);
            drop(place);
        });
    }

    fn answer(&self, question: &Question, access: Access) {
        self.data_plane.tell_access(question.worker, question.socket, access);
    }

    async fn judge(&self, question: &Question) -> Result<TunnelId, AccessRefused> {
        let Question { peer, door, visitor, .. } = question;
        let user = visitor.user();
        // Not before this one's turn, so that a crowd of guesses finds out what the first cost.
        let _looking = self.gate.looking.acquire().await.map_err(|_| AccessRefused::Unchecked)?;
        self.may_try(peer.ip(), user)?;
        let stored = match self.registry.key_of(user).await {
            Ok(stored) => stored,
            Err(error) => {
                log::error!("proxy: an access key cannot be checked: {error}");
                return Err(AccessRefused::Unchecked);
            }
        };
        if !bool::from(access_key::verify(visitor.expose(), stored.as_ref())) {
            self.gate.was_wrong(*peer, user);
            return Err(AccessRefused::Credentials);
        }
        if let Err(error) = self.registry.key_used(user, unix_now()).await {
            log::debug!("proxy: the use of a key is not recorded: {error}");
        }
        let state = self.state();
        match door {
            Door::Tunnel(tunnel) => state.opened_by(*tunnel, user),
            Door::Shared => {
                let turn = self.gate.turn.fetch_add(1, Ordering::Relaxed);
                state.meant_by(user, visitor.tunnel(), turn)
            }
        }
    }

    fn may_try(&self, from: IpAddr, user: &str) -> Result<(), AccessRefused> {
        let leave = self.gate.guesses().may_try(from, user, Instant::now());
        leave.map_err(|held_back| AccessRefused::TooManyAttempts {
            retry_after: held_back.retry_after,
        })
    }
}

impl State {
    /// The tunnels that a user may send requests through. The place where shared ones of others
    /// belong.
    fn usable_by<'s>(&'s self, user: &'s str) -> impl Iterator<Item = &'s Live> {
        self.live.values().filter(move |live| live.record.owner == user && live.halting.is_none())
    }

    /// The tunnel of a port, if the user may use it.
    fn opened_by(&self, tunnel: TunnelId, user: &str) -> Result<TunnelId, AccessRefused> {
        match self.usable_by(user).any(|live| live.record.id == tunnel) {
            true => Ok(tunnel),
            false => Err(AccessRefused::Credentials),
        }
    }

    /// The tunnel that a user means: the one of that name, or of that id; without a name the one
    /// that has none, or the only one. Of a pool the members that have their client, in turn.
    fn meant_by(
        &self,
        user: &str,
        wanted: Option<&str>,
        turn: usize,
    ) -> Result<TunnelId, AccessRefused> {
        let named = |name: Option<&str>| -> Vec<&Live> {
            let of = |live: &&Live| live.record.tunnel_identifier.as_deref() == name;
            self.usable_by(user).filter(of).collect()
        };
        let mut meant = named(wanted);
        if meant.is_empty() {
            meant = match wanted {
                Some(text) => {
                    let id = text.parse::<TunnelId>().ok();
                    self.usable_by(user).filter(|live| Some(live.record.id) == id).collect()
                }
                None => match &self.names(user)[..] {
                    [only] => named(only.as_deref()),
                    _ => Vec::new(),
                },
            };
        }
        if meant.iter().any(|live| live.sessions.is_connected()) {
            meant.retain(|live| live.sessions.is_connected());
        }
        match meant.get(turn.checked_rem(meant.len()).unwrap_or(0)) {
            Some(live) => Ok(live.record.id),
            None => Err(AccessRefused::NoSuchTunnel {
                wanted: wanted.map(Into::into),
                running: self.names(user),
            }),
        }
    }

    /// What a user's tunnels are called, each name once.
    fn names(&self, user: &str) -> Vec<TunnelName> {
        let name = |live: &Live| live.record.tunnel_identifier.as_deref().map(Into::into);
        let mut names: Vec<TunnelName> = self.usable_by(user).map(name).collect();
        names.sort();
        names.dedup();
        names
    }
}
