//! The Tunnels page as a browser speaks to it: sessions, forms of others, rights, headers, and
//! what it tells live.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::rights::House;
use super::users::command;
use super::{TestServer, USER, until};
use crate::server::Running;
use crate::server::settings::TunnelsPage;

/// An answer: status, head in small letters, body.
struct Page {
    status: u16,
    head: String,
    body: String,
}

impl Page {
    fn field(&self, name: &str) -> Option<&str> {
        let begin = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&begin))
    }

    /// The mark that its forms bear.
    fn mark(&self) -> String {
        let (_, after) = self.body.split_once("name=\"mark\" value=\"").expect("a form");
        after.split('"').next().unwrap().to_owned()
    }
}

/// Somebody's browser.
struct Browser<'a> {
    running: &'a Running,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(running: &'a Running) -> Self {
        Self { running, cookie: String::new() }
    }

    fn signed_in(running: &'a Running, user: &str, key: &str) -> Self {
        let mut browser = Self::new(running);
        let answer = browser.sign_in(user, key);
        assert_eq!(answer.status, 303, "{}", answer.body);
        let (cookie, _) = answer.field("set-cookie").unwrap().split_once(';').unwrap();
        browser.cookie = cookie.to_owned();
        browser
    }

    fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.running.rest_address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Page {
        let Self { running, cookie } = self;
        let (host, length) = (running.rest_address(), body.len());
        let mut stream = self.connect(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nCookie: other=1; {cookie}\r\n\
             Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n{fields}\r\n{body}"
        ));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        // The cookie's value is not to be changed.
        let lines = head.lines().map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line.to_owned(),
        });
        Page {
            status: head[9..12].parse().unwrap(),
            head: lines.collect::<Vec<_>>().join("\n"),
            body: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Page {
        self.ask("GET", path, "", "")
    }

    /// A form of its own page.
    fn post(&self, path: &str, body: &str) -> Page {
        let origin = format!("Origin: http://{}\r\n", self.running.rest_address());
        self.ask("POST", path, &origin, body)
    }

    fn sign_in(&self, user: &str, key: &str) -> Page {
        self.post("/sign-in", &format!("user={user}&key={key}"))
    }

    /// Whether it is signed in.
    fn is_in(&self) -> bool {
        self.get("/tunnels").status == 200
    }

    /// Follows a page.
    fn follow(&self, path: &str) -> Events {
        let Self { running, cookie } = self;
        let host = running.rest_address();
        let stream = self
            .connect(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n"));
        let mut events = Events(BufReader::new(stream));
        let status = events.line().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        events
    }
}

/// What a page is told live.
struct Events(BufReader<TcpStream>);

impl Events {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next line that begins so; none: it ended before.
    fn next(&mut self, begin: &str) -> Option<String> {
        while let Some(line) = self.line() {
            if let Some(rest) = line.strip_prefix(begin) {
                return Some(rest.to_owned());
            }
        }
        None
    }

    /// The next news.
    fn news(&mut self) -> Value {
        serde_json::from_str(&self.next("data: ").unwrap()).unwrap()
    }

    /// Reads news until some part has a text.
    fn until(&mut self, part: &str, text: &str) -> Value {
        loop {
            let news = self.news();
            if news["parts"][part].as_str().is_some_and(|html| html.contains(text)) {
                return news;
            }
        }
    }
}

#[test]
fn a_session_begins_with_the_right_key_and_ends_when_it_should() {
    let server = TestServer::start();
    let stranger = Browser::new(&server.running);
    assert_eq!(stranger.get("/").field("location"), Some("/tunnels"));
    assert_eq!(stranger.get("/tunnels").field("location"), Some("/sign-in"));
    let path = "/tunnels/0123456789abcdef0123456789abcdef";
    let wanted = format!("/sign-in?next={path}");
    assert_eq!(stranger.get(path).field("location"), Some(wanted.as_str()));
    assert_eq!(stranger.get("/tunnels/live").status, 401);
    for (user, key) in [(USER, "wrong"), ("nobody", server.key.as_str()), (USER, ""), ("", "")] {
        let answer = stranger.sign_in(user, key);
        assert_eq!(answer.status, 403);
        assert_eq!(answer.field("set-cookie"), None);
        assert!(answer.body.contains("is wrong"), "{}", answer.body);
    }
    let answer = stranger.sign_in(USER, &server.key);
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&server.key), "the key is not in the browser");

    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let list = jane.get("/tunnels");
    assert!(list.body.contains("No tunnel is running") && list.body.contains("sc run --rest-url"));
    assert!(!list.body.contains(&server.key), "nor on its page");
    let forged =
        Browser { running: &server.running, cookie: format!("sc-session={}", "0".repeat(64)) };
    assert!(!forged.is_in());
    // Signed out: the cookie is worth nothing any more.
    let out = jane.post("/sign-out", &format!("mark={}", list.mark()));
    assert_eq!(out.field("location"), Some("/sign-in"));
    assert!(out.field("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!jane.is_in());
    // Another key ends what the old one began.
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    assert!(jane.is_in());
    command(&server, &format!("user rotate {USER}")).unwrap();
    assert!(!jane.is_in());
    server.stop();
}

#[test]
fn where_signing_in_leads() {
    let server = TestServer::start();
    let browser = Browser::new(&server.running);
    let sign_in = |next: &str| {
        let body = format!("user={USER}&key={}&next={next}", server.key);
        browser.post("/sign-in", &body).field("location").unwrap().to_owned()
    };
    assert_eq!(sign_in("/tunnels/0123"), "/tunnels/0123");
    for elsewhere in ["//evil.test", "https://evil.test/tunnels", "/tunnels//evil.test"] {
        assert_eq!(sign_in(elsewhere), "/tunnels");
    }
    server.stop();
}

#[test]
fn forms_of_others_do_nothing() {
    let server = TestServer::start();
    let id = server.create("{}")["id"].as_str().unwrap().to_owned();
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let other = Browser::signed_in(&server.running, USER, &server.key);
    let (mark, others) = (jane.get("/tunnels").mark(), other.get("/tunnels").mark());
    let stop = format!("/tunnels/{id}/stop");
    let good = format!("mark={mark}&how=cut");
    let evil = "Origin: http://evil.test\r\n";
    let sites = [
        evil,
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\n",
    ];
    for site in sites {
        for path in [stop.as_str(), "/tunnels/stop-mine", "/sign-out"] {
            assert_eq!(jane.ask("POST", path, site, &good).status, 403, "{site}{path}");
        }
        let credentials = format!("user={USER}&key={}", server.key);
        assert_eq!(jane.ask("POST", "/sign-in", site, &credentials).status, 403, "{site}");
    }
    for mark in [others.as_str(), "", "0"] {
        for path in [stop.as_str(), "/tunnels/stop-mine", "/sign-out"] {
            assert_eq!(jane.post(path, &format!("mark={mark}")).status, 403, "{mark}{path}");
        }
    }
    // Without the field, by another method, with too much.
    assert_eq!(jane.post(&stop, "how=cut").status, 422);
    assert_eq!(jane.get(&format!("{stop}?{good}")).status, 200, "a question, not an answer");
    assert_eq!(jane.post(&stop, &format!("{good}&x={}", "x".repeat(20_000))).status, 413);
    assert_eq!(server.get("/tunnels").1, json!([id.as_str()]), "nothing was ended");
    // And its own does it.
    let done = jane.post(&stop, &good);
    assert_eq!(done.field("location"), Some("/tunnels?done=cut"));
    let record = server.record(&Value::from(id));
    assert_eq!(
        (&record["status"], &record["shutdown_reason"]),
        (&json!("terminated"), &json!("webui"))
    );
    assert_eq!(record["user_shutdown"], true);
    server.stop();
}

/// What REST tells and allows is what the page shows and does: for everybody in the house.
#[test]
fn the_page_has_the_rights_of_rest() {
    let house = House::start();
    let owners = ["admin", "lead", "ann", "far"];
    let ids: Vec<(String, String)> = owners
        .iter()
        .flat_map(|owner| {
            let named = |name: &str, shared: &str| {
                let id = house.tunnel(owner, &json!({"tunnel_identifier": name, "shared": shared}));
                ((*owner).to_owned(), id)
            };
            [named("private", ""), named("shared", "all")]
        })
        .collect();
    for who in ["admin", "lead", "ann", "robot", "far", "child"] {
        let browser = Browser::signed_in(&house.server.running, who, house.key(who));
        let list = browser.get("/tunnels").body;
        let told = house.call(who, "GET", &format!("/{who}/tunnels?all=true"), None).1.to_string();
        let mark = browser.get("/tunnels").mark();
        for (owner, id) in &ids {
            let case = format!("{who}, {id} of {owner}");
            let sees = told.contains(id.as_str());
            assert_eq!(list.contains(&format!("id=\"t-{id}\"")), sees, "{case}");
            let expected = if sees { 200 } else { 404 };
            assert_eq!(browser.get(&format!("/tunnels/{id}")).status, expected, "{case}");
            let offered = list.contains(&format!("href=\"/tunnels/{id}/stop\""));
            if offered {
                assert_eq!(browser.get(&format!("/tunnels/{id}/stop")).status, 200, "{case}");
                continue;
            }
            // What is not offered is not to be had by asking for it, by REST neither.
            let refused = if sees { 403 } else { 404 };
            let stop = format!("/tunnels/{id}/stop");
            assert_eq!(
                browser.post(&stop, &format!("mark={mark}&how=cut")).status,
                refused,
                "{case}"
            );
            let (rest, _) = house.call(who, "DELETE", &format!("/{who}/tunnels/{id}"), None);
            assert_eq!(rest, refused, "{case}");
        }
    }
    // Whoever is offered it by the page is allowed it by REST: admin everything, lead its team's.
    let offered = |who: &str| {
        let list =
            Browser::signed_in(&house.server.running, who, house.key(who)).get("/tunnels").body;
        ids.iter().filter(|(_, id)| list.contains(&format!("/tunnels/{id}/stop"))).count()
    };
    let counts = ["admin", "lead", "ann", "robot", "far", "child"].map(offered);
    assert_eq!(counts, [8, 4, 2, 0, 2, 0]);
    // Stop my tunnels: one's own, whatever else one may end.
    let lead = Browser::signed_in(&house.server.running, "lead", house.key("lead"));
    let mark = lead.get("/tunnels").mark();
    assert_eq!(lead.post("/tunnels/stop-mine", &format!("mark={mark}&how=cut")).status, 303);
    let (_, left) = house.call("admin", "GET", "/admin/tunnels?all=true", None);
    assert!(left.get("lead").is_none() && left["ann"].as_array().unwrap().len() == 2, "{left}");
}

#[test]
fn guesses_at_the_form_are_slowed_as_those_at_rest() {
    let server = TestServer::start();
    let browser = Browser::new(&server.running);
    let slowed = (0..30).map(|_| browser.sign_in(USER, "wrong")).find(|page| page.status == 429);
    let slowed = slowed.expect("the form slows guesses");
    assert!(slowed.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(slowed.body.contains("Too many wrong access keys"));
    // REST counts the same guesses.
    let wrong = super::basic(USER, "wrong");
    let (status, _) = super::request(&server.running, "GET", "/jane/tunnels", Some(&wrong), None);
    assert_eq!(status, 429);
    server.stop();
}

#[test]
fn browsers_are_told_to_be_strict() {
    let server = TestServer::start();
    let id = server.create("{}")["id"].as_str().unwrap().to_owned();
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let paths = ["/", "/sign-in", "/tunnels", "/tunnels/nothing", "/assets/nothing"];
    for path in paths.into_iter().map(str::to_owned).chain([format!("/tunnels/{id}")]) {
        let page = jane.get(&path);
        let policy = page.field("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.field("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.field("cache-control"), Some("no-store"), "{path}");
        for inline in ["<script>", "<style", " style=", " onclick=", "javascript:", "http://www"] {
            assert!(!page.body.contains(inline), "{inline} in {path}");
        }
    }
    // What may be kept is named by its content, and asked about cheaply.
    let list = jane.get("/tunnels").body;
    let (_, after) = list.split_once("href=\"/assets/page.css").unwrap();
    let style = format!("/assets/page.css{}", after.split('"').next().unwrap());
    let page = jane.get(&style);
    assert_eq!(page.field("content-type"), Some("text/css; charset=utf-8"));
    assert!(page.field("cache-control").unwrap().contains("immutable"));
    let tag = page.field("etag").unwrap();
    let again = jane.ask("GET", &style, &format!("If-None-Match: {tag}\r\n"), "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    server.stop();
}

#[test]
fn what_users_write_is_shown_as_it_is() {
    let server = TestServer::start();
    let evil = "<script>alert(1)</script>\"'&";
    let body = json!({"tunnel_identifier": "x",
        "metadata": {"hostname": evil, "command_args": evil, "extra": {evil: evil}}});
    let id = server.create(&body.to_string())["id"].as_str().unwrap().to_owned();
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let filter = "/tunnels?q=%22%3E%3Cscript%3E";
    for path in ["/tunnels", filter, &format!("/tunnels/{id}"), &format!("/tunnels/{id}/stop")] {
        let page = jane.get(path).body;
        assert!(!page.contains("<script>"), "{path}: {page}");
    }
    assert!(jane.get("/tunnels").body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    server.stop();
}

#[test]
fn changes_are_told_once_and_only_they() {
    let server = TestServer::start();
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let mut events = jane.follow("/tunnels/live");
    let first = events.news();
    assert_eq!(first["order"], json!([]));
    let id = server.create(r#"{"tunnel_identifier": "new"}"#)["id"].as_str().unwrap().to_owned();
    let row = format!("t-{id}");
    let news = events.until(&row, ">new</a>");
    assert_eq!(news["order"], json!([row.as_str()]));
    assert!(news["parts"]["summary"].as_str().unwrap().contains("<strong>1</strong> active"));
    let mut its_own = jane.follow(&format!("/tunnels/{id}/live"));
    assert!(its_own.news()["parts"]["events"].as_str().unwrap().contains("Started by jane."));
    let (status, _) = server.call("DELETE", &format!("/tunnels/{id}?reason=test"), None);
    assert_eq!(status, 200);
    // The next news is the end: in between nothing has changed.
    let news = events.news();
    assert_eq!(news["order"], json!([]), "{news}");
    assert!(news["parts"]["ended"].as_str().unwrap().contains("test"), "{news}");
    assert!(its_own.news()["parts"]["head"].as_str().unwrap().contains("Stopped"));
    server.stop();
}

#[test]
fn news_end_with_the_session_and_with_the_server() {
    let server = TestServer::start();
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let mut events = jane.follow("/tunnels/live");
    events.news();
    let mark = jane.get("/tunnels").mark();
    assert_eq!(jane.post("/sign-out", &format!("mark={mark}")).status, 303);
    assert_eq!(events.next("event: ").unwrap(), "over");

    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let mut events = jane.follow("/tunnels/live");
    events.news();
    let begun = std::time::Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2), "an open page holds nothing up");
    while events.line().is_some() {}
}

#[test]
fn so_many_may_follow_and_no_more() {
    let server = TestServer::start();
    let other = server.running.add_user("other").unwrap().expose().to_owned();
    let jane = Browser::signed_in(&server.running, USER, &server.key);
    let mut open: Vec<Events> = (0..8).map(|_| jane.follow("/tunnels/live")).collect();
    assert_eq!(jane.get("/tunnels/live").status, 429);
    assert!(jane.is_in(), "all else goes on");
    let other = Browser::signed_in(&server.running, "other", &other);
    other.follow("/tunnels/live").news();
    // A place is free again when a browser has left.
    open.pop();
    until(|| {
        let Browser { running, cookie } = &jane;
        let host = running.rest_address();
        let request =
            format!("GET /tunnels/live HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
        let mut first = String::new();
        BufReader::new(jane.connect(&request)).read_line(&mut first).unwrap();
        first.contains(" 200 ")
    });
    server.stop();
}

#[test]
fn a_server_without_the_page_has_rest_alone() {
    let server = TestServer::start_with(|settings| settings.page = TunnelsPage::Off);
    let browser = Browser::new(&server.running);
    for path in ["/", "/tunnels", "/sign-in", "/assets/page.css"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    assert_eq!(server.get("/tunnels").0, 200);
    server.stop();
}
