//! The matrix of version 5's own tests: sites by plain HTTP and by TLS, by proxies of every kind with
//! and without a password, with what passes them: status codes, random bytes, kept connections.

use std::ffi::OsStr;
use std::io::Write as _;

use sc_tests::curl::Curl;
use sc_tests::http::Connection;
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::office::Office;
use sc_tests::payload::{Digest, Payload};
use sc_tests::site::Site;
use sc_tests::upstream::{Access, Upstream};
use sc_tests::wait;

/// By which a tunnel's client reaches its sites.
fn squids() -> [(Upstream, Access); 2] {
    [Access::Open, Access::Password].map(|access| (Upstream::squid(access), access))
}

fn by(upstream: &Upstream, access: Access) -> Office {
    let url = upstream.url("http", access);
    Office::v5(&["--proxy", &url, "--proxy-localhost", "allow"])
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_squid, ignore = "skipped: squid is not installed")]
fn plain_and_tls_sites_by_squid_with_and_without_a_password() {
    let nginx = Nginx::start();
    let secure = nginx.https("/");
    for (upstream, access) in squids() {
        let office = by(&upstream, access);
        assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
        upstream.tells_of(&format!("GET {}", nginx.http("/")));
        // Who trusts the site's own authority sees its own certificate; who does not, none.
        let ca = nginx.ca();
        let trusting = |curl: Curl| curl.args([OsStr::new("--cacert"), ca.as_os_str()]);
        assert_eq!(trusting(office.curl(&secure)).text(), INDEX);
        upstream.tells_of("CONNECT localhost:");
        assert_eq!(office.curl(&secure).args(["--insecure"]).text(), INDEX);
        // curl's code for a certificate that nobody vouches for.
        assert_eq!(office.curl(&secure).run().status.code(), Some(60));
    }
    let (upstream, _) = &squids()[1];
    let office = by(upstream, Access::Open);
    office.fails_with(&nginx.http("/"), 502, "proxy-credentials");
    office.fails_with(&secure, 502, "proxy-credentials");
}

#[test]
#[cfg_attr(missing_squid, ignore = "skipped: squid is not installed")]
fn every_status_code_arrives_as_the_site_sent_it() {
    let site = Site::start();
    let upstream = Upstream::squid(Access::Open);
    for office in [Office::v5(&[]), by(&upstream, Access::Open)] {
        let mut browser = Connection::open(office.tunnel.proxy).expect("the tunnel's port");
        for status in 200..=599 {
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
                site.url(&format!("/status/{status}")),
                site.address()
            );
            // A proxy's own 407 is not for the browser, and neither proxy here says it.
            if status == 407 {
                continue;
            }
            let answer = browser.exchange(&request).expect("an answer");
            assert_eq!(answer.status(), status);
        }
    }
}

#[test]
#[cfg_attr(missing_squid, ignore = "skipped: squid is not installed")]
fn random_bytes_pass_a_connect_by_squid_unchanged() {
    let site = Site::start();
    for (upstream, access) in squids() {
        let office = by(&upstream, access);
        let target = site.address().to_string();
        let mut user = Connection::through(office.tunnel.proxy, &target).expect("a CONNECT");
        let length = 5_000_000;
        let request = format!("GET /bytes/{length} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        user.send(request).expect("a request");
        let mut digest = Digest::default();
        user.read_answer_into("GET", &mut digest).expect("an answer");
        let expected = Payload::new(length, length);
        assert_eq!(digest.finish(), (length, expected.sha256()));
        // And up.
        let body = Payload::new(7, length).bytes();
        let head =
            format!("PUT /digest HTTP/1.1\r\nHost: {target}\r\nContent-Length: {length}\r\n\r\n");
        user.send(head).and_then(|()| user.send(&body)).expect("an upload");
        let answer = user.read_answer("PUT").expect("an answer");
        let digest = Payload::new(7, length).sha256();
        assert_eq!(answer.text(), format!("{length} {digest}\n"));
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_squid, ignore = "skipped: squid is not installed")]
fn a_pac_script_sends_connects_by_the_proxy_and_plain_requests_straight() {
    let nginx = Nginx::start();
    let upstream = Upstream::squid(Access::Open);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("proxy.pac");
    let script = format!(
        "function FindProxyForURL(url, host) {{\n  if (url.substring(0, 6) == 'https:') \
         return 'PROXY {}';\n  return 'DIRECT';\n}}\n",
        upstream.address
    );
    std::fs::File::create(&file)
        .and_then(|mut file| file.write_all(script.as_bytes()))
        .expect("a file in our own folder");
    let path = file.to_str().expect("temporary paths are text");
    let office = Office::v5(&["--pac", path, "--proxy-localhost", "allow"]);
    assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
    assert_eq!((upstream.mentions("GET"), upstream.mentions("CONNECT")), (0, 0));
    assert_eq!(office.curl(&nginx.https("/")).args(["--insecure"]).text(), INDEX);
    // It logs a CONNECT when that ends.
    wait::until("squid to tell of a CONNECT", || (upstream.mentions("CONNECT") == 1).then_some(()));
    assert_eq!(upstream.mentions("GET"), 0);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_danted, ignore = "skipped: danted is not installed")]
fn sites_are_reached_by_socks_4() {
    let nginx = Nginx::start();
    let secure = nginx.https("/").replace("localhost", "127.0.0.1");
    let upstream = Upstream::socks4();
    let url = upstream.url("socks4", Access::Open);
    let office = Office::v5(&["--proxy", &url, "--proxy-localhost", "allow"]);
    assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
    assert_eq!(office.curl(&secure).args(["--insecure"]).text(), INDEX);
    let nobody = format!("http://127.0.0.1:{}/", sc_tests::ports::one());
    office.fails_with(&nobody, 502, "proxy-failed");
    let script =
        format!("data:,function FindProxyForURL() {{ return 'SOCKS4 {}'; }}", upstream.address);
    let office = Office::v5(&["--pac", &script, "--proxy-localhost", "allow"]);
    assert_eq!(office.curl(&nginx.http("/")).text(), INDEX);
    // It speaks version 4 only, so this is a proof that the other one does not.
    let url = upstream.url("socks5", Access::Open);
    let office = Office::v5(&["--proxy", &url, "--proxy-localhost", "allow"]);
    let output = office.curl(&nginx.http("/")).args(["--include"]).run();
    assert!(String::from_utf8_lossy(&output.stdout).contains("X-Sc-Error: proxy-"));
}
