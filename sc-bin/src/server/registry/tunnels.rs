//! Records of tunnels, running and ended.

use sc_proto::contract::TunnelId;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::users::{from_sql, to_sql};
use super::{Registry, RegistryError, flag, optional_flag};
use crate::api::{Protocol, Rules, SHARED, Status, Tunnel, ip_address};

/// How and when a tunnel ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// In Unix seconds.
    pub(crate) at: u64,
    /// The API's [`Tunnel::user_shutdown`].
    pub(crate) user_shutdown: bool,
    /// The API's [`Tunnel::shutdown_reason`].
    pub(crate) reason: String,
}

/// Whether a tunnel's client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// It is.
    Here,
    /// It was until now.
    Gone,
}

impl Registry {
    /// Writes a new record, or one anew whose tunnel comes back. Its owner belongs to
    /// `organisation`.
    pub(crate) async fn insert_tunnel(
        &self,
        tunnel: &Tunnel,
        organisation: &str,
    ) -> Result<(), RegistryError> {
        let broken = |_| RegistryError::Broken(format!("tunnel {}", tunnel.id));
        let metadata = serde_json::to_string(&tunnel.metadata).map_err(broken)?;
        let rules = serde_json::to_string(&tunnel.rules).map_err(broken)?;
        let team_ids = serde_json::to_string(&tunnel.team_ids).map_err(broken)?;
        // Whoever comes back under an old id begins anew; what runs stays.
        let mut statements = self.pool.begin().await?;
        sqlx::query("DELETE FROM tunnels WHERE id = $1 AND ended IS NOT NULL")
            .bind(tunnel.id.to_string())
            .execute(&mut *statements)
            .await?;
        sqlx::query(
            "INSERT INTO tunnels
                (id, owner, name, status, host, port, proxy_address, created, extra_info, metadata,
                 rules, pool, shared, team_ids, no_proxy_caching, vm_version, member, organisation)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        )
        .bind(tunnel.id.to_string())
        .bind(&tunnel.owner)
        .bind(&tunnel.tunnel_identifier)
        .bind(status_text(tunnel.status))
        .bind(&tunnel.host)
        .bind(i64::from(tunnel.ssh_port))
        .bind(&tunnel.proxy_address)
        .bind(to_sql(tunnel.creation_time))
        .bind(&tunnel.extra_info)
        .bind(metadata)
        .bind(rules)
        .bind(i64::from(tunnel.tunnel_pool))
        .bind(i64::from(tunnel.shared_tunnel))
        .bind(team_ids)
        .bind(tunnel.no_proxy_caching.map(i64::from))
        .bind(&tunnel.vm_version)
        .bind(&*self.member())
        .bind(organisation)
        .execute(&mut *statements)
        .await?;
        statements.commit().await?;
        Ok(())
    }

