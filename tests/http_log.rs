//! `--log-http`, metrics of exchanges, and files with keys of TLS.

use sc_tests::curl::Curl;
use sc_tests::deployment::Tunnel;
use sc_tests::http::{self, Connection};
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::office::Office;
use sc_tests::ports;
use sc_tests::site::Site;

/// Asks for `/hello?token` with credentials of all kinds.
fn ask(tunnel: &Tunnel, site: &Site) {
    let (url, host) = (site.url("/hello?q=1"), site.address());
    let request = format!(
        "GET {url} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer s3cret-a\r\n\
         Cookie: id=s3cret-b\r\nReferer: http://u:s3cret-c@a.test/\r\nX-Seen: yes\r\n\r\n"
    );
    let mut user = Connection::open(tunnel.proxy).unwrap();
    assert_eq!(user.exchange(&request).unwrap().status(), 200);
}

#[test]
fn exchanges_are_logged_as_wanted_and_secrets_never() {
    let site = Site::start();
    let office = Office::v5(&[
        "--log-http",
        "proxy:headers,control:url",
        "-H",
        "x-rule: s3cret-d",
        "-a",
        &format!("jane:s3cret-e@127.0.0.1:{}", site.address().port()),
    ]);
    let client = &office.tunnel.client.process;
    ask(&office.tunnel, &site);
    let line = client.wait_for_text(&format!("GET {} 200 in ", site.url("/hello?q=1")));
    assert!(line.contains(" [proxy] [INFO] "), "{line}");
    client.wait_for_text("> X-Seen: yes");
    client.wait_for_text("< Content-Type: text/plain");
    for shown in ["> Authorization: ****", "> Cookie: ****", "> Referer: http://****@a.test/"] {
        client.wait_for_text(shown);
    }
    let control = client.wait_for_text("[control] [INFO] POST http://");
    assert!(control.contains("/tunnels 20"), "{control}");
    // Credentials that the office put in.
    let (url, host) = (site.url("/hello"), site.address());
    let mut user = Connection::open(office.tunnel.proxy).unwrap();
    user.exchange(&format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    client.wait_for_text(&format!("GET {url} 200 in "));
    for secret in ["s3cret-", "amFuZTpzM2NyZXQtZQ=="] {
        assert_eq!(client.count_lines(secret), 0, "{secret}: {:?}", client.lines());
    }
}

#[test]
fn bodies_errors_and_short_urls_are_logged() {
    let site = Site::start();
    let all = Office::v5(&["--log-http", "body,control:none"]);
    ask(&all.tunnel, &site);
    all.tunnel.client.process.wait_for_text("<| hello from the site");
    let errors = Office::v5(&["--log-http", "proxy:errors"]);
    ask(&errors.tunnel, &site);
    let nowhere = format!("http://127.0.0.1:{}/x", ports::one());
    assert_eq!(http::get(errors.tunnel.proxy, &nowhere).unwrap().status(), 502);
    http::get(errors.tunnel.proxy, &site.url("/status/503")).unwrap();
    let client = &errors.tunnel.client.process;
    client.wait_for_text(&format!("GET {nowhere} 502 in "));
    client.wait_for_text(&format!("GET {} 503 in ", site.url("/status/503")));
    assert_eq!(client.count_lines("/hello"), 0);
    let short = Office::v5(&["--log-http", "proxy:short-url"]);
    ask(&short.tunnel, &site);
    short.tunnel.client.process.wait_for_text(&format!("GET {} 200 in ", site.url("/hello")));
    assert_eq!(short.tunnel.client.process.count_lines("q=1"), 0);
    assert_eq!(short.tunnel.client.process.count_lines("> "), 0);
}

#[test]
fn metrics_count_exchanges_by_status_and_method_and_the_api_is_logged() {
    let site = Site::start();
    let port = ports::one();
    let address = format!("127.0.0.1:{port}");
    let office = Office::v5(&["--api-address", &address, "--log-http", "api:url"]);
    for path in ["/hello", "/hello", "/status/404"] {
        http::get(office.tunnel.proxy, &site.url(path)).unwrap();
    }
    let _tunnel = Connection::through(office.tunnel.proxy, &site.address().to_string()).unwrap();
    let held = Connection::open(office.tunnel.proxy);
    let mut held = held.unwrap();
    let (url, host) = (site.url("/hold"), site.address());
    held.send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    let metrics = || {
        let mut user = Connection::open(([127, 0, 0, 1], port).into()).unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
        user.exchange(&request).unwrap().text()
    };
    let expected = [
        "sauce_connect_http_requests_total{code=\"200\",method=\"get\"} 2",
        "sauce_connect_http_requests_total{code=\"404\",method=\"get\"} 1",
        "sauce_connect_http_requests_total{code=\"200\",method=\"connect\"} 1",
        "sauce_connect_http_requests_in_flight{method=\"get\"} 1",
        "sauce_connect_http_request_duration_seconds_count{code=\"200\",method=\"get\"} 2",
        "sauce_connect_http_response_size_bytes_count 4",
    ];
    let has_all = || {
        let text = metrics();
        let has = |line: &&str| text.lines().any(|got| got == *line);
        expected.iter().all(has).then_some(())
    };
    sc_tests::wait::until(&format!("{expected:?}"), has_all);
    office.tunnel.client.process.wait_for_text("[api] [INFO] GET /metrics 200 in ");
    site.open_gate();
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn keys_of_tls_are_written_where_they_are_wanted() {
    let nginx = Nginx::start();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tunnel, sites, ca) = (path("tunnel"), path("sites"), nginx.ca());
    let office = Office::start(
        sc_tests::deployment::CommandLine::Version5,
        &["--tunnel-tls-keylog-file", &tunnel, "-b", "all", "--cacert-file", ca.to_str().unwrap()],
        &[("SSLKEYLOGFILE", &sites)],
    );
    let page = Curl::through(office.tunnel.proxy).args(["--insecure", &nginx.https("/")]);
    let page = page.args(["--no-progress-meter"]);
    assert_eq!(page.text(), INDEX);
    for file in [&tunnel, &sites] {
        let text = std::fs::read_to_string(file).unwrap();
        // Of TLS 1.3 or 1.2.
        let has = |label: &str| text.lines().any(|line| line.starts_with(label));
        assert!(has("CLIENT_TRAFFIC_SECRET_0 ") || has("CLIENT_RANDOM "), "{file}: {text}");
        assert!(text.lines().all(|line| line.split(' ').count() == 3), "{text}");
    }
    office.tunnel.client.process.wait_for_text("Warning: keys of the tunnel are written to ");
}
