//! Options that are the same in both versions, or nearly.

use super::{Effect, Kind, Row, Secrecy};

/// The runtimes of this build.
const RUNTIMES: &[&str] = &[
    #[cfg(feature = "mio")]
    "mio",
    #[cfg(feature = "smol")]
    "smol",
];
/// The shapes of a log of this build.
const FORMATS: &[&str] = &[
    "text",
    #[cfg(feature = "operations")]
    "json",
];
/// The consoles of this build.
const CONSOLES: &[&str] = &[
    #[cfg(feature = "operations")]
    "pretty",
    "text",
];
/// What becomes of options about what only this feature has.
pub(super) const OPERATIONS: Effect = match cfg!(feature = "operations") {
    true => Effect::Works,
    false => Effect::Refused("this sc was built without the feature `operations`"),
};
const DEFAULT_CONNECTIONS: &str = if cfg!(feature = "mio") { "2" } else { "1" };
const DEFAULT_RUNTIME: &str = if cfg!(feature = "mio") { "mio" } else { "smol" };

pub(super) const USER: Row = Row::new("user", Kind::Text, "NAME", "User name")
    .short('u')
    .env(&["SAUCE_USERNAME", "SAUCE_USER"]);
pub(super) const KEY: Row = Row::new(
    "access-key",
    Kind::Text,
    "KEY",
    "Access key; does not stay visible in the process list",
)
.short('k')
.env(&["SAUCE_ACCESS_KEY", "SAUCE_API_KEY"])
.secret(Secrecy::Secret);
pub(super) const KEY_FILE: Row = Row::new(
    "access-key-file",
    Kind::Path,
    "FILE",
    "File whose first line is the access key; - is standard input",
);
pub(super) const REST_URL: Row = Row::new(
    "rest-url",
    Kind::Text,
    "URL",
    "Where your server's REST API is, as http(s)://HOST:PORT/rest/v1; of a fleet several, with commas",
);
pub(super) const NAME: Row = Row::new("tunnel-name", Kind::Text, "NAME", "Name of the tunnel")
    .short('i')
    .env(&["SAUCE_TUNNEL_NAME", "SAUCE_TUNNEL_IDENTIFIER"]);
pub(super) const REGION: Row =
    Row::new("region", Kind::Text, "REGION", "Accepted for old scripts; --rest-url decides")
        .short('r')
        .effect(Effect::Nothing("--rest-url says where the server is"));
pub(super) const CONFIG_FILE: Row = Row::new(
    "config-file",
    Kind::Path,
    "FILE",
    "File with options, named like the flags; flags and environment go before it",
)
.short('c');
pub(super) const POOL: Row = Row::new(
    "tunnel-pool",
    Kind::Switch,
    "",
    "Join the pool of tunnels with this name, or found it, instead of ending a tunnel of this name",
);
pub(super) const POOL_SIZE: Row =
    Row::new("pool-size", Kind::Number, "N", "Start so many tunnels as one pool");
pub(super) const MAX_AGE: Row = Row::new(
    "max-age",
    Kind::Duration,
    "DURATION",
    "Replace each tunnel of the pool when it is so old, one after the other",
);
pub(super) const METADATA: Row = Row::new(
    "metadata",
    Kind::List,
    "KEY=VALUE",
    "What the server keeps with the tunnel, for example runner=ci",
);

pub(super) const CONNECTIONS: Row = Row::new(
    "tunnel-connections",
    Kind::Number,
    "N",
    "Connections of the tunnel, 1 to 32: several use more cores, and suffer less from packets lost \
     on the way",
)
.default(DEFAULT_CONNECTIONS);
pub(super) const RUNTIME: Row = Row::new(
    "runtime",
    Kind::Choice(RUNTIMES),
    "RUNTIME",
    "What carries the tunnel's connections: mio for throughput, smol for a small footprint",
)
.default(DEFAULT_RUNTIME);
pub(super) const RECONNECT: Row = Row::new(
    "reconnect",
    Kind::Number,
    "SECONDS",
    "How long open connections wait for a lost tunnel connection to come back",
)
.default("60");
pub(super) const KEEPALIVE: Row = Row::new(
    "keepalive",
    Kind::Number,
    "SECONDS",
    "Time between signs of life on an idle tunnel connection",
)
.default("2");
pub(super) const MAX_MISSED_ACKS: Row = Row::new(
    "max-missed-acks",
    Kind::Number,
    "N",
    "Signs of life without an answer before the tunnel connection counts as dead",
)
.default("2");

