//! The client's own proxy port, with both command lines: by hand and by the ready file.

use std::net::SocketAddr;

use sc_tests::curl::Curl;
use sc_tests::http;
use sc_tests::office::Office;
use sc_tests::site::Site;
use sc_tests::wait;

/// Where a client's own proxy is, as it says itself.
fn local(office: &Office) -> SocketAddr {
    let client = &office.tunnel.client.process;
    client.wait_for("its local proxy", |line| {
        line.split_once("Local proxy listening on ").and_then(|(_, address)| address.parse().ok())
    })
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
fn curl_reaches_sites_by_the_clients_own_proxy_with_its_rules() {
    let site = Site::start();
    let login = format!("Aladdin:x@127.0.0.1:{}", site.address().port());
    let options = ["--debug-address", ":0", "-F", r"^denied\.test$", "-a", &login, "-H", "x-a: b"];
    let office = Office::v5(&options);
    let proxy = local(&office);
    assert!(proxy.ip().is_loopback());
    let plain = Curl::through(proxy).args([site.url("/hello")]).text();
    let connect = Curl::through(proxy).args(["--proxytunnel"]).args([site.url("/hello")]).text();
    assert_eq!(plain, connect);
    let head = site.received("/hello").swap_remove(0).head;
    assert_eq!(head.field("Authorization"), Some("Basic QWxhZGRpbjp4"));
    assert_eq!(head.field("X-A"), Some("b"));
    assert_eq!(head.all("X-Forwarded-For"), ["127.0.0.1"]);
    let denied = http::get(proxy, "http://denied.test/").unwrap();
    assert_eq!((denied.status(), denied.head.field("X-Sc-Error")), (403, Some("denied")));
}

#[test]
fn version_4s_port_is_in_the_ready_file_and_serves_while_the_server_is_gone() {
    let site = Site::start();
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let office = Office::v4(&["-X", "0", "-f", ready.to_str().unwrap()]);
    let proxy = local(&office);
    let text = wait::until("the ready file", || std::fs::read_to_string(&ready).ok());
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["scProxyPort"], proxy.port().to_string());
    assert_eq!(http::get(proxy, &site.url("/hello")).unwrap().status(), 200);
    office.tunnel.server.process.kill();
    assert_eq!(http::get(proxy, &site.url("/hello")).unwrap().status(), 200);
}
