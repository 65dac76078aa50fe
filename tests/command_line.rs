//! The command line from outside: configuration files, what is converted, secrets from elsewhere,
//! completion and man pages.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::process::Signal;
use sc_tests::shared::Shared;
use sc_tests::wait::PATIENCE;

static SERVER: Shared<Server> = Shared::new(Server::start);

fn sc(args: &[&str]) -> Output {
    binary::command().args(args).output().expect("sc can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A shell that redirects as `script` says and becomes `command`.
fn redirected(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {script}"));
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// `sc run` with a configuration file that says all but the key.
fn run_with(config: &Path, user: &User) -> Command {
    let mut command = binary::command();
    command.args(["run", "--config-file"]).arg(config).env("SAUCE_ACCESS_KEY", &user.key);
    command
}

#[test]
fn a_tunnel_starts_from_a_file_of_each_format() {
    let server = SERVER.lease();
    let folder = tempfile::tempdir().expect("a folder");
    let user = server.add_user("from-file");
    let (name, url) = (&user.name, server.rest_url());
    let json = format!(r#"{{"username":"{name}","rest-url":"{url}","tunnel-name":"from-json"}}"#);
    for (file, text) in [
        ("c.yaml", format!("username: {name}\nrest-url: {url}\ntunnel-name: from-yaml\n")),
        ("c.json", json),
        ("c.toml", format!("username='{name}'\nrest-url='{url}'\ntunnel-name='from-toml'\n")),
    ] {
        let path = folder.path().join(file);
        fs::write(&path, text).expect("a configuration file");
        let client = Client::start_as(run_with(&path, &user));
        client.wait_ready(CommandLine::Version5);
        let tunnel = format!("from-{}", file.trim_start_matches("c."));
        assert!(server.rest(&user).tunnel_named(&tunnel).is_some(), "{tunnel}");
    }
}

#[test]
fn what_sc_legacy_converts_starts_the_same_tunnel() {
    let server = SERVER.lease();
    let folder = tempfile::tempdir().expect("a folder");
    let user = server.add_user("converted");
    let path = folder.path().join("v5.yaml");
    let shown = path.display().to_string();
    let url = server.rest_url();
    let mut words = vec!["legacy", "-u", &user.name, "-x", &url, "-i", "converted"];
    words.extend(["-D", ".direct.test,a.test", "-f", "/none", "--output-config-file", &shown]);
    let output = sc(&words);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let config = fs::read_to_string(&path).expect("it is written");
    assert!(config.contains("# readyfile: version 5 has nothing in its place"), "{config}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "others can read it");
    }
    let client = Client::start_as(run_with(&path, &user));
    client.wait_ready(CommandLine::Version5);
    let tunnel = server.rest(&user).tunnel_named("converted").expect("its record");
    let direct = tunnel["direct_domains"].to_string();
    assert!(direct.contains(r"^.+\\.direct\\.test$"), "{tunnel}");
    assert!(direct.contains(r"^a\\.test$"), "{tunnel}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_key_from_standard_input_is_not_in_the_process_list() {
    let server = SERVER.lease();
    let folder = tempfile::tempdir().expect("a folder");
    let user = server.add_user("from-stdin");
    let path = folder.path().join("key");
    fs::write(&path, format!("{}\n", user.key)).expect("a file");
    for (line, words) in [
        // The password makes the process replace itself, and the key has to outlive that.
        (CommandLine::Version4, &["legacy", "--api-key-file=-", "-sa", "x.test:80:u:SECRET"][..]),
        (CommandLine::Version5, &["run", "--access-key-file", "-", "-tau:SECRET@x.test:80"]),
    ] {
        let mut command = binary::command();
        command.args(words).args(["-u", &user.name, "--rest-url", &server.rest_url(), "-i", "in"]);
        let client = Client::start_as(redirected(&format!("< {}", path.display()), &command));
        client.wait_ready(line);
        let listed = fs::read(format!("/proc/{}/cmdline", client.process.pid()));
        let listed = text(&listed.expect("it runs")).replace('\0', " ");
        assert!(listed.contains("****") && !listed.contains("SECRET"), "{listed}");
        assert!(!listed.contains(&user.key), "{listed}");
        client.process.signal(Signal::Terminate);
        assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(0));
    }
}

#[test]
fn options_without_a_meaning_here_are_told_and_leave_standard_error_empty() {
    let server = SERVER.lease();
    let folder = tempfile::tempdir().expect("a folder");
    let user = server.add_user("meaningless");
    let errors = folder.path().join("errors");
    let told = "has no effect: ";
    for (line, words, lines) in [
        (
            CommandLine::Version4,
            &["--ocsp", "strict", "--vm-version=dev", "--region", "us-west"][..],
            3,
        ),
        (CommandLine::Version5, &["--kerberos-cfg-file", "/krb5", "-r", "us-west"], 2),
    ] {
        let mut command = binary::command();
        command.args(line.arguments(&server.rest_url(), &user, "meaningless")).args(words);
        let client = Client::start_as(redirected(&format!("2> {}", errors.display()), &command));
        client.wait_ready(line);
        assert_eq!(client.process.count_lines(told), lines, "{:?}", client.process.lines());
        client.process.signal(Signal::Terminate);
        assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(0));
        assert_eq!(text(&fs::read(&errors).expect("the file")), "");
    }
}

#[test]
fn a_mistake_is_answered_with_what_was_meant() {
    for (words, said) in [
        (&["run", "--api-key", "SECRET"][..], "`sc run` takes --access-key instead"),
        (&["--acess-key", "SECRET"], "'--"),
        (&["-H", "a: SECRET"], "-H (--header) is an option of version 5"),
        (&["run", "-u", "a"], "--access-key-file"),
        (&["run", "-c", "/no/such.yaml"], "/no/such.yaml"),
    ] {
        let output = sc(words);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(errors.contains(said) && !errors.contains("SECRET"), "{words:?}: {errors}");
        assert!(output.stdout.is_empty());
    }
    let alone = sc(&[]);
    let errors = text(&alone.stderr);
    assert_eq!(alone.status.code(), Some(1));
    for part in ["sc run -u", "SAUCE_REST_URL", "no user name", "sc help", "sc dev"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}

#[test]
fn the_version_says_what_it_was_built_for() {
    let said = ["version", "--version"].map(|word| {
        let output = sc(&[word]);
        assert!(output.status.success() && output.stderr.is_empty());
        text(&output.stdout)
    });
    assert_eq!(said[0], said[1]);
    assert!(said[0].starts_with("sc ") && said[0].contains(std::env::consts::ARCH), "{}", said[0]);
}

#[test]
fn the_printed_configuration_is_one_that_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["run", "legacy"] {
        let printed = sc(&[command, "config-file"]);
        assert!(printed.status.success() && printed.stderr.is_empty());
        let path = folder.path().join(command);
        fs::write(&path, printed.stdout).expect("a file");
        let output = sc(&[command, "-c", &path.display().to_string()]);
        let errors = text(&output.stderr);
        assert!(errors.contains("no user name"), "{errors}");
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let script = sc(&["completion", "bash"]);
    assert!(script.status.success());
    let complete = |words: &str, index: usize| {
        let ask = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={index}; _sc sc \"${{COMP_WORDS[{index}]}}\" \
             \"${{COMP_WORDS[{}]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            text(&script.stdout),
            index - 1
        );
        // Longer than one argument may be.
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), ask).expect("our own file");
        let output = Command::new("bash").arg(file.path()).output().expect("bash is there");
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(complete("sc le", 1).contains("legacy"));
    assert!(complete("sc run --tls-r", 2).contains("--tls-resign-domains"));
    assert!(complete("sc --shared-t", 1).contains("--shared-tunnel"));
    assert!(complete("sc run --log-level d", 3).contains("debug"));
    for shell in ["zsh", "fish", "powershell"] {
        let output = sc(&["completion", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("tls-resign-domains"));
    }
}

#[test]
fn man_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = sc(&["man", &folder.path().display().to_string()]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let page = fs::read_to_string(folder.path().join("sc-run.1")).expect("a page");
    assert!(page.starts_with(".ie") && page.contains("SAUCE_ACCESS_KEY"), "{page}");
    assert!(folder.path().join("sc-legacy.1").exists() && folder.path().join("sc.1").exists());
}
