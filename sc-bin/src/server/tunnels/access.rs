//! Who may use which tunnel: the answers to what the data plane asks about its browsers.
//!
//! The workers remember who was let in for some seconds, so this is asked now and then. It runs
//! beside the REST API, at most [`AT_ONCE`] at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sc_proto::WorkerId;
use sc_proto::contract::{Access, AccessRefused, Door, SocketId, TunnelId, TunnelName, Visitor};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{Live, State, Tunnels};
use crate::server::access_key;
use crate::server::accounts::{Account, Sharing};
use crate::server::guesses::{Guesses, Wait};
use crate::server::log_limit::LogLimit;
use crate::server::registry::RegistryError;

/// Keys that are looked up at a time, and questions that wait for that. More are answered 503.
const AT_ONCE: usize = 16;
const MOST_WAITING: usize = 1024;
/// Most other users whose tunnels are looked through for one that is shared.
const MOST_OWNERS: usize = 16;

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
    guesses: Arc<Guesses>,
    waiting: Arc<Semaphore>,
    looking: Semaphore,
    /// Whose turn it is in a pool.
    turn: AtomicUsize,
    wrong_keys: LogLimit,
    outside: LogLimit,
}

impl Gate {
    /// `guesses` are those of all who take access keys.
    pub(super) fn new(guesses: Arc<Guesses>) -> Self {
        Self {
            guesses,
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

    fn was_wrong(&self, peer: SocketAddr, user: &str) {
        let now = Instant::now();
        self.guesses.wrong(user, peer.ip(), now);
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
        let Question { door, visitor, .. } = question;
        // Not before this one's turn, so that a crowd of guesses finds out what the first cost.
        let _looking = self.gate.looking.acquire().await.map_err(|_| AccessRefused::Unchecked)?;
        let account = self.identify(question).await?;
        let found = match door {
            Door::Tunnel(tunnel) | Door::Open(tunnel) => self.opened_by(*tunnel, &account).await,
            Door::Shared => self.meant_by(&account, visitor.tunnel()).await,
        };
        match found {
            Ok(Some(tunnel)) => Ok(tunnel),
            Ok(None) => Err(match door {
                Door::Tunnel(_) | Door::Open(_) => AccessRefused::Credentials,
                Door::Shared => AccessRefused::NoSuchTunnel {
                    wanted: visitor.tunnel().map(Into::into),
                    running: self.state().names(&account.name),
                },
            }),
            Err(error) => Err(unchecked(&error)),
        }
    }

    /// Whose key it is.
    async fn identify(&self, question: &Question) -> Result<Account, AccessRefused> {
        let Question { peer, visitor, .. } = question;
        let (user, key) = (visitor.user(), visitor.expose());
        let gate = &self.gate;
        let admitted = gate.guesses.admit(user, key, peer.ip(), Instant::now());
        admitted.map_err(|Wait(retry_after)| AccessRefused::TooManyAttempts { retry_after })?;
        let holder = self.registry.key_holder(user).await.map_err(|error| unchecked(&error))?;
        let stored = holder.as_ref().map(|holder| &holder.key_sha256);
        let is_right = bool::from(access_key::verify(key, stored));
        let Some(holder) = holder.filter(|_| is_right) else {
            gate.was_wrong(*peer, user);
            return Err(AccessRefused::Credentials);
        };
        gate.guesses.right(user, key, Instant::now());
        if let Err(error) = self.registry.key_used(&holder.account, self.registry.now()).await {
            // Not worth a refusal.
            log::debug!("proxy: the use of a key is not recorded: {error}");
        }
        Ok(holder.account)
    }

    /// The tunnel of a port, if the user may use it.
    async fn opened_by(
        &self,
        tunnel: TunnelId,
        user: &Account,
    ) -> Result<Option<TunnelId>, RegistryError> {
        let of_port = |live: &Live| live.record.id == tunnel;
        let is_own = self.state().of(&user.name).any(of_port);
        if is_own { Ok(Some(tunnel)) } else { self.shared_with(user, of_port).await }
    }

    /// The tunnel that a user means: the one of that name, or of that id; without a name the one
    /// that has none, or the only one. Own tunnels go before those that others share.
    async fn meant_by(
        &self,
        user: &Account,
        wanted: Option<&str>,
    ) -> Result<Option<TunnelId>, RegistryError> {
        let turn = self.gate.turn.fetch_add(1, Ordering::Relaxed);
        let own = self.state().own_meant_by(&user.name, wanted, turn);
        match (own, wanted) {
            (None, Some(text)) => {
                let id = text.parse::<TunnelId>().ok();
                let is_meant = |live: &Live| {
                    live.record.tunnel_identifier.as_deref() == wanted || Some(live.record.id) == id
                };
                self.shared_with(user, is_meant).await
            }
            (own, _) => Ok(own),
        }
    }

    /// One of the tunnels of others that a user may use. Of several owners' the first by name.
    async fn shared_with(
        &self,
        user: &Account,
        is_meant: impl Fn(&Live) -> bool,
    ) -> Result<Option<TunnelId>, RegistryError> {
        let mut by_owner: BTreeMap<String, Vec<(TunnelId, Sharing)>> = BTreeMap::new();
        {
            let state = self.state();
            let others = state.live.values().filter(|live| {
                live.halting.is_none()
                    && live.organisation == user.organisation
                    && live.record.owner != user.name
                    && is_meant(live)
            });
            for live in others {
                let of_owner = by_owner.entry(live.record.owner.clone()).or_default();
                of_owner.push((live.record.id, live.sharing()));
            }
        }
        let turn = self.gate.turn.fetch_add(1, Ordering::Relaxed);
        for (owner, mut tunnels) in by_owner.into_iter().take(MOST_OWNERS) {
            let Some(owner) = self.registry.account(&owner).await? else { continue };
            tunnels.retain(|(_, sharing)| user.may_use_of(&owner, *sharing));
            let state = self.state();
            let live = tunnels.iter().filter_map(|(id, _)| state.live.get(id)).collect();
            if let Some(tunnel) = in_turn(live, turn) {
                return Ok(Some(tunnel));
            }
        }
        Ok(None)
    }
}

fn unchecked(error: &RegistryError) -> AccessRefused {
    log::error!("proxy: an access key cannot be checked: {error}");
    AccessRefused::Unchecked
}

/// Of a pool the members that have their client, in turn.
fn in_turn(mut meant: Vec<&Live>, turn: usize) -> Option<TunnelId> {
    if meant.iter().any(|live| live.sessions.is_connected()) {
        meant.retain(|live| live.sessions.is_connected());
    }
    let at = turn.checked_rem(meant.len())?;
    meant.get(at).map(|live| live.record.id)
}

impl Live {
    fn sharing(&self) -> Sharing {
        if self.record.shared_tunnel { Sharing::Shared } else { Sharing::Private }
    }
}

impl State {
    /// A user's own tunnels that take requests.
    fn of<'s>(&'s self, user: &'s str) -> impl Iterator<Item = &'s Live> {
        self.live.values().filter(move |live| live.record.owner == user && live.halting.is_none())
    }

    fn own_meant_by(&self, user: &str, wanted: Option<&str>, turn: usize) -> Option<TunnelId> {
        let named = |name: Option<&str>| -> Vec<&Live> {
            let has_name = |live: &&Live| live.record.tunnel_identifier.as_deref() == name;
            self.of(user).filter(has_name).collect()
        };
        let mut meant = named(wanted);
        if meant.is_empty() {
            meant = match (wanted, &self.names(user)[..]) {
                (Some(text), _) => {
                    let id = text.parse::<TunnelId>().ok();
                    self.of(user).filter(|live| Some(live.record.id) == id).collect()
                }
                (None, [only]) => named(only.as_deref()),
                (None, _) => Vec::new(),
            };
        }
        in_turn(meant, turn)
    }

    /// What a user's tunnels are called, each name once.
    fn names(&self, user: &str) -> Vec<TunnelName> {
        let name = |live: &Live| live.record.tunnel_identifier.as_deref().map(Into::into);
        let mut names: Vec<TunnelName> = self.of(user).map(name).collect();
        names.sort();
        names.dedup();
        names
    }
}
