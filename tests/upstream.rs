//! Sites behind the office's own proxies, as both command lines name them: tinyproxy, microsocks,
//! PAC scripts, the environment; and what the client lets nobody reach.

use std::fs;

use sc_tests::deployment::{CommandLine, Server};
use sc_tests::http::Connection;
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::office::Office;
use sc_tests::site::{Received, Site};
use sc_tests::upstream::{Access, PASSWORD, USER, Upstream};
use sc_tests::{binary, ports, websocket};

/// Whether tinyproxy is among those that a request names as its way; the client names itself, too.
fn came_by_tinyproxy(request: &Received) -> bool {
    request.head.all("Via").iter().any(|via| via.contains("tinyproxy"))
}

/// The path and the port of an HTTPS site that only its own port of CONNECT leads to.
fn https(nginx: &Nginx) -> (String, u16) {
    let url = nginx.https("/").replace("localhost", "127.0.0.1");
    let port = url.trim_end_matches('/').rsplit(':').next().expect("a port");
    (url.clone(), port.parse().expect("a port"))
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
fn plain_http_needs_no_connect_and_the_password_shows_nowhere() {
    let nginx = Nginx::start();
    let (secure, port) = https(&nginx);
    // As proxies usually are: CONNECT goes to the port of TLS only.
    let upstream = Upstream::http(Access::Password, &[port]);
    let url = upstream.url("http", Access::Password);
    let office = Office::v5(&["-x", &url, "--proxy-localhost", "allow"]);
    assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
    assert_eq!(office.curl(&secure).args(["--insecure"]).text(), INDEX);
    let client = &office.tunnel.client.process;
    let arguments = fs::read(format!("/proc/{}/cmdline", client.pid())).expect("Linux");
    let arguments = String::from_utf8_lossy(&arguments);
    assert!(arguments.contains("--proxy-localhost") && !arguments.contains(PASSWORD));
    assert_eq!(client.count_lines(PASSWORD), 0);
    assert_eq!(client.count_lines(&format!("by the proxy http://{}", upstream.address)), 1);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
fn version_4_has_one_proxy_for_sites_and_the_rest_api() {
    let nginx = Nginx::start();
    let (secure, _) = https(&nginx);
    let upstream = Upstream::http(Access::Password, &[]);
    let (address, password) = (upstream.address.to_string(), format!("{USER}:{PASSWORD}"));
    let office = Office::v4(&["-p", &address, "-w", &password, "--proxy-localhost"]);
    assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
    assert_eq!(office.curl(&secure).args(["--insecure"]).text(), INDEX);
    let rest = office.tunnel.server.rest_address().port().to_string();
    upstream.tells_of(&rest);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
fn what_a_proxy_refuses_names_the_proxy() {
    let site = Site::start();
    let upstream = Upstream::http(Access::Password, &[1]);
    let wrong = format!("http://{USER}:wrong@{}", upstream.address);
    let none = upstream.url("http", Access::Open);
    let office = Office::v5(&["-x", &none, "--proxy-localhost", "allow"]);
    office.fails_with(&site.url("/hello"), 502, "proxy-credentials");
    let office = Office::v5(&["-x", &wrong, "--proxy-localhost", "allow"]);
    office.fails_with(&format!("https://{}/", site.address()), 502, "proxy-credentials");
    let right = upstream.url("http", Access::Password);
    let office = Office::v5(&["-x", &right, "--proxy-localhost", "allow"]);
    office.fails_with(&format!("https://{}/", site.address()), 403, "proxy-denied");
    let nobody = format!("127.0.0.1:{}", ports::one());
    let office = Office::v5(&["-x", &nobody, "--proxy-localhost", "allow"]);
    office.fails_with(&site.url("/hello"), 502, "proxy-unreachable");
    assert!(site.received("/").is_empty());
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_microsocks, ignore = "skipped: microsocks is not installed")]
fn sites_are_reached_by_socks_with_a_password_and_its_refusals_are_told() {
    let nginx = Nginx::start();
    let (secure, _) = https(&nginx);
    let upstream = Upstream::socks(Access::Password);
    let url = upstream.url("socks5", Access::Password);
    let office = Office::v5(&["--proxy", &url, "--proxy-localhost", "allow"]);
    assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
    assert_eq!(office.curl(&secure).args(["--insecure"]).text(), INDEX);
    office.fails_with(&format!("http://127.0.0.1:{}/", ports::one()), 502, "proxy-failed");
    let wrong = format!("socks5://{USER}:wrong@{}", upstream.address);
    let office = Office::v5(&["--proxy", &wrong, "--proxy-localhost", "allow"]);
    office.fails_with(&nginx.http("/"), 502, "proxy-credentials");
    let mistaken = format!("http://{}", upstream.address);
    let office = Office::v5(&["--proxy", &mistaken, "--proxy-localhost", "allow"]);
    office.fails_with(&secure, 502, "proxy-protocol");
}

#[test]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
#[cfg_attr(missing_microsocks, ignore = "skipped: microsocks is not installed")]
fn websockets_pass_both_kinds_of_proxy() {
    let site = Site::start();
    let http = Upstream::http(Access::Password, &[]);
    let socks = Upstream::socks(Access::Open);
    for url in [http.url("http", Access::Password), socks.url("socks5", Access::Open)] {
        let office = Office::v5(&["-x", &url, "--proxy-localhost", "allow"]);
        let connection = Connection::open(office.tunnel.proxy).expect("the tunnel's port");
        let host = site.address().to_string();
        let mut socket = websocket::upgrade(connection, &site.url("/websocket"), &host);
        websocket::expect_echo(&mut socket);
    }
    http.tells_of("CONNECT");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
fn localhost_goes_straight_unless_said_otherwise() {
    let site = Site::start();
    let nobody = format!("127.0.0.1:{}", ports::one());
    let office = Office::v5(&["-x", &nobody]);
    assert_eq!(office.curl(&site.url("/hello")).text(), "hello from the site\n");
    assert_eq!(office.tunnel.client.process.count_lines("--proxy-localhost direct"), 1);
    let office = Office::v5(&["--proxy-localhost", "deny"]);
    office.fails_with(&site.url("/hello"), 403, "localhost-denied");
    let by_name = format!("http://localhost:{}/hello", site.address().port());
    office.fails_with(&by_name, 403, "localhost-denied");
    assert_eq!(office.tunnel.client.process.count_lines("localhost: refused"), 1);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
fn denied_domains_are_refused() {
    let site = Site::start();
    let office = Office::v5(&["-F", r"all,-^127\.0\.0\.1$"]);
    assert_eq!(office.curl(&site.url("/hello")).text(), "hello from the site\n");
    // The server knows the list, too, so that they do not come as far as the client.
    let by_name = format!("http://localhost:{}/hello", site.address().port());
    office.fails_with(&by_name, 403, "denied-by-rule");
    assert_eq!(site.received("/hello").len(), 1);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
fn version_4_takes_the_proxy_of_the_environment_and_version_5_does_not() {
    let site = Site::start();
    let upstream = Upstream::http(Access::Open, &[]);
    let url = upstream.url("http", Access::Open);
    let hello = site.url("/hello");
    let with = |line, options: &[&str], variables: &[(&str, &str)]| {
        let office = Office::start(line, options, variables);
        assert_eq!(office.curl(&hello).text(), "hello from the site\n");
        site.received("/hello").last().is_some_and(came_by_tinyproxy)
    };
    let v4 = CommandLine::Version4;
    let plain = ["--proxy-localhost"];
    assert!(with(v4, &plain, &[("http_proxy", &url)]));
    assert!(with(v4, &plain, &[("ALL_PROXY", &url)]));
    assert!(!with(v4, &plain, &[("http_proxy", &url), ("no_proxy", "127.0.0.0/8")]));
    assert!(!with(v4, &["--proxy-localhost", "--no-autodetect"], &[("http_proxy", &url)]));
    let v5 = ["--proxy-localhost", "allow"];
    assert!(!with(CommandLine::Version5, &v5, &[("http_proxy", &url)]));
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
#[cfg_attr(missing_microsocks, ignore = "skipped: microsocks is not installed")]
fn a_pac_script_chooses_and_every_entry_is_tried() {
    let (site, other) = (Site::start(), Site::start());
    let http = Upstream::http(Access::Password, &[]);
    let socks = Upstream::socks(Access::Open);
    let nobody = ports::one();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("proxy.pac");
    let script = format!(
        "function FindProxyForURL(url, host) {{\n\
         \x20 if (shExpMatch(url, '*:{}/')) return 'PROXY 127.0.0.1:{nobody}; PROXY {}; DIRECT';\n\
         \x20 if (host == 'localhost') return 'nonsense';\n\
         \x20 return 'SOCKS5 {}';\n}}\n",
        site.address().port(),
        http.address,
        socks.address
    );
    fs::write(&file, script).expect("a file in our own folder");
    let path = file.to_str().expect("temporary paths are text");
    let url = format!("file://{path}");
    let auth = format!("{USER}:{PASSWORD}@{}", http.address);
    let office = Office::v4(&["--pac", &url, "--pac-auth", &auth, "--proxy-localhost"]);
    assert_eq!(office.curl(&site.url("/hello")).text(), "hello from the site\n");
    let received = site.received("/hello");
    assert!(came_by_tinyproxy(&received[0]));
    assert_eq!(office.curl(&other.url("/hello")).text(), "hello from the site\n");
    assert!(!came_by_tinyproxy(&other.received("/hello")[0]));
    office.fails_with(&format!("http://localhost:{}/", other.address().port()), 502, "no-way");
    // Version 5 takes a path, and by default this machine is not asked about.
    let office = Office::v5(&["--pac", path]);
    let by_name = format!("http://localhost:{}/hello", site.address().port());
    assert_eq!(office.curl(&by_name).text(), "hello from the site\n");
}

#[test]
fn a_bad_pac_script_is_an_error_at_the_start() {
    let server = Server::start();
    let user = server.add_user("jane");
    for (source, text) in [
        ("data:,function(", "--pac"),
        ("data:,%3Chtml%3E", "web page"),
        ("/no/such/proxy.pac", "/no/such/proxy.pac"),
        ("file://relative.pac", "absolute"),
    ] {
        let mut command = binary::command();
        command.args(CommandLine::Version5.arguments(&server.rest_url(), &user, "bad"));
        command.args(["--pac", source]);
        let output = command.output().expect("sc can be started");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(text) && errors.contains("next:"), "{errors}");
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
#[cfg_attr(missing_microsocks, ignore = "skipped: microsocks is not installed")]
fn the_clients_own_traffic_goes_by_its_proxy() {
    let site = Site::start();
    let http = Upstream::http(Access::Password, &[]);
    let socks = Upstream::socks(Access::Password);
    for (upstream, scheme) in [(&http, "http"), (&socks, "socks5")] {
        let url = upstream.url(scheme, Access::Password);
        let office = Office::v5(&["--proxy-sauce", &url]);
        assert_eq!(office.curl(&site.url("/hello")).text(), "hello from the site\n");
        let server = &office.tunnel.server;
        let tunnel = server.tunnel_address().port().to_string();
        upstream.tells_of(&tunnel);
        let rest = server.rest_address().port().to_string();
        upstream.tells_of(&rest);
    }
    // Version 4: the tunnel with -T only.
    let password = format!("{USER}:{PASSWORD}");
    let address = http.address.to_string();
    for (options, by_proxy) in [(&["-T"][..], true), (&[], false)] {
        let all = [&["-p", &address, "-w", &password], options].concat();
        let office = Office::v4(&all);
        let tunnel = office.tunnel.server.tunnel_address().port().to_string();
        if by_proxy {
            http.tells_of(&tunnel);
        } else {
            assert_eq!(http.mentions(&tunnel), 0);
        }
    }
}
