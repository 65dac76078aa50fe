//! Finds the programs that some tests need, so that a missing one shows as a skipped test.
//!
//! For each missing program a `cfg` is set that turns its tests into ignored ones with a reason:
//! the test runner then names them, says why and counts them. With `SC_TESTS_REQUIRE=1` (as
//! `.ci/run` has it) nothing is skipped: those tests run and fail.

use std::env;
use std::path::PathBuf;

/// Program name and the `cfg` that says it is missing.
const PROGRAMS: [(&str, &str); 3] =
    [("curl", "missing_curl"), ("nginx", "missing_nginx"), ("chromium", "missing_chromium")];

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=SC_TESTS_REQUIRE");
    println!("cargo::rerun-if-changed=build.rs");
    let all_required = env::var_os("SC_TESTS_REQUIRE").is_some_and(|value| value == "1");
    for (program, missing) in PROGRAMS {
        println!("cargo::rustc-check-cfg=cfg({missing})");
        let places = places(program);
        // A path that does not exist makes cargo run this again next time, so a program installed
        // or removed between two runs is noticed.
        let place = places.iter().find(|place| place.is_file());
        println!("cargo::rerun-if-changed={}", place.unwrap_or(&places[0]).display());
        if place.is_none() && !all_required {
            println!("cargo::rustc-cfg={missing}");
        }
    }
}

/// Where `program` may be: the search path, and where Debian puts servers.
fn places(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .collect()
}
