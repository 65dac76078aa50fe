//! The options of version 5: `sc run …`.

use super::{Effect, Kind, Row, Secrecy, Section, shared};

pub(super) static SECTIONS: &[Section] = &[
    Section { title: "Who and what", rows: IDENTITY },
    Section { title: "Which traffic goes where", rows: RULES },
    Section { title: "Proxies and credentials", rows: PROXIES },
    Section { title: "Outgoing HTTP, TLS and DNS", rows: SITES },
    Section { title: "The tunnel's connections", rows: CONNECTIONS },
    Section { title: "Local listeners", rows: LISTENERS },
    Section { title: "Logs", rows: LOGS },
    Section { title: "Kerberos, which sc does not speak", rows: KERBEROS },
];

static IDENTITY: &[Row] = &[
    Row { long: "username", ..shared::USER },
    shared::KEY,
    shared::KEY_FILE,
    shared::REST_URL,
    shared::NAME,
    shared::CONFIG_FILE.help(
        "YAML, JSON or TOML file (.yaml, .json, .toml) with options, named like the flags; flags \
         and environment go before it",
    ),
    shared::REGION,
    shared::POOL.short('t'),
    shared::POOL_SIZE,
    shared::MAX_AGE,
    Row::new(
        "shared",
        Kind::Choice(&["all"]),
        "WHOM",
        "Let the other accounts of your organisation or team use the tunnel",
    )
    .short('s'),
    shared::METADATA.short('M'),
];

static RULES: &[Row] = &[
    Row::new(
        "deny-domains",
        Kind::Rules,
        "[-]REGEXP",
        "Refuse these hosts: regular expressions, searched for in the host name; with - in front \
         one is an exception; all is every host",
    )
    .short('F'),
    Row::new(
        "direct-domains",
        Kind::Rules,
        "[-]REGEXP",
        "Hosts that the server reaches itself, not through the tunnel: [-]regexp or all, comma \
         separated; excludes --tunnel-domains",
    )
    .short('D'),
    Row::new(
        "tunnel-domains",
        Kind::Rules,
        "[-]REGEXP",
        "Only these hosts go through the tunnel; the server reaches all others itself. Written as \
         --direct-domains, and excludes it",
    )
    .short('T'),
    Row::new(
        "tls-passthrough-domains",
        Kind::Rules,
        "[-]REGEXP",
        "TLS of these hosts passes through untouched, that of all others is opened at the server \
         and signed anew, so that browsers have to trust its CA: [-]regexp or all, comma separated; \
         excludes --tls-resign-domains",
    )
    .short('B'),
    Row::new(
        "tls-resign-domains",
        Kind::Rules,
        "[-]REGEXP",
        "TLS of these hosts is opened at the server and signed anew, that of all others passes; by \
         default all passes",
    )
    .short('b'),
];

static PROXIES: &[Row] = &[
    shared::PROXY.short('x'),
    shared::PAC.short('p'),
    Row::new(
        "proxy-sauce",
        Kind::Text,
        "PROXY",
        "Proxy for the REST API and the tunnel's own connection, in the same form as --proxy",
    )
    .secret(Secrecy::UserInfo),
    Row::new(
        "proxy-localhost",
        Kind::Choice(&["direct", "allow", "deny"]),
        "POLICY",
        "What becomes of requests for this machine: `direct` never uses the upstream proxy, `allow` \
         uses it as for other hosts, `deny` refuses them",
    )
    .default("direct"),
    shared::AUTH,
    Row::new(
        "header",
        Kind::Lines,
        "RULE",
        "Change the headers of requests: \"name: value\" adds, \"name;\" sets empty, \"-name\" \
         removes, \"-name*\" removes all that begin so; repeat it for more (the variable has a rule \
         a line); not visible in the process list",
    )
    .short('H')
    .secret(Secrecy::Secret),
];

