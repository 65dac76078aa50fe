//! Who is signed in: sessions of browsers, bounded in number and time, in memory only. A restart
//! of the server ends them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::server::random::{self, NoRandomness};

/// Sessions at once, and of one user. The one that was used least lately makes room.
const MAX_SESSIONS: usize = 10_000;
const MAX_OF_USER: usize = 16;
/// How long a session lasts at most, and unused. An open page uses it.
const LIFE: Duration = Duration::from_secs(12 * 3600);
const IDLE: Duration = Duration::from_secs(3600);

/// What a browser has in its cookie. 256 random bits, as hex digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

/// What is kept of it, and is no use to who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

/// A session as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Whose.
    pub(super) user: String,
    /// The hash of the access key it began with: it ends with the key.
    pub(super) key_sha256: [u8; 32],
}

#[derive(Debug)]
struct Entry {
    session: Session,
    begun: Instant,
    used: Instant,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    entries: Mutex<HashMap<TokenHash, Entry>>,
}

impl Token {
    /// As a cookie has it.
    pub(super) fn from_cookie(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For the cookie.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// What it is kept by.
    pub(super) fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// What this session's forms bear. It does not tell the token.
    pub(super) fn form_mark(&self) -> String {
        hex(&Sha256::new().chain_update("form:").chain_update(&self.0).finalize())
    }

    /// Whether a form bears that mark.
    pub(super) fn has_mark(&self, presented: &str) -> bool {
        bool::from(self.form_mark().as_bytes().ct_eq(presented.as_bytes()))
    }
}

impl Sessions {
    /// A new session.
    pub(super) fn begin(&self, session: Session, now: Instant) -> Result<Token, NoRandomness> {
        let token = Token(hex(&random::bytes::<32>()?));
        let mut entries = self.entries();
        let own = |entry: &Entry| entry.session.user == session.user;
        if entries.values().filter(|entry| own(entry)).count() >= MAX_OF_USER {
            remove_least_used(&mut entries, own);
        }
        if entries.len() >= MAX_SESSIONS {
            entries.retain(|_, entry| entry.lasts(now));
        }
        if entries.len() >= MAX_SESSIONS {
            remove_least_used(&mut entries, |_| true);
        }
        entries.insert(token.hash(), Entry { session, begun: now, used: now });
        Ok(token)
    }

    /// The session of a token, if it lasts; it is used by that.
    pub(super) fn used(&self, hash: TokenHash, now: Instant) -> Option<Session> {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&hash).filter(|entry| entry.lasts(now)) else {
            entries.remove(&hash);
            return None;
        };
        entry.used = now;
        Some(entry.session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, hash: TokenHash) {
        self.entries().remove(&hash);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<TokenHash, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn lasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) < LIFE
            && now.saturating_duration_since(self.used) < IDLE
    }
}

fn remove_least_used(entries: &mut HashMap<TokenHash, Entry>, among: impl Fn(&Entry) -> bool) {
    let among = entries.iter().filter(|(_, entry)| among(entry));
    let least = among.min_by_key(|(_, entry)| entry.used).map(|(hash, _)| *hash);
    if let Some(hash) = least {
        entries.remove(&hash);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> Session {
        Session { user: user.to_owned(), key_sha256: [7; 32] }
    }

    #[test]
    fn a_session_ends_when_unused_and_in_any_case() {
        let (sessions, begun) = (Sessions::default(), Instant::now());
        let token = sessions.begin(of("jane"), begun).unwrap();
        assert_eq!(token.expose().len(), 64);
        let hash = token.hash();
        assert_eq!(sessions.used(hash, begun), Some(of("jane")));
        assert_eq!(sessions.used(hash, begun + IDLE), None);
        assert_eq!(sessions.used(hash, begun), None, "it is gone for good");

        let busy = sessions.begin(of("jane"), begun).unwrap().hash();
        let mut now = begun;
        while now + IDLE / 2 < begun + LIFE {
            now += IDLE / 2;
            assert!(sessions.used(busy, now).is_some());
        }
        assert_eq!(sessions.used(busy, begun + LIFE), None);
    }

    #[test]
    fn one_user_has_a_bounded_number_and_the_least_used_goes() {
        let (sessions, begun) = (Sessions::default(), Instant::now());
        let other = sessions.begin(of("bob"), begun).unwrap().hash();
        let moment = |number: usize| begun + Duration::from_secs(number as u64);
        let tokens: Vec<_> = (0..=MAX_OF_USER)
            .map(|number| sessions.begin(of("jane"), moment(number)).unwrap().hash())
            .collect();
        assert_eq!(sessions.used(tokens[0], moment(99)), None);
        assert!(tokens[1..].iter().all(|token| sessions.used(*token, moment(99)).is_some()));
        assert!(sessions.used(other, moment(99)).is_some());
    }

    #[test]
    fn the_mark_of_forms_is_the_session_s_own_and_tells_nothing() {
        let sessions = Sessions::default();
        let [a, b] = ["jane", "jane"].map(|user| sessions.begin(of(user), Instant::now()).unwrap());
        assert!(a.has_mark(&a.form_mark()) && !a.has_mark(&b.form_mark()) && !a.has_mark(""));
        assert_ne!(a.form_mark(), a.expose());
        assert_ne!(a.form_mark(), hex(&a.hash().0), "nor what it is kept by");
    }
}
