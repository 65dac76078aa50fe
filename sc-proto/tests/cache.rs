//! The server's shared cache between browsers and a tunnel: what crosses the tunnel, and what
//! browsers get, whoever leaves, dawdles or is cut short.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use sc_proto::rules::{Caching, Routing};
use sc_proto::{CacheLimits, CacheStatistics, Command, Config, ListenerId};
use world::traffic::pattern;
use world::{TUNNEL, World};

const LIMITS: CacheLimits = CacheLimits { total: 4 << 20, tunnel: 4 << 20, object: 1 << 20 };
const FRESH: &str = "Cache-Control: max-age=600\r\n";

fn limited(config: &mut Config) {
    config.cache = LIMITS;
}

fn tunnel(seed: u64) -> (World, ListenerId) {
    println!("seed {seed}");
    World::tunnel(seed, limited)
}

fn get(path: &str, fields: &str) -> String {
    format!("GET http://app.test{path} HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n")
}

/// A browser that has asked for this.
fn ask(world: &mut World, proxy: ListenerId, request: &str) -> usize {
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, request.as_bytes());
    world.run();
    browser
}

/// The site that was reached, and what it was asked.
fn site(world: &mut World) -> (usize, String) {
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    let asked = world.take_all(site);
    (site, asked)
}

fn answer(world: &mut World, site: usize, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}Content-Length: {}\r\n\r\n", body.len());
    world.send(site, head.as_bytes());
    world.send(site, body);
    world.run();
}

/// All that a browser gets, head and body.
fn got(world: &mut World, browser: usize) -> (String, Vec<u8>) {
    let mut all = Vec::new();
    loop {
        world.run();
        let some = world.take(browser, usize::MAX);
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    (head, all[end..].to_vec())
}

fn none_reached(world: &mut World) {
    world.run();
    assert!(world.sites.is_empty(), "{:?}", world.sites);
}

fn figures(world: &World) -> CacheStatistics {
    world.cores[0].cache_statistics().find(|(id, _)| *id == TUNNEL).map(|it| it.1).unwrap()
}

fn status(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("Cache-Status: ")).unwrap_or("none")
}

#[test]
fn the_second_browser_gets_what_the_first_has_fetched() {
    for seed in 1..6 {
        let (mut world, proxy) = tunnel(seed);
        let body = pattern(300_000);
        let first = ask(&mut world, proxy, &get("/a.js?1", ""));
        let (reached, asked) = site(&mut world);
        assert!(asked.starts_with("GET /a.js?1 HTTP/1.1\r\n"), "{asked}");
        answer(&mut world, reached, &format!("200 OK\r\nETag: \"1\"\r\n{FRESH}"), &body);
        let (head, bytes) = got(&mut world, first);
        assert_eq!(status(&head), "sc; fwd=uri-miss; stored", "{head}");
        assert!(bytes == body);
        world.pass(Duration::from_secs(7));
        let second = ask(&mut world, proxy, &get("/a.js?1", ""));
        let (head, bytes) = got(&mut world, second);
        assert!(head.contains("\r\nAge: 7\r\n"), "{head}");
        assert_eq!(status(&head), "sc; hit; ttl=593");
        assert!(bytes == body && head.contains("\r\nContent-Length: 300000\r\n"), "{head}");
        // Its connection goes on.
        world.send(second, get("/a.js?1", "If-None-Match: \"1\"\r\n").as_bytes());
        let (head, bytes) = got(&mut world, second);
        assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{head}");
        assert!(bytes.is_empty() && head.contains("\r\nETag: \"1\"\r\n"), "{head}");
        world.send(second, get("/a.js?1", "").replace("GET", "HEAD").as_bytes());
        let (head, bytes) = got(&mut world, second);
        assert!(bytes.is_empty() && head.contains("\r\nContent-Length: 300000\r\n"), "{head}");
        none_reached(&mut world);
        let figures = figures(&world);
        assert_eq!((figures.hits, figures.misses, figures.stored), (3, 1, 1));
        assert_eq!(figures.saved, 300_000);
        let left = world.cores[0].statistics();
        assert_eq!((left.streams, left.waiting, left.buffered), (0, 0, 0));
    }
}

