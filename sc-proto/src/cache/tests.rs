//! The rules of RFC 9111 as a table of cases, and what is ours beside them.

use alloc::format;
use alloc::string::String;
use std::println;

use bytes::Bytes;

use super::answer::{Exchanged, Facts, NotStored, Worth, judge};
use super::condition::{self, Outcome};
use super::object::{Growth, Object};
use super::refresh;
use super::request::{Asking, Part};
use super::store::{Found, Store};
use super::{CacheLimits, Seconds};
use crate::contract::{StreamKind, TunnelId};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const NOW: Seconds = 784_111_777;
const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
const TUNNEL: TunnelId = TunnelId([1; 16]);

fn head(first: &str, fields: &[&str]) -> Bytes {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{first}\r\n{fields}\r\n").into()
}

fn asking_of(tunnel: TunnelId, kind: StreamKind, line: &str, fields: &[&str]) -> Asking {
    let head = head(&format!("{line} HTTP/1.1"), fields);
    Asking::read(tunnel, kind, &"a.test:80".parse().unwrap(), &head).unwrap()
}

fn asking(fields: &[&str]) -> Asking {
    asking_of(TUNNEL, StreamKind::Http, "GET /a", fields)
}

#[allow(clippy::unwrap_in_result, reason = "a test may fail loudly")]
fn stored(request: &[&str], status: u16, answer: &[&str]) -> Result<Facts, NotStored> {
    let answer = head(&format!("HTTP/1.1 {status} X"), answer);
    judge(&asking(request), status, &answer, Exchanged { asked: NOW, answered: NOW })
}

