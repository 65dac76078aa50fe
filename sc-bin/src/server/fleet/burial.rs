//! Members that died: what becomes of their tunnels, and what of one that was taken for dead.

use std::sync::Arc;

use sc_proto::contract::TunnelId;

use super::{Fleet, JoinError};
use crate::server::registry::{Member, RegistryError};
use crate::server::tunnels::{EndReason, Tunnels};

/// Seconds after which the making of a tunnel is over, its record and the tunnel are both there.
const SETTLED: u64 = 60;

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
    /// in its record, which is another server's now. That is seen to beside the heartbeat, which
    /// must not wait for it.
    pub(super) async fn return_from_the_dead(
        self: &Arc<Self>,
        tunnels: &Arc<Tunnels>,
    ) -> Result<(), JoinError> {
        let before = self.registry.member();
        let ids = tunnels.carried();
        log::warn!("the fleet took this server for dead; it comes back with what it still has");
        self.join_anew(u32::try_from(ids.len()).unwrap_or(u32::MAX)).await?;
        let (fleet, tunnels) = (Arc::clone(self), Arc::clone(tunnels));
        tokio::spawn(async move { fleet.reclaim(&before, ids, &tunnels).await });
        Ok(())
    }

    async fn reclaim(&self, before: &str, ids: Vec<TunnelId>, tunnels: &Tunnels) {
        let me = self.registry.member();
        let mut lost = 0_usize;
        for id in ids {
            let is_ours = loop {
                // Taken for dead once more: then all that is left is looked at anew.
                if self.registry.member() != me {
                    return;
                }
                match self.registry.reclaim(id, before).await {
                    Ok(is_ours) => break is_ours,
                    Err(error) => log::debug!("tunnel {id}: whose it is cannot be told: {error}"),
                }
                tokio::time::sleep(self.settings.beat).await;
            };
            if !is_ours {
                tunnels.lose(id).await;
                lost += 1;
            }
        }
        log::warn!("tunnels that are carried elsewhere by now: {lost}");
        tunnels.tell_clients_state().await;
    }

    /// Brings records and tunnels together where a failure of the database, or a burial in the
    /// wrong moment, has parted them: a record whose tunnel has ended is closed, a tunnel that has
    /// no record here is given up.
    pub(super) async fn reconcile(&self, tunnels: &Tunnels) -> Result<(), RegistryError> {
        let settled = self.registry.now().saturating_sub(SETTLED);
        let recorded = self.registry.carried_since_before(settled).await?;
        for id in recorded.iter().filter(|id| !tunnels.knows(**id)) {
            log::warn!("tunnel {id} has ended, which was not recorded; now it is");
            let end = EndReason::ServerLost.at(self.registry.now());
            self.registry.tunnel_ended(*id, &end).await?;
        }
        for id in tunnels.carried_since_before(settled) {
            // One that is not among them is looked at by itself: it may just have been reclaimed.
            if !recorded.contains(&id) && !self.registry.is_carried_here(id).await? {
                tunnels.lose(id).await;
            }
        }
        Ok(())
    }
}
