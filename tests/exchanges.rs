//! What sites get of a request, by the rules of both command lines, and by which connections.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, Tunnel, proxy_address};
use sc_tests::http::{self, Connection, Head};
use sc_tests::site::Site;
use sc_tests::upstream::{Access, PASSWORD, USER, Upstream};

/// A tunnel whose client has more options.
fn tunnel(line: CommandLine, options: &[&str]) -> Tunnel {
    let server = Server::start();
    let user = server.add_user("jane");
    let mut command = binary::command();
    command.args(line.arguments(&server.rest_url(), &user, "test")).args(options);
    let client = Client::start_as(command);
    client.wait_ready(line);
    let record = server.rest(&user).tunnel_named("test").expect("the tunnel is listed");
    let proxy = proxy_address(&record);
    let id = record["id"].as_str().expect("an id").to_owned();
    Tunnel { client, server, user, proxy, id }
}

fn v4(options: &[&str]) -> Tunnel {
    tunnel(CommandLine::Version4, options)
}

fn v5(options: &[&str]) -> Tunnel {
    tunnel(CommandLine::Version5, options)
}

/// Asks for `/hello` with more fields; gives the head that the site got.
fn hello(tunnel: &Tunnel, site: &Site, fields: &str) -> Head {
    let (url, host) = (site.url("/hello"), site.address());
    let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    let mut user = Connection::open(tunnel.proxy).unwrap();
    assert_eq!(user.exchange(&request).unwrap().status(), 200);
    site.received("/hello").pop().expect("it came").head
}

