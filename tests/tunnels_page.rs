//! The Tunnels page in a real browser: signed in, looked at, and used by the keyboard alone.

use std::path::PathBuf;

use sc_tests::deployment::{Client, CommandLine, Server, User, proxy_address};
use sc_tests::devtools::{Browser, Scheme, tool};
use sc_tests::http;
use sc_tests::site::Site;
use sc_tests::wait::PATIENCE;
use serde_json::{Value, json};

const WIDE: (u32, u32) = (1280, 860);
const NARROW: (u32, u32) = (400, 860);

/// A server, a user of it, and a browser.
struct House {
    server: Server,
    user: User,
    browser: Browser,
}

impl House {
    fn start() -> Self {
        let server = Server::start();
        let user = server.add_user("jane");
        Self { server, user, browser: Browser::start() }
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("http://{}{path}", self.server.rest_address()));
    }

    /// By the keyboard, as a person does it.
    fn sign_in(&self) {
        self.open("/");
        let Self { browser, user, .. } = self;
        assert_eq!(browser.text("location.pathname"), "/sign-in");
        browser.until("the first field to have the focus", "document.activeElement.id === 'user'");
        browser.type_text(&user.name);
        browser.press("Tab");
        assert_eq!(browser.text("document.activeElement.id"), "key");
        browser.type_text(&user.key);
        browser.press("Enter");
        browser.until("the list", "location.pathname === '/tunnels'");
        browser
            .until("the list to be live", "document.getElementById('live').dataset.is === 'live'");
    }

    fn client(&self, name: &str, more: &[&str]) -> Client {
        let line = CommandLine::Version4;
        let mut command = sc_tests::binary::command();
        command.args(line.arguments(&self.server.rest_url(), &self.user, name)).args(more);
        Client::start_as(command)
    }

    /// Asks REST for something.
    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.server.rest(&self.user).call("POST", path, &body.to_string());
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// The id of a tunnel.
    fn tunnel(&self, name: &str) -> String {
        let record = self.server.rest(&self.user).tunnel_named(name).expect("it is listed");
        record["id"].as_str().expect("an id").to_owned()
    }

    /// Some traffic through the tunnel, of several seconds, so that there is a graph to look at.
    fn traffic(&self) -> Site {
        let site = Site::start();
        let record = self.server.rest(&self.user).tunnel_named("checkout-staging");
        let proxy = proxy_address(&record.expect("the tunnel is listed"));
        for round in 0..5_usize {
            let answer =
                http::get(proxy, &site.url(&format!("/bytes/{}", 200_000 * (round % 3 + 1))));
            assert_eq!(answer.expect("an answer").status(), 200);
            // Each in a sample of its own.
            let shown = "document.querySelector('#rows .flow').innerText";
            let before = self.browser.text(shown);
            self.browser.until("another sample", &format!("{shown} !== '{before}'"));
        }
        site
    }

    fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("SC_TESTS_PICTURES") {
            self.browser.picture(&PathBuf::from(folder).join(format!("{name}.png")));
        }
    }

    /// What axe-core finds wrong with the page in both schemes, wide and narrow.
    fn check(&self, page: &str) {
        for (size, shape) in [(WIDE, "wide"), (NARROW, "narrow")] {
            for scheme in [Scheme::Light, Scheme::Dark] {
                self.browser.emulate(size, scheme);
                let case = format!("{page}-{shape}-{}", scheme.name());
                self.browser.until(&case, &format!("innerWidth === {}", size.0));
                self.picture(&case);
                self.browser.inject(&tool("axe.min.js"));
                let found = self.browser.value(
                    "axe.run(document, {resultTypes: ['violations']}).then((found) => \
                     found.violations.map((one) => one.id + ': ' + one.help + ' ' + \
                     one.nodes.map((node) => node.html.slice(0, 160) + ' ' + \
                     node.any.concat(node.all).map((check) => check.message).join('; '))))",
                );
                assert_eq!(found, Value::Array(Vec::new()), "{case}");
                let overflow = "document.documentElement.scrollWidth - innerWidth";
                assert_eq!(self.browser.value(overflow), 0, "{case} is wider than its window");
            }
        }
        self.browser.emulate(WIDE, Scheme::Light);
    }
}

