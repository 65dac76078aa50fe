//! Making a tunnel.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use sc_proto::contract::{TunnelId, TunnelSecret};
use sc_proto::rules::{Caching, Routing};

use super::end::EndReason;
use super::{Label, Live, Phase, Sessions, Tunnels};
use crate::api::{
    CreateAnswer, CreateTunnel, KgpAccess, Messages, Protocol, RuleSyntax, RulesError, SHARED,
    Status, Tunnel, ip_address,
};
use crate::server::accounts::{Account, Sharing};
use crate::server::data_plane::{DataPlaneStopped, Place};
use crate::server::ports::PortError;
use crate::server::random::{self, NoRandomness};
use crate::server::registry::{Deed, RegistryError, Turn, was_given_up};

/// Longest name of a tunnel, in bytes.
const MAX_NAME: usize = 256;

/// Longest `extra_info`, in bytes.
const MAX_EXTRA_INFO: usize = 64 * 1024;

/// Most tunnels at once: bounds memory when the range of proxy ports does not.
pub(crate) const MAX_TUNNELS: u16 = 10_000;

/// How long the proxy port of a tunnel that the server gave up is kept for it, in seconds.
const KEPT_FOR: u64 = 600;

/// Why a tunnel was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// Not a usable name.
    #[error(
        "tunnel_identifier: a tunnel's name has at most {MAX_NAME} bytes and no control characters"
    )]
    Name,
    /// Another protocol.
    #[error("protocol {0:?} is not offered: this server's tunnels speak \"kgp\"")]
    Protocol(String),
    /// Where requests go.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A pool without a name.
    #[error("tunnel_pool: a pool needs a name: give the tunnel one (tunnel_identifier)")]
    Pool,
    /// Not a way to share.
    #[error("shared: {0:?} is no way to share a tunnel: write \"all\", or leave it out")]
    Shared(String),
    /// A field that is too long.
    #[error("{field} has at most {most} bytes")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its limit.
        most: usize,
    },
    /// Too many tunnels.
    #[error("too many active tunnels: {0} >= {MAX_TUNNELS}. End one first")]
    TooMany(usize),
    /// Too many of the organisation.
    #[error("Too many active org tunnels: {count} >= {limit}")]
    OrganisationLimit {
        /// With this one.
        count: u32,
        /// As many as there may be.
        limit: u32,
    },
    /// Too many of the owner.
    #[error("Too many active tunnels: {count} >= {limit}")]
    UserLimit {
        /// With this one.
        count: u32,
        /// As many as there may be.
        limit: u32,
    },
    /// No server of the fleet has room.
    #[error("no server of the fleet takes another tunnel now: end one, or add a server")]
    FleetFull,
    /// The server chosen for it could not.
    #[error("{0}")]
    Elsewhere(String),
    /// The server stops.
    #[error("the server is shutting down: try again when it is back")]
    Stopping,
    /// No proxy port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// No data plane.
    #[error(transparent)]
    DataPlane(#[from] DataPlaneStopped),
    /// The record cannot be written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl CreateError {
    /// Whether another server may be able.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            Self::TooMany(_)
            | Self::Elsewhere(_)
            | Self::Stopping
            | Self::Port(_)
            | Self::DataPlane(_)
            | Self::Random(_) => true,
            Self::Name
            | Self::Protocol(_)
            | Self::Rules(_)
            | Self::Pool
            | Self::Shared(_)
            | Self::TooLong { .. }
            | Self::OrganisationLimit { .. }
            | Self::UserLimit { .. }
            | Self::FleetFull
            | Self::Registry(_) => false,
        }
    }
}

/// Whether a tunnel has its name for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    /// It shares it with the others of its pool.
    Member,
    /// It does.
    Alone,
}

/// A request that can be fulfilled.
pub(super) struct Wanted {
    pub(super) owner: Account,
    pub(super) name: Option<String>,
    pooling: Pooling,
    sharing: Sharing,
    request: CreateTunnel,
    routing: Routing,
    messages: Messages,
}

impl Wanted {
    /// Whether it shares its name with others.
    pub(super) fn joins_pool(&self) -> bool {
        self.pooling == Pooling::Member
    }

    /// Its pool: owner and name.
    pub(super) fn pool(&self) -> Option<(&str, &str)> {
        let name = self.name.as_deref().filter(|_| self.joins_pool())?;
        Some((&self.owner.name, name))
    }
}

