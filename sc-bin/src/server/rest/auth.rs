//! Who calls: HTTP Basic with user name and access key (RFC 7617).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::access_key;
use super::super::accounts::Account;
use super::super::registry::KeyHolder;
use super::RestState;
use super::error::RestError;
use super::rates::CALLS_A_SECOND;

/// The other end of the connection. Put into every request by [`serve()`](super::serve()).
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Who calls, authenticated.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Account);

/// Who calls, and whose part of the API: the user that the path names.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// Who calls.
    pub(super) caller: Account,
    /// Whom the path names; the caller knows that there is one.
    pub(super) owner: Account,
}

impl FromRequestParts<Arc<RestState>> for Caller {
    type Rejection = RestError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<RestState>,
    ) -> Result<Self, RestError> {
        authenticate(parts, state).await.map(Self)
    }
}

impl FromRequestParts<Arc<RestState>> for Visit {
    type Rejection = RestError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<RestState>,
    ) -> Result<Self, RestError> {
        let caller = authenticate(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| RestError::NoSuchPath)?;
        let user = params.iter().find(|(name, _)| *name == "user");
        let (_, user) = user.ok_or(RestError::NoSuchPath)?;
        if user == caller.name {
            return Ok(Self { owner: caller.clone(), caller });
        }
        // One whom the caller has nothing to do with does not exist.
        let owner = state.registry.account(user).await?.filter(|owner| caller.knows(owner));
        let owner = owner.ok_or_else(|| RestError::NotYours(user.to_owned()))?;
        Ok(Self { caller, owner })
    }
}

async fn authenticate(parts: &Parts, state: &RestState) -> Result<Account, RestError> {
    let peer = parts.extensions.get().map(|Peer(peer)| *peer);
    let refused = || {
        if let Some(peer) = peer
            && state.strangers.admits(Instant::now())
        {
            log::info!("REST: {peer}: wrong or no credentials");
        }
        RestError::Unauthorized
    };
    let header = parts.headers.get(header::AUTHORIZATION);
    let (user, key) = header.and_then(|value| credentials(value.as_bytes())).ok_or_else(refused)?;
    let holder = identify(state, &user, &key, address_of(parts)).await?;
    let holder = holder.ok_or_else(refused)?;
    admit_call(state, &holder.account).await?;
    Ok(holder.account)
}

/// The address at the other end.
pub(crate) fn address_of(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get().map(|Peer(peer)| peer.ip());
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Whose access key it is, if it is anybody's. Guesses are slowed.
pub(crate) async fn identify(
    state: &RestState,
    user: &str,
    key: &str,
    address: IpAddr,
) -> Result<Option<KeyHolder>, RestError> {
    let now = Instant::now();
    state.guesses.admit(user, key, address, now).map_err(RestError::Guesses)?;
    let holder = state.registry.key_holder(user).await?;
    let stored = holder.as_ref().map(|holder| &holder.key_sha256);
    if !bool::from(access_key::verify(key, stored)) {
        state.guesses.wrong(user, address, now);
        return Ok(None);
    }
    state.guesses.right(user, key, now);
    Ok(holder)
}

/// Whether a known user may make one more call now. That it does is noted.
pub(crate) async fn admit_call(state: &RestState, user: &Account) -> Result<(), RestError> {
    let now = Instant::now();
    if !state.rates.admits(&user.name, now) {
        return Err(RestError::TooManyCalls(CALLS_A_SECOND));
    }
    if let Err(error) = state.registry.key_used(user, state.registry.now()).await
        && state.troubles.admits(now)
    {
        // Not worth a refusal: the disk may be full, and DELETE should work even then.
        log::warn!("REST: the use of a key is not recorded: {error}");
    }
    Ok(())
}

/// Reads `Basic base64(user:key)`.
fn credentials(header: &[u8]) -> Option<(String, String)> {
    let (scheme, token) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(token.trim_ascii()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, key) = text.split_once(':')?;
    Some((user.to_owned(), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        let good = Some(("jane".to_owned(), "a:b".to_owned()));
        // jane:a:b
        assert_eq!(credentials(b"Basic amFuZTphOmI="), good);
        assert_eq!(credentials(b"basic  amFuZTphOmI= "), good);
        for bad in ["", "Basic", "Basic ", "Basic ???", "Bearer amFuZTphOmI=", "Basic amFuZQ=="] {
            assert_eq!(credentials(bad.as_bytes()), None, "{bad:?}");
        }
        // Not UTF-8.
        assert_eq!(credentials(b"Basic /zp4"), None);
    }
}
