//! What a server is told: options from the command line, the environment and a file, and the
//! [`Settings`] they come to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use sc_proto::CacheLimits;
use sc_proto::contract::{AddressGuard, Host};
use sc_proto::endpoint::{Ingress, OwnPorts};
use serde::Deserialize;

use super::announcements::{Announcements, AnnouncementsError};
use super::byte_size::ByteSize;
use super::certificate::CertificateFiles;
use super::data_dir::{DataDir, DataDirError};
use super::fleet::{FLEET_TIMEOUT, FleetSettings};
use super::metrics::{MetricsServer, MetricsSettingsError};
use super::ports::PortRange;
use super::registry::{DatabaseUrl, DatabaseUrlError, GivenUrl};
use crate::cli::{
    self, Endurance, KEEPALIVE, LogFormat, LogLevel, MAX_MISSED_ACKS, RECONNECT, ServerLog,
};
use crate::logs::LogSettings;
use crate::runtime::RuntimeKind;

/// The options of `sc server`, each from a flag, the environment, or the configuration file,
/// where a key is the long flag's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Options {
    /// Address of the REST API [default: 127.0.0.1:8033]
    #[arg(long, value_name = "IP:PORT", env = "SC_SERVER_REST_ADDRESS")]
    rest_address: Option<SocketAddr>,

    /// Serve the REST API by plain HTTP on an address that is not loopback
    #[arg(
        long, value_name = "BOOL", env = "SC_SERVER_INSECURE_REST",
        num_args = 0..=1, default_missing_value = "true", require_equals = true
    )]
    insecure_rest: Option<bool>,

    /// PEM file with the REST API's certificate chain; serves it by HTTPS
    #[arg(long, value_name = "FILE", env = "SC_SERVER_REST_TLS_CERT")]
    rest_tls_cert: Option<PathBuf>,

    /// PEM file with the private key for --rest-tls-cert
    #[arg(long, value_name = "FILE", env = "SC_SERVER_REST_TLS_KEY")]
    rest_tls_key: Option<PathBuf>,

    /// Address where clients' tunnels connect to (KGP over TLS) [default: 127.0.0.1:8443]
    #[arg(long, value_name = "IP:PORT", env = "SC_SERVER_TUNNEL_ADDRESS")]
    tunnel_address: Option<SocketAddr>,

    /// Name or address clients are told to connect to [default: the IP of --tunnel-address]
    #[arg(long, value_name = "HOST", env = "SC_SERVER_TUNNEL_HOST")]
    tunnel_host: Option<String>,

    /// PEM file with the tunnel listener's certificate chain [default: makes its own]
    #[arg(long, value_name = "FILE", env = "SC_SERVER_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key for --tls-cert
    #[arg(long, value_name = "FILE", env = "SC_SERVER_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// PEM file with the CA that signs certificates for re-signed TLS; browsers have to trust it
    /// [default: makes its own, GET /rest/v1/ca.pem gives it]
    #[arg(long, value_name = "FILE", env = "SC_SERVER_RESIGN_CA_CERT")]
    resign_ca_cert: Option<PathBuf>,

    /// PEM file with the private key for --resign-ca-cert
    #[arg(long, value_name = "FILE", env = "SC_SERVER_RESIGN_CA_KEY")]
    resign_ca_key: Option<PathBuf>,

    /// Name or address the tunnels' proxy ports are bound to, and browsers are told. Whoever
    /// reaches these ports reaches what the clients reach [default: 127.0.0.1]
    #[arg(long, value_name = "HOST", env = "SC_SERVER_PROXY_HOST")]
    proxy_host: Option<String>,

    /// Networks that are reached from here for hosts which do not go through a tunnel, beside the
    /// public Internet (CIDR, comma separated); never this machine itself or its links
    #[arg(long, value_name = "NET", env = "SC_SERVER_DIRECT_NETWORKS", value_delimiter = ',')]
    direct_networks: Option<Vec<IpNet>>,

    /// Memory for answers that later requests of the same tunnel get without crossing it, for all
    /// tunnels together: a number with K, M or G; 0 for no cache [default: 256M]
    #[arg(long, value_name = "SIZE", env = "SC_SERVER_CACHE_SIZE")]
    cache_size: Option<ByteSize>,

    /// The same for one tunnel [default: 64M]
    #[arg(long, value_name = "SIZE", env = "SC_SERVER_CACHE_TUNNEL_SIZE")]
    cache_tunnel_size: Option<ByteSize>,

    /// The largest answer that is kept [default: 8M]
    #[arg(long, value_name = "SIZE", env = "SC_SERVER_CACHE_OBJECT_SIZE")]
    cache_object_size: Option<ByteSize>,

    /// Ports for the tunnels' proxies, one each; 0 for any free port [default: 20000-20999]
    #[arg(long, value_name = "A-B", env = "SC_SERVER_PROXY_PORTS")]
    proxy_ports: Option<PortRange>,

    /// One proxy port for all tunnels: the user name USER or USER+TUNNEL and the access key, by
    /// Proxy-Authorization, say which
    #[arg(long, value_name = "IP:PORT", env = "SC_SERVER_SHARED_PROXY_ADDRESS")]
    shared_proxy_address: Option<SocketAddr>,

    /// Whether a tunnel's own proxy port wants the access key of someone who may use the tunnel
    /// [default: none]
    #[arg(long, value_name = "WHAT", env = "SC_SERVER_PROXY_AUTH")]
    proxy_auth: Option<ProxyAuth>,

    /// Networks from where browsers may come to proxy ports (CIDR, comma separated)
    /// [default: all]
    #[arg(long, value_name = "NET", env = "SC_SERVER_PROXY_NETWORKS", value_delimiter = ',')]
    proxy_networks: Option<Vec<IpNet>>,

    /// Directory for users, tunnels and the server's own certificates
    /// [default: $XDG_DATA_HOME/sc-server or ~/.local/share/sc-server]
    #[arg(long, value_name = "DIR", env = "SC_SERVER_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// PostgreSQL database that several servers share, postgres://USER:PASSWORD@HOST:PORT/NAME;
    /// better by --database-file or the environment [default: SQLite in the data directory]
    #[arg(long, value_name = "URL", env = DatabaseUrl::VARIABLE, hide_env_values = true,
        value_parser = GivenUrl::take)]
    database: Option<GivenUrl>,

    /// File with the URL of that database
    #[arg(long, value_name = "FILE", env = "SC_DATABASE_FILE")]
    database_file: Option<PathBuf>,

    /// Most tunnels that the servers of that database give to this one
    /// [default: one for each port of --proxy-ports, 10000 at most]
    #[arg(long, value_name = "N", env = "SC_SERVER_CAPACITY")]
    capacity: Option<NonZeroU32>,

    /// Seconds without a sign of life after which they take one another for dead [default: 6]
    #[arg(long, value_name = "SECONDS", env = "SC_SERVER_FLEET_TIMEOUT",
        value_parser = clap::value_parser!(u32).range(FLEET_TIMEOUT))]
    fleet_timeout: Option<u32>,

    /// Threads that carry tunnels [default: the number of CPUs]
    #[arg(long, value_name = "N", env = "SC_SERVER_WORKERS")]
    workers: Option<NonZeroU16>,

    /// What carries them [default: mio, if it is built in]
    #[arg(long, value_name = "RUNTIME", env = "SC_SERVER_RUNTIME")]
    runtime: Option<RuntimeKind>,

    /// Seconds that running connections get to finish when the server stops [default: 30]
    #[arg(long, value_name = "SECONDS", env = "SC_SERVER_DRAIN_TIMEOUT")]
    drain_timeout: Option<u32>,

    /// Seconds that open connections wait for a lost client to come back [default: 60]
    #[arg(long, value_name = "SECONDS", env = "SC_SERVER_RECONNECT",
        value_parser = clap::value_parser!(u32).range(RECONNECT))]
    reconnect: Option<u32>,

    /// Seconds between signs of life on an idle tunnel connection [default: 2]
    #[arg(long, value_name = "SECONDS", env = "SC_SERVER_KEEPALIVE",
        value_parser = clap::value_parser!(u32).range(KEEPALIVE))]
    keepalive: Option<u32>,

    /// Serve metrics for Prometheus there, by plain HTTP; they name tunnels and their owners
    #[arg(long, value_name = "HOST:PORT", env = "SC_SERVER_METRICS_ADDRESS")]
    metrics_address: Option<String>,

    /// File with USER:PASSWORD that --metrics-address asks for; needed beyond this machine
    #[arg(long, value_name = "FILE", env = "SC_SERVER_METRICS_AUTH_FILE")]
    metrics_auth_file: Option<PathBuf>,

    /// YAML file with messages for users of clients, and where clients can be downloaded
    #[arg(long, value_name = "FILE", env = "SC_SERVER_ANNOUNCEMENTS")]
    announcements: Option<PathBuf>,

    /// Signs of life without an answer before a tunnel connection counts as dead [default: 2]
    #[arg(long, value_name = "N", env = "SC_SERVER_MAX_MISSED_ACKS",
        value_parser = clap::value_parser!(u32).range(MAX_MISSED_ACKS))]
    max_missed_acks: Option<u32>,

    /// Log to this file, which SIGHUP opens again; - is standard output [default: standard error]
    #[arg(long, value_name = "FILE", env = "SC_SERVER_LOG_FILE")]
    log_file: Option<PathBuf>,

    /// Log lines as text or as JSON, an object a line [default: text]
    #[arg(long, value_name = "FORMAT", env = "SC_SERVER_LOG_FORMAT")]
    log_format: Option<LogFormat>,

    /// What is logged [default: info]
    #[arg(long, value_name = "LEVEL", env = "SC_SERVER_LOG_LEVEL")]
    log_level: Option<LogLevel>,

    /// Size in bytes at which --log-file is put away under its name with a serial number; 0: never
    /// [default: 0]
    #[arg(long, value_name = "BYTES", env = "SC_SERVER_MAX_LOGSIZE")]
    max_logsize: Option<u64>,
    /// Serve no Tunnels page beside the REST API
    #[arg(
        long, value_name = "BOOL", env = "SC_SERVER_NO_PAGE",
        num_args = 0..=1, default_missing_value = "true", require_equals = true
    )]
    no_page: Option<bool>,
}