#[test]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
fn a_tunnel_appears_is_looked_at_and_stopped_by_the_keyboard() {
    let house = House::start();
    house.sign_in();
    let browser = &house.browser;
    browser
        .until("an empty list that teaches", "document.getElementById('empty').offsetHeight > 0");
    // Whoever loads the page anew loses this.
    browser.value("window.isSame = true");

    let client = house.client("from-office", &[]);
    let name = "document.querySelector('#rows th.name')?.innerText.trim()";
    browser.until("the tunnel to appear by itself", &format!("{name} === 'from-office'"));
    let state = "document.querySelector('#rows .badge')?.innerText";
    browser.until("it to be ready", &format!("{state} === 'Ready'"));
    browser.until(
        "that to be read out",
        "document.getElementById('news').innerText.includes('Ready')",
    );
    assert_eq!(browser.value("window.isSame"), true, "not by loading it anew");
    assert_eq!(browser.value("document.getElementById('empty').offsetHeight"), 0);

    browser.tab_to("the tunnel's link", "document.activeElement.closest('#rows th') !== null");
    browser.press("Enter");
    browser.until("its page", "document.querySelector('h1')?.innerText === 'from-office'");
    let text = browser.text("document.querySelector('main').innerText");
    for expected in
        ["Started by jane.", "Up: client 127.0.0.1", "Client host", "Last minute", "tunnelName"]
    {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }

    browser.tab_to("Stop", "document.activeElement.matches('a.stop')");
    browser.press("Enter");
    browser.until("the question", "document.getElementById('ask').open");
    assert_eq!(browser.text("document.getElementById('ask-title').innerText"), "Stop from-office?");
    browser.press("Escape");
    browser.until("no question", "!document.getElementById('ask').open");
    assert_eq!(
        browser.value("document.activeElement.matches('a.stop')"),
        true,
        "back where it was"
    );
    browser.press("Enter");
    browser.until("the question", "document.getElementById('ask').open");
    browser.tab_to("the button", "document.activeElement.matches('#ask button.danger')");
    browser.press("Enter");
    browser.until("the list", "location.pathname === '/tunnels'");
    client.process.wait_exit(PATIENCE);
    browser.until("it to be gone", "document.querySelectorAll('#rows tr').length === 0");
    browser.until(
        "it to have ended",
        "document.querySelector('#ended li')?.innerText.includes('webui')",
    );
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

#[test]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
#[cfg_attr(missing_axe, ignore = "skipped: axe-core is not installed")]
fn all_pages_are_for_everybody_in_both_schemes_and_narrow() {
    let house = House::start();
    house.open("/sign-in");
    house.check("sign-in");
    house.sign_in();
    house.check("empty");
    let client = house.client("checkout-staging", &[]);
    house.post("/tunnels", &json!({"tunnel_identifier": "ci-nightly", "tunnel_pool": true}));
    house.post(
        "/tunnels",
        &json!({"tunnel_identifier": "ci-nightly", "tunnel_pool": true,
        "shared": "all", "metadata": {"hostname": "runner-7.build.example"}}),
    );
    let ready = "document.querySelector('#rows .badge.ready')";
    house.browser.until("a tunnel to be ready", ready);
    let job = json!({"tunnel_identifier": "checkout-staging", "name": "basket > pays by card"});
    house.post("/jobs", &job);
    house
        .browser
        .until("its job", "document.querySelector('#rows').innerText.includes('checkout')");
    let flow = house.traffic();
    house.check("list");
    house.browser.value("document.querySelector('#rows th.name a').click()");
    house
        .browser
        .until("its page", "document.querySelector('h1')?.innerText === 'checkout-staging'");
    house.check("tunnel");
    house.browser.value("document.querySelector('a.stop').click()");
    house.browser.until("the question", "document.getElementById('ask').open");
    house.check("question");
    // With all that can be opened.
    house.browser.value("document.getElementById('ask').close()");
    house.browser.value("for (const one of document.querySelectorAll('details')) one.open = true");
    house.check("tunnel-tables");
    let path = house.browser.text("location.pathname");
    let id = path.trim_start_matches("/tunnels/");
    house
        .server
        .rest(&house.user)
        .call("DELETE", &format!("/tunnels/{id}?wait=0"), "")
        .expect("an answer");
    house
        .browser
        .until("its end", "document.querySelector('h1 + .badge')?.innerText === 'Stopped'");
    house.open(&path);
    house.check("ended");
    house.open("/tunnels?q=nightly");
    house.check("filtered");
    house.open(&format!("/tunnels/{}/stop", house.tunnel("ci-nightly")));
    house.check("question-page");
    house.open("/tunnels/0123");
    house.check("not-found");
    drop((client, flow));
}
