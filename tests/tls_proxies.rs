//! Proxies that are spoken to within TLS: for sites, and for the client's own traffic.

use sc_tests::certificate::Certificates;
use sc_tests::deployment::CommandLine;
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::office::Office;
use sc_tests::payload::Payload;
use sc_tests::site::Site;
use sc_tests::upstream::{Access, PASSWORD, USER, Upstream};

/// tinyproxy that wants a password, behind TLS whose authority only who is told trusts.
struct TlsProxy {
    inner: Upstream,
    outer: Upstream,
    certificates: Certificates,
}

impl TlsProxy {
    fn start() -> Self {
        let (inner, certificates) = (Upstream::http(Access::Password, &[]), Certificates::new());
        let outer = Upstream::tls_before(&inner, &certificates);
        Self { inner, outer, certificates }
    }

    fn url(&self) -> String {
        self.outer.url("https", Access::Password)
    }

    fn ca(&self) -> String {
        self.certificates.ca().to_str().expect("temporary paths are text").to_owned()
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
#[cfg_attr(missing_haproxy, ignore = "skipped: haproxy is not installed")]
fn sites_are_reached_by_a_proxy_within_tls() {
    let (site, nginx, proxy) = (Site::start(), Nginx::start(), TlsProxy::start());
    nginx.put("file", Payload::new(3, 2_000_000));
    let (url, ca) = (proxy.url(), proxy.ca());
    let by_proxy = ["-x", &url, "--cacert-file", &ca, "--proxy-localhost", "allow"];
    let office = Office::v5(&by_proxy);
    // In absolute form, and by CONNECT: TLS of the site within TLS with the proxy.
    assert_eq!(office.curl(&site.url("/hello")).text(), "hello from the site\n");
    let via = site.received("/hello").swap_remove(0).head;
    assert!(via.field("Via").is_some_and(|via| via.contains("tinyproxy")), "{via:?}");
    let trusting =
        |url: String| office.curl(&url).args(["--cacert", nginx.ca().to_str().expect("text")]);
    assert_eq!(trusting(nginx.https("/")).text(), INDEX);
    let file = office.tunnel.server.data_dir().join("downloaded");
    let into = file.to_str().expect("text").to_owned();
    trusting(nginx.https("/file")).args(["--output", &into]).text();
    assert!(std::fs::read(&file).unwrap() == std::fs::read(nginx.file("file")).unwrap());
    // Without its authority the proxy is not trusted, and no password goes there.
    let before = proxy.inner.process.lines().len();
    let office = Office::v5(&["-x", &url, "--proxy-localhost", "allow"]);
    office.fails_with(&site.url("/hello"), 502, "proxy-tls");
    assert_eq!(proxy.inner.process.lines().len(), before, "nothing came so far");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
#[cfg_attr(missing_haproxy, ignore = "skipped: haproxy is not installed")]
fn rest_and_tunnel_go_by_a_proxy_within_tls() {
    let (site, proxy) = (Site::start(), TlsProxy::start());
    let (url, ca) = (proxy.url(), proxy.ca());
    let v4_url = format!("https://{}", proxy.outer.address);
    let password = format!("{USER}:{PASSWORD}");
    for (line, options) in [
        (CommandLine::Version5, &["--proxy-sauce", url.as_str(), "--cacert-file", &ca][..]),
        (CommandLine::Version4, &["-p", &v4_url, "-w", &password, "-T", "--cacert-file", &ca]),
    ] {
        let office = Office::start(line, options, &[]);
        assert_eq!(office.curl(&site.url("/bytes/3000000")).run().stdout.len(), 3_000_000);
        let server = &office.tunnel.server;
        proxy.inner.tells_of(&server.tunnel_address().port().to_string());
        proxy.inner.tells_of(&server.rest_address().port().to_string());
    }
}

#[test]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
#[cfg_attr(missing_haproxy, ignore = "skipped: haproxy is not installed")]
fn a_proxy_of_the_tunnel_that_is_not_trusted_is_told() {
    let proxy = TlsProxy::start();
    let server = sc_tests::deployment::Server::start();
    let user = server.add_user("jane");
    let mut command = sc_tests::binary::command();
    command.args(CommandLine::Version5.arguments(&server.rest_url(), &user, "test"));
    command.args(["--proxy-sauce", &proxy.url()]);
    let client = sc_tests::deployment::Client::start_as(command);
    client.process.wait_for_text("failed: ");
    assert!(client.process.count_lines(PASSWORD) == 0);
    let rest = server.rest_address().port().to_string();
    assert_eq!(proxy.inner.mentions(&rest), 0, "nothing was asked of a stranger");
}
