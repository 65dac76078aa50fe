//! Servers that share a registry: a fleet.
//!
//! Every server answers every REST call, and each tunnel is carried by one of them. What a server
//! wants of another goes through the registry, in two ways ([`duties`]):
//!
//! - A tunnel or a job shall *end*: that is written into its record as a wish, and stands there
//!   until whoever carries it has fulfilled it.
//! - A tunnel or a job shall be *made*: that is an order, with an answer, or it is taken back.
//!
//! Whoever is meant is told by NOTIFY ([`notices`]), which is quick and may get lost, so each also
//! looks with every heartbeat. The heartbeat is a number that counts up ([`members`]); whose
//! number stands still for long enough, by the observer's own clock, is dead, and its tunnels are
//! free for their clients to ask for anew ([`burial`]). No clock is compared with another one.

mod burial;
mod command;
mod duties;
mod members;
mod notices;
mod orders;
mod settings;
#[cfg(test)]
mod simulation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sc_proto::contract::TunnelId;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::data_dir::{DataDir, DataDirError};
use super::random::{self, NoRandomness};
use super::registry::{Newcomer, Registry, RegistryError};
pub(crate) use command::{FleetCommandError, run as run_command};
pub(crate) use duties::{Leaving, attend, leave};
use members::Watch;
pub(crate) use notices::listen;
pub(crate) use orders::{JobOrder, OrderError, TunnelOrder, Wish};
pub(crate) use settings::{FLEET_TIMEOUT, FleetSettings};

/// Orders that are carried out at a time.
const ORDERS_AT_ONCE: usize = 32;

/// This server as a member of its fleet.
#[derive(Debug)]
pub(crate) struct Fleet {
    registry: Registry,
    settings: FleetSettings,
    dir: DataDir,
    /// What clients dial here, as the other servers and people know this one.
    address: String,
    /// Raised when somebody says that there is something for this server.
    woken: Notify,
    /// Orders that wait for their answer.
    waiting: Mutex<BTreeMap<String, oneshot::Sender<String>>>,
    /// Wishes that are being fulfilled.
    at_work: Mutex<BTreeSet<TunnelId>>,
    /// For carrying out orders.
    hands: Semaphore,
    watch: Mutex<Watch>,
}

/// A server cannot become a member.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// The registry fails.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its name cannot be kept.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// It gets no name.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl Fleet {
    /// Becomes a member that clients find at `address`. It has no tunnels.
    pub(crate) async fn join(
        registry: Registry,
        settings: FleetSettings,
        dir: DataDir,
        address: String,
    ) -> Result<Self, JoinError> {
        let watch = Mutex::new(Watch::new(settings.timeout));
        let fleet = Self {
            registry,
            settings,
            dir,
            address,
            woken: Notify::new(),
            waiting: Mutex::default(),
            at_work: Mutex::default(),
            hands: Semaphore::new(ORDERS_AT_ONCE),
            watch,
        };
        fleet.join_anew(0).await?;
        Ok(fleet)
    }

    /// Becomes a member under a new name, which is kept for the next run: what the old one left
    /// over is then known.
    async fn join_anew(&self, tunnels: u32) -> Result<(), JoinError> {
        let name: [u8; 8] = random::bytes()?;
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        self.dir.remember_member(&name)?;
        self.registry.join(&name, &self.address, self.settings.capacity, tunnels).await?;
        log::info!("member {name} of the fleet at {}", self.settings.database.shown());
        Ok(())
    }

    /// The member for one more tunnel, beside those `without` that had no room after all. Members
    /// of a pool (owner, name) are spread.
    pub(crate) async fn place(
        &self,
        pool: Option<(&str, &str)>,
        without: &[String],
    ) -> Result<Option<String>, RegistryError> {
        // Whoever was silent for half of the time is perhaps dead.
        let silence = self.settings.timeout.as_secs().div_ceil(2);
        self.registry.place(Newcomer { pool, without, silence }).await
    }

    /// Whether that member is this server.
    pub(crate) fn is_me(&self, member: &str) -> bool {
        *self.registry.member() == *member
    }

    /// Somebody says that there is something for this server.
    fn wake(&self) {
        self.woken.notify_one();
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
