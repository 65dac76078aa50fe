//! `sc dev`: the README's first command, and what it prints to paste.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine};
use sc_tests::http::{self, Answer};
use sc_tests::process::{Process, Signal};
use sc_tests::site::Site;
use sc_tests::wait::{self, PATIENCE};
use tempfile::TempDir;

/// A running `sc dev` with a folder of its own for what is temporary.
struct Dev {
    process: Process,
    temporary: TempDir,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = binary::command();
        command.arg("dev").args(arguments).env("TMPDIR", temporary.path());
        Self { process: Process::start("sc dev", command), temporary }
    }

    /// The line to paste.
    fn curl_line(&self) -> String {
        self.process.wait_for("a line that begins with `curl -x `", |line| {
            line.trim_start().starts_with("curl -x ").then(|| line.trim_start().to_owned())
        })
    }

    /// A setting among the environment variables to paste, without quotes.
    fn variable(&self, name: &str) -> String {
        let begin = format!("{name}=");
        self.process.wait_for(&begin, |line| {
            let (_, value) = line.split_once(&begin)?;
            let end = |c: char| c.is_whitespace() || matches!(c, '\'' | '"');
            let value = value.trim_start_matches(['\'', '"']);
            Some(value.split(end).next().unwrap_or_default().to_owned())
        })
    }
}

/// The proxy and the URL of a printed curl line.
fn parts(line: &str) -> (SocketAddr, String) {
    let unquoted = line.replace(['\'', '"'], "");
    let mut words = unquoted.split_whitespace().skip(2);
    let proxy = words.next().expect("a proxy").trim_start_matches("http://").trim_end_matches('/');
    let url = words.find(|word| word.starts_with("http://")).expect("a URL");
    (proxy.parse().expect("the proxy's address"), url.to_owned())
}

fn get(line: &str) -> Answer {
    let (proxy, url) = parts(line);
    http::get(proxy, &url).expect("an answer by way of the tunnel")
}

#[test]
fn the_printed_line_gives_the_demo_page_and_ctrl_c_ends_all() {
    let dev = Dev::start(&[]);
    let line = dev.curl_line();
    let page = get(&line);
    assert_eq!(page.status(), 200);
    assert!(page.text().to_lowercase().contains("<html"), "{}", page.text());
    let (proxy, _) = parts(&line);
    dev.process.signal(Signal::Interrupt);
    let exit = dev.process.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{}", dev.process.report());
    assert!(TcpStream::connect(proxy).is_err(), "the proxy still listens");
    let left: Vec<_> = std::fs::read_dir(dev.temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
fn the_printed_line_works_in_a_shell() {
    let dev = Dev::start(&[]);
    let line = dev.curl_line();
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).to_lowercase().contains("<html"), "{output:?}");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
fn the_printed_rest_call_works_in_a_shell() {
    let dev = Dev::start(&[]);
    dev.curl_line();
    let call = dev.process.wait_for("a curl line for REST", |line| {
        let line = line.trim_start();
        (line.starts_with("curl ") && line.contains("/rest/v1/")).then(|| line.to_owned())
    });
    let output = Command::new("sh").args(["-c", &call]).output().unwrap();
    assert!(output.status.success(), "{call}: {output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with('['), "{output:?}");
}

#[test]
fn the_printed_variables_start_a_second_client() {
    let dev = Dev::start(&[]);
    let mut command = binary::command();
    for name in ["SAUCE_USERNAME", "SAUCE_ACCESS_KEY", "SAUCE_REST_URL"] {
        command.env(name, dev.variable(name));
    }
    command.args(["-i", "second"]);
    let client = Client::start_as(command);
    client.wait_ready(CommandLine::Version4);
    // The tunnel of `sc dev` goes on beside it.
    assert_eq!(get(&dev.curl_line()).status(), 200);
}

#[test]
fn a_target_of_ones_own_takes_the_place_of_the_demo() {
    let site = Site::start();
    let dev = Dev::start(&["--target", &site.url("/hello")]);
    let line = dev.curl_line();
    assert!(line.contains(&site.url("/hello")), "{line}");
    assert_eq!(get(&line).text(), "hello from the site\n");
    dev.process.signal(Signal::Terminate);
    assert_eq!(dev.process.wait_exit(PATIENCE).code(), Some(0), "{}", dev.process.report());
}

#[test]
fn two_of_them_do_not_disturb_each_other() {
    let (one, other) = (Dev::start(&[]), Dev::start(&[]));
    let (one_line, other_line) = (one.curl_line(), other.curl_line());
    assert_ne!(parts(&one_line).0, parts(&other_line).0);
    one.process.signal(Signal::Interrupt);
    one.process.wait_exit(PATIENCE);
    assert_eq!(get(&other_line).status(), 200);
    wait::until("the first one's port to close", || {
        TcpStream::connect(parts(&one_line).0).is_err().then_some(())
    });
}
