#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn expressions(items: &[&str]) -> HostRules {
    HostRules::expressions(items.iter().copied()).unwrap()
}

fn patterns(items: &[&str]) -> HostRules {
    HostRules::patterns(items.iter().copied()).unwrap()
}

/// Of these hosts those that match.
fn matching<'a>(rules: &HostRules, hosts: &[&'a str]) -> Vec<&'a str> {
    hosts.iter().copied().filter(|text| rules.matches(&host(text))).collect()
}

#[test]
fn an_expression_is_searched_for_in_the_host() {
    let hosts = ["example.com", "www.example.com", "notexample.com.evil.test", "example.org"];
    assert_eq!(matching(&expressions(&["example.com"]), &hosts), hosts[..3]);
    assert_eq!(matching(&expressions(&[r"^(.+\.)?example\.com$"]), &hosts), hosts[..2]);
    assert_eq!(matching(&expressions(&["all"]), &hosts), hosts);
}

#[test]
fn an_exclusion_always_wins() {
    let hosts = ["a.test", "b.test", "c.test"];
    for order in [["all", "-^b"], ["-^b", "all"]] {
        assert_eq!(matching(&expressions(&order), &hosts), ["a.test", "c.test"]);
    }
    assert_eq!(matching(&expressions(&["all", "-all"]), &hosts), Vec::<&str>::new());
}

#[test]
fn case_does_not_count() {
    assert!(expressions(&["^App\\.Test$"]).matches(&host("aPP.tEST")));
    assert!(patterns(&["App.Test"]).matches(&host("aPP.tEST")));
}

#[test]
fn addresses_are_compared_without_brackets() {
    assert!(expressions(&["^::1$"]).matches(&host("[::1]")));
    assert!(patterns(&["[::1]"]).matches(&host("[::1]")));
    assert!(patterns(&["::1"]).matches(&host("[0:0::1]")));
    assert!(patterns(&["10.0.0.1"]).matches(&host("10.0.0.1")));
}

#[test]
fn a_pattern_is_a_host_or_all_below_a_domain() {
    let hosts = ["example.com", "www.example.com", "a.b.example.com", "badexample.com"];
    assert_eq!(matching(&patterns(&["example.com"]), &hosts), hosts[..1]);
    for domain in [".example.com", "*.example.com"] {
        assert_eq!(matching(&patterns(&[domain]), &hosts), hosts[1..3], "{domain}");
    }
    assert_eq!(matching(&patterns(&["all"]), &hosts), hosts);
}

#[test]
fn what_cannot_be_taken_is_named() {
    let error = |items: &[&str]| HostRules::expressions(items.iter().copied()).unwrap_err();
    assert_eq!(error(&[]), InvalidRules::Empty);
    assert_eq!(error(&["-a", "-b"]), InvalidRules::OnlyExclusions);
    assert_eq!(error(&["a", ""]), InvalidRules::Length { item: 2 });
    assert_eq!(error(&[&"a".repeat(MAX_RULE + 1)]), InvalidRules::Length { item: 1 });
    let told = error(&["a", "*.example.com"]).to_string();
    assert!(told.starts_with("rule 2, \"*.example.com\": "), "{told}");
    assert!(told.ends_with(r"write ^(.+\.)?example\.com$"), "{told}");
    let many = vec!["a"; MAX_RULES + 1];
    assert_eq!(error(&many), InvalidRules::TooMany);
    let greedy = error(&["(a{1000}){1000}"]);
    assert!(matches!(greedy, InvalidRules::Expression { item: 1, .. }), "{greedy}");
    let pattern = |rule: &str| HostRules::patterns([rule]).unwrap_err();
    for rule in ["a b", "http://a.test", "a.*.test", ".10.0.0.1", "a_b/"] {
        let expected = InvalidRules::Pattern { item: 1, rule: String::from(rule) };
        assert_eq!(pattern(rule), expected);
    }
}

#[test]
fn a_thousand_rules_are_one_question() {
    let items: Vec<String> = (0..1000).map(|n| alloc::format!(r"^host{n}\.test$")).collect();
    let rules = HostRules::expressions(items.iter().map(String::as_str)).unwrap();
    assert!(rules.matches(&host("host999.test")));
    assert!(!rules.matches(&host("host1000.test")));
}
