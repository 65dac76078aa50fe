use sc_proto::contract::Host;
use sc_proto::egress::{Login, Logins, Way};
use sc_proto::rules::HostRules;

use super::*;
use crate::cli::config_file::format::Format;

fn convert_line(line: &str, variables: &[(&str, &str)]) -> Result<String, ConvertError> {
    let env = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    converted(&Values::of_line(line, variables), &env)
}

/// The keys of what was converted, each of which version 5 has.
fn keys(line: &str) -> serde_json::Map<String, serde_json::Value> {
    let text = convert_line(line, &[]).unwrap();
    let keys = Format::Yaml.parse(&text).unwrap();
    for key in keys.keys() {
        assert!(table::named(Dialect::V5, key).is_some(), "{key}");
    }
    keys
}

#[test]
fn options_get_their_new_names_and_forms() {
    let line = "sc legacy -u anna -k KEY -i mine -x http://h:1 -s --tunnel-pool -D a.test,.b.test \
                -B all --dns 10.0.0.1 --logfile /l -vv -X 8080 --status-address :8032 \
                --metadata runner:docker --cainfo /ca --reconnect 9 -F ads --no-proxy-caching \
                --extra-info {\"runner\":\"x\"} --proxy-localhost";
    let expected = serde_json::json!({
        "username": "anna", "access-key": "KEY", "tunnel-name": "mine", "rest-url": "http://h:1",
        "shared": "all", "tunnel-pool": true, "direct-domains": [r"^a\.test$", r"^.+\.b\.test$"],
        "tls-passthrough-domains": ["all"], "dns-server": ["10.0.0.1"], "log-file": "/l",
        "log-level": "debug", "log-http": ["headers"], "debug-address": "localhost:8080",
        "api-address": ":8032", "metadata": ["runner=docker", "runner=x"], "rest-cainfo": "/ca",
        "reconnect": "9", "deny-domains": ["ads"], "proxy-localhost": "allow",
    });
    let got = keys(line);
    let mut got_metadata: Vec<_> =
        got["metadata"].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
    got_metadata.sort_unstable();
    assert_eq!(got_metadata, ["runner=docker", "runner=x"]);
    for (key, value) in expected.as_object().unwrap() {
        if key != "metadata" {
            assert_eq!(got.get(key), Some(value), "{key}");
        }
    }
    assert_eq!(got.len(), expected.as_object().unwrap().len());
    let text = convert_line(line, &[]).unwrap();
    assert!(text.contains("# no-proxy-caching: version 5 has nothing"), "{text}");
}

#[test]
fn patterns_mean_the_same_as_before() {
    let items = ["a.test", ".b.test", "*.c.test", "d-e.test"].map(str::to_owned);
    let before = HostRules::patterns(items.iter().map(String::as_str)).unwrap();
    let expressions = patterns(&items);
    let after = HostRules::expressions(expressions.iter().map(String::as_str)).unwrap();
    for host in [
        "a.test",
        "x.a.test",
        "aXtest",
        "b.test",
        "x.b.test",
        "xb.test",
        "x.y.c.test",
        "c.test",
        "d-e.test",
        "a.test.evil",
        "10.0.0.1",
    ] {
        let host = Host::parse(host).unwrap();
        assert_eq!(before.matches(&host), after.matches(&host), "{host:?}");
    }
}

#[test]
fn credentials_change_their_order_and_keep_their_meaning() {
    for (old, new, site) in [
        ("a.test:8080:u:p", "u:p@a.test:8080", "a.test:8080"),
        ("a.test:u:p", "u:p@a.test:80", "a.test:80"),
        ("*:443:u:p:q", "u:p:q@*:443", "x.test:443"),
        ("[::1]:81:u:p%", "u:p%25@[::1]:81", "[::1]:81"),
        ("a.test:*:u:p@x", "u:p@x@a.test:*", "a.test:7"),
    ] {
        assert_eq!(reordered(old).as_deref(), Some(new));
        let login = |login: Result<Login, _>| {
            let logins = Logins::new([login.unwrap()]).unwrap();
            let found = logins.find(&site.parse().unwrap()).unwrap();
            (found.user().to_owned(), found.expose().to_owned())
        };
        assert_eq!(login(Login::parse_v4(old)), login(Login::parse_v5(new)), "{old}");
    }
    let keys = keys("sc legacy -a a.test:1:u:p --pac x --pac-auth v:q%@b.test:2");
    assert_eq!(keys["auth"], serde_json::json!(["u:p@a.test:1", "v:q%25@b.test:2"]));
}

#[test]
fn one_proxy_becomes_two() {
    let keys = keys("sc legacy -p proxy.test:3128 -w anna:s:e@c%ret -T");
    let proxy = keys["proxy"].as_str().unwrap();
    assert_eq!(keys["proxy-sauce"], proxy);
    let way = Way::parse(proxy).unwrap();
    let credentials = way.proxy().unwrap().credentials.as_ref().unwrap();
    assert_eq!((credentials.user(), credentials.expose()), ("anna", "s:e@c%ret"));
    let text = convert_line("sc legacy -p https://p.test:1", &[]).unwrap();
    assert!(!text.contains("\nproxy-sauce:") && text.contains("# proxy-sauce: left out"), "{text}");
    let text = convert_line("sc legacy", &[("http_proxy", "p:1")]).unwrap();
    assert!(text.contains("http_proxy") && text.contains("tunnel-name"), "{text}");
}

#[test]
fn what_needs_a_decision_is_an_error() {
    let error = convert_line("sc legacy -F ads,https?://x/y", &[]).unwrap_err();
    assert_eq!(error, ConvertError::UrlRule(2));
    assert_eq!(convert_line("sc legacy -a SECRET", &[]), Err(ConvertError::Auth(1)));
    assert_eq!(convert_line("sc legacy --extra-info []", &[]), Err(ConvertError::ExtraInfo));
    let both = keys("sc legacy -D a -t b");
    assert!(!both.contains_key("direct-domains") && both.contains_key("tunnel-domains"));
}
