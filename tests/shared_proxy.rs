//! Who may use proxy ports: one port for all tunnels, ports of tunnels that want credentials, and
//! networks that are let in. By curl, Python and requests written by hand.

use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sc_tests::curl::Curl;
use sc_tests::deployment::{Client, CommandLine, Server, Tunnel, User};
use sc_tests::http::{self, Connection};
use sc_tests::site::Site;
use sc_tests::{binary, wait};

/// A name that needs care: a colon, a blank, a plus, a percent sign.
const ODD_NAME: &str = "ci: 50% + a&b";
/// The same as it stands in a user name.
const ODD_NAME_WRITTEN: &str = "ci%3A 50%25 + a%26b";

fn start(options: &[&str]) -> Server {
    let mut all = vec!["--shared-proxy-address", "127.0.0.1:0", "--workers", "3"];
    all.extend(options);
    Server::start_as(binary::command(), &all)
}

fn shared_proxy(server: &Server) -> SocketAddr {
    server.process.wait_for("its shared proxy", |line| {
        line.strip_prefix("shared-proxy-address: ")?.parse().ok()
    })
}

fn client(server: &Server, user: &User, name: &str) -> Client {
    let line = CommandLine::Version4;
    let client = Client::start(line, server, user, name);
    client.wait_ready(line);
    client
}

fn basic(user: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{key}")))
}

/// A GET with credentials, on a connection that stays.
fn ask(connection: &mut Connection, site: &Site, credentials: Option<&str>) -> http::Answer {
    let line = credentials.map(|value| format!("Proxy-Authorization: {value}\r\n"));
    let host = site.address();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
        site.url("/head"),
        line.unwrap_or_default()
    );
    connection.exchange(&request).expect("an answer")
}

fn code(answer: &http::Answer) -> Option<&str> {
    answer.head.field("X-Sc-Error")
}

#[test]
fn one_port_leads_to_every_tunnel_of_its_user() {
    let server = start(&[]);
    let proxy = shared_proxy(&server);
    let (jane, bob) = (server.add_user("jane"), server.add_user("bob"));
    let site = Site::start();
    let mut connection = Connection::open(proxy).unwrap();

    let question = ask(&mut connection, &site, None);
    assert_eq!((question.status(), code(&question)), (407, Some("credentials")));
    let challenge = question.head.field("Proxy-Authenticate").unwrap_or_default();
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
    let none = ask(&mut connection, &site, Some(&basic("jane", &jane.key)));
    assert_eq!((none.status(), code(&none)), (503, Some("no-such-tunnel")));

    // The only tunnel needs no name.
    let _first = client(&server, &jane, "first");
    for user in ["jane", "jane+first"] {
        let answer = ask(&mut connection, &site, Some(&basic(user, &jane.key)));
        assert_eq!(answer.status(), 200, "{user}: {}", answer.text());
        assert!(!answer.text().to_ascii_lowercase().contains("proxy-"), "{}", answer.text());
        assert!(answer.text().contains("\r\nVia: 1.1 sc_server-"), "{}", answer.text());
    }
    let _odd = client(&server, &jane, ODD_NAME);
    let odd = format!("jane+{ODD_NAME_WRITTEN}");
    let answer = ask(&mut connection, &site, Some(&basic(&odd, &jane.key)));
    assert_eq!(answer.status(), 200, "{}", answer.text());

    // Which names there are is for their owner alone.
    for user in ["jane", "jane+third"] {
        let answer = ask(&mut connection, &site, Some(&basic(user, &jane.key)));
        assert_eq!((answer.status(), code(&answer)), (503, Some("no-such-tunnel")));
        assert!(answer.text().contains("\"first\"") && answer.text().contains(ODD_NAME));
    }
    let answer = ask(&mut connection, &site, Some(&basic("bob+first", &bob.key)));
    assert_eq!(code(&answer), Some("no-such-tunnel"));
    assert!(!answer.text().contains(ODD_NAME), "{}", answer.text());
    for (user, key) in [("jane+first", &*bob.key), ("nobody", &*jane.key), ("jane", "x")] {
        let answer = ask(&mut connection, &site, Some(&basic(user, key)));
        assert_eq!((answer.status(), code(&answer)), (407, Some("credentials")), "{user}");
        assert!(!answer.text().contains("first"), "{}", answer.text());
    }
    assert!(site.received("").iter().all(|one| one.head.field("Proxy-Authorization").is_none()));
    assert_eq!(server.process.count_lines(&jane.key), 0, "a key is in the log");
}

