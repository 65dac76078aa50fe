use clap::Parser as _;
use sc_proto::contract::{DialFailure, Host};
use sc_proto::egress::{Egress, Localhost};

use super::*;

type Pair<'a> = (&'a str, &'a str);

fn env<'a>(pairs: &[Pair<'a>]) -> Vec<Pair<'a>> {
    pairs.to_vec()
}

fn resolve(line: &str, pairs: &[Pair<'_>]) -> Result<EgressSettings, EgressError> {
    let env = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    EgressSettings::of(&Values::of_line(line, pairs), &env)
}

fn denies(settings: EgressSettings, host: &str) -> bool {
    let localhost = Localhost { policy: settings.localhost, ..Localhost::default() };
    let egress = Egress { deny: settings.deny, localhost, ..Egress::default() };
    egress.route(&Host::parse(host).unwrap()) == Err(DialFailure::Denied)
}

#[test]
fn denied_domains_are_a_list_repeated_or_with_commas() {
    for line in [
        r"sc run -F ^a\.test$,-^x$ -F ^b\.test$",
        r"sc run --deny-domains ^a\.test$ --deny-domains=^b\.test$,-^x$",
        r"sc run -F -^x$ -F ^a\.test$ -F ^b\.test$",
    ] {
        for (host, denied) in [("a.test", true), ("b.test", true), ("c.test", false)] {
            let settings = resolve(line, &env(&[])).unwrap();
            assert_eq!(denies(settings, host), denied, "{line} {host}");
        }
    }
    let variable = env(&[("SAUCE_DENY_DOMAINS", r"all, -^app\.test$")]);
    assert!(denies(resolve("sc run", &variable).unwrap(), "x.test"));
    assert!(!denies(resolve("sc run", &variable).unwrap(), "app.test"));
    assert!(!denies(resolve("sc run -F ^y$", &variable).unwrap(), "x.test"));
}

#[test]
fn localhost_goes_straight_unless_said_otherwise() {
    for (line, policy) in [
        ("sc", LocalhostPolicy::Direct),
        ("sc run", LocalhostPolicy::Direct),
        ("sc --proxy-localhost", LocalhostPolicy::Allow),
        ("sc --proxy-localhost -u x", LocalhostPolicy::Allow),
        ("sc --proxy-localhost=true", LocalhostPolicy::Allow),
        ("sc --proxy-localhost=false", LocalhostPolicy::Direct),
        ("sc --proxy-localhost=deny", LocalhostPolicy::Deny),
        ("sc run --proxy-localhost allow", LocalhostPolicy::Allow),
        ("sc run --proxy-localhost=deny", LocalhostPolicy::Deny),
        ("sc run --proxy-localhost direct", LocalhostPolicy::Direct),
    ] {
        assert_eq!(resolve(line, &env(&[])).unwrap().localhost, policy, "{line}");
    }
    let variable = env(&[("SAUCE_PROXY_LOCALHOST", "deny")]);
    assert_eq!(resolve("sc", &variable).unwrap().localhost, LocalhostPolicy::Deny);
    let line = "sc run --proxy-localhost direct";
    assert_eq!(resolve(line, &variable).unwrap().localhost, LocalhostPolicy::Direct);
}

#[test]
fn what_is_wrong_is_said() {
    let error = |line: &str, env: &[Pair<'_>]| resolve(line, env).unwrap_err().to_string();
    let text = error("sc run -F *.x.test", &env(&[]));
    assert!(text.contains("--deny-domains") && text.contains("*.x.test"), "{text}");
    assert!(error("sc run -F -a", &env(&[])).contains("no include rules"));
    let text = error("sc", &env(&[("SAUCE_PROXY_LOCALHOST", "maybe")]));
    assert!(text.contains("SAUCE_PROXY_LOCALHOST") && text.contains("maybe"), "{text}");
    assert!(
        crate::cli::args::Cli::try_parse_from(["sc", "run", "--proxy-localhost", "x"]).is_err()
    );
}

#[test]
fn version_4_has_one_proxy_for_sites_and_rest_and_with_t_for_the_tunnel() {
    let line = "sc -p proxy.test:3128 -w anna:s:ecret";
    let settings = resolve(line, &env(&[])).unwrap();
    let SiteWay::Proxy(way) = &settings.sites else { panic!("{settings:?}") };
    assert_eq!(way.to_string(), "http://proxy.test:3128");
    let credentials = way.proxy().unwrap().credentials.as_ref().unwrap();
    assert_eq!((credentials.user(), credentials.expose()), ("anna", "s:ecret"));
    assert_eq!(settings.rest.unwrap().way, *way);
    assert!(settings.tunnel.is_none());
    for line in
        ["sc -p proxy.test:3128 -T", "sc --proxy http://proxy.test:3128 --proxy-tunnel=true"]
    {
        let settings = resolve(line, &env(&[])).unwrap();
        assert_eq!(settings.tunnel.unwrap().way.to_string(), "http://proxy.test:3128");
    }
    let variables = env(&[
        ("SAUCE_PROXY", "socks5://p:1"),
        ("SAUCE_PROXY_USERPWD", "u:p"),
        ("SAUCE_PROXY_TUNNEL", "1"),
    ]);
    let tunnel = resolve("sc", &variables).unwrap().tunnel.unwrap();
    assert_eq!(tunnel.way.to_string(), "socks5://p:1");
    assert!(tunnel.way.proxy().unwrap().credentials.is_some());
    // What was moved into the environment is read from there.
    let tunnel = resolve("sc -p **** -w **** -T", &variables).unwrap().tunnel.unwrap();
    assert_eq!(tunnel.way.to_string(), "socks5://p:1");
}

#[test]
fn version_5_keeps_the_proxy_of_sites_and_its_own_apart() {
    let line = "sc run -x u:p@proxy.test:3128 --proxy-sauce socks5://own.test:1080";
    let settings = resolve(line, &env(&[])).unwrap();
    let SiteWay::Proxy(way) = &settings.sites else { panic!("{settings:?}") };
    assert_eq!(way.to_string(), "http://proxy.test:3128");
    assert_eq!(settings.rest.unwrap().way.to_string(), "socks5://own.test:1080");
    assert_eq!(settings.tunnel.unwrap().way.to_string(), "socks5://own.test:1080");
    let settings = resolve("sc run --proxy p.test:1", &env(&[])).unwrap();
    assert!(settings.rest.is_none() && settings.tunnel.is_none());
}

#[test]
fn version_4_finds_the_proxy_of_the_environment_and_version_5_does_not() {
    let variables = env(&[
        ("HTTP_PROXY", "http://second.test:2"),
        ("http_proxy", "http://u:p@first.test:1/"),
        ("ALL_PROXY", "socks5://last.test:3"),
        ("NO_PROXY", ".intra.test,10.0.0.0/8"),
    ]);
    let settings = resolve("sc", &variables).unwrap();
    let SiteWay::Detected(detected) = &settings.sites else { panic!("{settings:?}") };
    assert_eq!(
        (detected.variable, detected.way.to_string().as_str()),
        ("http_proxy", "http://first.test:1")
    );
    assert!(detected.bypass.matches(&Host::parse("a.intra.test").unwrap()));
    let own = &settings.rest.as_ref().unwrap().bypass;
    for host in ["a.intra.test", "127.0.0.1", "localhost", "[::1]"] {
        assert!(own.matches(&Host::parse(host).unwrap()), "{host}");
    }
    assert!(settings.tunnel.is_none());
    for line in ["sc --no-autodetect", "sc --autodetect=false", "sc run"] {
        let settings = resolve(line, &variables).unwrap();
        assert!(matches!(settings.sites, SiteWay::Direct), "{line}");
    }
    let given = resolve("sc -p given.test:9", &variables).unwrap();
    assert!(matches!(given.sites, SiteWay::Proxy(_)));
    let last = env(&[("ALL_PROXY", "socks5://last.test:3")]);
    assert!(matches!(resolve("sc", &last).unwrap().sites, SiteWay::Detected(_)));
    let off = env(&[("http_proxy", "http://p:1"), ("SAUCE_NO_AUTODETECT", "true")]);
    assert!(matches!(resolve("sc", &off).unwrap().sites, SiteWay::Direct));
}

#[test]
fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
    let error = |line: &str, env: &[Pair<'_>]| resolve(line, env).unwrap_err().to_string();
    for line in
        ["sc -p u:SECRET@host", "sc run -x ftp://u:SECRET@h:1", "sc run --proxy-sauce u:SECRET@h"]
    {
        let text = error(line, &env(&[]));
        assert!(text.contains("--proxy") && !text.contains("SECRET"), "{text}");
    }
    let text = error("sc", &env(&[("http_proxy", "u:SECRET@proxy")]));
    assert!(text.contains("http_proxy") && text.contains("--no-autodetect"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
    let list = env(&[("http_proxy", "p:1"), ("no_proxy", "a/b")]);
    assert!(error("sc", &list).contains("no_proxy"));
    assert!(error("sc -w u:p", &env(&[])).contains("--proxy-userpwd needs a proxy"));
    assert!(error("sc -T", &env(&[])).contains("--proxy-tunnel needs a proxy"));
    let settings = resolve("sc run -x u:SECRET@h:1", &env(&[])).unwrap();
    assert!(!format!("{settings:?}").contains("SECRET"));
}

#[test]
fn a_script_chooses_in_both_versions_and_its_proxies_have_passwords_in_version_4() {
    let line =
        "sc --pac file:///proxy.pac --pac-auth u:p@a.test:1,v:q@b.test:2 --pac-auth w:r@c.test:3";
    let SiteWay::Pac(pac) = resolve(line, &env(&[])).unwrap().sites else { panic!() };
    assert_eq!(pac.source, "file:///proxy.pac");
    for proxy in ["a.test:1", "b.test:2", "c.test:3"] {
        assert!(pac.logins.find(&proxy.parse().unwrap()).is_some(), "{proxy}");
    }
    let moved = env(&[("SAUCE_PAC_AUTH", "u:p@a.test:1,v:q@b.test:2")]);
    let line = "sc --pac x --pac-auth **** --pac-auth=****";
    let SiteWay::Pac(pac) = resolve(line, &moved).unwrap().sites else { panic!() };
    assert_eq!(pac.logins.tls_hosts().count(), 2);
    for line in ["sc run -p /proxy.pac", "sc run --pac /proxy.pac"] {
        let SiteWay::Pac(pac) = resolve(line, &env(&[])).unwrap().sites else { panic!() };
        assert_eq!(pac.source, "/proxy.pac");
    }
    let error = |line: &str| resolve(line, &env(&[])).unwrap_err();
    assert_eq!(error("sc run -p x -x p:1"), EgressError::ProxyAndPac);
    assert_eq!(error("sc run -x http://127.0.0.1:8033/rest/v1"), EgressError::RestUrl);
    assert_eq!(error("sc --pac x -p p:1"), EgressError::ProxyAndPac);
    assert_eq!(error("sc --pac-auth u:p@a:1"), EgressError::NoPac);
    assert_eq!(error("sc --pac x --pac-auth u:p@a:1,SECRET"), EgressError::PacAuth(2));
}