#[test]
fn what_many_ask_for_at_once_crosses_the_tunnel_once() {
    for seed in 10..16 {
        let (mut world, proxy) = tunnel(seed);
        let is_chunked = seed % 2 == 1;
        let browsers: Vec<_> =
            (0..20).map(|_| ask(&mut world, proxy, &get("/a.css", ""))).collect();
        let (reached, _) = site(&mut world);
        none_reached(&mut world);
        let body = pattern(200_000);
        if is_chunked {
            let head = format!("HTTP/1.1 200 OK\r\n{FRESH}Transfer-Encoding: chunked\r\n\r\n");
            world.send(reached, head.as_bytes());
            for part in body.chunks(7_777) {
                world.send(reached, format!("{:x}\r\n", part.len()).as_bytes());
                world.send(reached, part);
                world.send(reached, b"\r\n");
                world.run();
            }
            world.send(reached, b"0\r\n\r\n");
        } else {
            answer(&mut world, reached, &format!("200 OK\r\n{FRESH}"), &body);
        }
        for (index, browser) in browsers.into_iter().enumerate() {
            let (head, bytes) = got(&mut world, browser);
            let expected = if index == 0 { "stored" } else { "collapsed" };
            assert!(status(&head).ends_with(expected), "{index}: {head}");
            if index > 0 || !is_chunked {
                assert!(bytes == body, "{index}");
            } else {
                assert!(bytes.len() > body.len() && bytes.ends_with(b"0\r\n\r\n"));
            }
        }
        none_reached(&mut world);
        assert_eq!((figures(&world).misses, figures(&world).collapsed), (1, 19));
    }
}

#[test]
fn an_answer_for_one_browser_sets_the_others_free_at_once() {
    let (mut world, proxy) = tunnel(20);
    let browsers: Vec<_> = (0..4).map(|_| ask(&mut world, proxy, &get("/me", ""))).collect();
    for (index, private) in
        ["Cache-Control: private", "Set-Cookie: a=b", "X: y", "Vary: *"].into_iter().enumerate()
    {
        let (reached, _) = site(&mut world);
        // All others ask as soon as the first answer's head is there.
        if index == 0 {
            none_reached(&mut world);
        }
        let head = format!("HTTP/1.1 200 OK\r\n{private}\r\nContent-Length: 2\r\n\r\n");
        world.send(reached, head.as_bytes());
        world.run();
        if index == 0 {
            assert_eq!(world.sites.len(), 3);
        }
        world.send(reached, index.to_string().repeat(2).as_bytes());
    }
    let mut bodies = Vec::new();
    for browser in browsers {
        let (head, body) = got(&mut world, browser);
        assert!(status(&head).starts_with("sc; fwd=uri-miss"), "{head}");
        bodies.push(body);
    }
    bodies.sort();
    assert_eq!(bodies, [b"00", b"11", b"22", b"33"]);
    // From here on nobody waits for another one.
    for _ in 0..3 {
        ask(&mut world, proxy, &get("/me", ""));
    }
    assert_eq!(world.sites.len(), 3);
    assert_eq!(figures(&world).stored, 0);
}

#[test]
fn a_browser_that_leaves_stops_no_fetch_that_others_wait_for() {
    for seed in 30..46 {
        let (mut world, proxy) = tunnel(seed);
        let browsers: Vec<_> = (0..3).map(|_| ask(&mut world, proxy, &get("/a.css", ""))).collect();
        let body = pattern(500_000);
        let leave = |world: &mut World, browser| {
            if seed % 2 == 0 {
                world.abort(browser)
            } else {
                world.close(browser)
            }
            world.run();
        };
        // Before the site has said anything, in the head, in the body.
        let (reached, _) = site(&mut world);
        let when = seed % 4;
        if when == 0 {
            leave(&mut world, browsers[0]);
        }
        world.send(reached, format!("HTTP/1.1 200 OK\r\n{FRESH}").as_bytes());
        world.run();
        if when == 1 {
            leave(&mut world, browsers[0]);
        }
        world.send(reached, b"Content-Length: 500000\r\n\r\n");
        world.send(reached, &body[..100_000]);
        world.run();
        if when >= 2 {
            leave(&mut world, browsers[0]);
        }
        if when == 3 {
            leave(&mut world, browsers[1]);
        }
        world.send(reached, &body[100_000..]);
        let last = got(&mut world, browsers[2]);
        assert!(last.1 == body, "{}", last.0);
        none_reached(&mut world);
        let later = ask(&mut world, proxy, &get("/a.css", ""));
        assert!(got(&mut world, later).1 == body);
        assert_eq!(world.cores[0].statistics().streams, 0);
    }
}

