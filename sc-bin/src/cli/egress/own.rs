//! Version 4's one proxy for all: the sites, the REST API and, with `-T`, the tunnel.

use sc_proto::egress::{Credentials, Login, Logins};

use super::detected::detected;
use super::{EgressError, EgressSettings, OwnProxy, SiteWay};
use crate::cli::environment::Environment;
use crate::cli::values::Values;

/// Fills in proxies as version 4 has them.
pub(super) fn as_version_4(
    values: &Values,
    env: &Environment,
    settings: &mut EgressSettings,
) -> Result<(), EgressError> {
    let detects = values.switch("no-autodetect")? != Some(true)
        && values.switch("autodetect")? != Some(false);
    let by_tunnel = values.switch("proxy-tunnel")? == Some(true);
    if detects && matches!(settings.sites, SiteWay::Direct) {
        let detected = detected(env)?.map(Box::new);
        settings.sites = detected.map_or(SiteWay::Direct, SiteWay::Detected);
    }
    let sites = &mut settings.sites;
    if let Some(given) = values.text("proxy-userpwd") {
        let credentials = Credentials::parse(&given).map_err(EgressError::UserPassword)?;
        let way = match sites {
            SiteWay::Proxy(way) => way,
            SiteWay::Detected(detected) => &mut detected.way,
            SiteWay::Direct | SiteWay::Pac(_) => {
                return Err(EgressError::NoProxy("--proxy-userpwd"));
            }
        };
        if let Some(proxy) = way.proxy_mut() {
            proxy.credentials = Some(credentials);
        }
    }
    let pac_auth = values.items("pac-auth");
    match sites {
        SiteWay::Pac(pac) => pac.logins = pac_logins(&pac_auth)?,
        _ if !pac_auth.is_empty() => return Err(EgressError::NoPac),
        _ => {}
    }
    let own = match sites {
        SiteWay::Direct | SiteWay::Pac(_) if by_tunnel => {
            return Err(EgressError::NoProxy("--proxy-tunnel"));
        }
        SiteWay::Direct | SiteWay::Pac(_) => None,
        SiteWay::Proxy(way) => Some(OwnProxy::given(way.clone())),
        SiteWay::Detected(detected) => {
            Some(OwnProxy { way: detected.way.clone(), bypass: detected.own_bypass.clone() })
        }
    };
    settings.tunnel = own.clone().filter(|_| by_tunnel);
    settings.rest = own;
    Ok(())
}

/// `USER:PASSWORD@HOST:PORT` each.
fn pac_logins(items: &[String]) -> Result<Logins, EgressError> {
    let read = |(number, item): (usize, &String)| {
        let (info, address) = item.rsplit_once('@').ok_or(EgressError::PacAuth(number))?;
        let credentials = Credentials::parse(info).map_err(|_| EgressError::PacAuth(number))?;
        let target = address.parse().map_err(|_| EgressError::PacAuth(number))?;
        Ok(Login::at(target, credentials))
    };
    let logins = (1..).zip(items).map(read).collect::<Result<Vec<_>, EgressError>>()?;
    Logins::new(logins).map_err(|(number, _)| EgressError::PacAuth(number))
}
