//! WebDriver tests at the server's broker: Selenium in Python, ChromeDriver behind it, and a site
//! whose name only the client's side knows.

use std::process::Command;

use sc_tests::binary;
use sc_tests::chromedriver::Chromedriver;
use sc_tests::deployment::{Client, CommandLine, Places, Server, User};
use sc_tests::dnsmasq::Dnsmasq;
use sc_tests::ports;
use sc_tests::process::Process;
use sc_tests::site::{Received, Site};
use sc_tests::wait::PATIENCE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/webdriver.py");
const TEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/webdriver_ten.py");
const PLAYWRIGHT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/playwright_job.py");

/// A site with a name that only the office's name server knows.
struct Office {
    site: Site,
    names: Dnsmasq,
}

impl Office {
    fn start() -> Self {
        let names = Dnsmasq::start(&["host-record=app.test,127.0.0.1"]);
        Self { site: Site::start(), names }
    }

    fn client(&self, server: &Server, user: &User, name: &str, options: &[&str]) -> Client {
        let line = CommandLine::Version4;
        let mut command = binary::command();
        command.args(line.arguments(&server.rest_url(), user, name));
        command.args(["--dns", &self.names.address.to_string()]).args(options);
        let client = Client::start_as(command);
        client.wait_ready(line);
        client
    }

    fn url(&self, path: &str) -> String {
        format!("http://app.test:{}{path}", self.site.address().port())
    }
}

fn server(driver: &Chromedriver) -> Server {
    Server::start_as(binary::command(), &["--webdriver-url", &driver.url()])
}

fn hub(server: &Server) -> String {
    format!("http://{}/wd/hub", server.rest_address())
}

/// Runs the script to its end.
fn selenium(hub: &str, user: &User, tunnel: &str, credentials: &str, url: &str) -> Process {
    let mut command = Command::new("python-with-selenium");
    command.args([SCRIPT, hub, &user.name, &user.key, tunnel, credentials, url]);
    let script = Process::start("selenium", command);
    let status = script.wait_exit(PATIENCE);
    assert!(status.success(), "{}", script.report());
    script
}

#[test]
#[cfg_attr(
    any(missing_chromedriver, missing_selenium, missing_dnsmasq),
    ignore = "skipped: chromedriver, selenium or dnsmasq is not installed"
)]
fn selenium_reaches_what_only_the_client_reaches() {
    let (driver, office) = (Chromedriver::start(), Office::start());
    let server = server(&driver);
    let user = server.add_user("jane");
    let _client = office.client(&server, &user, "ci", &[]);
    let script = selenium(&hub(&server), &user, "ci", "options", &office.url("/page/0"));
    script.wait_for_text("all of it works");
    let refused = script.wait_for_text("refused:");
    assert!(refused.contains("\"no-such-tunnel\"") && refused.contains("\"ci\""), "{refused}");
    let id =
        script.wait_for("the session", |line| Some(line.strip_prefix("session: ")?.to_owned()));
    assert_eq!(office.site.received("/page/0").len(), 1, "it came by the tunnel");
    let job = server.rest(&user).get(&format!("/jobs/{id}"));
    assert!(job["name"] == "renamed" && job["passed"] == true && job["build"] == "b1", "{job}");
    assert!(job["context"][0] == "the page is there" && job["browser"] == "chrome", "{job}");
    assert!(job["status"] == "ended" && job["end_reason"] == "sessionDeleted", "{job}");
}

/// With credentials in the hub's URL, and a site on a port of localhost, which Chromium by itself
/// would not ask the proxy for.
#[test]
#[cfg_attr(
    any(missing_chromedriver, missing_selenium, missing_dnsmasq),
    ignore = "skipped: chromedriver, selenium or dnsmasq is not installed"
)]
fn localhost_is_the_client_s() {
    let (driver, office) = (Chromedriver::start(), Office::start());
    let server = server(&driver);
    let user = server.add_user("jane");
    let client = office.client(&server, &user, "ci", &[]);
    let url = format!("http://localhost:{}/page/0", office.site.address().port());
    selenium(&hub(&server), &user, "ci", "url", &url);
    let by_proxy = |served: &Received| served.head.field("via").is_some();
    let served = office.site.received("/page/0");
    assert!(served.len() == 1 && by_proxy(&served[0]), "not by the tunnel: {served:?}");
    drop(client);
}

