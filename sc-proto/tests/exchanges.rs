//! HTTP exchanges on their way to a site: what the site gets, where its answer ends, and what
//! becomes of its connection.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::egress::{Exchanges, Forwarded, HeaderRule, Keep, Login, Logins};
use sc_proto::rules::UrlRules;
use sc_proto::{Config, ListenerId};
use world::traffic::pattern;
use world::{End, World};

const KEEP: Keep = Keep { per_site: 2, in_all: 3, idle: Duration::from_secs(90) };

fn tunnel(seed: u64, rules: impl Fn(&mut Exchanges)) -> (World, ListenerId) {
    World::tunnel(seed, |config: &mut Config| {
        config.egress.exchanges.keep = KEEP;
        rules(&mut config.egress.exchanges);
    })
}

/// Sends a request by a connection of its own.
fn ask(world: &mut World, proxy: ListenerId, request: &str) -> End {
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, request.as_bytes());
    world.run();
    browser
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} http://app.test{path} HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n")
}

fn get(path: &str) -> String {
    request("GET", path, "")
}

/// The site that was dialled.
fn site(world: &mut World) -> End {
    let (dialled, end) = world.sites.pop_front().unwrap();
    assert_eq!(dialled, "app.test:80");
    end
}

fn kept(world: &World) -> usize {
    world.cores[1].statistics().kept
}

/// The site answers; gives what the browser sees.
fn answer(world: &mut World, site: End, browser: End, bytes: &str) -> String {
    world.send(site, bytes.as_bytes());
    world.run();
    world.take_all(browser)
}