#[test]
fn curl_and_python_name_their_tunnel() {
    let server = start(&[]);
    let proxy = shared_proxy(&server);
    let jane = server.add_user("jane");
    let site = Site::start();
    let _plain = client(&server, &jane, "plain");
    let _odd = client(&server, &jane, ODD_NAME);
    for user in ["jane+plain", &format!("jane+{ODD_NAME_WRITTEN}")] {
        // curl decodes it, as it stands for what a URL has.
        let login = format!("{}:{}", user.replace('%', "%25"), jane.key);
        for tunnel in [None, Some("--proxytunnel")] {
            let curl = Curl::through(proxy).args(["--proxy-user", &login]).args(tunnel);
            assert_eq!(curl.args([site.url("/hello")]).text(), "hello from the site\n");
        }
    }
    // As it asks first and is told, then answers on the same connection.
    let login = format!("jane+plain:{}", jane.key);
    let curl = Curl::through(proxy).args(["--proxy-anyauth", "--proxy-user", &login]);
    assert_eq!(curl.args([site.url("/hello")]).text(), "hello from the site\n");

    // In a URL everything is written once more with percent signs.
    let program = "import sys, urllib.request as r, urllib.parse as p\n\
                   user, key, proxy, url = sys.argv[1:]\n\
                   login = p.quote(user, safe='') + ':' + key\n\
                   handler = r.ProxyHandler({'http': f'http://{login}@{proxy}'})\n\
                   print(r.build_opener(handler).open(url).read().decode(), end='')";
    let python = Command::new("python3")
        .args(["-c", program, "jane+plain", &jane.key, &proxy.to_string(), &site.url("/hello")])
        .env("no_proxy", "")
        .output()
        .expect("python3 can be started");
    let errors = String::from_utf8_lossy(&python.stderr);
    assert_eq!(String::from_utf8_lossy(&python.stdout), "hello from the site\n", "{errors}");
}

#[test]
fn a_tunnels_own_port_asks_for_who_may_use_it() {
    let server = Server::start_as(binary::command(), &["--proxy-auth", "required"]);
    let bob = server.add_user("bob");
    let tunnel = Tunnel::start_on(server, |command| command);
    let site = Site::start();
    assert_eq!(http::get(tunnel.proxy, &site.url("/hello")).unwrap().status(), 407);
    let refused = Connection::through(tunnel.proxy, &site.address().to_string()).unwrap_err();
    assert!(refused.to_string().contains(" 407 "), "{refused}");
    let login = |user: &User| format!("{}:{}", user.name, user.key);
    for options in [vec![], vec!["--proxytunnel"]] {
        let curl = Curl::through(tunnel.proxy).args(options);
        let curl = curl.args(["--proxy-user", &login(&tunnel.user)]).args([site.url("/hello")]);
        assert_eq!(curl.text(), "hello from the site\n");
    }
    let curl = Curl::through(tunnel.proxy).args(["--include", "--proxy-user", &login(&bob)]);
    let output = curl.args([site.url("/hello")]).run();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains("X-Sc-Error: credentials\r\n"), "{answer}");
}