/// What a tunnel's own proxy port wants of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProxyAuth {
    /// Nothing: who reaches it may use it
    None,
    /// Proxy-Authorization
    Required,
}

/// All a server needs to know to start.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where users, records and own certificates are.
    pub(crate) data_dir: PathBuf,
    /// Where the REST API listens. Port 0: any.
    pub(crate) rest_address: SocketAddr,
    /// How it is protected.
    pub(crate) rest_security: RestSecurity,
    /// Where KGP listens. Port 0: any.
    pub(crate) tunnel_address: SocketAddr,
    /// What clients are told to dial.
    pub(crate) tunnel_host: String,
    /// The certificate of the KGP listener; `None`: its own.
    pub(crate) tunnel_certificate: Option<CertificateFiles>,
    /// The CA of re-signed TLS; `None`: its own.
    pub(crate) resign_ca: Option<CertificateFiles>,
    /// Where the tunnels' proxy ports are bound.
    pub(crate) proxy_ip: IpAddr,
    /// What browsers are told.
    pub(crate) proxy_host: String,
    /// Where the proxy of all tunnels listens, if anywhere. Port 0: any.
    pub(crate) shared_proxy_address: Option<SocketAddr>,
    /// Who may use proxy ports.
    pub(crate) ingress: Ingress,
    /// Where direct traffic may lead.
    pub(crate) direct: AddressGuard,
    /// Memory for the tunnels' caches, of all workers together.
    pub(crate) cache: CacheLimits,
    /// Which ports those are.
    pub(crate) proxy_ports: PortRange,
    /// How many data workers.
    pub(crate) workers: NonZeroU16,
    /// What drives them.
    pub(crate) runtime: RuntimeKind,
    /// How long a stop waits for running streams.
    pub(crate) drain_limit: Duration,
    /// How long a tunnel may be without its client.
    pub(crate) unconnected_limit: Duration,
    /// How tunnels' connections bear trouble.
    pub(crate) endurance: Endurance,
    /// Where metrics are served, if anywhere.
    pub(crate) metrics: Option<MetricsServer>,
    /// What clients are told.
    pub(crate) announcements: Announcements,
    /// The Tunnels page.
    pub(crate) page: TunnelsPage,
    /// With which others it works, if it does.
    pub(crate) fleet: Option<FleetSettings>,
}