pub(super) const PROXY: Row = Row::new(
    "proxy",
    Kind::Text,
    "PROXY",
    "Proxy for the sites under test: HOST:PORT, or with http://, https://, socks4:// or socks5:// \
     in front, where USER:PASSWORD@ may stand before HOST; the password does not stay visible in \
     the process list",
)
.secret(Secrecy::UserInfo);
pub(super) const PAC: Row = Row::new(
    "pac",
    Kind::Text,
    "URL",
    "Script that chooses the proxy for each site under test: a URL (http, https, file, data), a \
     path, or - for standard input",
);
pub(super) const AUTH: Row = Row::new(
    "auth",
    Kind::List,
    "USER[:PASSWORD]@HOST:PORT",
    "User and password for a site or proxy, put into requests that have none; * is any host or \
     port; not visible in the process list",
)
.short('a')
.secret(Secrecy::Secret);

pub(super) const REST_CA: Row = Row::new(
    "rest-cainfo",
    Kind::Path,
    "FILE",
    "PEM file of CAs to verify the REST API with, instead of the system's",
);
pub(super) const TUNNEL_CA: Row = Row::new(
    "tunnel-cainfo",
    Kind::Path,
    "FILE",
    "PEM file of CAs to verify the tunnel server with, instead of the pin or the system's CAs",
);
pub(super) const CACERT_FILE: Row = Row::new(
    "cacert-file",
    Kind::Files,
    "FILE",
    "PEM file of CAs to trust in sites and https:// proxies beside the system's: a path or a data: \
     URL; may be given several times",
);
pub(super) const INSECURE_DOMAINS: Row = Row::new(
    "tls-insecure-domains",
    Kind::Rules,
    "[-]REGEXP",
    "Hosts whose certificate is not checked when their TLS is re-signed: regular expressions, \
     searched for in the host name; with - in front one is an exception; all is every host. Whoever \
     stands between this machine and those hosts can read and change all",
);
pub(super) const TLS_HANDSHAKE_TIMEOUT: Row = Row::new(
    "http-tls-handshake-timeout",
    Kind::Duration,
    "DURATION",
    "How long a TLS handshake with a site or proxy may take",
)
.default("10s");
pub(super) const DNS: Row = Row::new(
    "dns-server",
    Kind::List,
    "IP[:PORT]",
    "Name server for the sites under test, instead of this machine's own resolver; of several the \
     first is asked, the others when it fails. The hosts file comes first all the same",
);

pub(super) const LOG_FORMAT: Row = Row::new(
    "log-format",
    Kind::Choice(FORMATS),
    "FORMAT",
    "How a line of the log is written: for people, or as an object a line",
)
.default("text");
pub(super) const LOG_LEVEL: Row = Row::new(
    "log-level",
    Kind::Choice(&["error", "warn", "info", "debug"]),
    "LEVEL",
    "What is worth a line of the log",
)
.default("info");
pub(super) const MAX_LOGSIZE: Row = Row::new(
    "max-logsize",
    Kind::Number,
    "BYTES",
    "Put the log file away under a serial number when it is so large; 0 is never",
)
.effect(OPERATIONS)
.default("0");
pub(super) const LOG_STATS: Row = Row::new(
    "log-stats",
    Kind::Number,
    "SECONDS",
    "Write figures of the traffic to the log so often; 0 is never",
)
.short('z')
.effect(OPERATIONS)
.default("0");
pub(super) const OUTPUT_FORMAT: Row = Row::new(
    "output-format",
    Kind::Choice(CONSOLES),
    "FORMAT",
    "How the console looks: for people, or for pipes and CI",
);