#[test]
fn with_the_last_browser_the_fetch_ends() {
    let (mut world, proxy) = tunnel(50);
    let browser = ask(&mut world, proxy, &get("/a", ""));
    let (reached, _) = site(&mut world);
    world.send(
        reached,
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 9\r\n\r\nabc",
    );
    world.run();
    world.abort(browser);
    world.run();
    let left = world.cores[0].statistics();
    assert_eq!((left.streams, left.proxied, left.cached), (0, 0, 0));
}

#[test]
fn what_is_cut_short_is_not_stored_and_looks_cut_short() {
    for (seed, chunked) in [(60, false), (61, true), (62, false), (63, true)] {
        let (mut world, proxy) = tunnel(seed);
        let browsers: Vec<_> = (0..2).map(|_| ask(&mut world, proxy, &get("/a", ""))).collect();
        let (reached, _) = site(&mut world);
        let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 100" };
        let head = format!("HTTP/1.1 200 OK\r\n{FRESH}{framing}\r\n\r\n14\r\n0123456789");
        world.send(reached, head.as_bytes());
        world.run();
        if seed < 62 {
            world.abort(reached)
        } else {
            world.finish(reached)
        }
        world.run();
        assert!(world.was_reset(browsers[0]), "seed {seed}");
        if chunked {
            // It had not got anything yet, so it asks for itself.
            let (reached, _) = site(&mut world);
            answer(&mut world, reached, "200 OK\r\n", b"whole");
            assert_eq!(got(&mut world, browsers[1]).1, b"whole");
        } else {
            assert!(world.was_reset(browsers[1]), "seed {seed}");
        }
        assert_eq!(world.cores[0].statistics().cached, 0);
        ask(&mut world, proxy, &get("/a", ""));
        site(&mut world);
    }
}

#[test]
fn a_site_that_says_nothing_holds_nobody_up_for_long() {
    let (mut world, proxy) = tunnel(70);
    ask(&mut world, proxy, &get("/slow", ""));
    site(&mut world);
    let second = ask(&mut world, proxy, &get("/slow", ""));
    none_reached(&mut world);
    world.pass(Duration::from_secs(6));
    let (reached, _) = site(&mut world);
    answer(&mut world, reached, "200 OK\r\n", b"now");
    assert_eq!(got(&mut world, second).1, b"now");
}

#[test]
fn a_slow_reader_holds_up_nobody_and_little_memory() {
    let (mut world, proxy) = tunnel(80);
    let body = pattern(1_000_000);
    let slow = ask(&mut world, proxy, &get("/big", ""));
    let fast = ask(&mut world, proxy, &get("/big", ""));
    let (reached, _) = site(&mut world);
    world.send(
        reached,
        format!("HTTP/1.1 200 OK\r\n{FRESH}Content-Length: 1000000\r\n\r\n").as_bytes(),
    );
    world.send(reached, &body);
    assert!(got(&mut world, fast).1 == body);
    let others: Vec<_> = (0..30).map(|_| ask(&mut world, proxy, &get("/big", ""))).collect();
    world.run();
    let held = world.cores[0].statistics();
    assert!(held.buffered < 31 * 70_000, "{held:?}");
    assert!(held.cached < 1_100_000, "{held:?}");
    assert_eq!(held.streams, 0);
    for browser in others.into_iter().chain([slow]) {
        assert!(got(&mut world, browser).1 == body);
    }
}

#[test]
fn what_is_too_large_for_the_cache_goes_through_with_back_pressure() {
    for (seed, chunked) in [(90, false), (91, true)] {
        let (mut world, proxy) = tunnel(seed);
        let browser = ask(&mut world, proxy, &get("/huge", ""));
        let (reached, _) = site(&mut world);
        let length = 30_000_000;
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {length}")
        };
        world.send(reached, format!("HTTP/1.1 200 OK\r\n{FRESH}{framing}\r\n\r\n").as_bytes());
        let body = pattern(length);
        for part in body.chunks(1 << 20) {
            if chunked {
                world.send(reached, format!("{:x}\r\n", part.len()).as_bytes());
                world.send(reached, part);
                world.send(reached, b"\r\n");
            } else {
                world.send(reached, part);
            }
        }
        world.run();
        assert!(world.waiting_at(reached) > 20_000_000, "{}", world.waiting_at(reached));
        assert!(world.cores[0].statistics().cached < 2_000_000);
        let mut all = 0;
        loop {
            world.run();
            let n = world.discard(browser);
            if n == 0 {
                break;
            }
            all += n;
        }
        assert!(all > length, "{all}");
        if chunked {
            world.send(reached, b"0\r\n\r\n");
            assert!(got(&mut world, browser).1.is_empty());
        }
        world.run();
        let left = world.cores[0].statistics();
        assert_eq!((left.streams, left.cached, left.buffered), (0, 0, 0));
        world.send(browser, get("/next", "").as_bytes());
        assert!(site(&mut world).1.starts_with("GET /next "));
    }
}