impl Tunnels {
    /// Makes a tunnel for `owner` here, asked for by the user `by`. Another one of the same owner and name, or both unnamed, is
    /// asked to end first. The proxy port stays with the name, if it can be had, so that browsers
    /// outlive the restart of a client. A tunnel that the server itself had ended comes back with
    /// the id it had, too; its secret is a new one.
    ///
    /// Not to be dropped half-way, as [`Tunnels::create`].
    pub(crate) async fn create_here(
        self: Arc<Self>,
        by: String,
        owner: Account,
        request: CreateTunnel,
    ) -> Result<CreateAnswer, CreateError> {
        let wanted = check(owner, request)?;
        let mut ports = self.life.lock().await;
        self.check_room()?;
        // No other server makes one of this name, nor one that counts for the same limit.
        let _turn = self.turn_for(&wanted).await?;
        let elsewhere = self.colliding_elsewhere(&wanted).await?;
        self.check_limits(&wanted, elsewhere.len()).await?;
        self.have_give_way(&elsewhere, &by).await?;
        for old in self.colliding(&wanted) {
            self.end_collided(&mut ports, old, &by).await;
        }
        let (wish, before) = self.remembered(&wanted).await?;
        let kept = self.kept_ports().await?;
        let proxy = ports.acquire(wish, &kept).await?;
        let tunnel = self.new_record(&wanted, before.as_ref(), &proxy)?;
        let secret = TunnelSecret::new(random::bytes()?);
        let organisation = wanted.owner.organisation.clone();
        self.registry.insert_tunnel(&tunnel, &organisation).await?;
        let tunnel = self.launch(tunnel, &organisation, &secret, wanted.routing, proxy).await?;
        let deed = Deed {
            time: self.registry.now(),
            actor: Some(by),
            action: "tunnel-started".to_owned(),
            subject: tunnel.id.to_string(),
            detail: tunnel.tunnel_identifier.clone(),
        };
        self.note(&organisation, deed).await;
        let mut messages = wanted.messages;
        if let (Pooling::Member, Some(name)) = (wanted.pooling, &wanted.name) {
            let members = self.pool_size(&wanted.owner.name, name);
            messages.info.push(format!("this tunnel is one of {members} in the pool {name:?}"));
        }
        Ok(CreateAnswer {
            tunnel,
            messages,
            kgp: KgpAccess { secret, certificate_sha256: self.announced.pin },
        })
    }

    fn check_room(&self) -> Result<(), CreateError> {
        let state = self.state();
        match (state.phase, state.live.len()) {
            (Phase::Stopping, _) => Err(CreateError::Stopping),
            (Phase::Serving, count) if count >= usize::from(MAX_TUNNELS) => {
                Err(CreateError::TooMany(count))
            }
            (Phase::Serving, _) => Ok(()),
        }
    }

    /// Among the servers of a fleet, the turn to make such a tunnel.
    async fn turn_for(&self, wanted: &Wanted) -> Result<Turn, CreateError> {
        let Wanted { owner, name, .. } = wanted;
        let limit = self.registry.organisation(&owner.organisation).await?;
        let is_limited = limit.is_some_and(|one| one.tunnel_limit.is_some());
        let what = match is_limited {
            true => format!("organisation {}", owner.organisation),
            false if owner.tunnel_limit.is_some() => format!("user {}", owner.name),
            false => format!("tunnel {} {name:?}", owner.name),
        };
        Ok(self.registry.turn(&what).await?)
    }

    /// Whether the owner and its organisation may have one more. Those that are ending, or end for
    /// this one, do not count; `give_way` are such of other servers.
    async fn check_limits(&self, wanted: &Wanted, give_way: usize) -> Result<(), CreateError> {
        let owner = &wanted.owner;
        let of_organisation = self.registry.organisation(&owner.organisation).await?;
        let ending = self.colliding(wanted);
        let (mut organisation, mut user) = (1, 1);
        if self.fleet().is_some() {
            let give_way = u32::try_from(give_way).unwrap_or(u32::MAX);
            let others = self.registry.count_elsewhere(&owner.organisation, &owner.name).await?;
            organisation += others.organisation.saturating_sub(give_way);
            user += others.user.saturating_sub(give_way);
        }
        for live in self.state().live.values() {
            if live.halting.is_some() || ending.contains(&live.record.id) {
                continue;
            }
            organisation += u32::from(live.organisation == owner.organisation);
            user += u32::from(live.record.owner == owner.name);
        }
        match (of_organisation.and_then(|one| one.tunnel_limit), owner.tunnel_limit) {
            (Some(limit), _) if organisation > limit => {
                Err(CreateError::OrganisationLimit { count: organisation, limit })
            }
            (_, Some(limit)) if user > limit => Err(CreateError::UserLimit { count: user, limit }),
            _ => Ok(()),
        }
    }

