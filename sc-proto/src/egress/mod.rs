//! What the client lets out, and by which way: rules that are the office's own.
//!
//! | file | idea |
//! | --- | --- |
//! | `localhost.rs` | which hosts are the client's own machine, and what becomes of them |
//! | `bypass.rs` | hosts that are reached without a proxy: `no_proxy` |
//! | `pac.rs` | the answer of a PAC script |
//! | `exchanges.rs` | what becomes of HTTP exchanges |
//! | `headers.rs` | changes of their headers |
//! | `logins.rs` | credentials for sites and proxies |
//! | `rate.rs` | how many bytes a second may pass |
//! | `watch.rs` | what is told of exchanges, for a log |
//! | `way.rs` | one way to a site: straight or by a proxy |
//!
//! Everything here is decided on the client. The server learns a typed failure and nothing else:
//! no rule, no credential, no proxy's address travels.

mod bypass;
mod exchanges;
mod headers;
mod localhost;
mod logins;
mod pac;
mod rate;
mod watch;
mod way;

pub use bypass::{Bypass, InvalidBypass};
pub use exchanges::{Dials, Exchanges, Forwarded, Keep};
pub use headers::{HeaderRule, InvalidHeaderRule};
pub use localhost::{Localhost, LocalhostPolicy};
pub use logins::{InvalidLogin, Login, Logins};
pub use pac::{InvalidAnswer, ways_of_answer};
pub use rate::{Rate, Rates};
pub use watch::{Exchanged, Watch};
pub use way::{Credentials, InvalidCredentials, InvalidProxy, Proxy, Way};

use alloc::sync::Arc;

use crate::contract::{DialFailure, Host};
use crate::rules::HostRules;
use crate::tls::{TlsClient, TlsError};

/// Most ways that are tried for one request.
pub const MAX_WAYS: usize = 16;

/// The rules of a client's egress, fixed for its life.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// Hosts that are refused; `None`: none is.
    pub deny: Option<HostRules>,
    /// The client's own machine.
    pub localhost: Localhost,
    /// By which ways sites are reached.
    pub ways: WayChoice,
    /// By which way the client's own transports go. The first of several counts;
    /// [`WayChoice::Asked`] is as [`WayChoice::Direct`].
    pub transports: WayChoice,
    /// What becomes of HTTP exchanges.
    pub exchanges: Exchanges,
    /// How often a site is dialled.
    pub dials: Dials,
    /// How many bytes a second may pass.
    pub rates: Rates,
    /// What is told of exchanges.
    pub watch: Watch,
    /// What is trusted in TLS with sites and proxies. `None`: no TLS is spoken with them.
    pub trust: Option<Arc<dyn SiteTrust>>,
}

/// What is trusted in TLS with sites and proxies.
pub trait SiteTrust: core::fmt::Debug + Send + Sync {
    /// The TLS client for this host. Asked for each connection, so it answers from memory but for
    /// the first time.
    ///
    /// # Errors
    /// There is nothing to trust.
    fn client_for(&self, host: &Host) -> Result<TlsClient, TlsError>;
}

/// By which ways sites are reached.
#[derive(Clone, Debug, Default)]
pub enum WayChoice {
    /// Without a proxy.
    #[default]
    Direct,
    /// By these, tried in this order.
    Fixed {
        /// At least one, at most [`MAX_WAYS`].
        ways: Arc<[Way]>,
        /// Hosts that are reached without a proxy all the same.
        bypass: Bypass,
    },
    /// The embedder is asked for every site by
    /// [`Event::WayWanted`](crate::Event::WayWanted).
    Asked,
}

/// How a host may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// By these ways, tried in this order.
    Known(Arc<[Way]>),
    /// The embedder is asked.
    Asked,
}

impl Egress {
    /// The proxy for a transport to a server; `None`: it goes straight.
    pub fn transport_way(&self, server: &Host) -> Option<&Way> {
        match &self.transports {
            WayChoice::Fixed { ways, bypass } if !bypass.matches(server) => ways.first(),
            WayChoice::Direct | WayChoice::Fixed { .. } | WayChoice::Asked => None,
        }
    }

    /// Judges a host before anything is resolved or dialled.
    ///
    /// # Errors
    ///
    /// [`DialFailure::LocalhostDenied`] or [`DialFailure::Denied`], in this order.
    pub fn route(&self, host: &Host) -> Result<Route, DialFailure> {
        let direct = || Route::Known([Way::Direct].into());
        let localhost = self.localhost.policy_for(host);
        if localhost == Some(LocalhostPolicy::Deny) {
            return Err(DialFailure::LocalhostDenied);
        }
        if self.deny.as_ref().is_some_and(|rules| rules.matches(host)) {
            return Err(DialFailure::Denied);
        }
        Ok(match &self.ways {
            _ if localhost == Some(LocalhostPolicy::Direct) => direct(),
            WayChoice::Direct => direct(),
            WayChoice::Fixed { bypass, .. } if bypass.matches(host) => direct(),
            WayChoice::Fixed { ways, .. } => Route::Known(Arc::clone(ways)),
            WayChoice::Asked => Route::Asked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    fn direct() -> Result<Route, DialFailure> {
        Ok(Route::Known([Way::Direct].into()))
    }

    #[test]
    fn denied_hosts_are_refused_and_exclusions_are_not() {
        let deny = HostRules::expressions([r"(^|\.)secret\.test$", "-^open\\."]).ok();
        let egress = Egress { deny, ..Egress::default() };
        assert_eq!(egress.route(&host("Secret.TEST")), Err(DialFailure::Denied));
        assert_eq!(egress.route(&host("a.secret.test")), Err(DialFailure::Denied));
        assert_eq!(egress.route(&host("open.secret.test")), direct());
        assert_eq!(egress.route(&host("app.test")), direct());
    }

    #[test]
    fn a_denied_localhost_is_told_as_such_and_a_deny_rule_holds_for_localhost_too() {
        let deny = HostRules::expressions(["^localhost$"]).ok();
        let route = |policy, name| {
            let localhost = Localhost { policy, ..Localhost::default() };
            let ways = WayChoice::Asked;
            let egress = Egress { deny: deny.clone(), localhost, ways, ..Egress::default() };
            egress.route(&host(name))
        };
        assert_eq!(route(LocalhostPolicy::Deny, "localhost"), Err(DialFailure::LocalhostDenied));
        assert_eq!(route(LocalhostPolicy::Direct, "localhost"), Err(DialFailure::Denied));
        assert_eq!(route(LocalhostPolicy::Direct, "127.0.0.1"), direct());
        assert_eq!(route(LocalhostPolicy::Allow, "127.0.0.1"), Ok(Route::Asked));
        assert_eq!(route(LocalhostPolicy::Deny, "app.test"), Ok(Route::Asked));
    }

    #[test]
    fn fixed_ways_hold_but_for_the_bypass_and_localhost() {
        let way = Way::parse("proxy.test:1").unwrap();
        let ways = WayChoice::Fixed {
            ways: [way.clone()].into(),
            bypass: Bypass::parse(".intra.test").unwrap(),
        };
        let egress = Egress { ways, ..Egress::default() };
        assert_eq!(egress.route(&host("app.test")), Ok(Route::Known([way].into())));
        assert_eq!(egress.route(&host("a.intra.test")), direct());
        assert_eq!(egress.route(&host("localhost")), direct());
    }
}