#[test]
fn a_void_key_is_void_within_seconds_and_guesses_are_held_back() {
    let server = start(&[]);
    let proxy = shared_proxy(&server);
    let jane = server.add_user("jane");
    let site = Site::start();
    let _client = client(&server, &jane, "first");
    let mut connection = Connection::open(proxy).unwrap();
    let login = basic("jane", &jane.key);
    assert_eq!(ask(&mut connection, &site, Some(&login)).status(), 200);
    server.user_command(&["rotate", "jane"]);
    wait::until("the old key to be refused", || {
        (ask(&mut connection, &site, Some(&login)).status() == 407).then_some(())
    });
    let mut held_back = None;
    for guess in 0..30 {
        let answer = ask(&mut connection, &site, Some(&basic("jane", &guess.to_string())));
        if answer.status() == 429 {
            held_back = Some((guess, answer));
            break;
        }
        assert_eq!(answer.status(), 407);
    }
    let (guesses, answer) = held_back.expect("guessing is held back");
    assert!(guesses < 11, "{guesses}");
    assert_eq!(code(&answer), Some("too-many-attempts"));
    assert!(answer.head.field("Retry-After").is_some());
    // Who comes from elsewhere is not. (All of 127.0.0.0/8 is this machine.)
    let jane = server.add_user("joan");
    let curl = Curl::through(proxy).args(["--interface", "127.0.0.77", "--include"]);
    let login = format!("joan:{}", jane.key);
    let output = curl.args(["--proxy-user", &login]).args([site.url("/hello")]).run();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains("X-Sc-Error: no-such-tunnel\r\n"), "{answer}");
}

#[test]
fn only_listed_networks_reach_proxy_ports() {
    let server = Server::start_as(binary::command(), &["--proxy-networks", "127.0.0.64/26"]);
    let tunnel = Tunnel::start_on(server, |command| command);
    let site = Site::start();
    let from = |address: &str| {
        Curl::through(tunnel.proxy).args(["--interface", address]).args([site.url("/hello")])
    };
    assert_eq!(from("127.0.0.77").text(), "hello from the site\n");
    let closed = from("127.0.0.5").run();
    assert!(!closed.status.success() && closed.stdout.is_empty(), "{closed:?}");
    let process = &tunnel.server.process;
    wait::until("a log line", || {
        (process.count_lines("closed a connection from 127.0.0.5:") > 0).then_some(())
    });
}

#[test]
fn a_request_that_comes_back_to_the_server_is_refused() {
    // The office's own proxy is the server's proxy port: the request goes round.
    let server = start(&[]);
    let jane = server.add_user("jane");
    let (proxy, site) = (shared_proxy(&server), Site::start());
    let line = CommandLine::Version5;
    let round = format!("http://jane:{}@{proxy}", jane.key);
    let mut command = binary::command();
    command.args(line.arguments(&server.rest_url(), &jane, "round")).args([
        "--proxy",
        &round,
        "--proxy-localhost",
        "allow",
    ]);
    let client = Client::start_as(command);
    client.wait_ready(line);
    let mut connection = Connection::open(proxy).unwrap();
    let answer = ask(&mut connection, &site, Some(&basic("jane", &jane.key)));
    assert_eq!((answer.status(), code(&answer)), (400, Some("loop")), "{}", answer.text());
    assert_eq!(site.connections(), 0);
}

#[test]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
fn chromium_is_asked_and_its_user_answers() {
    let server = start(&[]);
    let jane = server.add_user("jane");
    let (proxy, site) = (shared_proxy(&server), Site::start());
    let _plain = client(&server, &jane, "plain");
    let _odd = client(&server, &jane, ODD_NAME);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/proxy_login.py");
    for user in ["jane+plain", &format!("jane+{ODD_NAME_WRITTEN}")] {
        let shown = Command::new("timeout")
            .args(["60", "/usr/bin/python3", script, &proxy.to_string(), user, &jane.key])
            .arg(site.url("/hello"))
            .output()
            .expect("python3 can be started");
        let errors = String::from_utf8_lossy(&shown.stderr);
        assert_eq!(String::from_utf8_lossy(&shown.stdout), "hello from the site\n\n", "{errors}");
    }
}
