//! WebDriver tests at the server's broker: Selenium in Python, ChromeDriver behind it, and a site
//! whose name only the client's side knows.

use std::process::Command;

use sc_tests::binary;
use sc_tests::chromedriver::Chromedriver;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::dnsmasq::Dnsmasq;
use sc_tests::process::Process;
use sc_tests::site::Site;
use sc_tests::wait::PATIENCE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/webdriver.py");

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
    let hub = format!("http://{}/wd/hub", server.rest_address());
    let script = selenium(&hub, &user, "ci", "options", &office.url("/page/0"));
    script.wait_for_text("all of it works");
    let refused = script.wait_for_text("refused:");
    assert!(refused.contains("\"no-such-tunnel\"") && refused.contains("\"ci\""), "{refused}");
    let id = script.wait_for("the session", |line| Some(line.strip_prefix("session: ")?.to_owned()));
    assert_eq!(office.site.received("/page/0").len(), 1, "it came by the tunnel");
    let job = server.rest(&user).get(&format!("/jobs/{id}"));
    assert!(job["name"] == "renamed" && job["passed"] == true && job["build"] == "b1", "{job}");
    assert!(job["context"][0] == "the page is there" && job["browser"] == "chrome", "{job}");
    assert!(job["status"] == "ended" && job["end_reason"] == "sessionDeleted", "{job}");
}