#[test]
fn a_stale_answer_is_asked_about_and_refreshed() {
    let (mut world, proxy) = tunnel(100);
    ask(&mut world, proxy, &get("/a", ""));
    let (reached, _) = site(&mut world);
    let head = "200 OK\r\nETag: \"v1\"\r\nX-Old: 1\r\nCache-Control: max-age=5\r\n";
    answer(&mut world, reached, head, b"body");
    world.pass(Duration::from_secs(10));
    let browsers: Vec<_> = (0..3).map(|_| ask(&mut world, proxy, &get("/a", ""))).collect();
    let (reached, asked) = site(&mut world);
    none_reached(&mut world);
    assert!(asked.contains("\r\nIf-None-Match: \"v1\"\r\n"), "{asked}");
    let head = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nX-New: 2\r\nCache-Control: max-age=50\r\n\r\n";
    world.send(reached, head.as_bytes());
    for (index, browser) in browsers.into_iter().enumerate() {
        let (head, body) = got(&mut world, browser);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body == b"body", "{head}");
        assert!(head.contains("X-Old: 1") && head.contains("X-New: 2"), "{head}");
        let expected = ["sc; fwd=stale; fwd-status=304; stored", "sc; fwd=stale; collapsed"];
        assert_eq!(status(&head), expected[index.min(1)]);
    }
    world.pass(Duration::from_secs(20));
    let later = ask(&mut world, proxy, &get("/a", ""));
    assert_eq!(status(&got(&mut world, later).0), "sc; hit; ttl=30");
    assert_eq!(figures(&world).revalidated, 1);
    // A 304 about something else is of no use: everybody asks anew.
    world.pass(Duration::from_secs(40));
    let browser = ask(&mut world, proxy, &get("/a", ""));
    let (reached, _) = site(&mut world);
    world.send(reached, b"HTTP/1.1 304 Not Modified\r\nETag: \"v9\"\r\n\r\n");
    let (reached, asked) = site(&mut world);
    assert!(!asked.contains("If-None-Match"), "{asked}");
    answer(&mut world, reached, "200 OK\r\n", b"new");
    assert_eq!(got(&mut world, browser).1, b"new");
}

#[test]
fn an_unsafe_request_voids_what_is_stored_and_what_is_on_its_way() {
    let (mut world, proxy) = tunnel(110);
    let fetch = |world: &mut World, path: &str, body: &[u8]| {
        ask(world, proxy, &get(path, ""));
        let (reached, _) = site(world);
        answer(world, reached, &format!("200 OK\r\n{FRESH}"), body);
    };
    fetch(&mut world, "/list", b"1");
    fetch(&mut world, "/other", b"1");
    let post = "POST http://app.test/list HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n";
    let failed = ask(&mut world, proxy, post);
    let (reached, _) = site(&mut world);
    answer(&mut world, reached, "500 No\r\n", b"");
    assert_eq!(status(&got(&mut world, failed).0), "sc; fwd=bypass");
    let kept = ask(&mut world, proxy, &get("/list", ""));
    assert!(status(&got(&mut world, kept).0).contains("hit"));
    // One is on its way while the other succeeds.
    let other = ask(&mut world, proxy, &get("/list", "Cache-Control: no-cache\r\n"));
    let (slow, _) = site(&mut world);
    ask(&mut world, proxy, post);
    let (reached, _) = site(&mut world);
    answer(&mut world, reached, "201 Made\r\nLocation: http://app.test/other\r\n", b"");
    answer(&mut world, slow, &format!("200 OK\r\n{FRESH}"), b"old");
    assert_eq!(got(&mut world, other).1, b"old");
    for path in ["/list", "/other"] {
        ask(&mut world, proxy, &get(path, ""));
        site(&mut world);
    }
}