#[test]
fn version_5_says_who_asked_and_version_4_only_if_it_is_wanted() {
    let site = Site::start();
    let head = hello(&v5(&[]), &site, "X-Forwarded-For: 192.0.2.1\r\n");
    assert_eq!(head.all("X-Forwarded-For"), ["192.0.2.1, 127.0.0.1"]);
    assert_eq!(head.field("X-Forwarded-Proto"), Some("http"));
    assert_eq!(head.field("X-Forwarded-Host"), Some(site.address().to_string().as_str()));
    assert_eq!(head.field("X-Forwarded-Url"), Some(site.url("/hello").as_str()));
    assert_eq!(head.field("User-Agent"), None, "a missing one stays missing");
    let via = head.field("Via").expect("a trace of the way").to_owned();
    assert!(via.contains("1.1 sc_client-"), "{via}");

    let head = hello(&v4(&[]), &site, "X-Forwarded-For: 192.0.2.1\r\n");
    assert_eq!(head.field("X-Forwarded-For"), None);
    assert_eq!(head.field("X-Forwarded-Url"), None);
    assert!(head.field("Via").is_some());
    let wants = v4(&["--extra-info", r#"{"inject-forwarded-for": true}"#]);
    assert_eq!(hello(&wants, &site, "").all("X-Forwarded-For"), ["127.0.0.1"]);
}

#[test]
fn a_request_that_comes_round_is_refused() {
    let (site, tunnel) = (Site::start(), v5(&[]));
    let via = hello(&tunnel, &site, "").field("Via").expect("a trace").to_owned();
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let (url, host) = (site.url("/hello"), site.address());
    let again = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nVia: {via}\r\n\r\n");
    let answer = user.exchange(&again).unwrap();
    assert_eq!((answer.status(), answer.head.field("X-Sc-Error")), (400, Some("loop")));
    assert_eq!(site.received("/hello").len(), 1);
}

#[test]
fn header_rules_are_kept_and_show_nowhere() {
    let site = Site::start();
    let rules = ["x-token: s3cret-word", "Accept;", "-cookie", "-X-Dev*", "Host: other.test"];
    let options: Vec<_> = rules.iter().flat_map(|rule| ["-H", rule]).collect();
    let tunnel = v5(&options);
    let fields = "Cookie: a\r\nX-Dev-A: 1\r\nX-DEV-B: 2\r\nAccept: a\r\n";
    let head = hello(&tunnel, &site, fields);
    assert_eq!(head.all("Host"), ["other.test"]);
    assert_eq!((head.field("X-Token"), head.field("Accept")), (Some("s3cret-word"), Some("")));
    for gone in ["Cookie", "X-Dev-A", "X-Dev-B"] {
        assert_eq!(head.field(gone), None, "{gone}");
    }
    let process = &tunnel.client.process;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", process.pid())).expect("Linux");
    assert!(!String::from_utf8_lossy(&arguments).contains("s3cret-word"));
    assert_eq!(process.count_lines("s3cret-word"), 0);
}

#[test]
fn credentials_of_both_versions_go_to_their_sites_only() {
    let (site, other) = (Site::start(), Site::start());
    let port = site.address().port();
    let basic = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let five = format!("Aladdin:open%20sesame@127.0.0.1:{port}");
    let four = format!("127.0.0.1:{port}:Aladdin:open sesame");
    for tunnel in [v5(&["-a", &five]), v4(&["-a", &four])] {
        assert_eq!(hello(&tunnel, &site, "").field("Authorization"), basic);
        assert_eq!(hello(&tunnel, &other, "").field("Authorization"), None);
        let own = "Authorization: Bearer x\r\n";
        assert_eq!(hello(&tunnel, &site, own).all("Authorization"), ["Bearer x"]);
        let arguments = std::fs::read(format!("/proc/{}/cmdline", tunnel.client.process.pid()));
        assert!(!String::from_utf8_lossy(&arguments.expect("Linux")).contains("sesame"));
    }
}

#[test]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
fn credentials_are_for_the_site_and_for_the_proxy_before_it() {
    let site = Site::start();
    let upstream = Upstream::http(Access::Password, &[]);
    let proxy = format!("{USER}:{PASSWORD}@{}", upstream.address);
    let login = format!("Aladdin:x@127.0.0.1:{}", site.address().port());
    let url = format!("http://{}", upstream.address);
    let options = ["-x", &url, "-a", &proxy, "-a", &login, "--proxy-localhost", "allow"];
    let tunnel = v5(&options);
    let head = hello(&tunnel, &site, "");
    assert_eq!(head.field("Authorization"), Some("Basic QWxhZGRpbjp4"));
    assert!(head.field("Via").is_some_and(|via| via.contains("tinyproxy")));
    assert_eq!(head.field("Proxy-Authorization"), None);
}

#[test]
fn one_connection_to_a_site_serves_many_browsers() {
    let (site, tunnel) = (Site::start(), v5(&[]));
    for path in ["/hello", "/chunked", "/bytes/300000", "/chunked-bytes/300000", "/status/204"] {
        for _ in 0..3 {
            let answer = http::get(tunnel.proxy, &site.url(path)).unwrap();
            assert!(matches!(answer.status(), 200 | 204), "{path}");
        }
    }
    assert_eq!(site.connections(), 1, "15 requests by one connection");
    let answer = http::get(tunnel.proxy, &site.url("/until-close")).unwrap();
    assert_eq!(answer.text(), "until the connection ends\n");
    http::get(tunnel.proxy, &site.url("/hello")).unwrap();
    assert_eq!(site.connections(), 2);
}

#[test]
fn every_status_arrives_and_the_connection_goes_on() {
    let (site, tunnel) = (Site::start(), v5(&[]));
    let mut user = Connection::open(tunnel.proxy).unwrap();
    for status in (200..600).filter(|status| *status != 407) {
        let (url, host) = (site.url(&format!("/status/{status}")), site.address());
        user.send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        assert_eq!(user.read_answer("GET").unwrap().status(), status);
    }
    assert!(site.connections() <= 2, "{} connections", site.connections());
}

#[test]
fn a_site_that_answers_head_with_a_body_leads_nobody_astray() {
    let tunnel = v5(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let site = thread::spawn(move || {
        for number in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let n = stream.read(&mut head).unwrap();
            let is_head = head[..n].starts_with(b"HEAD ");
            assert_eq!(is_head, number == 0, "each comes by a connection of its own");
            let body = if is_head { "wrong" } else { "right" };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let request =
        |method| format!("{method} http://{address}/ HTTP/1.1\r\nHost: {address}\r\n\r\n");
    assert_eq!(user.exchange(&request("HEAD")).unwrap().status(), 200);
    assert_eq!(user.exchange(&request("GET")).unwrap().text(), "right");
    site.join().unwrap();
}

#[test]
fn a_site_that_ends_its_connections_costs_no_request() {
    let tunnel = v5(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    const COUNT: usize = 30;
    let site = thread::spawn(move || {
        // It keeps each connection for one answer and closes it then, without a word.
        for _ in 0..COUNT {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    for _ in 0..COUNT {
        assert_eq!(http::get(tunnel.proxy, &format!("http://{address}/")).unwrap().text(), "ok");
    }
    site.join().unwrap();
}

#[test]
fn an_answer_has_its_limits() {
    let site = Site::start();
    let small = v4(&["--extra-info", r#"{"reply_body_max_size": "1 KB"}"#]);
    let answer = http::get(small.proxy, &site.url("/bytes/1025")).unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.head.field("X-Sc-Error"), Some("answer-too-large"));
    assert_eq!(http::get(small.proxy, &site.url("/bytes/1024")).unwrap().status(), 200);
    let hasty = v5(&["--http-response-header-timeout", "300ms"]);
    let answer = http::get(hasty.proxy, &site.url("/hold")).unwrap();
    assert_eq!(answer.status(), 504);
    site.open_gate();
}

#[test]
fn denied_urls_are_refused_by_version_4() {
    let (site, tunnel) = (Site::start(), v4(&["-F", "/bytes/"]));
    let answer = http::get(tunnel.proxy, &site.url("/bytes/1")).unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(http::get(tunnel.proxy, &site.url("/hello")).unwrap().status(), 200);
    assert!(site.received("/bytes/").is_empty());
}

#[test]
fn ids_of_tunnel_and_job_are_in_requests_if_they_are_wanted() {
    let site = Site::start();
    let tunnel = v4(&["--extra-info", r#"{"inject_job_id": true}"#]);
    let head = hello(&tunnel, &site, "");
    assert_eq!(head.all("X-Sc-Tunnel-Id"), [tunnel.id.as_str()]);
    assert_eq!(head.field("X-Sc-Job-Id"), None, "the tunnel's own port is no job's");
    let rest = tunnel.server.rest(&tunnel.user);
    let answer = rest.call("POST", "/jobs", r#"{"tunnel_identifier": "test"}"#).unwrap();
    let job: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let proxy = job["proxy_address"].as_str().expect("a proxy").parse().unwrap();
    http::get(proxy, &site.url("/hello")).unwrap();
    let head = site.received("/hello").pop().expect("it came").head;
    assert_eq!(head.all("X-Sc-Tunnel-Id"), [tunnel.id.as_str()]);
    assert_eq!(head.field("X-Sc-Job-Id"), job["id"].as_str());
    let plain = v4(&[]);
    assert_eq!(hello(&plain, &site, "").field("X-Sc-Tunnel-Id"), None);
}
