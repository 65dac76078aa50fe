//! NOTIFY: how a server hears at once that there is something for it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;

use super::Fleet;
use crate::server::registry::Registry;

/// How long to wait after a connection could not be had.
const PAUSE: Duration = Duration::from_secs(1);
/// How often to look whether this server has got another name.
const RENAME_LOOK: Duration = Duration::from_secs(1);

/// Wakes the duties at each notice, for as long as the process lives. What is told while there is
/// no connection is lost; the duties do not rely on it.
pub(crate) async fn listen(fleet: Arc<Fleet>) {
    loop {
        if let Err(error) = listen_once(&fleet).await {
            log::debug!("no notices of the fleet for now: {error}");
        }
        // Whatever came in between.
        fleet.wake();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until the connection is lost or this server has another name.
async fn listen_once(fleet: &Fleet) -> Result<(), sqlx::Error> {
    let member = fleet.registry.member();
    let mut listener = PgListener::connect(fleet.settings.database.expose()).await?;
    listener.listen(&Registry::channel(&member)).await?;
    fleet.wake();
    loop {
        tokio::select! {
            notice = listener.try_recv() => match notice? {
                Some(_) => fleet.wake(),
                None => return Ok(()),
            },
            () = tokio::time::sleep(RENAME_LOOK) => {}
        }
        if *fleet.registry.member() != *member {
            return Ok(());
        }
    }
}
