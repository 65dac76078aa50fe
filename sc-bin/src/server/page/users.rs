//! The users of each organisation, as lists need them: read once for all who look, not once a second for
//! each. So a new right shows some seconds late; what a visitor *does* is judged by the registry itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::PageError;
use crate::server::accounts::Account;
use crate::server::registry::Registry;

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(2);

/// When they were read, and who they were.
type Known = (Instant, Arc<Vec<Account>>);

/// Those that were read of late, by organisation. Only of organisations that somebody looked from
/// within [`AGE`].
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<HashMap<String, Known>>);

impl Users {
    /// The users of somebody's organisation, that one as it is now.
    pub(super) async fn of(
        &self,
        registry: &Registry,
        user: &Account,
    ) -> Result<Arc<Vec<Account>>, PageError> {
        let organisation = &user.organisation;
        if let Some(users) = self.known(user, Instant::now()) {
            return Ok(users);
        }
        let users = registry.users(Some(organisation)).await;
        let users = Arc::new(users.map_err(|error| PageError::Rest(error.into()))?);
        let known = (Instant::now(), Arc::clone(&users));
        self.all().insert(organisation.clone(), known);
        Ok(users)
    }

    fn known(&self, user: &Account, now: Instant) -> Option<Arc<Vec<Account>>> {
        let mut all = self.all();
        all.retain(|_, (read, _)| now.saturating_duration_since(*read) < AGE);
        let (_, users) = all.get(&user.organisation)?;
        let is_same = |one: &Account| {
            (&one.name, one.role, &one.teams) == (&user.name, user.role, &user.teams)
        };
        users.iter().any(is_same).then(|| Arc::clone(users))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::registry::{NewUser, test_support};

    #[tokio::test]
    async fn they_are_read_again_when_they_are_old() {
        let (registry, _dir) = test_support::registry().await;
        let users = Users::default();
        let add = async |name| {
            registry.add_user(&NewUser::member(name), &[1; 32], 7).await.unwrap();
            registry.account(name).await.unwrap().unwrap()
        };
        let count = async |user| users.of(&registry, user).await.unwrap().len();
        let jane = add("jane").await;
        assert_eq!(count(&jane).await, 1);
        let bob = add("bob").await;
        assert_eq!(count(&jane).await, 1, "as a moment ago");
        assert_eq!(count(&bob).await, 2, "who comes is always among them");
        assert!(users.known(&jane, Instant::now() + AGE).is_none());
        assert!(users.all().is_empty(), "what is old is forgotten");
    }
}
