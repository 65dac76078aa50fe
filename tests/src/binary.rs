//! Where the `sc` under test comes from.
//!
//! `SC_BINARY` names one if set. Otherwise `cargo build` makes it, once per test process, in the
//! profile and target folder of the tests themselves; when `cargo test --workspace` has just built
//! everything that takes a moment. `SC_TESTS_RUNTIME` names the runtime it shall use; without it
//! the binary's own choice is tested.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// How many connections a client makes.
const CONNECTIONS: &str = "SAUCE_TUNNEL_CONNECTIONS";

/// The path of the binary under test.
///
/// # Panics
/// If it cannot be built: the compiler's own messages are on standard error.
pub fn sc() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SC_BINARY") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

/// A command that runs the binary with none of the caller's own settings, and one connection for a
/// tunnel.
pub fn command() -> Command {
    without_settings(Command::new(sc()))
}

/// A shell that sets a limit of open files and then becomes the binary.
pub fn command_with_open_files(limit: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\"")).arg(sc());
    without_settings(shell)
}

/// The binary in a network namespace.
pub fn command_in_namespace(namespace: &str) -> Command {
    let mut ip = Command::new("ip");
    ip.args(["netns", "exec", namespace]).arg(sc());
    without_settings(ip)
}

/// `command` with as many connections as nobody has said.
pub fn with_usual_connections(mut command: Command) -> Command {
    command.env_remove(CONNECTIONS);
    command
}

/// Takes away what would be read as a setting: a developer's own account or proxy, say.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let is_proxy = text.to_ascii_lowercase().ends_with("_proxy");
        if text.starts_with("SAUCE_") || text.starts_with("SC_SERVER_") || is_proxy {
            command.env_remove(name);
        }
    }
    // What faults do is told of one connection; a test about several says so.
    command.env(CONNECTIONS, "1");
    // One runtime for clients and servers of all tests, where it matters which.
    if let Some(runtime) = env::var_os("SC_TESTS_RUNTIME") {
        command.env("SAUCE_RUNTIME", &runtime).env("SC_SERVER_RUNTIME", &runtime);
    }
    command
}

/// The client for small machines: `SC_SMALL_BINARY` if set, otherwise cargo makes it, in the
/// target folder of the tests. That takes minutes the first time.
///
/// # Panics
/// If it cannot be built.
pub fn small_client() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SC_SMALL_BINARY") {
        Some(path) => PathBuf::from(path),
        None => cargo_build(
            "small",
            &target_folder(),
            &["--no-default-features", "--features", "smol,client"],
        ),
    })
}

/// A command that runs `program`, an `sc`, with none of the caller's own settings.
pub fn command_of(program: &Path) -> Command {
    without_settings(Command::new(program))
}

fn build() -> PathBuf {
    let profile_folder = profile_folder();
    let profile = profile_folder.file_name().and_then(|name| name.to_str());
    // Cargo's folder for its profile `dev` is `debug`.
    let profile = match profile.expect("a profile folder has a name") {
        "debug" => "dev",
        other => other,
    };
    cargo_build(profile, &target_folder(), &[])
}

fn cargo_build(profile: &str, target: &Path, options: &[&str]) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "sc-bin", "--bin", "sc"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .args(options)
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "building sc failed: {status}");
    let folder = if profile == "dev" { "debug" } else { profile };
    target.join(folder).join("sc")
}

fn target_folder() -> PathBuf {
    profile_folder().parent().expect("a profile folder has a parent").to_path_buf()
}

/// `target/debug`, found from the test's own place `target/debug/deps/NAME-HASH`.
fn profile_folder() -> PathBuf {
    let own = env::current_exe().expect("the test knows its own path");
    own.ancestors()
        .nth(2)
        .expect("a test lies two folders deep in a profile's folder")
        .to_path_buf()
}