#[test]
fn a_site_gets_what_one_strict_reading_gives_and_the_marks_of_the_way() {
    let (mut world, proxy) = tunnel(200, |rules| rules.forwarded = Forwarded::Complete);
    let fields = "X-Kept: yes\r\nX-Mine: hop\r\nConnection: X-Mine\r\nTE: trailers\r\n\
                  X-Forwarded-For: 192.0.2.7\r\nVia: 1.0 before\r\n";
    ask(&mut world, proxy, &request("GET", "/a?b", fields));
    let site = site(&mut world);
    let head = world.take_all(site);
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\nHost: app.test\r\nX-Kept: yes\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Proto: http\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Host: app.test\r\n"), "{head}");
    assert!(head.contains("\r\nX-Forwarded-Url: http://app.test/a?b\r\n"), "{head}");
    let via = head.lines().find(|line| line.starts_with("Via: ")).unwrap();
    let hops: Vec<_> = via["Via: ".len()..].split(", ").collect();
    assert_eq!(hops.len(), 3, "{via}");
    assert_eq!(hops[0], "1.0 before");
    for own in &hops[1..] {
        let digits = own.strip_prefix("1.1 sc-").unwrap();
        assert!(digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{via}");
    }
    for gone in ["Connection", "X-Mine", "TE:", "User-Agent"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    // The same request once more, with the client's own mark: it went round.
    let fields = format!("{via}\r\n");
    let browser = ask(&mut world, proxy, &request("GET", "/", &fields));
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 400 ") && page.contains("X-Sc-Error: loop\r\n"), "{page}");
    assert!(world.sites.is_empty());
}

#[test]
fn header_rules_and_credentials_are_kept_and_the_address_is_not_told_unless_wanted() {
    let (mut world, proxy) = tunnel(201, |rules| {
        rules.forwarded = Forwarded::Remove;
        let texts =
            ["x-new: 1", "x-new: 2", "Accept;", "-cookie", "-X-Secret*", "Host: other.test"];
        rules.headers = texts.map(|text| HeaderRule::parse(text).unwrap()).into();
        let logins = ["Aladdin:open%20sesame@app.test:80", "u:p@*:*"];
        rules.logins = Logins::new(logins.map(|one| Login::parse_v5(one).unwrap())).unwrap();
    });
    let fields = "Cookie: a\r\nCookie: b\r\nX-SECRET-One: 1\r\nx-secret: 2\r\nAccept: a\r\n\
                  X-Forwarded-For: 192.0.2.7\r\n";
    ask(&mut world, proxy, &request("GET", "/", fields));
    let end = site(&mut world);
    let head = world.take_all(end);
    assert!(head.starts_with("GET / HTTP/1.1\r\nHost: other.test\r\n"), "{head}");
    for there in ["X-New: 1\r\n", "X-New: 2\r\n", "Accept: \r\n"] {
        assert!(head.contains(there), "{there} not in {head}");
    }
    assert!(head.contains("\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    for gone in ["cookie", "x-secret", "x-forwarded", "accept: a"] {
        assert!(!lower.contains(gone), "{gone} in {head}");
    }
    // Credentials that the browser sends stay.
    ask(&mut world, proxy, &request("GET", "/", "Authorization: Bearer x\r\n"));
    let end = site(&mut world);
    let head = world.take_all(end);
    assert!(head.contains("Authorization: Bearer x\r\n") && !head.contains("Basic"), "{head}");
}

#[test]
fn denied_urls_are_refused_before_anything_is_dialled() {
    let (mut world, proxy) = tunnel(202, |rules| {
        rules.denied_urls = UrlRules::new(["/ads/"]).ok();
    });
    let browser = ask(&mut world, proxy, &get("/ads/1"));
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("X-Sc-Error: denied\r\n"), "{page}");
    assert!(world.sites.is_empty());
    ask(&mut world, proxy, &get("/"));
    site(&mut world);
}

#[test]
fn one_connection_carries_every_framing_one_after_the_other() {
    for seed in 0..20 {
        let (mut world, proxy) = tunnel(203 + seed, |_| {});
        world.cuts = true;
        let browser = ask(&mut world, proxy, &get("/0"));
        let site = site(&mut world);
        let body = String::from_utf8(vec![b'x'; 70_000]).unwrap();
        let answers = [
            ("GET", format!("Content-Length: 70000\r\n\r\n{body}"), true),
            (
                "GET",
                format!("Transfer-Encoding: chunked\r\n\r\n11170\r\n{body}\r\n0\r\nX-T: 1\r\n\r\n"),
                true,
            ),
            ("GET", "Content-Length: 0\r\n\r\n".into(), false),
            ("POST", "Content-Length: 3\r\n\r\nabc".into(), false),
        ];
        for (number, (method, rest, large)) in answers.iter().enumerate() {
            if number > 0 {
                world.send(browser, request(method, &format!("/{number}"), "").as_bytes());
                world.run();
            }
            assert!(world.sites.is_empty(), "it is dialled once");
            let head = world.take_all(site);
            assert!(head.starts_with(&format!("{method} /{number} ")), "{head}");
            let text = format!("HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nX-N: {number}\r\n{rest}");
            // In pieces of any size.
            let mut seen = String::new();
            let mut left = text.as_str();
            while !left.is_empty() {
                let n = left.len().min(1 + (seed as usize * 7919 + number * 31) % 9_000);
                let (part, more) = left.split_at(n);
                left = more;
                seen += &answer(&mut world, site, browser, part);
            }
            assert!(seen.contains(&format!("X-N: {number}\r\n")), "{seen:.200}");
            assert_eq!(seen.contains(&body), *large, "{number}: {}", seen.len());
            assert_eq!(kept(&world), 1, "after {number}");
        }
        assert_eq!(world.cores[1].statistics().counters.reused, 3);
        assert_eq!(world.cores[1].statistics().streams, 0);
    }
}

#[test]
fn what_cannot_carry_another_exchange_is_not_kept() {
    let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}");
    for (method, fields, bytes, why) in [
        ("GET", "", ok("Connection: close\r\nContent-Length: 1\r\n\r\na"), "the site closes"),
        ("GET", "", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na".into(), "HTTP/1.0"),
        ("GET", "", ok("Content-Length: 1\r\n\r\nab"), "more than the answer"),
        ("HEAD", "", ok("Content-Length: 5\r\n\r\n"), "a body may follow all the same"),
        ("HEAD", "", ok("Content-Length: 5\r\n\r\nhello"), "and here it does"),
        ("GET", "", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n".into(), "and here it may"),
        ("GET", "Authorization: NTLM x\r\n", ok("Content-Length: 0\r\n\r\n"), "it is a person's"),
        ("GET", "", ok("WWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"), "as well"),
        (
            "GET",
            "Connection: upgrade\r\nUpgrade: a\r\n",
            ok("Content-Length: 0\r\n\r\n"),
            "refused",
        ),
    ] {
        let (mut world, proxy) = tunnel(230, |_| {});
        let browser = ask(&mut world, proxy, &request(method, "/", fields));
        let site = site(&mut world);
        let seen = answer(&mut world, site, browser, &bytes);
        assert!(seen.starts_with("HTTP/1.1 20"), "{why}: {seen}");
        assert!(!seen.ends_with("ab") && !seen.ends_with("hello"), "{why}: {seen}");
        assert_eq!(kept(&world), 0, "{why}");
        world.take_all(site);
        assert!(world.has_ended(site), "{why}");
        assert_eq!(world.cores[1].statistics().streams, 0, "{why}");
    }
    for bare in ["HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 304 No\r\nETag: 1\r\n\r\n"] {
        let (mut world, proxy) = tunnel(231, |_| {});
        let browser = ask(&mut world, proxy, &get("/"));
        let site = site(&mut world);
        answer(&mut world, site, browser, bare);
        assert_eq!(kept(&world), 1, "{bare}");
    }
}

#[test]
fn an_early_answer_ends_the_connection_with_its_request() {
    let (mut world, proxy) = tunnel(232, |_| {});
    let browser = ask(&mut world, proxy, &request("POST", "/", "Content-Length: 100\r\n"));
    world.send(browser, b"half");
    world.run();
    let site = site(&mut world);
    let seen = answer(&mut world, site, browser, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    assert!(seen.starts_with("HTTP/1.1 413 ") && seen.contains("Connection: close"), "{seen}");
    assert_eq!(kept(&world), 0);
}

/// A connection to the site that has carried one exchange and waits.
fn used(seed: u64) -> (World, ListenerId, End) {
    let (mut world, proxy) = tunnel(seed, |_| {});
    let browser = ask(&mut world, proxy, &get("/0"));
    let site = site(&mut world);
    world.take_all(site);
    answer(&mut world, site, browser, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(kept(&world), 1);
    (world, proxy, site)
}

#[test]
fn one_that_dies_before_an_answer_is_repeated_only_if_twice_is_as_good_as_once() {
    for reset in [false, true] {
        let (mut world, proxy, old) = used(233);
        let browser = ask(&mut world, proxy, &get("/1"));
        assert!(world.sites.is_empty());
        assert!(world.take_all(old).starts_with("GET /1 "));
        match reset {
            true => world.abort(old),
            false => world.close(old),
        }
        world.run();
        let fresh = site(&mut world);
        assert!(world.take_all(fresh).starts_with("GET /1 "));
        let seen =
            answer(&mut world, fresh, browser, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert!(seen.starts_with("HTTP/1.1 200 ") && seen.ends_with("hi"), "{seen}");
        // One that fails for a second time is not asked again.
        let browser = ask(&mut world, proxy, &get("/2"));
        world.close(fresh);
        world.run();
        let last = site(&mut world);
        world.close(last);
        world.run();
        let page = world.take_all(browser);
        assert!(page.starts_with("HTTP/1.1 502 "), "{page}");
        assert!(world.sites.is_empty());
    }
    let (mut world, proxy, old) = used(234);
    let browser = ask(&mut world, proxy, &request("POST", "/1", ""));
    assert!(world.take_all(old).starts_with("POST /1 "));
    world.close(old);
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 "), "{page}");
    assert!(world.sites.is_empty(), "a POST is never repeated");
}

#[test]
fn one_that_dies_amid_an_answer_is_not_repeated() {
    let (mut world, proxy, old) = used(235);
    let browser = ask(&mut world, proxy, &get("/1"));
    world.send(old, b"HTTP/1.1 2");
    world.run();
    world.close(old);
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("answer-truncated"), "{page}");
    assert!(world.sites.is_empty());
}

#[test]
fn a_second_connection_that_cannot_be_made_is_told() {
    let (mut world, proxy, old) = used(236);
    let browser = ask(&mut world, proxy, &get("/1"));
    world.refusing = true;
    world.close(old);
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 "), "{page}");
    assert_eq!(world.cores[1].statistics().streams, 0);
}

#[test]
fn a_request_that_must_not_be_repeated_takes_only_a_connection_just_used() {
    let (mut world, proxy, _old) = used(237);
    world.pass(Duration::from_secs(3));
    ask(&mut world, proxy, &request("POST", "/1", ""));
    site(&mut world);
    ask(&mut world, proxy, &get("/2"));
    assert!(world.sites.is_empty(), "GET takes the old one");
}

#[test]
fn what_waits_is_bounded_in_number_and_time() {
    let (mut world, proxy) = tunnel(238, |_| {});
    let browsers: Vec<_> = (0..4).map(|_| ask(&mut world, proxy, &get("/"))).collect();
    let sites: Vec<_> = (0..4).map(|_| site(&mut world)).collect();
    for (browser, site) in browsers.iter().zip(&sites) {
        answer(&mut world, *site, *browser, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    assert_eq!(kept(&world), KEEP.per_site);
    // Other sites: the oldest makes room.
    for host in ["a.test", "b.test"] {
        let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let browser = ask(&mut world, proxy, &request);
        let (_, site) = world.sites.pop_front().unwrap();
        answer(&mut world, site, browser, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    assert_eq!(kept(&world), KEEP.in_all);
    world.take_all(sites[0]);
    assert!(world.has_ended(sites[0]));
    // The end of one that waits, and a byte nobody asked for.
    world.close(sites[1]);
    world.run();
    assert_eq!(kept(&world), KEEP.in_all - 1);
    world.pass(Duration::from_secs(91));
    assert_eq!(kept(&world), 0);
    let (world, _, _) = {
        let (mut world, proxy, old) = used(239);
        world.send(old, b"HTTP/1.1 408 Too late\r\n\r\n");
        world.run();
        (world, proxy, old)
    };
    assert_eq!(kept(&world), 0);
}

#[test]
fn an_upgrade_leaves_http_and_carries_any_bytes() {
    let (mut world, proxy) = tunnel(240, |_| {});
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let browser = ask(&mut world, proxy, &request("GET", "/ws", fields));
    let site = site(&mut world);
    assert!(world.take_all(site).ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    let switch = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst";
    assert!(answer(&mut world, site, browser, switch).ends_with("first"));
    world::traffic::transfer(&mut world, browser, site, &pattern(200_000));
    world::traffic::transfer(&mut world, site, browser, &pattern(200_000));
    world.close(site);
    world.run();
    assert!(world.has_ended(browser));
}

#[test]
fn an_answer_that_is_too_large_or_too_late_is_told() {
    let (mut world, proxy) = tunnel(241, |rules| rules.max_answer = Some(1000));
    let browser = ask(&mut world, proxy, &get("/"));
    let end = site(&mut world);
    let page = answer(&mut world, end, browser, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("answer-too-large"), "{page}");
    // HEAD tells of a body that does not come.
    let browser = ask(&mut world, proxy, &request("HEAD", "/", ""));
    let end = site(&mut world);
    let seen = answer(&mut world, end, browser, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
    let browser = ask(&mut world, proxy, &get("/"));
    let end = site(&mut world);
    answer(
        &mut world,
        end,
        browser,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
    );
    world.send(end, &[b'x'; 1010]);
    world.run();
    world.take_all(browser);
    assert!(world.was_reset(browser), "an answer cut short must not look whole");

    let limit = Duration::from_secs(5);
    let (mut world, proxy) = tunnel(242, |rules| rules.answer_timeout = Some(limit));
    let browser = ask(&mut world, proxy, &get("/"));
    world.pass(Duration::from_secs(6));
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 504 ") && page.contains("stream-timeout"), "{page}");
    // Once the head is there, the body may take its time.
    let browser = ask(&mut world, proxy, &get("/"));
    world.sites.pop_front();
    let end = site(&mut world);
    answer(&mut world, end, browser, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    world.pass(Duration::from_secs(60));
    assert_eq!(answer(&mut world, end, browser, "ok"), "ok");
}

#[test]
fn a_dial_that_may_succeed_later_is_tried_again() {
    let (mut world, proxy) = World::tunnel(243, |config| config.egress.dials.attempts = 3);
    world.refusing = true;
    let browser = ask(&mut world, proxy, &get("/"));
    world.pass(Duration::from_millis(1500));
    assert_eq!(world.take_all(browser), "");
    world.refusing = false;
    world.pass(Duration::from_secs(1));
    site(&mut world);
    world.refusing = true;
    let browser = ask(&mut world, proxy, &get("/"));
    world.pass(Duration::from_secs(3));
    assert!(world.take_all(browser).contains("dial-refused"));
}
