//! The options of version 4: bare `sc …` and `sc legacy …`.

use super::{Effect, Kind, Row, Secrecy, Section, shared};

pub(super) static SECTIONS: &[Section] = &[
    Section { title: "Who and what", rows: IDENTITY },
    Section { title: "Which traffic goes where", rows: RULES },
    Section { title: "Proxies and credentials", rows: PROXIES },
    Section { title: "TLS and DNS", rows: TLS },
    Section { title: "The tunnel's connections", rows: CONNECTIONS },
    Section { title: "Local listeners", rows: LISTENERS },
    Section { title: "Logs, files and checks", rows: LOGS },
    Section { title: "Accepted for old scripts", rows: MEANINGLESS },
];

static IDENTITY: &[Row] = &[
    shared::USER.successor("username"),
    Row { long: "api-key", ..shared::KEY }.successor("access-key"),
    Row { long: "api-key-file", ..shared::KEY_FILE },
    shared::REST_URL.short('x'),
    shared::NAME
        .alias(&["tunnel-identifier"])
        .help("Name of the tunnel; without one it serves tests that name none"),
    shared::CONFIG_FILE
        .help("YAML file with options, named like the flags; flags and environment go before it"),
    shared::REGION,
    shared::POOL,
    Row::new("no-remove-colliding-tunnels", Kind::Switch, "", "Older form of --tunnel-pool")
        .successor("tunnel-pool"),
    shared::POOL_SIZE,
    shared::MAX_AGE,
    Row::new(
        "shared-tunnel",
        Kind::Switch,
        "",
        "Let the other accounts of your organisation or team use the tunnel",
    )
    .short('s')
    .id("shared")
    .successor("shared all"),
    Row::new(
        "extra-info",
        Kind::Text,
        "JSON",
        "JSON: \"inject-forwarded-for\" (true: sites get X-Forwarded-For), \"reply_body_max_size\" \
         (largest answer, as \"30 MB\"); it is stored with the tunnel",
    )
    .successor("metadata"),
    Row { value: "KEY:VALUE", ..shared::METADATA }
        .help("What the server keeps with the tunnel, for example runner:docker"),
];

static RULES: &[Row] = &[
    Row::new(
        "direct-domains",
        Kind::List,
        "LIST",
        "Hosts that the server reaches itself, not through the tunnel: host, .domain, *.domain, \
         comma separated",
    )
    .short('D'),
    Row::new(
        "tunnel-domains",
        Kind::List,
        "LIST",
        "Only these hosts go through the tunnel; the server reaches all others itself. Written as \
         --direct-domains, and wins over it",
    )
    .short('t'),
    Row::new(
        "no-ssl-bump-domains",
        Kind::List,
        "LIST",
        "TLS of these hosts passes through untouched, that of all others is opened at the server \
         and signed anew, so that browsers have to trust its CA; `all`: nothing is re-signed, which \
         is the default, too. Written as --direct-domains",
    )
    .short('B')
    .successor("tls-passthrough-domains"),
    Row::new(
        "fast-fail-regexps",
        Kind::List,
        "LIST",
        "URLs that are refused: regular expressions, comma separated",
    )
    .short('F')
    .successor("deny-domains"),
    Row::new(
        "no-proxy-caching",
        Kind::Switch,
        "",
        "Have the server ask the sites each time, and keep no answers for other browsers",
    )
    .short('N'),
];

static PROXIES: &[Row] = &[
    shared::PROXY.short('p').help(
        "Proxy for the sites under test and for the REST API: HOST:PORT, or with http://, https://, \
         socks4:// or socks5:// in front, where USER:PASSWORD@ may stand before HOST; the password \
         does not stay visible in the process list",
    ),
    Row::new(
        "proxy-userpwd",
        Kind::Text,
        "USER:PASSWORD",
        "User and password for that proxy, or for a detected one",
    )
    .short('w')
    .secret(Secrecy::Secret)
    .successor("auth"),
    Row::new(
        "proxy-tunnel",
        Kind::Switch,
        "",
        "The tunnel's own connection goes by the proxy, too",
    )
    .short('T')
    .successor("proxy-sauce"),
    Row::new(
        "proxy-localhost",
        Kind::Switch,
        "POLICY",
        "What becomes of requests for this machine: `direct` never uses the upstream proxy, `allow` \
         (or the option alone, as in version 4) uses it as for other hosts, `deny` refuses them",
    )
    .default("direct"),
    shared::PAC,
    Row::new(
        "pac-auth",
        Kind::List,
        "USER:PASSWORD@HOST:PORT",
        "User and password for a proxy that the script names",
    )
    .secret(Secrecy::Secret)
    .successor("auth"),
    Row::new(
        "autodetect",
        Kind::Switch,
        "",
        "Without --proxy the variables http_proxy, HTTP_PROXY, all_proxy, ALL_PROXY and no_proxy \
         count",
    )
    .default("true"),
    Row::new("no-autodetect", Kind::Switch, "", "Those variables do not count").default("false"),
    Row { value: "HOST[:PORT]:USER:PASSWORD", ..shared::AUTH }.help(
        "User and password for a site, put into requests that have none; * is any host or port, \
         port 80 is meant without one; repeat it for others; not visible in the process list",
    ),
];

