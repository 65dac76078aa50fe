//! Texts that rules and ways are made of: lists of hosts, proxies, `no_proxy`, answers of PAC scripts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::contract::Host;
use sc_proto::egress::{Bypass, Credentials, MAX_WAYS, Way, ways_of_answer};
use sc_proto::rules::HostRules;

fuzz_target!(|text: &str| {
    let hosts = ["app.test", "10.1.2.3", "[fd00::1]"].map(|host| Host::parse(host).unwrap());
    let items = || text.split(',').take(50);
    for rules in
        [HostRules::expressions(items()), HostRules::patterns(items())].into_iter().flatten()
    {
        for host in &hosts {
            let _ = rules.matches(host);
        }
    }
    if let Ok(bypass) = Bypass::parse(text) {
        for host in &hosts {
            let _ = bypass.matches(host);
        }
    }
    if let Ok(ways) = ways_of_answer(text) {
        assert!((1..=MAX_WAYS).contains(&ways.len()));
    }
    if let Ok(way) = Way::parse(text) {
        // What is shown is a way by itself, without its secrets.
        let shown = Way::parse(&way.to_string()).unwrap();
        let (shown, way) = (shown.proxy().unwrap(), way.proxy().unwrap());
        assert_eq!(shown.address, way.address);
        assert_eq!(shown.credentials, None);
    }
    let _ = Credentials::parse(text);
});
