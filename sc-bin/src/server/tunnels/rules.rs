//! Other rules for a tunnel that runs: its client has read them again.

use sc_proto::contract::TunnelId;
use sc_proto::rules::{Caching, Routing};

use super::Tunnels;
use super::create::CreateError;
use crate::api::{RuleSyntax, Rules};

impl Tunnels {
    /// Has the requests of a tunnel go by these rules from now on. One that has ended keeps its own.
    ///
    /// # Errors
    ///
    /// The rules do not fit together, or are not recorded.
    pub(crate) async fn set_rules(&self, id: TunnelId, rules: Rules) -> Result<(), CreateError> {
        let routing = rules.compile(RuleSyntax::Patterns)?;
        {
            let mut state = self.state();
            let Some(live) = state.live.get_mut(&id) else { return Ok(()) };
            let caching = match live.record.no_proxy_caching {
                Some(true) => Caching::Off,
                Some(false) | None => Caching::Shared,
            };
            live.record.rules = rules.clone();
            self.data_plane.set_routing(id, Routing { caching, ..routing });
        }
        log::info!("tunnel {id}: its client has given it other rules");
        self.registry.tunnel_rules(id, &rules).await?;
        Ok(())
    }
}
