//! What is known about jobs, and changes while they run or afterwards.

use std::fmt;

use sc_proto::contract::TunnelId;

use super::Tunnels;
use crate::api::Job;
use crate::server::registry::RegistryError;

/// A job's id as logs have it. Whoever knows the whole of it may drive the job's WebDriver session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief<'a>(pub(crate) &'a str);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..8).unwrap_or_default();
        write!(f, "{shown}…")
    }
}

impl Tunnels {
    /// Changes what is known about a job of a user, running or ended; `None`: there is none.
    pub(crate) async fn change_job(
        &self,
        user: &str,
        id: &str,
        change: impl FnOnce(&mut Job),
    ) -> Result<Option<Job>, RegistryError> {
        // One change after the other, or an older one could be written last.
        let _changing = self.changing_jobs.lock().await;
        let mut change = Some(change);
        let running = {
            let mut state = self.state();
            let running = state.jobs.running.get_mut(id).filter(|job| job.record.owner == user);
            running.map(|job| {
                if let Some(change) = change.take() {
                    change(&mut job.record);
                }
                job.record.clone()
            })
        };
        let changed = match running {
            Some(record) => Some(record),
            None => self.registry.job(user, id).await?.map(|mut record| {
                if let Some(change) = change.take() {
                    change(&mut record);
                }
                record
            }),
        };
        if let Some(record) = &changed {
            self.registry.job_changed(record).await?;
        }
        Ok(changed)
    }

    /// Whether TLS of some host is re-signed by a tunnel that is carried here.
    pub(super) fn resigns_here(&self, tunnel: TunnelId) -> bool {
        let state = self.state();
        state.live.get(&tunnel).is_some_and(|live| live.record.rules.resigns_any())
    }
}
