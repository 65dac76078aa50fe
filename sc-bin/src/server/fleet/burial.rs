//! Members that died: what becomes of their tunnels, and what of one that was taken for dead.

use std::sync::Arc;

use super::{Fleet, JoinError};
use crate::server::registry::{Member, RegistryError};
use crate::server::tunnels::{EndReason, Tunnels};

impl Fleet {
    /// A member's heart has stood still for too long: its tunnels end in the registry, for a reason
    /// that has their clients ask for them anew.
    pub(super) async fn bury(&self, dead: &Member) -> Result<(), RegistryError> {
        let end = EndReason::ServerLost.at(self.registry.now());
        if let Some(tunnels) = self.registry.bury(dead, &end).await? {
            log::warn!(
                "server {} (member {}) gives no sign of life: its {tunnels} tunnels are free to be \
                 made elsewhere",
                dead.address,
                dead.id
            );
        }
        Ok(())
    }

    /// The others took this server for dead: the machine or the database hung for longer than they
    /// wait. What nobody has made anew meanwhile goes on here; the rest is given up, without a word
    /// in its record, which is another server's now.
    pub(super) async fn return_from_the_dead(
        &self,
        tunnels: &Arc<Tunnels>,
    ) -> Result<(), JoinError> {
        let before = self.registry.member();
        let ids = tunnels.carried();
        log::warn!("the fleet took this server for dead; it comes back with what it still has");
        self.join_anew(u32::try_from(ids.len()).unwrap_or(u32::MAX)).await?;
        let mut lost = 0_usize;
        for id in ids {
            if !self.registry.reclaim(id, &before).await? {
                tunnels.lose(id).await;
                lost += 1;
            }
        }
        log::warn!("tunnels that are carried elsewhere by now: {lost}");
        tunnels.tell_clients_state().await;
        Ok(())
    }
}
