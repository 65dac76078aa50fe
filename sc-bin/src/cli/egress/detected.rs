//! The proxy that the environment names, as version 4 looks for one.

use sc_proto::egress::{Bypass, Way};

use super::{Detected, EgressError};
use crate::cli::environment::Environment;

/// The proxy of the environment, by the first variable that is set (version 4's order).
pub(super) fn detected(env: &Environment) -> Result<Option<Detected>, EgressError> {
    for variable in PROXY_VARIABLES {
        let Some(text) = env.first(&[variable]) else { continue };
        let way = Way::parse(&text).map_err(|why| EgressError::Detected { variable, why })?;
        let exceptions = NO_PROXY_VARIABLES
            .into_iter()
            .find_map(|variable| Some((variable, env.first(&[variable])?)));
        let (named, list) = exceptions.unwrap_or_default();
        let wrong = |why| EgressError::Bypass { variable: named, why };
        let bypass = Bypass::parse(&list).map_err(wrong)?;
        let own_bypass = Bypass::parse(&[&list, THIS_MACHINE].join(",")).map_err(wrong)?;
        return Ok(Some(Detected { variable, way, bypass, own_bypass }));
    }
    Ok(None)
}

/// This machine, as an item of `no_proxy` would name it.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1/128";
/// Variables that name a proxy for everybody, the first that is set counts.
pub(crate) const PROXY_VARIABLES: [&str; 4] =
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables that list hosts without a proxy.
pub(crate) const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];