/// What a case expects: `Ok` is for how many seconds the answer is fresh when it comes.
type Case =
    (&'static str, &'static [&'static str], u16, &'static [&'static str], Result<i64, NotStored>);

const CASES: &[Case] = &[
    // Section 3: what may be stored.
    ("3: explicit freshness", &[], 200, &["Cache-Control: max-age=60"], Ok(60)),
    ("3: a status that lasts, with a validator", &[], 200, &["ETag: \"1\""], Ok(0)),
    ("3: 404 lasts", &[], 404, &["Cache-Control: max-age=5"], Ok(5)),
    ("3: 302 only if it says how long", &[], 302, &["ETag: \"1\""], Err(NotStored::Status)),
    ("3: 302 that says how long", &[], 302, &["Cache-Control: max-age=5"], Ok(5)),
    (
        "3: 500 says nothing that lasts",
        &[],
        500,
        &["Cache-Control: max-age=5"],
        Err(NotStored::Status),
    ),
    ("3: an unknown status", &[], 299, &["Cache-Control: max-age=5"], Err(NotStored::Status)),
    (
        "3.3: a part",
        &[],
        206,
        &["Cache-Control: max-age=5", "Content-Range: bytes 0-1/9"],
        Err(NotStored::Kind),
    ),
    ("3: of no use", &[], 200, &[], Err(NotStored::Useless)),
    // Section 3.5: credentials.
    (
        "3.5: with credentials",
        &["Authorization: Basic eA=="],
        200,
        &["Cache-Control: max-age=60"],
        Err(NotStored::Credentials),
    ),
    (
        "3.5: public",
        &["Authorization: Basic eA=="],
        200,
        &["Cache-Control: public, max-age=60"],
        Ok(60),
    ),
    ("3.5: s-maxage", &["Authorization: Basic eA=="], 200, &["Cache-Control: s-maxage=60"], Ok(60)),
    (
        "3.5: must-revalidate",
        &["Authorization: Basic eA=="],
        200,
        &["Cache-Control: must-revalidate, max-age=60"],
        Ok(60),
    ),
    // Section 4.2.1: freshness.
    (
        "4.2.1: s-maxage goes first",
        &[],
        200,
        &["Cache-Control: max-age=60, s-maxage=10", "Expires: 0"],
        Ok(10),
    ),
    (
        "4.2.1: max-age before Expires",
        &[],
        200,
        &["Cache-Control: max-age=60", DATE, "Expires: Sun, 06 Nov 1994 08:49:38 GMT"],
        Ok(60),
    ),
    ("4.2.1: Expires", &[], 200, &[DATE, "Expires: Sun, 06 Nov 1994 08:50:37 GMT"], Ok(60)),
    (
        "4.2.1: Expires of old form",
        &[],
        200,
        &[DATE, "Expires: Sunday, 06-Nov-94 08:50:37 GMT"],
        Ok(60),
    ),
    ("5.3: Expires that is no date", &[], 200, &["Expires: 0", "ETag: \"1\""], Ok(0)),
    (
        "4.2.1: two max-ages",
        &[],
        200,
        &["Cache-Control: max-age=60, max-age=9", "ETag: \"1\""],
        Ok(0),
    ),
    (
        "4.2.1: twice the same",
        &[],
        200,
        &["Cache-Control: max-age=60", "Cache-Control: max-age=60"],
        Ok(60),
    ),
    (
        "1.2.2: too large a number",
        &[],
        200,
        &["Cache-Control: max-age=99999999999999999999"],
        Ok(1 << 31),
    ),
    ("1.2.2: no number", &[], 200, &["Cache-Control: max-age=x", "ETag: \"1\""], Ok(0)),
    ("5.2: quoted", &[], 200, &["Cache-Control: max-age=\"60\""], Ok(60)),
    // Section 4.2.2: guesses.
    ("4.2.2: a tenth", &[], 200, &[DATE, "Last-Modified: Sun, 06 Nov 1994 08:46:17 GMT"], Ok(20)),
    (
        "4.2.2: a minute at most",
        &[],
        200,
        &[DATE, "Last-Modified: Sun, 06 Nov 1993 08:49:37 GMT"],
        Ok(60),
    ),
    (
        "4.2.2: not for a person",
        &["Cookie: a=b"],
        200,
        &[DATE, "Last-Modified: Sun, 06 Nov 1993 08:49:37 GMT"],
        Ok(0),
    ),
    (
        "4.2.2: a person, but it is said",
        &["Cookie: a=b"],
        200,
        &["Cache-Control: max-age=60"],
        Ok(60),
    ),
    // Section 4.2.3: age.
    ("4.2.3: Age", &[], 200, &["Cache-Control: max-age=60", "Age: 50"], Ok(10)),
    (
        "4.2.3: Date",
        &[],
        200,
        &["Cache-Control: max-age=60", "Date: Sun, 06 Nov 1994 08:49:07 GMT"],
        Ok(30),
    ),
    (
        "4.2.3: the larger of both",
        &[],
        200,
        &["Cache-Control: max-age=60", "Age: 40", "Date: Sun, 06 Nov 1994 08:49:07 GMT"],
        Ok(20),
    ),
    (
        "4.2.3: too old already",
        &[],
        200,
        &["Cache-Control: max-age=60", "Age: 60"],
        Err(NotStored::Useless),
    ),
    // Section 5.2.2: directives of answers, in any case of letters.
    (
        "5.2.2.5: no-store",
        &[],
        200,
        &["Cache-Control: max-age=60, No-Store"],
        Err(NotStored::Forbidden),
    ),
    (
        "5.2.2.7: private",
        &[],
        200,
        &["cache-control: PRIVATE, max-age=60"],
        Err(NotStored::Forbidden),
    ),
    (
        "5.2.2.7: private for a field",
        &[],
        200,
        &["Cache-Control: private=\"a, b\", max-age=60"],
        Err(NotStored::Forbidden),
    ),
    ("5.2.2.4: no-cache", &[], 200, &["Cache-Control: no-cache, max-age=60", "ETag: \"1\""], Ok(0)),
    (
        "5.2.2.3: must-understand",
        &[],
        299,
        &["Cache-Control: must-understand, max-age=60"],
        Err(NotStored::Status),
    ),
    (
        "5.2: a comma in quotation marks",
        &[],
        200,
        &["Cache-Control: x=\"a, no-store\", max-age=60"],
        Ok(60),
    ),
    ("5.2: an unknown directive", &[], 200, &["Cache-Control: x=y, max-age=60"], Ok(60)),
    ("5.4: Pragma", &[], 200, &["Pragma: no-cache", "ETag: \"1\""], Ok(0)),
    // Section 4.1.
    (
        "4.1: Vary: *",
        &[],
        200,
        &["Cache-Control: max-age=60", "Vary: accept, *"],
        Err(NotStored::Vary),
    ),
    // Ours.
    (
        "cookies are for one",
        &[],
        200,
        &["Cache-Control: public, max-age=60", "Set-Cookie: a=b"],
        Err(NotStored::Cookie),
    ),
    (
        "a stream",
        &[],
        200,
        &["Cache-Control: max-age=60", "Content-Type: text/event-stream; charset=utf-8"],
        Err(NotStored::Kind),
    ),
];

#[test]
fn answers_are_stored_as_the_rfc_says() {
    for (name, request, status, answer, expected) in CASES {
        let left = stored(request, *status, answer).map(|facts| facts.left(NOW));
        assert_eq!(left, *expected, "{name}");
    }
}

/// A stored answer that is fresh for 60 seconds, asked for after some seconds.
type Reuse = (&'static str, &'static [&'static str], &'static str, Seconds, Worth);

const REUSES: &[Reuse] = &[
    ("4: fresh", &[], "max-age=60", 59, Worth::Fresh),
    ("4.2: fresh as long as its lifetime exceeds its age", &[], "max-age=60", 60, Worth::Stale),
    ("5.2.1.4: no-cache", &["Cache-Control: no-cache"], "max-age=60", 0, Worth::Unwanted),
    ("5.4: Pragma", &["Pragma: no-cache"], "max-age=60", 0, Worth::Unwanted),
    (
        "5.4: Pragma beside Cache-Control",
        &["Pragma: no-cache", "Cache-Control: x"],
        "max-age=60",
        0,
        Worth::Fresh,
    ),
    ("5.2.1.1: max-age", &["Cache-Control: max-age=10"], "max-age=60", 10, Worth::Fresh),
    ("5.2.1.1: max-age", &["Cache-Control: max-age=10"], "max-age=60", 11, Worth::Unwanted),
    ("5.2.1.3: min-fresh", &["Cache-Control: min-fresh=30"], "max-age=60", 30, Worth::Fresh),
    ("5.2.1.3: min-fresh", &["Cache-Control: min-fresh=30"], "max-age=60", 31, Worth::Unwanted),
    ("5.2.1.2: max-stale", &["Cache-Control: max-stale=5"], "max-age=60", 65, Worth::Fresh),
    ("5.2.1.2: max-stale", &["Cache-Control: max-stale=5"], "max-age=60", 66, Worth::Stale),
    ("5.2.1.2: any age", &["Cache-Control: max-stale"], "max-age=60", 9_999, Worth::Fresh),
    (
        "5.2.2.2: must-revalidate",
        &["Cache-Control: max-stale"],
        "max-age=60, must-revalidate",
        61,
        Worth::Stale,
    ),
    (
        "5.2.2.8: proxy-revalidate",
        &["Cache-Control: max-stale"],
        "max-age=60, proxy-revalidate",
        61,
        Worth::Stale,
    ),
    ("5.2.2.10: s-maxage", &["Cache-Control: max-stale"], "s-maxage=60", 61, Worth::Stale),
    (
        "5.2.2.4: no-cache of the answer",
        &["Cache-Control: max-stale"],
        "no-cache, max-age=60",
        1,
        Worth::Stale,
    ),
];

#[test]
fn what_is_stored_is_used_as_the_rfc_says() {
    for (name, request, control, after, expected) in REUSES {
        let control = format!("Cache-Control: {control}");
        let facts = stored(&[], 200, &[&control, "ETag: \"1\""]).unwrap();
        assert_eq!(facts.worth(&asking(request), NOW + after), *expected, "{name}");
        assert_eq!(facts.age(NOW + after), *after);
    }
}

#[test]
fn requests_that_are_one_of_a_kind_pass_by() {
    let part = |line: &str, fields: &[&str]| asking_of(TUNNEL, StreamKind::Http, line, fields).part;
    assert_eq!(part("GET /", &[]), Part::Get);
    assert_eq!(part("HEAD /", &["Content-Length: 0"]), Part::Head);
    for method in ["POST /", "PUT /", "DELETE /", "PATCH /", "get /", "PROPFIND /"] {
        assert_eq!(part(method, &[]), Part::Unsafe, "{method}");
    }
    assert_eq!(part("OPTIONS *", &[]), Part::None);
    for field in [
        "Range: bytes=0-1",
        "If-Range: \"1\"",
        "If-Match: \"1\"",
        "If-Unmodified-Since: x",
        "Content-Length: 1",
        "Transfer-Encoding: chunked",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "Accept: text/event-stream",
        "Cache-Control: no-store",
        "X-Forwarded-Host: b.test",
        "x-original-url: /admin",
        "X-HTTP-Method-Override: DELETE",
    ] {
        assert_eq!(part("GET /", &[field]), Part::None, "{field}");
    }
}

#[test]
fn keys_tell_apart_what_may_not_be_mixed() {
    let key = |tunnel, kind, target: &str, path: &str, fields: &[&str]| {
        let head = head(&format!("GET {path} HTTP/1.1"), fields);
        Asking::read(TunnelId([tunnel; 16]), kind, &target.parse().unwrap(), &head).unwrap().key
    };
    let all = [
        key(1, StreamKind::Http, "a.test:80", "/", &[]),
        key(2, StreamKind::Http, "a.test:80", "/", &[]),
        key(1, StreamKind::Https, "a.test:80", "/", &[]),
        key(1, StreamKind::Http, "b.test:80", "/", &[]),
        key(1, StreamKind::Http, "a.test:81", "/", &[]),
        key(1, StreamKind::Http, "a.test:80", "/?", &[]),
        key(1, StreamKind::Http, "a.test:80", "/?a=1&b=2", &[]),
        key(1, StreamKind::Http, "a.test:80", "/?b=2&a=1", &[]),
        key(1, StreamKind::Http, "a.test:80", "/%61", &[]),
        key(1, StreamKind::Http, "a.test:80", "/", &["Origin: http://b.test"]),
    ];
    for (i, one) in all.iter().enumerate() {
        for (j, other) in all.iter().enumerate() {
            assert_eq!(one == other, i == j, "{one:?} {other:?}");
        }
    }
    assert!(all[0].same_url(&all[9]) && !all[0].same_url(&all[1]));
    let sibling = |reference: &str| all[0].sibling(reference.as_bytes());
    let other = Some(key(1, StreamKind::Http, "a.test:80", "/b", &[]));
    assert_eq!(sibling("/b"), other);
    assert_eq!(sibling("http://a.test/b#x"), other);
    assert_eq!(sibling("http://A.test:80/b"), other);
    for foreign in ["http://b.test/b", "https://a.test/b", "//a.test/b", "b", "", "http://a.test"] {
        assert_eq!(sibling(foreign), None, "{foreign}");
    }
}

#[test]
fn an_answer_is_for_requests_with_the_same_selecting_fields() {
    let answer = ["Cache-Control: max-age=60", "Vary: Accept-Encoding, accept-language"];
    let facts =
        stored(&["Accept-Encoding: gzip,  br", "Accept-Language: de"], 200, &answer).unwrap();
    for (fields, expected) in [
        (&["Accept-Encoding: gzip, br", "Accept-Language: de"][..], true),
        (&["accept-encoding: gzip", "Accept-Encoding: br", "Accept-Language: de", "X: y"], true),
        (&["Accept-Encoding: br, gzip", "Accept-Language: de"], false),
        (&["Accept-Encoding: gzip, br"], false),
        (&["Accept-Encoding: gzip, br", "Accept-Language:"], false),
    ] {
        assert_eq!(facts.selects(&asking(fields)), expected, "{fields:?}");
    }
    // Section 3.5: what everybody may have, someone with credentials may, too.
    let with = asking(&["Authorization: x"]);
    assert!(!stored(&[], 200, &["Cache-Control: max-age=60"]).unwrap().selects(&with));
    assert!(stored(&[], 200, &["Cache-Control: public, max-age=60"]).unwrap().selects(&with));
}

#[test]
fn a_browsers_conditions_are_judged_by_what_is_stored() {
    let modified = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";
    let kept = head("HTTP/1.1 200 OK", &["ETag: W/\"1\"", modified]);
    for (field, expected) in [
        ("If-None-Match: \"1\"", Outcome::NotModified),
        ("If-None-Match: \"0\", W/\"1\"", Outcome::NotModified),
        ("If-None-Match: *", Outcome::NotModified),
        ("If-None-Match: \"2\"", Outcome::Whole),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", Outcome::NotModified),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", Outcome::Whole),
        ("If-Modified-Since: yesterday", Outcome::Whole),
        ("X: y", Outcome::Whole),
    ] {
        let request = head("GET / HTTP/1.1", &[field]);
        assert_eq!(condition::outcome(&request, &kept, NOW), expected, "{field}");
    }
    // RFC 9110, section 13.2.2: the tag goes first.
    let both = ["If-None-Match: \"2\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"];
    let request = head("GET / HTTP/1.1", &both);
    assert_eq!(condition::outcome(&request, &kept, NOW), Outcome::Whole);
    let asked = condition::ask_about(&request, Some(&kept));
    let lines = ["If-None-Match: W/\"1\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"];
    assert_eq!(asked, head("GET / HTTP/1.1", &lines));
    assert_eq!(condition::ask_about(&request, None), head("GET / HTTP/1.1", &[]));
}

#[test]
fn a_304_changes_what_is_no_part_of_the_body() {
    let answer = ["Content-Length: 9", "Content-Type: a", "X: 1", "X: 2", "Age: 5", "Y: 1"];
    let kept = refresh::stored(&head("HTTP/1.1 200 OK", &answer));
    assert_eq!(kept, "HTTP/1.1 200 OK\r\nContent-Type: a\r\nX: 1\r\nX: 2\r\nY: 1\r\n");
    let news = head("HTTP/1.1 304 No", &["x: 3", "Content-Type: b", "Content-Length: 0", "Z: 1"]);
    let fresh = refresh::refreshed(&kept, &news);
    assert_eq!(fresh, "HTTP/1.1 200 OK\r\nContent-Type: a\r\nY: 1\r\nx: 3\r\nZ: 1\r\n");
    for (news, stored, expected) in [
        ("ETag: \"1\"", "ETag: \"1\"", true),
        ("ETag: W/\"1\"", "ETag: \"1\"", true),
        ("ETag: \"2\"", "ETag: \"1\"", false),
        ("ETag: \"2\"", "X: y", false),
        ("X: y", "ETag: \"1\"", true),
    ] {
        let news = head("HTTP/1.1 304 No", &[news]);
        let kept = head("HTTP/1.1 200 OK", &[stored]);
        assert_eq!(condition::confirms(&news, &kept), expected);
    }
}

#[test]
fn the_store_keeps_its_books_whatever_happens() {
    for seed in 1..50_u64 {
        println!("seed {seed}");
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |n: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % n
        };
        let limits = CacheLimits { total: 40_000, tunnel: 25_000, object: 9_000 };
        let mut store = Store::new(limits);
        let mut pinned = alloc::vec::Vec::new();
        for _ in 0..400 {
            let tunnel = TunnelId([below(3) as u8; 16]);
            store.know(tunnel);
            let line = format!("GET /{}", below(8));
            let language = format!("L: {}", below(3));
            let asking = asking_of(tunnel, StreamKind::Http, &line, &[&language]);
            match below(6) {
                0..=2 => {
                    let answer = head("HTTP/1.1 200 X", &["Cache-Control: max-age=9", "Vary: l"]);
                    let at = Exchanged { asked: NOW, answered: NOW };
                    let facts = judge(&asking, 200, &answer, at).unwrap();
                    let body = alloc::vec![7; below(9_500) as usize];
                    let growth = match below(2) {
                        0 => Growth::Open,
                        _ => Growth::To(body.len() as u64),
                    };
                    let object =
                        Object::new(asking.key.clone(), refresh::stored(&answer), facts, growth);
                    let Ok(key) = store.admit(object) else { continue };
                    if store.grow(key, body.len()).is_ok() {
                        let object = store.get_mut(key).unwrap();
                        object.append(&body);
                        object.finish();
                        store.list(key, &asking);
                        assert_eq!(store.find(&asking, NOW), Found::Usable(key));
                    }
                    if below(3) == 0 { pinned.push(key) } else { store.unpin(key) }
                }
                3 => drop(store.find(&asking, NOW + below(20))),
                4 => store.invalidate(&asking.key),
                _ if !pinned.is_empty() => store.unpin(pinned.remove(0)),
                _ => {}
            }
            assert!(store.bytes() <= limits.total);
            let each: alloc::vec::Vec<_> = store.statistics().map(|(_, of)| of.bytes).collect();
            assert!(each.iter().all(|bytes| *bytes <= limits.tunnel));
            assert_eq!(each.iter().sum::<usize>(), store.bytes());
        }
        pinned.into_iter().for_each(|key| store.unpin(key));
        (0..3).for_each(|tunnel| store.remove_tunnel(TunnelId([tunnel; 16])));
        assert_eq!(store.bytes(), 0);
    }
}
