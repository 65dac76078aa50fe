//! How many browsers may follow a page at once, of one user and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of one user, and of all. Each holds one of the REST listener's connections.
const MAX_OF_USER: usize = 8;
const MAX_LISTENERS: usize = 128;

/// Who follows.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Never more entries than listeners.
    taken: Mutex<HashMap<String, usize>>,
}

/// A place for one; free again when dropped.
#[derive(Debug)]
pub(super) struct Listener {
    listeners: Arc<Listeners>,
    user: String,
}

impl Listeners {
    /// A place for a user, if there is one.
    pub(super) fn take(self: &Arc<Self>, user: &str) -> Option<Listener> {
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let own = taken.get(user).copied().unwrap_or(0);
        if all >= MAX_LISTENERS || own >= MAX_OF_USER {
            return None;
        }
        taken.insert(user.to_owned(), own + 1);
        Some(Listener { listeners: Arc::clone(self), user: user.to_owned() })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut taken = self.listeners.taken();
        match taken.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_get_all_and_places_come_back() {
        let listeners = Arc::new(Listeners::default());
        let own: Vec<_> = (0..MAX_OF_USER).map(|_| listeners.take("jane").unwrap()).collect();
        assert!(listeners.take("jane").is_none());
        let others: Vec<_> = (0..MAX_LISTENERS - MAX_OF_USER)
            .map(|number| listeners.take(&format!("user{}", number / MAX_OF_USER)).unwrap())
            .collect();
        assert!(listeners.take("new").is_none(), "all are taken");
        drop(own);
        assert!(listeners.take("jane").is_some());
        drop(others);
        assert!(listeners.taken().is_empty());
    }
}