/// Whether people can see their tunnels in a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TunnelsPage {
    /// They can, where the REST API is.
    Served,
    /// There is nothing but the REST API.
    Off,
}

/// How the REST API is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RestSecurity {
    /// HTTPS.
    Tls(CertificateFiles),
    /// Plain HTTP, refused on an address that others can reach.
    PlainOnLoopback,
    /// Plain HTTP anywhere: something else protects it, or nobody cares.
    PlainAnywhere,
}

/// The options do not come to settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    ReadFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The configuration file is not what it should be.
    #[error("the configuration file {} is wrong: {source}", path.display())]
    ParseFile {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: serde_norway::Error,
    },
    /// One of two options that need one another.
    #[error("--{cert} and --{key} go together: give both or none")]
    HalfCertificate {
        /// The certificate's flag.
        cert: &'static str,
        /// The key's flag.
        key: &'static str,
    },
    /// What to tell clients cannot be guessed.
    #[error(
        "--tunnel-address {0} means all addresses of this machine: say by --tunnel-host under \
         which name or address clients reach it"
    )]
    TunnelHostNeeded(SocketAddr),
    /// A number that is too small or too big.
    #[error("--{flag} {value} is not from {} to {}", range.start(), range.end())]
    OutOfRange {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: u32,
        /// What it may be.
        range: RangeInclusive<i64>,
    },
    /// Not a host.
    #[error("--{flag} {value:?} is neither a host name nor an IP address")]
    NotAHost {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// A name without an address.
    #[error("--proxy-host {0:?} has no address on this machine")]
    ProxyHostUnknown(String),
    /// Announcements.
    #[error(transparent)]
    Announcements(#[from] AnnouncementsError),
    /// The database of a fleet.
    #[error(transparent)]
    Database(#[from] DatabaseUrlError),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsSettingsError),
    /// No data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const UNCONNECTED_LIMIT: Duration = Duration::from_secs(60);

impl Settings {
    /// A server that only this machine reaches, on any free ports: for trying things and tests.
    pub(crate) fn local(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            rest_address: SocketAddr::new(LOOPBACK, 0),
            rest_security: RestSecurity::PlainOnLoopback,
            tunnel_address: SocketAddr::new(LOOPBACK, 0),
            tunnel_host: LOOPBACK.to_string(),
            tunnel_certificate: None,
            resign_ca: None,
            proxy_ip: LOOPBACK,
            proxy_host: LOOPBACK.to_string(),
            shared_proxy_address: None,
            ingress: Ingress::default(),
            direct: AddressGuard::public(),
            cache: cache_limits(None, None, None),
            proxy_ports: PortRange::Any,
            workers: cpus(),
            runtime: RuntimeKind::default(),
            drain_limit: Duration::from_secs(30),
            unconnected_limit: UNCONNECTED_LIMIT,
            endurance: Endurance::default(),
            metrics: None,
            announcements: Announcements::default(),
            fleet: None,
            page: TunnelsPage::Served,
        }
    }
}

/// The bounds of the cache, with defaults for what is not said.
fn cache_limits(
    total: Option<ByteSize>,
    tunnel: Option<ByteSize>,
    object: Option<ByteSize>,
) -> CacheLimits {
    let or = |given: Option<ByteSize>, mib: usize| given.map_or(mib << 20, |size| size.0);
    CacheLimits { total: or(total, 256), tunnel: or(tunnel, 64), object: or(object, 8) }
}

fn cpus() -> NonZeroU16 {
    std::thread::available_parallelism()
        .ok()
        .and_then(|count| u16::try_from(count.get()).ok())
        .and_then(NonZeroU16::new)
        .unwrap_or(NonZeroU16::MIN)
}

impl Options {
    /// Reads a configuration file.
    pub(crate) fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::ReadFile { path: path.to_owned(), source })?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_norway::from_str(&text)
            .map_err(|source| SettingsError::ParseFile { path: path.to_owned(), source })
    }

    /// These options, and those of `other` where these say nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            rest_address: self.rest_address.or(other.rest_address),
            insecure_rest: self.insecure_rest.or(other.insecure_rest),
            rest_tls_cert: self.rest_tls_cert.or(other.rest_tls_cert),
            rest_tls_key: self.rest_tls_key.or(other.rest_tls_key),
            tunnel_address: self.tunnel_address.or(other.tunnel_address),
            tunnel_host: self.tunnel_host.or(other.tunnel_host),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            resign_ca_cert: self.resign_ca_cert.or(other.resign_ca_cert),
            resign_ca_key: self.resign_ca_key.or(other.resign_ca_key),
            proxy_host: self.proxy_host.or(other.proxy_host),
            direct_networks: self.direct_networks.or(other.direct_networks),
            cache_size: self.cache_size.or(other.cache_size),
            cache_tunnel_size: self.cache_tunnel_size.or(other.cache_tunnel_size),
            cache_object_size: self.cache_object_size.or(other.cache_object_size),
            proxy_ports: self.proxy_ports.or(other.proxy_ports),
            shared_proxy_address: self.shared_proxy_address.or(other.shared_proxy_address),
            proxy_auth: self.proxy_auth.or(other.proxy_auth),
            proxy_networks: self.proxy_networks.or(other.proxy_networks),
            data_dir: self.data_dir.or(other.data_dir),
            database: self.database.or(other.database),
            database_file: self.database_file.or(other.database_file),
            capacity: self.capacity.or(other.capacity),
            fleet_timeout: self.fleet_timeout.or(other.fleet_timeout),
            workers: self.workers.or(other.workers),
            runtime: self.runtime.or(other.runtime),
            drain_timeout: self.drain_timeout.or(other.drain_timeout),
            reconnect: self.reconnect.or(other.reconnect),
            keepalive: self.keepalive.or(other.keepalive),
            max_missed_acks: self.max_missed_acks.or(other.max_missed_acks),
            metrics_address: self.metrics_address.or(other.metrics_address),
            metrics_auth_file: self.metrics_auth_file.or(other.metrics_auth_file),
            announcements: self.announcements.or(other.announcements),
            log_file: self.log_file.or(other.log_file),
            log_format: self.log_format.or(other.log_format),
            log_level: self.log_level.or(other.log_level),
            max_logsize: self.max_logsize.or(other.max_logsize),
            no_page: self.no_page.or(other.no_page),
        }
    }

    /// How it logs.
    pub(super) fn log(&self) -> LogSettings {
        cli::server_log(ServerLog {
            file: self.log_file.clone(),
            format: self.log_format,
            level: self.log_level,
            max_size: self.max_logsize,
        })
    }

    /// What the options come to, with defaults for what they do not say.
    pub(crate) fn settings(self) -> Result<Settings, SettingsError> {
        let on_loopback = |port| SocketAddr::new(LOOPBACK, port);
        let tunnel_address = self.tunnel_address.unwrap_or(on_loopback(8443));
        let tunnel_host = match self.tunnel_host {
            Some(host) => checked_host("tunnel-host", host)?,
            None if tunnel_address.ip().is_unspecified() => {
                return Err(SettingsError::TunnelHostNeeded(tunnel_address));
            }
            None => tunnel_address.ip().to_string(),
        };
        let endurance = Endurance::of(
            in_range("reconnect", self.reconnect, RECONNECT)?,
            in_range("keepalive", self.keepalive, KEEPALIVE)?,
            in_range("max-missed-acks", self.max_missed_acks, MAX_MISSED_ACKS)?,
        );
        let (proxy_ip, proxy_host) = proxy_place(self.proxy_host, &tunnel_host)?;
        let rest_files =
            both(("rest-tls-cert", self.rest_tls_cert), ("rest-tls-key", self.rest_tls_key))?;
        let data_dir = match self.data_dir {
            Some(dir) => dir,
            None => DataDir::default_path()?,
        };
        let proxy_ports = self.proxy_ports.unwrap_or(PortRange::Between(20000, 20999));
        let fleet_timeout = in_range("fleet-timeout", self.fleet_timeout, FLEET_TIMEOUT)?;
        let database = DatabaseUrl::of(self.database, self.database_file.as_deref())?;
        let fleet = database.map(|database| {
            let capacity = self.capacity.map_or(proxy_ports.count(), NonZeroU32::get);
            FleetSettings::new(database, capacity, fleet_timeout)
        });
        Ok(Settings {
            rest_address: self.rest_address.unwrap_or(on_loopback(8033)),
            rest_security: match (rest_files, self.insecure_rest) {
                (Some(files), _) => RestSecurity::Tls(files),
                (None, Some(true)) => RestSecurity::PlainAnywhere,
                (None, _) => RestSecurity::PlainOnLoopback,
            },
            tunnel_address,
            tunnel_host,
            tunnel_certificate: both(("tls-cert", self.tls_cert), ("tls-key", self.tls_key))?,
            resign_ca: both(
                ("resign-ca-cert", self.resign_ca_cert),
                ("resign-ca-key", self.resign_ca_key),
            )?,
            proxy_ip,
            proxy_host,
            shared_proxy_address: self.shared_proxy_address,
            ingress: Ingress {
                own_ports: match self.proxy_auth {
                    None | Some(ProxyAuth::None) => OwnPorts::Open,
                    Some(ProxyAuth::Required) => OwnPorts::Guarded,
                },
                networks: self.proxy_networks.map(Into::into),
                ..Ingress::default()
            },
            direct: AddressGuard::Public(self.direct_networks.unwrap_or_default().into()),
            cache: cache_limits(self.cache_size, self.cache_tunnel_size, self.cache_object_size),
            proxy_ports,
            workers: self.workers.unwrap_or_else(cpus),
            runtime: self.runtime.unwrap_or_default(),
            drain_limit: Duration::from_secs(self.drain_timeout.unwrap_or(30).into()),
            // As long as its streams wait, the tunnel does too.
            unconnected_limit: UNCONNECTED_LIMIT.max(endurance.reconnect),
            endurance,
            metrics: MetricsServer::of(self.metrics_address, self.metrics_auth_file)?,
            page: match self.no_page {
                Some(true) => TunnelsPage::Off,
                _ => TunnelsPage::Served,
            },
            announcements: match &self.announcements {
                Some(file) => Announcements::from_file(file)?,
                None => Announcements::default(),
            },
            fleet,
            ..Settings::local(data_dir)
        })
    }
}