    /// The tunnel runs.
    pub(crate) async fn tunnel_launched(
        &self,
        id: TunnelId,
        now: u64,
    ) -> Result<(), RegistryError> {
        sqlx::query(
            "UPDATE tunnels SET status = 'running', launched = $1
             WHERE id = $2 AND status = 'booting' AND member = $3",
        )
        .bind(to_sql(now))
        .bind(id.to_string())
        .bind(&*self.member())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The tunnel's client is connected. Whichever server it told may say so.
    pub(crate) async fn tunnel_connected(
        &self,
        id: TunnelId,
        now: u64,
    ) -> Result<(), RegistryError> {
        sqlx::query("UPDATE tunnels SET last_connected = $1 WHERE id = $2 AND ended IS NULL")
            .bind(to_sql(now))
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The tunnel's client has come or gone.
    pub(crate) async fn tunnel_client(
        &self,
        id: TunnelId,
        now: u64,
        client: Client,
    ) -> Result<(), RegistryError> {
        sqlx::query(
            "UPDATE tunnels SET last_connected = $1, ready = $2
             WHERE id = $3 AND ended IS NULL AND member = $4",
        )
        .bind(to_sql(now))
        .bind(i64::from(client == Client::Here))
        .bind(id.to_string())
        .bind(&*self.member())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The tunnel's requests go by other rules.
    pub(crate) async fn tunnel_rules(
        &self,
        id: TunnelId,
        rules: &Rules,
    ) -> Result<(), RegistryError> {
        let broken = |_| RegistryError::Broken(format!("tunnel {id}"));
        sqlx::query("UPDATE tunnels SET rules = $1 WHERE id = $2 AND ended IS NULL")
            .bind(serde_json::to_string(rules).map_err(broken)?)
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The tunnel is asked to end. The first who asks is recorded.
    pub(crate) async fn tunnel_halting(
        &self,
        id: TunnelId,
        why: &End,
    ) -> Result<(), RegistryError> {
        sqlx::query(
            "UPDATE tunnels SET status = 'halting', user_shutdown = $1, shutdown_reason = $2
             WHERE id = $3 AND ended IS NULL AND shutdown_reason IS NULL AND member = $4",
        )
        .bind(i64::from(why.user_shutdown))
        .bind(&why.reason)
        .bind(id.to_string())
        .bind(&*self.member())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest record of that user and name.
    pub(crate) async fn newest_tunnel(
        &self,
        owner: &str,
        name: Option<&str>,
    ) -> Result<Option<Tunnel>, RegistryError> {
        let row = sqlx::query(
            "SELECT * FROM tunnels WHERE owner = $1 AND name IS NOT DISTINCT FROM $2
             ORDER BY COALESCE(launched, created) DESC, ended DESC NULLS LAST LIMIT 1",
        )
        .bind(owner)
        .bind(name)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(tunnel_of).transpose()
    }

    /// The newest record of that user and name whose tunnel the server has given up.
    pub(crate) async fn newest_given_up(
        &self,
        owner: &str,
        name: Option<&str>,
    ) -> Result<Option<Tunnel>, RegistryError> {
        let row = sqlx::query(
            "SELECT * FROM tunnels
             WHERE owner = $1 AND name IS NOT DISTINCT FROM $2 AND ended IS NOT NULL
               AND user_shutdown = 0 AND shutdown_reason LIKE 'server%'
             ORDER BY COALESCE(launched, created) DESC, ended DESC NULLS LAST LIMIT 1",
        )
        .bind(owner)
        .bind(name)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(tunnel_of).transpose()
    }

    /// Where the tunnels had their proxies that the server has given up since a moment.
    pub(crate) async fn proxies_given_up(&self, since: u64) -> Result<Vec<String>, RegistryError> {
        let rows = sqlx::query(
            "SELECT proxy_address FROM tunnels
             WHERE ended >= $1 AND user_shutdown = 0 AND shutdown_reason LIKE 'server%'",
        )
        .bind(to_sql(since))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("proxy_address")?)).collect()
    }

    /// All tunnels that run are asked to end.
    pub(crate) async fn tunnels_halting(&self) -> Result<(), RegistryError> {
        sqlx::query("UPDATE tunnels SET status = 'halting' WHERE ended IS NULL AND member = $1")
            .bind(&*self.member())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The tunnel ended. Nothing changes its record after that.
    pub(crate) async fn tunnel_ended(&self, id: TunnelId, end: &End) -> Result<(), RegistryError> {
        sqlx::query(
            "UPDATE tunnels
             SET status = 'terminated', ended = $1, user_shutdown = $2, shutdown_reason = $3
             WHERE id = $4 AND ended IS NULL AND member = $5",
        )
        .bind(to_sql(end.at))
        .bind(i64::from(end.user_shutdown))
        .bind(&end.reason)
        .bind(id.to_string())
        .bind(&*self.member())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends all records that a member of the fleet, or without one a server before this one, left
    /// open. Says how many. Those that were asked to end keep their reason.
    pub(crate) async fn end_left_over_tunnels(
        &self,
        member: &str,
        end: &End,
    ) -> Result<u64, RegistryError> {
        let done = sqlx::query(
            "UPDATE tunnels
             SET status = 'terminated', ended = $1,
                 user_shutdown = COALESCE(user_shutdown, $2),
                 shutdown_reason = COALESCE(shutdown_reason, $3)
             WHERE ended IS NULL AND member = $4",
        )
        .bind(to_sql(end.at))
        .bind(i64::from(end.user_shutdown))
        .bind(&end.reason)
        .bind(member)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Removes records of tunnels that ended before a moment. Says how many.
    pub(crate) async fn prune_tunnels(&self, ended_before: u64) -> Result<u64, RegistryError> {
        let done = sqlx::query("DELETE FROM tunnels WHERE ended < $1")
            .bind(to_sql(ended_before))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// One tunnel.
    pub(crate) async fn tunnel(&self, id: TunnelId) -> Result<Option<Tunnel>, RegistryError> {
        let row = sqlx::query("SELECT * FROM tunnels WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(tunnel_of).transpose()
    }
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Booting => "booting",
        Status::Running => "running",
        Status::Halting => "halting",
        Status::Terminated => "terminated",
    }
}

/// Whether a client is connected is as the tunnel's server last said, which may be gone: who
/// carries the tunnel knows better.
pub(super) fn tunnel_of(row: &AnyRow) -> Result<Tunnel, RegistryError> {
    let id: String = row.try_get("id")?;
    let broken = || RegistryError::Broken(format!("tunnel {id}"));
    let status = match row.try_get("status")? {
        "booting" => Status::Booting,
        "running" => Status::Running,
        "halting" => Status::Halting,
        "terminated" => Status::Terminated,
        _ => return Err(broken()),
    };
    let time = |column: &str| row.try_get::<Option<i64>, _>(column).map(|t| t.map(from_sql));
    let (shared, host): (bool, String) = (flag(row, "shared")?, row.try_get("host")?);
    let (no_proxy_caching, ip_address) =
        (optional_flag(row, "no_proxy_caching")?, ip_address(&host));
    Ok(Tunnel {
        id: id.parse().map_err(|_| broken())?,
        owner: row.try_get("owner")?,
        status,
        is_ready: status == Status::Running && flag(row, "ready")?,
        protocol: Protocol::Kgp,
        tunnel_identifier: row.try_get("name")?,
        host,
        ssh_port: u16::try_from(row.try_get::<i64, _>("port")?).map_err(|_| broken())?,
        proxy_address: row.try_get("proxy_address")?,
        creation_time: from_sql(row.try_get("created")?),
        launch_time: time("launched")?,
        last_connected: time("last_connected")?,
        shutdown_time: time("ended")?,
        user_shutdown: optional_flag(row, "user_shutdown")?,
        shutdown_reason: row.try_get("shutdown_reason")?,
        rules: serde_json::from_str(row.try_get("rules")?).map_err(|_| broken())?,
        team_ids: serde_json::from_str(row.try_get("team_ids")?).map_err(|_| broken())?,
        tunnel_pool: flag(row, "pool")?,
        shared_tunnel: shared,
        shared: shared.then(|| SHARED.to_owned()),
        ip_address,
        use_kgp: Some(true),
        use_caching_proxy: no_proxy_caching.map(|not| !not),
        no_proxy_caching,
        vm_version: row.try_get("vm_version")?,
        extra_info: row.try_get("extra_info")?,
        metadata: serde_json::from_str(row.try_get("metadata")?).map_err(|_| broken())?,
    })
}

/// Whether the server ended this tunnel for reasons of its own: it stopped, or saw no client for
/// too long.
pub(crate) fn was_given_up(tunnel: &Tunnel) -> bool {
    // What a user says may begin like this, too.
    let by_server = tunnel.user_shutdown == Some(false);
    let reason = tunnel.shutdown_reason.as_deref().unwrap_or_default();
    tunnel.status == Status::Terminated && by_server && reason.starts_with("server")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::test_support::on_each_store;
    use super::*;
    use crate::api::{Metadata, Rules};

    pub(crate) fn tunnel(id: u8, owner: &str) -> Tunnel {
        Tunnel {
            id: TunnelId([id; 16]),
            owner: owner.to_owned(),
            status: Status::Booting,
            is_ready: false,
            protocol: Protocol::Kgp,
            tunnel_identifier: Some("ci'; DROP TABLE tunnels".to_owned()),
            host: "sc.example".to_owned(),
            ssh_port: 8443,
            proxy_address: "127.0.0.1:20000".to_owned(),
            creation_time: 1000 + u64::from(id),
            launch_time: None,
            last_connected: None,
            shutdown_time: None,
            user_shutdown: None,
            shutdown_reason: None,
            team_ids: vec!["t1".to_owned()],
            tunnel_pool: true,
            shared_tunnel: true,
            shared: Some(SHARED.to_owned()),
            ip_address: None,
            use_kgp: Some(true),
            use_caching_proxy: Some(false),
            no_proxy_caching: Some(true),
            vm_version: Some("v2alpha".to_owned()),
            rules: Rules { direct_domains: Some(vec!["a".to_owned()]), ..Rules::default() },
            extra_info: Some("{}".to_owned()),
            metadata: Metadata { hostname: Some("runner-7".to_owned()), ..Metadata::default() },
        }
    }

    pub(crate) fn end(at: u64, reason: &str) -> End {
        End { at, user_shutdown: true, reason: reason.to_owned() }
    }

    #[tokio::test]
    async fn a_life_is_recorded() {
        on_each_store(async |registry| {
            let mut expected = tunnel(1, "jane");
            let id = expected.id;
            registry.insert_tunnel(&expected, "default").await.unwrap();
            assert_eq!(registry.tunnel(id).await.unwrap(), Some(expected.clone()));

            registry.tunnel_launched(id, 2000).await.unwrap();
            registry.tunnel_connected(id, 2001).await.unwrap();
            registry.tunnel_ended(id, &end(2002, "sigterm")).await.unwrap();
            // What comes late changes nothing.
            registry.tunnel_connected(id, 2003).await.unwrap();
            registry.tunnel_ended(id, &end(2004, "late")).await.unwrap();
            registry.tunnel_launched(id, 2005).await.unwrap();
            registry.tunnels_halting().await.unwrap();

            expected.status = Status::Terminated;
            expected.launch_time = Some(2000);
            expected.last_connected = Some(2001);
            expected.shutdown_time = Some(2002);
            expected.user_shutdown = Some(true);
            expected.shutdown_reason = Some("sigterm".to_owned());
            assert_eq!(registry.tunnel(id).await.unwrap(), Some(expected));
        })
        .await;
    }

    #[tokio::test]
    async fn what_the_server_gave_up_can_come_back() {
        on_each_store(async |registry| {
            let name = tunnel(1, "jane").tunnel_identifier;
            let given_up = async || {
                let newest = registry.newest_tunnel("jane", name.as_deref()).await.unwrap();
                newest.filter(was_given_up).map(|tunnel| tunnel.id.0[0])
            };
            registry.insert_tunnel(&tunnel(1, "jane"), "default").await.unwrap();
            assert_eq!(given_up().await, None, "it runs");
            let mut left = end(2000, "serverRestart");
            left.user_shutdown = false;
            registry.end_left_over_tunnels("", &left).await.unwrap();
            assert_eq!(given_up().await, Some(1));
            assert_eq!(registry.newest_tunnel("jane", None).await.unwrap(), None);
            assert_eq!(registry.proxies_given_up(2000).await.unwrap(), ["127.0.0.1:20000"]);
            assert!(registry.proxies_given_up(2001).await.unwrap().is_empty());

            // It comes back, and is asked to end by its owner when the server crashes.
            registry.insert_tunnel(&tunnel(1, "jane"), "default").await.unwrap();
            assert!(registry.proxies_given_up(0).await.unwrap().is_empty());
            let id = TunnelId([1; 16]);
            registry.tunnel_halting(id, &end(0, "serverlike")).await.unwrap();
            registry.tunnel_halting(id, &end(0, "second")).await.unwrap();
            registry.end_left_over_tunnels("", &left).await.unwrap();
            assert_eq!(given_up().await, None);
            let record = registry.tunnel(id).await.unwrap().unwrap();
            assert_eq!(record.shutdown_reason.as_deref(), Some("serverlike"));
        })
        .await;
    }

    #[tokio::test]
    async fn left_overs_are_ended_and_old_records_pruned() {
        on_each_store(async |registry| {
            for id in 1..=3 {
                registry.insert_tunnel(&tunnel(id, "jane"), "default").await.unwrap();
            }
            registry.tunnel_ended(TunnelId([1; 16]), &end(2000, "sigterm")).await.unwrap();
            assert_eq!(registry.end_left_over_tunnels("", &end(3000, "crash")).await.unwrap(), 2);
            assert_eq!(registry.end_left_over_tunnels("", &end(3001, "crash")).await.unwrap(), 0);
            assert_eq!(registry.prune_tunnels(3000).await.unwrap(), 1);
            let left = registry.newest_recorded("jane", 10).await.unwrap();
            let ids: Vec<_> = left.iter().map(|t| t.tunnel.id.0[0]).collect();
            assert_eq!(ids, [3, 2], "newest first");
            assert_eq!(registry.newest_recorded("jane", 1).await.unwrap().len(), 1);
        })
        .await;
    }
}
