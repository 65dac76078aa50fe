//! The sessions that run: whose they are, where, and when they were last used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::seats::Seat;

/// A hash of what `Authorization` said.
pub(super) type Proof = [u8; 32];

/// A session. Its id, which is its job's, has 128 random bits: whoever knows it may drive it.
#[derive(Debug)]
pub(super) struct Session {
    /// As clients know it.
    pub(super) id: String,
    /// As the endpoint knows it.
    pub(super) remote: String,
    /// Whose it is.
    pub(super) owner: String,
    /// What the new session's request brought, if it brought credentials: the same need not be
    /// looked up again.
    pub(super) proof: Option<Proof>,
    /// Where it is.
    pub(super) seat: Seat,
    /// After so long without a command it ends.
    pub(super) idle_limit: Duration,
    use_: Mutex<Use>,
}

#[derive(Debug)]
struct Use {
    last: Instant,
    /// Commands under way.
    commands: u32,
}

/// A command that is under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<Session>);

/// All sessions by their id.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: Mutex<BTreeMap<String, Arc<Session>>>,
}

impl Session {
    pub(super) fn new(
        (id, remote): (String, String),
        owner: String,
        proof: Option<Proof>,
        seat: Seat,
        idle_limit: Duration,
    ) -> Self {
        let use_ = Mutex::new(Use { last: Instant::now(), commands: 0 });
        Self { id, remote, owner, proof, seat, idle_limit, use_ }
    }

    /// Begins a command.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.in_use().commands += 1;
        Busy(Arc::clone(self))
    }

    /// Whether nobody has used it for too long.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let in_use = self.in_use();
        in_use.commands == 0 && now.saturating_duration_since(in_use.last) >= self.idle_limit
    }

    fn in_use(&self) -> MutexGuard<'_, Use> {
        self.use_.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut in_use = self.0.in_use();
        in_use.commands -= 1;
        in_use.last = Instant::now();
    }
}

impl Sessions {
    pub(super) fn add(&self, session: Session) {
        self.by_id().insert(session.id.clone(), Arc::new(session));
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.by_id().get(id).cloned()
    }

    /// Takes one out; `None` if somebody else has done it.
    pub(super) fn remove(&self, id: &str) -> Option<Arc<Session>> {
        self.by_id().remove(id)
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.by_id().values().cloned().collect()
    }

    fn by_id(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
