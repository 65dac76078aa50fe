//! What a running server does beside answering: it takes in what the workers tell, and ends what
//! has to end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sc_proto::Event;
use tokio::runtime::Handle;

use super::log_limit;
use super::rest::RestState;
use super::running::Events;
use super::tunnels::{Question, Tunnels};

/// How often tunnels without a client are looked for, and the log is told what it missed.
const TICK: Duration = log_limit::WINDOW;
/// How often the users are looked through for owners who are gone, in ticks.
const OWNER_TICKS: u64 = 5;
/// How often old records are removed, in ticks, and how old they are then, in seconds.
const PRUNE_TICKS: u64 = 3600;
const PRUNE_AGE: u64 = 30 * 86_400;

/// Takes in what the workers tell, until they are gone.
pub(super) fn take_in(events: &Events, tunnels: &Arc<Tunnels>, runtime: &Handle) {
    for (worker, event) in events {
        match event {
            Event::AccessWanted { socket, peer, door, visitor } => {
                tunnels.consider(Question { worker, socket, peer, door, visitor }, runtime);
            }
            event => runtime.block_on(tunnels.on_event(worker, event)),
        }
    }
}

/// Ends what has to end, from time to time.
pub(super) async fn keep_house(state: Arc<RestState>) {
    let (tunnels, registry) = (&state.tunnels, &state.registry);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for tick in 0_u64.. {
        ticks.tick().await;
        state.strangers.sum_up();
        state.troubles.sum_up();
        tunnels.sum_up_strangers();
        tunnels.end_overdue(Instant::now()).await;
        look_after_jobs(tunnels).await;
        if tick % OWNER_TICKS == 0 {
            tunnels.end_of_removed_owners().await;
        }
        if tick % PRUNE_TICKS == 0 {
            let before = registry.now().saturating_sub(PRUNE_AGE);
            if let Err(error) = registry.prune_tunnels(before).await {
                log::warn!("old records of tunnels are not removed: {error}");
            }
            if let Err(error) = registry.prune_jobs(before).await {
                log::warn!("old records of jobs are not removed: {error}");
            }
            if let Err(error) = registry.prune_deeds(before).await {
                log::warn!("old records of who did what are not removed: {error}");
            }
        }
    }
}

/// Moves and ends jobs. Workers are asked about them on another thread: they may take a moment.
async fn look_after_jobs(tunnels: &Arc<Tunnels>) {
    if !tunnels.has_jobs() {
        return;
    }
    let asked = Arc::clone(tunnels);
    let Ok(Ok(workers)) = tokio::task::spawn_blocking(move || asked.workers()).await else {
        return;
    };
    let visits = workers.into_iter().flat_map(|worker| worker.visits).collect();
    tunnels.look_after_jobs(&visits, Instant::now()).await;
}
