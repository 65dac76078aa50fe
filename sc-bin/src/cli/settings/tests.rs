use clap::Parser as _;

use super::*;
use crate::cli::args::Cli;

type Pair<'a> = (&'a str, &'a str);

fn env<'a>(pairs: &[Pair<'a>]) -> Vec<Pair<'a>> {
    pairs.to_vec()
}

fn resolve(line: &str, pairs: &[Pair<'_>]) -> Result<Settings, SettingsError> {
    Settings::of_line(line, pairs)
}

const FULL: &[(&str, &str)] = &[
    ("SAUCE_USERNAME", "envuser"),
    ("SAUCE_ACCESS_KEY", "envkey"),
    ("SAUCE_TUNNEL_NAME", "envname"),
    ("SAUCE_REST_URL", "http://127.0.0.1:1/rest/v1"),
];

#[test]
fn the_command_line_wins_over_the_environment() {
    for line in [
        "sc -u cli -k clikey -i name -x http://127.0.0.1:2",
        "sc --user=cli --api-key=clikey --tunnel-identifier=name --rest-url=http://127.0.0.1:2",
        "sc run -u cli -k clikey -i name --rest-url http://127.0.0.1:2",
        "sc run --username cli --access-key clikey --tunnel-name name --rest-url http://127.0.0.1:2 -r us-west",
    ] {
        let settings = resolve(line, &env(FULL)).unwrap();
        assert_eq!(settings.user, "cli");
        assert_eq!(settings.access_key.expose(), "clikey");
        assert_eq!(settings.name.unwrap().as_str(), "name");
        assert_eq!(settings.rest.to_string(), "http://127.0.0.1:2/rest/v1");
    }
}

#[test]
fn the_environment_alone_is_enough_for_both_versions() {
    for (line, dialect) in [("sc", Dialect::V4), ("sc run", Dialect::V5)] {
        let settings = resolve(line, &env(FULL)).unwrap();
        assert_eq!(settings.dialect, dialect);
        assert_eq!(settings.user, "envuser");
        assert_eq!(settings.access_key.expose(), "envkey");
        assert_eq!(settings.name.unwrap().as_str(), "envname");
    }
}

#[test]
fn older_variable_names_come_second() {
    let older = [
        ("SAUCE_USER", "a"),
        ("SAUCE_API_KEY", "b"),
        ("SAUCE_TUNNEL_IDENTIFIER", "c"),
        ("SAUCE_REST_URL", "http://[::1]:9"),
    ];
    let settings = resolve("sc run", &env(&older)).unwrap();
    assert_eq!((settings.user.as_str(), settings.access_key.expose()), ("a", "b"));
    assert_eq!(settings.name.unwrap().as_str(), "c");
    let both: Vec<_> = older.iter().chain(&FULL[..3]).copied().collect();
    assert_eq!(resolve("sc", &env(&both)).unwrap().user, "envuser");
}

#[test]
fn an_empty_value_is_no_value() {
    let mut pairs = FULL.to_vec();
    pairs.push(("SAUCE_USERNAME", ""));
    pairs.push(("SAUCE_USER", "second"));
    assert_eq!(resolve("sc", &env(&pairs)).unwrap().user, "second");
    assert_eq!(resolve("sc --user=", &env(FULL)).unwrap().user, "envuser");
}

#[test]
fn the_last_of_two_equal_options_wins() {
    assert_eq!(resolve("sc -u one -u two", &env(FULL)).unwrap().user, "two");
    assert_eq!(resolve("sc run -u one -u two", &env(FULL)).unwrap().user, "two");
}

#[test]
fn a_concealed_key_comes_from_the_environment() {
    let settings = resolve("sc -k ****", &env(FULL)).unwrap();
    assert_eq!(settings.access_key.expose(), "envkey");
}

#[test]
fn a_region_yields_to_a_rest_url_and_cannot_replace_it() {
    let region = [FULL, &[("SAUCE_REGION", "eu-central")]].concat();
    assert!(resolve("sc", &env(&region)).is_ok());
    let error = resolve("sc -r us-west", &env(&FULL[..3])).unwrap_err();
    assert_eq!(error, SettingsError::NoRestUrl { region: Some("us-west".to_owned()) });
    let text = error.to_string();
    assert!(text.contains("server of your own") && text.contains("--rest-url"), "{text}");
    assert!(text.contains("\"us-west\""), "{text}");
}

#[test]
fn what_is_missing_is_said() {
    let error = |line: &str, count: usize| resolve(line, &env(&FULL[..count])).unwrap_err();
    assert!(matches!(error("sc", 0), SettingsError::NoUser { flag: "--user (-u)" }));
    assert!(matches!(error("sc run", 0), SettingsError::NoUser { flag: "--username (-u)" }));
    assert!(matches!(error("sc", 1), SettingsError::NoKey { .. }));
    assert!(matches!(error("sc run", 2), SettingsError::NoName));
    // Version 4 can do without a name.
    assert!(matches!(error("sc", 2), SettingsError::NoRestUrl { region: None }));
}

#[test]
fn what_is_wrong_is_said_without_secrets() {
    let error = |line: &str| resolve(line, &env(FULL)).unwrap_err();
    assert!(matches!(error("sc -u a/b"), SettingsError::BadUser(_)));
    assert!(matches!(error("sc -i ü"), SettingsError::BadName(_)));
    let text = error("sc -x http://anna:SECRET@host/").to_string();
    assert!(text.contains("http://****@host/") && !text.contains("SECRET"), "{text}");
    let settings = resolve("sc -k SECRET", &env(FULL)).unwrap();
    assert!(!format!("{settings:?}").contains("SECRET"));
}

#[test]
fn what_is_no_option_is_refused() {
    for line in ["sc --shared all", "sc run --api-key x", "sc -u a run", "sc legacy run", "sc x"] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn the_number_of_connections_can_be_said() {
    let usual = resolve("sc", &env(FULL)).unwrap().connections;
    assert_eq!(usual, DEFAULT_CONNECTIONS);
    let more = [FULL, &[("SAUCE_TUNNEL_CONNECTIONS", "32")]].concat();
    for (line, count) in [
        ("sc", 32),
        ("sc run", 32),
        ("sc --tunnel-connections 4", 4),
        ("sc run --tunnel-connections=4", 4),
    ] {
        assert_eq!(resolve(line, &env(&more)).unwrap().connections, count, "{line}");
    }
    for wrong in ["0", "33", "x"] {
        let text = resolve("sc", &env(&[FULL, &[("SAUCE_TUNNEL_CONNECTIONS", wrong)]].concat()));
        assert!(text.unwrap_err().to_string().contains("SAUCE_TUNNEL_CONNECTIONS"), "{wrong}");
        let line = format!("sc run --tunnel-connections {wrong}");
        let text = resolve(&line, &env(FULL)).unwrap_err().to_string();
        assert!(text.starts_with("--tunnel-connections: "), "{text}");
    }
}

#[test]
fn what_a_connection_bears_can_be_said() {
    let usual = resolve("sc", &env(FULL)).unwrap().endurance;
    assert_eq!(usual, Endurance::of(Some(60), Some(2), Some(2)));
    for line in ["sc --reconnect 5 --keepalive=1 -M 9", "sc run --reconnect 5 --keepalive 1"] {
        let more = [FULL, &[("SAUCE_RECONNECT", "7"), ("SAUCE_MAX_MISSED_ACKS", "9")]].concat();
        let endurance = resolve(line, &env(&more)).unwrap().endurance;
        assert_eq!(endurance, Endurance::of(Some(5), Some(1), Some(9)), "{line}");
    }
    for wrong in ["0", "x", "-1", "999999"] {
        let text = resolve("sc", &env(&[FULL, &[("SAUCE_KEEPALIVE", wrong)]].concat()));
        assert!(text.unwrap_err().to_string().contains("SAUCE_KEEPALIVE"), "{wrong}");
        assert!(resolve(&format!("sc --keepalive={wrong}"), &env(FULL)).is_err(), "{wrong}");
    }
}

#[test]
fn each_version_has_its_own_rules() {
    let some = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
    let v4 = resolve("sc -D a.test,*.b.test -D c.test -t .d.test -F /ads/", &env(FULL)).unwrap();
    let expected = Rules {
        direct_domains: some(&["a.test", "*.b.test", "c.test"]),
        domain_names: some(&[".d.test"]),
        fast_fail_regexps: some(&["/ads/"]),
        rule_syntax: Some(RuleSyntax::Patterns),
        ..Rules::default()
    };
    assert_eq!(v4.rules, expected);
    let v5 = resolve("sc run -T all,-^a", &env(FULL)).unwrap();
    let expected = Rules {
        tunnel_domains: some(&["all", "-^a"]),
        rule_syntax: Some(RuleSyntax::Expressions),
        ..Rules::default()
    };
    assert_eq!(v5.rules, expected);
    let v5 = resolve("sc run -T -^a,all", &env(FULL)).unwrap();
    assert_eq!(v5.rules.tunnel_domains, some(&["-^a", "all"]));
    let mut variables = FULL.to_vec();
    variables.push(("SAUCE_DIRECT_DOMAINS", "a.test,b.test"));
    let v4 = resolve("sc", &env(&variables)).unwrap();
    assert_eq!(v4.rules.direct_domains, some(&["a.test", "b.test"]));
}

#[test]
fn rules_that_cannot_be_taken_are_found_before_a_tunnel_is_asked_for() {
    let error = resolve("sc run -D *.a.test", &env(FULL)).unwrap_err().to_string();
    assert!(error.contains("direct_domains: rule 1") && error.contains("write ^"), "{error}");
    let error = resolve("sc run -D a -T b", &env(FULL)).unwrap_err().to_string();
    assert!(error.contains("exclude one another"), "{error}");
}

#[test]
fn a_runtime_can_be_chosen() {
    let runtime = |line: &str, more: &[(&str, &str)]| {
        resolve(line, &env(&[FULL, more].concat())).map(|settings| settings.runtime)
    };
    assert_eq!(runtime("sc", &[]), Ok(RuntimeKind::default()));
    for kind in RuntimeKind::value_variants() {
        let name = kind.to_possible_value().unwrap().get_name().to_owned();
        assert_eq!(runtime("sc", &[("SAUCE_RUNTIME", &name)]), Ok(*kind));
        let wrong = [("SAUCE_RUNTIME", "tokio")];
        assert_eq!(runtime(&format!("sc --runtime {name}"), &wrong), Ok(*kind));
        assert_eq!(runtime(&format!("sc run --runtime={name}"), &wrong), Ok(*kind));
    }
    let error = runtime("sc", &[("SAUCE_RUNTIME", "tokio")]).unwrap_err();
    assert!(error.to_string().contains("SAUCE_RUNTIME: \"tokio\""), "{error}");
    assert!(Cli::try_parse_from(["sc", "--runtime", "tokio"]).is_err());
}
