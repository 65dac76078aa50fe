//! What a tunnel belongs to, who may use it, and what is said about it: the options of both versions.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use clap::Args;

use super::egress;
use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};

/// The options of version 4.
#[derive(Args, Debug, Default)]
pub(crate) struct V4Membership {
    /// Join the pool of tunnels of this name, or found it: tests are spread over its tunnels
    /// [env: SAUCE_TUNNEL_POOL]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    tunnel_pool: Option<bool>,
    /// Deprecated: the same as --tunnel-pool
    #[arg(long)]
    no_remove_colliding_tunnels: bool,
    /// Let others of your teams, as an org admin of your organisation, use the tunnel
    /// [env: SAUCE_SHARED_TUNNEL]
    #[arg(short = 's', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    shared_tunnel: Option<bool>,
    /// Kept and shown with the tunnel: KEY:VALUE, comma separated [env: SAUCE_METADATA]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metadata: Option<Vec<String>>,
}

/// The options of version 5.
#[derive(Args, Debug, Default)]
pub(crate) struct V5Membership {
    /// Join the pool of tunnels of this name, or found it: tests are spread over its tunnels
    /// [env: SAUCE_TUNNEL_POOL]
    #[arg(short = 't', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    tunnel_pool: Option<bool>,
    /// Let others of your teams, as an org admin of your organisation, use the tunnel: `all`
    /// [env: SAUCE_SHARED]
    #[arg(short = 's', long, value_name = "WITH")]
    shared: Option<String>,
    /// Kept and shown with the tunnel: KEY=VALUE, comma separated [env: SAUCE_METADATA]
    #[arg(short = 'M', long, value_name = "LIST", value_delimiter = ',')]
    metadata: Option<Vec<String>>,
    /// Keep a pool of so many tunnels: what fails is started again, SIGHUP renews one after the
    /// other [env: SAUCE_POOL_SIZE]
    #[arg(long, value_name = "N")]
    pool_size: Option<NonZeroU16>,
    /// Renew each tunnel of --pool-size at this age, as 24h [env: SAUCE_MAX_AGE]
    #[arg(long, value_name = "DURATION")]
    max_age: Option<String>,
}

/// What a tunnel belongs to, who may use it, and what is said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Whether it shares its name with the others of a pool.
    pub(crate) pooling: Pooling,
    /// Who may use it.
    pub(crate) shared: Shared,
    /// What is said about it.
    pub(crate) metadata: BTreeMap<String, String>,
    /// The pool that this process keeps.
    pub(crate) kept: Option<KeptPool>,
}

/// Whether a tunnel has its name for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// It does: others of that name end.
    #[default]
    Alone,
    /// It is one of several.
    Member,
}

/// Who may use a tunnel, beside its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shared {
    /// Nobody.
    #[default]
    WithNobody,
    /// As far as the owner's role goes, said as version 4 says it.
    V4,
    /// The same as version 5 says it.
    V5,
}

/// A pool that a process keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptPool {
    /// How many tunnels.
    pub(crate) size: NonZeroU16,
    /// At which age each is renewed.
    pub(crate) max_age: Option<Duration>,
}

/// One of the options is not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MembershipError {
    /// A pool without a name.
    #[error("a pool needs a name; give --tunnel-name (-i) beside --tunnel-pool")]
    NoName,
    /// Another way to share.
    #[error("--shared {0:?} is no way to share a tunnel; write --shared all, or leave it out")]
    Shared(String),
    /// Not a pair.
    #[error("--metadata {0:?} is not KEY{1}VALUE")]
    Metadata(String, char),
    /// A variable that is not a switch.
    #[error("{0}")]
    Switch(String),
    /// Not a number.
    #[error("SAUCE_POOL_SIZE={0:?} is not a number from 1 to 65535")]
    PoolSize(String),
    /// Not a duration.
    #[error("--max-age: {0}")]
    MaxAge(#[from] InvalidDuration),
    /// An age of what is not kept.
    #[error("--max-age is for the tunnels of --pool-size; give that too")]
    AgeAlone,
}

impl V4Membership {
    /// What the options and the environment come to.
    pub(super) fn resolve(self, env: &Environment) -> Result<Membership, MembershipError> {
        let pool = switch(self.tunnel_pool, "SAUCE_TUNNEL_POOL", env)?;
        let is_shared = switch(self.shared_tunnel, "SAUCE_SHARED_TUNNEL", env)?;
        Ok(Membership {
            pooling: pooling(pool || self.no_remove_colliding_tunnels),
            shared: if is_shared { Shared::V4 } else { Shared::WithNobody },
            metadata: pairs(self.metadata, env, ':')?,
            ..Membership::default()
        })
    }
}