type Flag = (&'static str, Option<PathBuf>);

fn both(cert: Flag, key: Flag) -> Result<Option<CertificateFiles>, SettingsError> {
    match (cert, key) {
        ((_, Some(certificate)), (_, Some(key))) => Ok(Some(CertificateFiles { certificate, key })),
        ((_, None), (_, None)) => Ok(None),
        ((cert, _), (key, _)) => Err(SettingsError::HalfCertificate { cert, key }),
    }
}

/// A file's value is not checked by the command line.
fn in_range(
    flag: &'static str,
    value: Option<u32>,
    range: RangeInclusive<i64>,
) -> Result<Option<u32>, SettingsError> {
    match value {
        Some(value) if !range.contains(&i64::from(value)) => {
            Err(SettingsError::OutOfRange { flag, value, range })
        }
        value => Ok(value),
    }
}

/// A host as it is written in addresses: without the brackets of IPv6.
fn checked_host(flag: &'static str, value: String) -> Result<String, SettingsError> {
    let bare = value.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    match Host::parse(&value) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err(SettingsError::NotAHost { flag, value }),
    }
}

/// Where to bind proxy ports, and what to tell browsers.
fn proxy_place(host: Option<String>, tunnel_host: &str) -> Result<(IpAddr, String), SettingsError> {
    let Some(host) = host else {
        return Ok((LOOPBACK, LOOPBACK.to_string()));
    };
    let host = checked_host("proxy-host", host)?;
    let ip = match host.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) => (host.as_str(), 0)
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .map(|address| address.ip())
            .ok_or_else(|| SettingsError::ProxyHostUnknown(host.clone()))?,
    };
    // Nobody can dial "all addresses": browsers are told the name that clients are told.
    let told = if ip.is_unspecified() { tunnel_host.to_owned() } else { host };
    Ok((ip, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(yaml: &str) -> Options {
        serde_norway::from_str(yaml).unwrap()
    }

    fn settings(yaml: &str) -> Result<Settings, SettingsError> {
        options(&format!("data-dir: /nowhere\n{yaml}")).settings()
    }

    #[test]
    fn defaults_are_for_this_machine_alone() {
        let settings = settings("").unwrap();
        assert_eq!(settings.rest_address.to_string(), "127.0.0.1:8033");
        assert_eq!(settings.rest_security, RestSecurity::PlainOnLoopback);
        assert_eq!(settings.tunnel_address.to_string(), "127.0.0.1:8443");
        assert_eq!(settings.tunnel_host, "127.0.0.1");
        assert_eq!(settings.proxy_ip, LOOPBACK);
        assert_eq!(settings.proxy_ports, PortRange::Between(20000, 20999));
    }

    #[test]
    fn hosts_are_told_as_they_can_be_dialled() {
        let all =
            settings("tunnel-address: 0.0.0.0:443\ntunnel-host: SC.example\nproxy-host: '::'");
        let all = all.unwrap();
        assert_eq!(all.tunnel_host, "sc.example");
        assert_eq!(all.proxy_ip.to_string(), "::");
        assert_eq!(all.proxy_host, "sc.example");
        let six = settings("tunnel-host: '[::1]'\nproxy-host: localhost").unwrap();
        assert_eq!(six.tunnel_host, "::1");
        assert!(six.proxy_ip.is_loopback());
        assert_eq!(six.proxy_host, "localhost");
        for (wrong, said) in [
            ("tunnel-address: 0.0.0.0:443", "--tunnel-host"),
            ("tunnel-host: a/b", "--tunnel-host"),
            ("proxy-host: 'a b'", "--proxy-host"),
            ("tls-cert: a", "--tls-key"),
            ("rest-tls-key: a", "--rest-tls-cert"),
        ] {
            let error = settings(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn proxy_ports_are_guarded_where_it_is_said() {
        let open = settings("").unwrap().ingress;
        assert_eq!((open.own_ports, open.networks), (OwnPorts::Open, None));
        let yaml = "proxy-auth: required\nproxy-networks: [10.0.0.0/8, 'fd12::/48']\n\
                    shared-proxy-address: 127.0.0.1:3128";
        let guarded = settings(yaml).unwrap();
        assert_eq!(guarded.ingress.own_ports, OwnPorts::Guarded);
        assert_eq!(guarded.ingress.networks.unwrap().len(), 2);
        assert_eq!(guarded.shared_proxy_address, Some("127.0.0.1:3128".parse().unwrap()));
    }

    #[test]
    fn the_first_that_says_something_wins() {
        let flags = options("workers: 3\nproxy-ports: 5-6");
        let file = options("workers: 4\ninsecure-rest: true\nproxy-ports: 0");
        let both = flags.or(file);
        assert_eq!(both, options("workers: 3\nproxy-ports: 5-6\ninsecure-rest: true"));
    }

    #[test]
    fn a_wrong_file_is_said() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("server.yaml");
        assert!(matches!(Options::from_file(&file), Err(SettingsError::ReadFile { .. })));
        std::fs::write(&file, "# nothing\n\n").unwrap();
        assert_eq!(Options::from_file(&file).unwrap(), Options::default());
        std::fs::write(&file, "rest-adress: 127.0.0.1:1\n").unwrap();
        let error = Options::from_file(&file).unwrap_err().to_string();
        assert!(error.contains("rest-adress"), "{error}");
    }
}