    /// Tunnels that have to end for this one: those of its name, but for the members of the pool
    /// that it joins.
    fn colliding(&self, wanted: &Wanted) -> Vec<TunnelId> {
        let joins = wanted.joins_pool();
        let state = self.state();
        let same = state.live.values().filter(|live| {
            live.record.owner == wanted.owner.name
                && live.record.tunnel_identifier == wanted.name
                && !(joins && live.record.tunnel_pool)
        });
        same.map(|live| live.record.id).collect()
    }

    /// How many members of a pool take new jobs.
    fn pool_size(&self, owner: &str, name: &str) -> usize {
        let state = self.state();
        let members = state.live.values().filter(|live| {
            live.record.owner == owner
                && live.record.tunnel_identifier.as_deref() == Some(name)
                && live.halting.is_none()
        });
        members.count()
    }

    /// The proxy port that the name had before, and the record of the tunnel that comes back, if
    /// the server had given one up.
    async fn remembered(
        &self,
        wanted: &Wanted,
    ) -> Result<(Option<u16>, Option<Tunnel>), RegistryError> {
        let (owner, name) = (&wanted.owner.name, wanted.name.as_deref());
        let (newest, before) = match wanted.pooling {
            // The newest record may be another member's, who is well.
            Pooling::Member => {
                let given_up = self.registry.newest_given_up(owner, name).await?;
                (given_up.clone(), given_up)
            }
            Pooling::Alone => {
                let newest = self.registry.newest_tunnel(owner, name).await?;
                (newest.clone(), newest.filter(was_given_up))
            }
        };
        Ok((newest.and_then(|newest| port_of(&newest.proxy_address)), before))
    }

    /// Ports of tunnels whose clients may come back for them.
    pub(super) async fn kept_ports(&self) -> Result<BTreeSet<u16>, RegistryError> {
        let since = self.registry.now().saturating_sub(KEPT_FOR);
        let proxies = self.registry.proxies_given_up(since).await?;
        // Other servers of a fleet have their own.
        let is_here =
            |port: u16, address: &str| host_and_port(&self.announced.proxy_host, port) == address;
        let port = |address: &String| port_of(address).filter(|port| is_here(*port, address));
        Ok(proxies.iter().filter_map(port).collect())
    }

    /// The record of what is wanted. A tunnel that comes back has the id it had `before`.
    fn new_record(
        &self,
        wanted: &Wanted,
        before: Option<&Tunnel>,
        proxy: &TcpListener,
    ) -> Result<Tunnel, CreateError> {
        let now = self.registry.now();
        let (id, creation_time) = match before {
            Some(before) => (before.id, before.creation_time),
            None => (TunnelId(random::bytes()?), now),
        };
        let proxy_port = proxy.local_addr().map_or(0, |address| address.port());
        Ok(Tunnel {
            id,
            owner: wanted.owner.name.clone(),
            team_ids: wanted.owner.teams.iter().cloned().collect(),
            status: Status::Booting,
            is_ready: false,
            protocol: Protocol::Kgp,
            tunnel_identifier: wanted.name.clone(),
            tunnel_pool: wanted.pooling == Pooling::Member,
            shared_tunnel: wanted.sharing == Sharing::Shared,
            shared: (wanted.sharing == Sharing::Shared).then(|| SHARED.to_owned()),
            ip_address: ip_address(&self.announced.tunnel_host),
            host: self.announced.tunnel_host.clone(),
            ssh_port: self.announced.tunnel_port,
            proxy_address: host_and_port(&self.announced.proxy_host, proxy_port),
            creation_time,
            launch_time: None,
            last_connected: None,
            shutdown_time: None,
            user_shutdown: None,
            shutdown_reason: None,
            rules: wanted.request.rules.clone(),
            use_kgp: Some(true),
            use_caching_proxy: wanted.request.no_proxy_caching.map(|not| !not),
            no_proxy_caching: wanted.request.no_proxy_caching,
            vm_version: wanted.request.vm_version.clone(),
            extra_info: wanted.request.extra_info.clone(),
            metadata: wanted.request.metadata.clone().unwrap_or_default(),
        })
    }