static SITES: &[Row] = &[
    shared::CACERT_FILE,
    shared::INSECURE_DOMAINS,
    shared::REST_CA.env(&["SAUCE_REST_CAINFO", "SAUCE_CAINFO"]),
    shared::TUNNEL_CA,
    shared::DNS.short('n'),
    Row::new(
        "dns-timeout",
        Kind::Duration,
        "DURATION",
        "How long a name server has for its answer",
    )
    .default("5s"),
    Row::new("dns-round-robin", Kind::Switch, "", "Each name is asked of the next server")
        .default("false"),
    Row::new(
        "http-dial-attempts",
        Kind::Number,
        "N",
        "Dials of a site that refuses, is not reachable or silent, before the request fails",
    )
    .default("3"),
    Row::new(
        "http-dial-backoff",
        Kind::Duration,
        "DURATION",
        "Pause before each dial after the first",
    )
    .default("1s"),
    Row::new(
        "http-dial-timeout",
        Kind::Duration,
        "DURATION",
        "How long a dial may take, 30s at most",
    )
    .default("25s"),
    Row::new(
        "http-idle-conn-timeout",
        Kind::Duration,
        "DURATION",
        "How long a connection to a site waits for another request",
    )
    .default("1m30s"),
    Row::new(
        "http-response-header-timeout",
        Kind::Duration,
        "DURATION",
        "How long a site may take to begin its answer; 0s is no limit",
    )
    .default("0s"),
    shared::TLS_HANDSHAKE_TIMEOUT,
    Row::new(
        "http-tls-keylog-file",
        Kind::Path,
        "FILE",
        "Write the keys of TLS with sites there, for Wireshark: whoever has the file can read that \
         traffic",
    )
    .env(&["SAUCE_HTTP_TLS_KEYLOG_FILE", "SSLKEYLOGFILE"]),
];

static CONNECTIONS: &[Row] = &[
    shared::CONNECTIONS,
    Row::new(
        "tunnel-max-concurrent-streams",
        Kind::Number,
        "N",
        "Most streams that the server may have open on one connection of the tunnel [default: 16384 \
         shared out among the connections]",
    ),
    Row::new(
        "tunnel-tls-keylog-file",
        Kind::Path,
        "FILE",
        "Write the keys of the tunnel's own TLS there, for Wireshark: whoever has the file can read \
         all of the tunnel",
    ),
    shared::RUNTIME,
    shared::RECONNECT,
    shared::KEEPALIVE,
    shared::MAX_MISSED_ACKS,
];

static LISTENERS: &[Row] = &[
    Row::new(
        "api-address",
        Kind::Text,
        "HOST:PORT",
        "Serve the client's state by HTTP there: /readyz, /healthz, /info, /metrics and more; \
         `unix:/PATH` is a socket in the file system",
    ),
    Row::new(
        "api-basic-auth",
        Kind::Text,
        "USER[:PASSWORD]",
        "Ask those who come to --api-address for this; does not stay visible in the process list",
    )
    .secret(Secrecy::Secret),
    Row::new(
        "api-idle-timeout",
        Kind::Duration,
        "DURATION",
        "How long a connection to --api-address may wait for its next request",
    )
    .default("1h"),
    Row::new(
        "debug-address",
        Kind::Text,
        "HOST:PORT",
        "Open the egress as an HTTP proxy there, to try it by hand",
    )
    .alias(&["address"]),
];

static LOGS: &[Row] = &[
    Row::new(
        "log-file",
        Kind::Path,
        "FILE",
        "Where the log goes; - is standard output, as is nothing",
    ),
    shared::LOG_FORMAT,
    shared::LOG_LEVEL,
    shared::MAX_LOGSIZE,
    shared::LOG_STATS,
    shared::OUTPUT_FORMAT,
    Row::new(
        "log-http",
        Kind::List,
        "[MODULE:]MODE",
        "What is logged of HTTP: none, short-url, url, headers, body or errors; for api, proxy or \
         control if that stands before it",
    )
    .default("none"),
];

/// Where the fault would show only later, at a proxy or a site, the start ends.
const NO_KERBEROS: &str = "sc cannot sign in by Kerberos: leave the option out, and put a proxy \
    that can between sc and the one that asks for it";
const NO_SIGN_IN: Effect = Effect::Nothing("sc does not sign in by Kerberos");

static KERBEROS: &[Row] = &[
    Row::new("kerberos-cfg-file", Kind::Path, "FILE", "Configuration").effect(NO_SIGN_IN),
    Row::new("kerberos-keytab-file", Kind::Path, "FILE", "Keys").effect(NO_SIGN_IN),
    Row::new("kerberos-user-name", Kind::Text, "NAME", "User").effect(NO_SIGN_IN),
    Row::new("kerberos-user-realm", Kind::Text, "REALM", "Realm").effect(NO_SIGN_IN),
    Row::new("kerberos-enabled-hosts", Kind::List, "HOST", "Hosts to sign in to")
        .effect(Effect::Refused(NO_KERBEROS)),
    Row::new("kerberos-auth-upstream-proxy", Kind::Switch, "", "Sign in to --proxy")
        .effect(Effect::Refused(NO_KERBEROS)),
    Row::new("proxy-sauce-enable-kerberos-auth", Kind::Switch, "", "Sign in to --proxy-sauce")
        .effect(Effect::Refused(NO_KERBEROS)),
    Row::new("kerberos-run-diagnostics", Kind::Switch, "", "Check Kerberos")
        .effect(Effect::Refused("there is nothing to check: sc does not sign in by Kerberos")),
];
