//! Rules about hosts, which are asked for every request.

use sc_proto::contract::Host;
pub use sc_proto::rules::HostRules as Rules;

/// So many patterns of version 4: hosts and domains in turn.
///
/// # Panics
/// If they cannot be compiled.
pub fn patterns(count: usize) -> Rules {
    let item = |n| match n % 2 {
        0 => format!("app{n}.office.test"),
        _ => format!(".team{n}.office.test"),
    };
    let items: Vec<String> = (0..count).map(item).collect();
    Rules::patterns(items.iter().map(String::as_str)).expect("good patterns")
}

/// So many regular expressions of version 5: the same, with one that takes back in ten.
///
/// # Panics
/// If they cannot be compiled.
pub fn expressions(count: usize) -> Rules {
    let item = |n| match n % 10 {
        9 => format!(r"-^old{n}\.office\.test$"),
        n_th if n_th % 2 == 0 => format!(r"^app{n}\.office\.test$"),
        _ => format!(r"(^|\.)team{n}\.office\.test$"),
    };
    let items: Vec<String> = (0..count).map(item).collect();
    Rules::expressions(items.iter().map(String::as_str)).expect("good expressions")
}

/// A host that the lists are about.
///
/// # Panics
/// Never: it is one.
pub fn listed() -> Host {
    Host::parse("a.team3.office.test").expect("a host")
}

/// One that they are not about, however much it looks so.
///
/// # Panics
/// Never: it is one.
pub fn unlisted() -> Host {
    Host::parse("assets.team-x.office.test").expect("a host")
}