    /// Hands the tunnel to the data plane. If that fails its record is closed.
    async fn launch(
        &self,
        mut tunnel: Tunnel,
        organisation: &str,
        secret: &TunnelSecret,
        routing: Routing,
        proxy: TcpListener,
    ) -> Result<Tunnel, CreateError> {
        let place = match self.data_plane.add_tunnel(tunnel.id, secret, routing, proxy) {
            Ok(place) => place,
            Err(stopped) => {
                let end = EndReason::ServerShutdown.at(self.registry.now());
                self.registry.tunnel_ended(tunnel.id, &end).await?;
                return Err(stopped.into());
            }
        };
        let now = self.registry.now();
        tunnel.status = Status::Running;
        tunnel.launch_time = Some(now);
        self.take_in(tunnel.clone(), organisation.to_owned(), place);
        log::info!("{} created, proxy {}", Label(&tunnel), tunnel.proxy_address);
        // It runs, and that is what counts; the record says so a bit less well.
        if let Err(error) = self.registry.tunnel_launched(tunnel.id, now).await {
            log::error!("{}: {error}", Label(&tunnel));
        }
        Ok(tunnel)
    }

    fn take_in(&self, record: Tunnel, organisation: String, place: Place) {
        let sessions = Sessions::none(Instant::now());
        let told = Default::default();
        let happenings = Default::default();
        let live = Live { place, sessions, halting: None, told, happenings, organisation, record };
        if let Some(fields) = live.label(None) {
            self.data_plane.label(place, fields);
        }
        self.state().live.insert(live.record.id, live);
    }
}

pub(super) fn check(owner: Account, request: CreateTunnel) -> Result<Wanted, CreateError> {
    let name = request.tunnel_identifier.clone().filter(|name| !name.is_empty());
    if let Some(name) = &name
        && (name.len() > MAX_NAME || name.chars().any(char::is_control))
    {
        return Err(CreateError::Name);
    }
    match request.protocol.as_deref() {
        // A version 5 client asks for h2c; the answer tells it what it gets.
        None | Some("" | "kgp" | "h2c") => {}
        Some(other) => return Err(CreateError::Protocol(other.to_owned())),
    }
    for (field, text, most) in [
        ("vm_version", &request.vm_version, MAX_NAME),
        ("extra_info", &request.extra_info, MAX_EXTRA_INFO),
    ] {
        if text.as_ref().is_some_and(|text| text.len() > most) {
            return Err(CreateError::TooLong { field, most });
        }
    }
    let pooling = match (request.tunnel_pool, &name) {
        (Some(true), None) => return Err(CreateError::Pool),
        (Some(true), Some(_)) => Pooling::Member,
        (Some(false) | None, _) => Pooling::Alone,
    };
    let sharing = match (request.shared_tunnel, request.shared.as_deref()) {
        (_, Some(SHARED)) | (Some(true), None | Some("")) => Sharing::Shared,
        (Some(false) | None, None | Some("")) => Sharing::Private,
        (_, Some(other)) => return Err(CreateError::Shared(other.to_owned())),
    };
    let syntax = match request.protocol.as_deref() {
        Some("h2c") => RuleSyntax::Expressions,
        _ => RuleSyntax::Patterns,
    };
    let caching = match request.no_proxy_caching {
        Some(true) => Caching::Off,
        Some(false) | None => Caching::Shared,
    };
    let routing = Routing { caching, ..request.rules.compile(syntax)? };
    let messages = warnings(&owner, sharing);
    Ok(Wanted { owner, name, pooling, sharing, routing, messages, request })
}

/// What was asked for and is not done.
fn warnings(owner: &Account, sharing: Sharing) -> Messages {
    let mut messages = Messages::default();
    if sharing == Sharing::Shared && !owner.has_whom_to_share_with() {
        let text = "this tunnel is shared with your sub-accounts alone: you are in no team";
        messages.warning.push(text.to_owned());
    }
    messages
}

/// The port of a `host:port`.
fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

pub(crate) fn host_and_port(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::accounts::Role;

    #[test]
    fn a_name_is_checked_and_an_empty_one_is_none() {
        let with = |name: &str| CreateTunnel {
            tunnel_identifier: Some(name.to_owned()),
            ..CreateTunnel::default()
        };
        let jane = || Account {
            name: "jane".to_owned(),
            organisation: "default".to_owned(),
            role: Role::Member,
            teams: BTreeSet::new(),
            parent: None,
            tunnel_limit: None,
            created: 0,
            last_used: None,
            key_created: 0,
        };
        assert_eq!(check(jane(), with("")).ok().unwrap().name, None);
        assert_eq!(check(jane(), with("é")).ok().unwrap().name.as_deref(), Some("é"));
        for bad in ["a\nb", "\0", &"a".repeat(257)] {
            assert!(matches!(check(jane(), with(bad)), Err(CreateError::Name)), "{bad:?}");
        }
    }

    #[test]
    fn a_v6_host_gets_its_brackets() {
        assert_eq!(host_and_port("::1", 7), "[::1]:7");
        assert_eq!(host_and_port("a.test", 7), "a.test:7");
    }
}