/// Ten sessions at once over a pool of three tunnels, three browsers at a time; one client is killed
/// in the middle.
#[test]
#[cfg_attr(
    any(missing_chromedriver, missing_selenium, missing_dnsmasq),
    ignore = "skipped: chromedriver, selenium or dnsmasq is not installed"
)]
fn ten_sessions_outlive_a_member_of_their_pool() {
    let (driver, office) = (Chromedriver::start(), Office::start());
    let options = ["--webdriver-url", &driver.url(), "--webdriver-sessions", "3"];
    let mut places = Places::on_loopback();
    // The members', and those of jobs that run and that have just ended.
    places.proxy_ports = ports::block(16);
    places.options = options.iter().map(|option| (*option).to_owned()).collect();
    let server = Server::start_at(binary::command(), places);
    let user = server.add_user("jane");
    let start = || office.client(&server, &user, "pool", &["--tunnel-pool"]);
    let (first, _second, _third) = (start(), start(), start());
    let mut command = Command::new("python-with-selenium");
    command.args([TEN, &hub(&server), &user.name, &user.key, "pool", &office.url("/page/0")]);
    let script = Process::start("ten sessions", command);
    script.wait_for_text("loaded");
    first.process.kill();
    let status = script.wait_exit(PATIENCE);
    assert!(status.success() && script.count_lines("loaded") == 10, "{}", script.report());
    let ready = server.rest(&user).tunnels().iter().filter(|one| one["is_ready"] == true).count();
    assert_eq!(ready, 2);
}

#[test]
#[cfg_attr(
    any(missing_chromedriver, missing_selenium, missing_dnsmasq),
    ignore = "skipped: chromedriver, selenium or dnsmasq is not installed"
)]
fn tests_in_the_office_come_by_the_client_s_own_port() {
    let (driver, office) = (Chromedriver::start(), Office::start());
    let server = server(&driver);
    let user = server.add_user("jane");
    let client = office.client(&server, &user, "ci", &["--se-port", "0"]);
    let port: u16 = client.process.wait_for("the port", |line| {
        line.strip_prefix("Selenium listener started on port ")?.parse().ok()
    });
    let hub = format!("http://localhost:{port}/wd/hub");
    selenium(&hub, &user, "ci", "none", &office.url("/page/0"));
    assert_eq!(office.site.received("/page/0").len(), 1, "it came by the tunnel");
    let mut command = binary::command();
    command.args(CommandLine::Version4.arguments(&server.rest_url(), &user, "other"));
    command.args(["-P", &port.to_string()]);
    let second = Client::start_as(command);
    assert_eq!(second.process.wait_exit(PATIENCE).code(), Some(2));
    second.process.wait_for_text("--se-port");
}

/// Without WebDriver: a job is asked for by REST, its proxy given to the browser.
#[test]
#[cfg_attr(
    any(missing_chromium, missing_playwright, missing_dnsmasq),
    ignore = "skipped: chromium, playwright or dnsmasq is not installed"
)]
fn playwright_goes_by_the_proxy_of_a_job() {
    let office = Office::start();
    let server = Server::start();
    let user = server.add_user("jane");
    let _client = office.client(&server, &user, "ci", &[]);
    let mut command = Command::new("python-with-playwright");
    let rest = server.rest_url();
    command.args([PLAYWRIGHT, &rest, &user.name, &user.key, "ci", &office.url("/page/3")]);
    let script = Process::start("playwright", command);
    let status = script.wait_exit(PATIENCE);
    assert!(status.success(), "{}", script.report());
    script.wait_for_text("arrived: 3 of 3");
    assert_eq!(office.site.received("/page/3").len(), 1, "it came by the tunnel");
}

/// WebdriverIO with the service that people have for the original.
#[test]
#[cfg_attr(
    any(missing_chromedriver, missing_wdio, missing_dnsmasq),
    ignore = "skipped: chromedriver, WebdriverIO or dnsmasq is not installed"
)]
fn webdriverio_and_its_sauce_service_work() {
    let (driver, office) = (Chromedriver::start(), Office::start());
    let server = server(&driver);
    let user = server.add_user("jane");
    let _client = office.client(&server, &user, "ci", &[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [
        ("wdio.conf.mjs", include_str!("wdio.conf.mjs")),
        ("page.spec.mjs", include_str!("wdio.spec.mjs")),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file of ours");
    }
    let mut command = Command::new("wdio");
    command
        .current_dir(folder.path())
        .args(["run", "wdio.conf.mjs"])
        .env("HUB_PORT", server.rest_address().port().to_string())
        .env("SAUCE_USERNAME", &user.name)
        .env("SAUCE_ACCESS_KEY", &user.key)
        .env("PAGE", office.url("/page/2"));
    let run = Process::start("wdio", command);
    let status = run.wait_exit(PATIENCE);
    assert!(status.success(), "{}", run.report());
    assert_eq!(office.site.received("/page/2").len(), 1, "it came by the tunnel");
    let text = run.wait_for_text("session ");
    let id = text.rsplit("session ").next().expect("an id").trim().to_owned();
    let job = server.rest(&user).get(&format!("/jobs/{id}"));
    assert!(job["passed"] == true && job["build"] == "from wdio", "{job}");
    assert_eq!(job["name"], "a page", "the suite's title, by sauce:job-name");
    assert_eq!(job["context"][0], "a page - arrives", "the test's, by sauce:context");
    assert_eq!(job["end_reason"], "sessionDeleted");
}