impl V5Membership {
    /// What the options and the environment come to.
    pub(super) fn resolve(self, env: &Environment) -> Result<Membership, MembershipError> {
        let pool = switch(self.tunnel_pool, "SAUCE_TUNNEL_POOL", env)?;
        let shared = match self.shared.or_else(|| env.first(&["SAUCE_SHARED"])).as_deref() {
            None | Some("") => Shared::WithNobody,
            Some("all") => Shared::V5,
            Some(other) => return Err(MembershipError::Shared(other.to_owned())),
        };
        let kept = KeptPool::of(self.pool_size, self.max_age, env)?;
        let pool = pool || kept.is_some();
        Ok(Membership {
            pooling: pooling(pool),
            shared,
            metadata: pairs(self.metadata, env, '=')?,
            kept,
        })
    }
}

impl KeptPool {
    fn of(
        size: Option<NonZeroU16>,
        age: Option<String>,
        env: &Environment,
    ) -> Result<Option<Self>, MembershipError> {
        let number =
            |text: String| text.trim().parse().map_err(|_| MembershipError::PoolSize(text));
        let size = match (size, env.first(&["SAUCE_POOL_SIZE"])) {
            (Some(size), _) => Some(size),
            (None, text) => text.map(number).transpose()?,
        };
        let age = age.or_else(|| env.first(&["SAUCE_MAX_AGE"]));
        let max_age = age.map(|age| go_duration::parse(&age)).transpose()?;
        match size {
            Some(size) => Ok(Some(Self { size, max_age })),
            None if max_age.is_some() => Err(MembershipError::AgeAlone),
            None => Ok(None),
        }
    }
}

fn pooling(is_member: bool) -> Pooling {
    if is_member { Pooling::Member } else { Pooling::Alone }
}

fn switch(
    flag: Option<bool>,
    name: &'static str,
    env: &Environment,
) -> Result<bool, MembershipError> {
    match (flag, env.first(&[name])) {
        (Some(flag), _) => Ok(flag),
        (None, Some(text)) => {
            egress::switched(name, text).map_err(|why| MembershipError::Switch(why.to_string()))
        }
        (None, None) => Ok(false),
    }
}

/// `KEY:VALUE` or `KEY=VALUE`; what was written for one version is understood by the other.
fn pairs(
    given: Option<Vec<String>>,
    env: &Environment,
    usual: char,
) -> Result<BTreeMap<String, String>, MembershipError> {
    let of_environment = || {
        let text = env.first(&["SAUCE_METADATA"])?;
        Some(text.split(',').map(str::to_owned).collect())
    };
    let given = given.or_else(of_environment).unwrap_or_default();
    let items = given.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    items
        .map(|item| match item.split_once(['=', ':']) {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(MembershipError::Metadata(item.to_owned(), usual)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_in_both_forms() {
        let none = Environment::default();
        let read = |text: &str| {
            let items = text.split(',').map(str::to_owned).collect();
            pairs(Some(items), &none, ':')
        };
        let expected = BTreeMap::from([
            ("build".to_owned(), "a:b".to_owned()),
            ("runner".to_owned(), "docker".to_owned()),
        ]);
        assert_eq!(read("runner:docker,build=a:b"), Ok(expected.clone()));
        assert_eq!(read("runner=docker, build:a:b,"), Ok(expected));
        assert_eq!(read("x"), Err(MembershipError::Metadata("x".to_owned(), ':')));
        assert!(read(":x").is_err());
    }

    #[test]
    fn a_kept_pool_makes_members() {
        let env = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let given = |pairs| V5Membership::default().resolve(&env(pairs));
        let kept = given(&[("SAUCE_POOL_SIZE", "3"), ("SAUCE_MAX_AGE", "24h")]).unwrap();
        let pool = kept.kept.unwrap();
        assert_eq!((kept.pooling, pool.size.get()), (Pooling::Member, 3));
        assert_eq!(pool.max_age, Some(Duration::from_secs(86_400)));
        assert_eq!(given(&[("SAUCE_MAX_AGE", "24h")]), Err(MembershipError::AgeAlone));
        assert!(given(&[("SAUCE_POOL_SIZE", "0")]).is_err());
        assert!(given(&[("SAUCE_SHARED", "some")]).is_err());
        assert_eq!(given(&[("SAUCE_SHARED", "all")]).unwrap().shared, Shared::V5);
    }
}