#[test]
fn requests_that_differ_get_their_own() {
    let (mut world, proxy) = tunnel(120);
    let german = get("/a", "Accept-Language: de\r\n");
    let french = get("/a", "Accept-Language: fr\r\n");
    let browsers = [ask(&mut world, proxy, &german), ask(&mut world, proxy, &french)];
    let head = format!("200 OK\r\nVary: accept-language\r\n{FRESH}");
    for body in [b"de", b"fr"] {
        let (reached, asked) = site(&mut world);
        assert!(asked.contains(std::str::from_utf8(body).unwrap()), "{asked}");
        answer(&mut world, reached, &head, body);
    }
    assert_eq!(got(&mut world, browsers[0]).1, b"de");
    let (head, body) = got(&mut world, browsers[1]);
    assert_eq!((status(&head), &body[..]), ("sc; fwd=vary-miss; stored", &b"fr"[..]));
    for (request, body) in [(&german, b"de"), (&french, b"fr")] {
        let again = ask(&mut world, proxy, request);
        assert_eq!(got(&mut world, again).1, body);
    }
    // What one browser could choose for all others is nobody's but its own.
    for fields in [
        "X-Forwarded-Host: evil.test\r\n",
        "X-Original-URL: /admin\r\n",
        "Range: bytes=0-1\r\n",
        "Origin: http://other.test\r\n",
        "Authorization: Basic eA==\r\n",
        "Cache-Control: no-store\r\n",
    ] {
        ask(&mut world, proxy, &get("/a", &format!("Accept-Language: de\r\n{fields}")));
        let (reached, _) = site(&mut world);
        world.abort(reached);
        world.run();
    }
    let again = ask(&mut world, proxy, &german);
    assert_eq!(got(&mut world, again).1, b"de");
    let page = ask(&mut world, proxy, &get("/b", "Cache-Control: only-if-cached\r\n"));
    let (head, _) = got(&mut world, page);
    assert!(head.starts_with("HTTP/1.1 504 ") && head.contains("not-cached"), "{head}");
    none_reached(&mut world);
}

#[test]
fn a_tunnel_may_have_no_cache() {
    let (mut world, proxy) = tunnel(130);
    let routing = Arc::new(Routing { caching: Caching::Off, ..Routing::default() });
    world.cores[0].command(Command::SetRouting { tunnel: TUNNEL, routing }, world.now);
    for _ in 0..3 {
        let browser = ask(&mut world, proxy, &get("/a", ""));
        let (reached, _) = site(&mut world);
        answer(&mut world, reached, &format!("200 OK\r\n{FRESH}"), b"1");
        assert_eq!(status(&got(&mut world, browser).0), "none");
    }
    assert_eq!(world.cores[0].statistics().cached, 0);
}

#[test]
fn memory_is_bounded_and_what_was_not_used_goes_first() {
    let (mut world, proxy) = tunnel(140);
    let body = pattern(900_000);
    for i in 0..8 {
        let browser = ask(&mut world, proxy, &get(&format!("/{i}"), ""));
        let (reached, _) = site(&mut world);
        answer(&mut world, reached, &format!("200 OK\r\n{FRESH}"), &body);
        assert!(got(&mut world, browser).1 == body);
        // The first is used again and again.
        let first = ask(&mut world, proxy, &get("/0", ""));
        assert!(got(&mut world, first).1 == body);
        none_reached(&mut world);
        assert!(world.cores[0].statistics().cached <= LIMITS.total);
    }
    let figures = figures(&world);
    assert_eq!((figures.objects, figures.evicted, figures.stored), (4, 4, 8));
    world.cores[0].command(Command::RemoveTunnel(TUNNEL), world.now);
    world.run();
    assert_eq!(world.cores[0].statistics().cached, 0);
}

#[test]
fn a_lost_client_leaves_nobody_waiting() {
    let (mut world, proxy) = tunnel(150);
    let browsers: Vec<_> = (0..5).map(|_| ask(&mut world, proxy, &get("/a", ""))).collect();
    site(&mut world);
    world.cores[0].command(Command::RemoveTunnel(TUNNEL), world.now);
    world.run();
    for browser in browsers {
        let (head, _) = got(&mut world, browser);
        assert!(head.starts_with("HTTP/1.1 50"), "{head}");
    }
    assert_eq!(world.cores[0].statistics().streams, 0);
}