static TLS: &[Row] = &[
    Row { long: "cainfo", ..shared::REST_CA },
    shared::TUNNEL_CA,
    shared::CACERT_FILE,
    shared::INSECURE_DOMAINS,
    shared::TLS_HANDSHAKE_TIMEOUT,
    Row { long: "dns", ..shared::DNS },
];

static CONNECTIONS: &[Row] = &[
    shared::CONNECTIONS,
    shared::RUNTIME,
    shared::RECONNECT,
    shared::KEEPALIVE,
    shared::MAX_MISSED_ACKS.short('M'),
];

static LISTENERS: &[Row] = &[
    Row::new(
        "scproxy-port",
        Kind::Number,
        "PORT",
        "Open the egress as an HTTP proxy on this port of this machine, to try it by hand; 0 is any \
         free one",
    )
    .short('X')
    .successor("debug-address"),
    Row::new(
        "scproxy-read-limit",
        Kind::Number,
        "BYTES",
        "Most bytes a second that are read from sites; 0 is no limit",
    )
    .default("0"),
    Row::new(
        "scproxy-write-limit",
        Kind::Number,
        "BYTES",
        "Most bytes a second that are written to sites; 0 is no limit",
    )
    .default("0"),
    Row::new(
        "se-port",
        Kind::Number,
        "PORT",
        "Pass WebDriver on from this port of this machine to the server; 0 is any free one",
    )
    .short('P'),
    Row::new(
        "status-address",
        Kind::Text,
        "HOST:PORT",
        "Serve the client's state by HTTP there: /readiness, /liveness, /api/v1/status, /metrics; \
         `:PORT` is all addresses of this machine",
    )
    .successor("api-address"),
    Row::new(
        "metrics-address",
        Kind::Text,
        "HOST:PORT",
        "Deprecated: serve /debug/vars there; --status-address does that too",
    )
    .successor("api-address"),
];

static LOGS: &[Row] = &[
    Row::new("logfile", Kind::Path, "FILE", "Where the log goes; - is standard output")
        .short('l')
        .id("log-file")
        .successor("log-file"),
    shared::LOG_FORMAT,
    shared::LOG_LEVEL,
    shared::MAX_LOGSIZE,
    shared::LOG_STATS,
    shared::OUTPUT_FORMAT,
    Row::new("verbose", Kind::Count, "", "Log more; twice (-vv): headers, too")
        .short('v')
        .successor("log-level"),
    Row::new(
        "pidfile",
        Kind::Path,
        "FILE",
        "Write the process id there, and remove the file at the end",
    )
    .short('d'),
    Row::new(
        "readyfile",
        Kind::Path,
        "FILE",
        "Write some JSON there when the tunnel is ready, and remove the file at the end",
    )
    .short('f'),
    Row::new("doctor", Kind::Switch, "", "Check everything a tunnel needs, tell, and end")
        .effect(shared::OPERATIONS),
];

static MEANINGLESS: &[Row] = &[
    Row::new("capath", Kind::Path, "DIR", "Folder of CAs")
        .effect(Effect::Nothing("a folder of CAs is not read; give one file by --cainfo")),
    Row::new("tunnel-capath", Kind::Path, "DIR", "Folder of CAs for the tunnel")
        .effect(Effect::Nothing("a folder of CAs is not read; give one file by --tunnel-cainfo")),
    Row::new("tunnel-cert", Kind::Text, "KIND", "Kind of the tunnel server's certificate")
        .effect(Effect::Nothing("the server has one certificate, whose pin its REST API tells")),
    Row::new("ocsp", Kind::Text, "MODE", "Revocation check of the tunnel server's certificate")
        .effect(Effect::Nothing(
            "the tunnel server is known by its pin or by your CAs, and no revocation service is \
             asked",
        )),
    Row::new("kgp-port", Kind::Number, "PORT", "Port of the tunnel server")
        .effect(Effect::Nothing("the server's REST API says where the tunnel goes")),
    Row::new("vm-version", Kind::Text, "VERSION", "Image of the tunnel's virtual machine")
        .effect(Effect::Nothing("tunnels of this server have no virtual machine")),
    Row::new("experimental", Kind::Text, "NAME", "Implementation to use")
        .effect(Effect::Nothing("there is one implementation")),
    Row::new("wait-tunnel-shutdown", Kind::Switch, "", "Wait for running jobs at the end")
        .effect(Effect::Nothing("sc always waits for running jobs at the end")),
];
