//! Which requests go through the tunnel, which directly from the server, and which nowhere: in two
//! networks that do not reach one another's sites.

use sc_tests::http;
use sc_tests::namespaces::Namespaces;

/// A path that every site answers with 200.
const PAGE: &str = "/hello";

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn direct_domains_are_reached_from_the_server() {
    let network = Namespaces::new();
    let near = network.start_site_of_the_cloud();
    let host = near.address().ip().to_string();
    let (tunnel, far) =
        network.start_tunnel_with(&["--direct-networks", "198.18.0.0/15"], &["-D", &host]);
    for site in [&near, &far] {
        let answer = http::get(tunnel.proxy, &site.url(PAGE)).expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(site.connections(), 1);
    }
    // The server, not the client, is who came.
    drop(tunnel.client);
    let answer = http::get(tunnel.proxy, &near.url(PAGE)).expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn private_networks_are_not_reached_unless_listed() {
    let network = Namespaces::new();
    let near = network.start_site_of_the_cloud();
    let (tunnel, far) = network.start_tunnel_with(&[], &["-D", "all"]);
    let here = format!("http://127.0.0.1:{}/", tunnel.server.rest_address().port());
    for url in [near.url(PAGE), far.url(PAGE), here] {
        let answer = http::get(tunnel.proxy, &url).expect("an answer");
        assert_eq!(answer.status(), 403, "{url}: {}", answer.text());
        assert!(answer.text().contains("directly from the server: denied"), "{}", answer.text());
    }
    assert_eq!((near.connections(), far.connections()), (0, 0));
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn what_is_to_fail_fast_reaches_no_site() {
    let network = Namespaces::new();
    let (tunnel, far) = network.start_tunnel_with(&[], &["-F", "/ads/,\\.png$"]);
    for path in ["/ads/1", "/logo.png"] {
        let answer = http::get(tunnel.proxy, &far.url(path)).expect("an answer");
        assert_eq!(answer.status(), 403, "{}", answer.text());
        assert_eq!(answer.head.field("X-Sc-Error"), Some("denied-by-rule"));
    }
    assert_eq!(far.connections(), 0);
    let answer = http::get(tunnel.proxy, &far.url(PAGE)).expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.text());
}
