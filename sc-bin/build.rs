//! What the program knows of its own build, and how the small program is linked (`--profile small`,
//! the only one that optimises for size).

// One function of it is needed here.
#[allow(dead_code)]
#[path = "src/calendar.rs"]
mod calendar;

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name, value| env::var(name).is_ok_and(|found| found == value);
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is("OPT_LEVEL", "z") && is_glibc {
        // Where the program's own pointers stand takes 24 bytes each, and a bit or two when packed:
        // 180 KiB less in the file, and in memory, as all are read at the start. Needs glibc 2.36
        // where it runs.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // A table for unwinding, which a program that aborts on a panic never does: 73 KiB. Backtraces
        // go with it; there are no names in a stripped program anyway.
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
    // A build for daily work is not made anew for each commit.
    let is_release = is("PROFILE", "release");
    let commit = given("SC_BUILD_COMMIT").or_else(|| commit(is_release));
    let by_epoch = || given("SOURCE_DATE_EPOCH").and_then(|seconds| of_unix(&seconds));
    let by_commit = || of_unix(&git(&["log", "-1", "--format=%ct"]).filter(|_| is_release)?);
    let time = given("SC_BUILD_TIME").or_else(by_epoch).or_else(by_commit);
    let facts = [
        commit.as_ref().map(|commit| format!("commit {commit}")),
        time.as_ref().map(|time| format!("built {time}")),
        env::var("TARGET").ok(),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    tell("SC_BUILD_LINE", Some(format!("{version} ({})", facts.join(", "))));
    tell("SC_BUILD_COMMIT", commit);
    tell("SC_BUILD_TIME", time);
}

/// Has the program see a fact, if it is known.
fn tell(name: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("cargo::rustc-env={name}={value}");
    }
}

/// What who builds says.
fn given(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The commit in the working tree, if this is one.
fn commit(is_wanted: bool) -> Option<String> {
    if !is_wanted {
        return None;
    }
    // It grows with each commit, checkout and merge.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git says, if it is there and knows.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Seconds since 1970 as people and programs read them.
fn of_unix(seconds: &str) -> Option<String> {
    let moment = calendar::Moment::of_unix(seconds.trim().parse().ok()?);
    let calendar::Moment { year, month, day, hour, minute, second } = moment;
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}
