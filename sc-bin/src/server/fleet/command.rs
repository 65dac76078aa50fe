//! `sc server fleet …`: who is a member, and who gets no more tunnels.

use std::io::{self, Write};

use crate::calendar::Moment;
use crate::server::args::FleetAction;
use crate::server::registry::{Member, MemberStatus, Registry, RegistryError};

/// A command about the fleet failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FleetCommandError {
    /// One server has the registry for itself.
    #[error("this registry is no fleet's: name its database by --database-file or SC_DATABASE")]
    NoFleet,
    /// No such member.
    #[error("no member of the fleet is {0:?}: see `sc server fleet list`")]
    Unknown(String),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The answer could not be printed.
    #[error("cannot print: {0}")]
    Io(#[from] io::Error),
}

/// Carries out a command; prints the answer to `out`.
pub(crate) async fn run(
    action: FleetAction,
    registry: &Registry,
    out: &mut dyn Write,
) -> Result<(), FleetCommandError> {
    if !registry.is_shared() {
        return Err(FleetCommandError::NoFleet);
    }
    let (server, status) = match action {
        FleetAction::List => {
            for member in registry.members().await? {
                writeln!(out, "{}", line(&member))?;
            }
            return Ok(());
        }
        FleetAction::Drain { server } => (server, MemberStatus::Draining),
        FleetAction::Resume { server } => (server, MemberStatus::Serving),
    };
    match registry.set_member(&server, status).await? {
        0 => Err(FleetCommandError::Unknown(server)),
        _ => Ok(()),
    }
}

/// Address, id, status, tunnels and capacity, last sign of life.
fn line(member: &Member) -> String {
    let Member { id, address, status, capacity, tunnels, last_beat, .. } = member;
    let (status, seen) = (status.name(), Moment::of_unix(*last_beat).rfc3339());
    format!("{address}\tmember {id}\t{status}\t{tunnels} of {capacity} tunnels\tlast seen {seen}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::registry::test_support;

    #[tokio::test]
    async fn members_are_listed_drained_and_resumed() {
        let (of_file, _dir) = test_support::registry().await;
        let refused = run(FleetAction::List, &of_file, &mut io::sink()).await;
        assert!(matches!(refused, Err(FleetCommandError::NoFleet)), "{refused:?}");
        let Some(url) = test_support::database() else {
            return eprintln!("not tested: PostgreSQL is not installed");
        };
        let registry = Registry::open_shared(&url).await.unwrap();
        registry.join("m1", "a.test:8443", 10, 3).await.unwrap();
        let server = || "a.test:8443".to_owned();
        let said = async |action| {
            let mut out = Vec::new();
            run(action, &registry, &mut out).await.map(|()| String::from_utf8(out).unwrap())
        };
        let listed = said(FleetAction::List).await.unwrap();
        assert!(listed.contains("a.test:8443\tmember m1\tserving\t3 of 10 tunnels"), "{listed}");
        said(FleetAction::Drain { server: server() }).await.unwrap();
        assert!(said(FleetAction::List).await.unwrap().contains("draining"));
        said(FleetAction::Resume { server: server() }).await.unwrap();
        assert!(said(FleetAction::List).await.unwrap().contains("serving"));
        let unknown = said(FleetAction::Drain { server: "b".to_owned() }).await;
        assert!(matches!(unknown, Err(FleetCommandError::Unknown(_))), "{unknown:?}");
    }
}
