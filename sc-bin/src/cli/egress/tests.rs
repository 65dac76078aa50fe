use clap::Parser as _;
use sc_proto::contract::{DialFailure, Host};
use sc_proto::egress::{Egress, Localhost};

use super::*;
use crate::cli::args::{Cli, Command};

fn env(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn resolve(line: &str, env: &Environment) -> Result<EgressSettings, EgressError> {
    let cli = Cli::parse_from(line.split(' '));
    let given: Given = match cli.command {
        None => cli.tunnel.egress.into(),
        Some(Command::Run(args)) => args.egress.into(),
        Some(other) => panic!("{other:?} is no tunnel"),
    };
    given.resolve(env)
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
    let error = |line: &str, env: &Environment| resolve(line, env).unwrap_err().to_string();
    let text = error("sc run -F *.x.test", &env(&[]));
    assert!(text.contains("--deny-domains") && text.contains("*.x.test"), "{text}");
    assert!(error("sc run -F -a", &env(&[])).contains("no include rules"));
    let text = error("sc", &env(&[("SAUCE_PROXY_LOCALHOST", "maybe")]));
    assert!(text.contains("SAUCE_PROXY_LOCALHOST") && text.contains("maybe"), "{text}");
    assert!(Cli::try_parse_from(["sc", "run", "--proxy-localhost", "x"]).is_err());
}
