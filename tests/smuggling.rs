//! Nobody smuggles a request: what a site gets of each of hundreds of odd requests is what one
//! strict reading of them gives, or nothing. The reading is that of h11, a parser which shares
//! nothing with ours (Debian's python3-h11, run by `corpus/judge.py`).
//!
//! h11 is more lenient than sc is in places (bare line feeds, repeated lengths): there sc refuses.
//! What it must never do is pass on what h11 refuses, or pass it on as something else.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use sc_tests::deployment::Tunnel;
use sc_tests::http::Connection;
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use serde_json::Value;

/// The corpus of malformed requests, for its way to write bytes.
#[allow(missing_docs, unreachable_pub, unused_qualifications, dead_code, reason = "shared")]
mod corpus {
    include!("corpus/malformed_requests.rs");

    pub(super) fn bytes_of(text: &str) -> Vec<u8> {
        written(text)
    }
}

static TUNNEL: Shared<Tunnel> = Shared::new(Tunnel::start);

/// Fields that a proxy takes out, writes anew or adds (RFC 9110, section 7.6; docs/proxying.md).
const NOT_COMPARED: [&str; 17] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
    "max-forwards",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-url",
];

/// One request of a family.
struct Variant {
    number: usize,
    family: String,
    bytes: Vec<u8>,
}

/// All variants of the file, for a site at `host`.
fn variants(host: &str) -> Vec<Variant> {
    let mut all = Vec::new();
    let lines = include_str!("corpus/request_variants.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.splitn(3, " | ");
        let mut part = || parts.next().expect("three parts");
        let (family, template, alternatives) = (part(), part(), part());
        for alternative in alternatives.split("~~") {
            // One blank on each side belongs to the file.
            let alternative = alternative.strip_suffix(' ').unwrap_or(alternative);
            let alternative = alternative.strip_prefix(' ').unwrap_or(alternative);
            let number = all.len();
            let text = template.replacen('@', alternative, 1);
            let text = text.replace("/vV", &format!("/v{number}"));
            let text = text.replace("SITE", host);
            let bytes = corpus::bytes_of(&text);
            all.push(Variant { number, family: family.to_owned(), bytes });
        }
    }
    all
}

/// What h11 reads in each of these streams.
fn judged(streams: &[Vec<u8>]) -> Vec<Vec<Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/judge.py");
    // Debian's, which has Debian's h11.
    let mut judge = Command::new("/usr/bin/python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let mut input = judge.stdin.take().expect("a pipe");
    let lines: String = streams
        .iter()
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = judge.wait_with_output().expect("the judge ends");
    writer.join().expect("a thread").expect("the judge reads it all");
    assert!(output.status.success(), "the judge failed");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let lists: Vec<Vec<Value>> =
        text.lines().map(|line| serde_json::from_str(line).expect("a list")).collect();
    assert_eq!(lists.len(), streams.len());
    lists
}

/// A request whose end does not come is waited for so long.
const SILENCE: Duration = Duration::from_secs(3);

/// Sends a variant and the request behind it, which asks for the end of the connection, and waits
/// for that.
fn send(tunnel: &Tunnel, stream: &[u8]) {
    let mut connection = Connection::open(tunnel.proxy).expect("the proxy accepts");
    connection.stream().set_read_timeout(Some(SILENCE)).expect("a time-out");
    // It may have closed already, or wait for more than there is.
    let _ = connection.send(stream);
    let _ = connection.read_to_close();
}

/// The number in `/vNUMBER`.
fn number_of(request: &Value) -> Option<usize> {
    let target = request["target"].as_str()?;
    let digits = target.split("/v").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Fields that must arrive as they were sent.
fn compared(request: &Value) -> Vec<(String, String)> {
    let empty = Vec::new();
    let pair = |field: &Value| {
        let text = |at: usize| field[at].as_str().unwrap_or_default().to_owned();
        (text(0), text(1))
    };
    let all: Vec<_> = request["fields"].as_array().unwrap_or(&empty).iter().map(pair).collect();
    let listed: Vec<String> = all
        .iter()
        .filter(|(name, _)| name == "connection")
        .flat_map(|(_, value)| value.split(',').map(|word| word.trim().to_ascii_lowercase()))
        .collect();
    let stays =
        |name: &str| !NOT_COMPARED.contains(&name) && !listed.iter().any(|word| word == name);
    all.into_iter().filter(|(name, _)| stays(name)).collect()
}

/// The path of a request to a proxy.
fn path(target: &str) -> String {
    let Some((_, rest)) = target.split_once("://") else { return target.to_owned() };
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    }
}

/// Holds what the site has got against what was sent. `None`: it is the same.
fn difference(sent: &Value, got: &Value, host: &str) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (target, body) = (path(&text(&sent["target"])), text(&sent["body"]));
    let field = |name: &str| {
        let fields = got["fields"].as_array()?;
        let values: Vec<_> = fields.iter().filter(|field| field[0] == name).collect();
        (values.len() == 1).then(|| text(&values[0][1]))
    };
    if text(&sent["method"]) != text(&got["method"]) {
        return Some("another method".to_owned());
    }
    if target != text(&got["target"]) {
        return Some("another target".to_owned());
    }
    if field("host").as_deref() != Some(host) {
        return Some("another host".to_owned());
    }
    if compared(sent) != compared(got) {
        return Some("other fields".to_owned());
    }
    let is_same_body = match got["whole"] == Value::Bool(true) {
        true => sent["whole"] == Value::Bool(true) && body == text(&got["body"]),
        // Broken off: what came until then is the same.
        false => body.starts_with(&text(&got["body"])),
    };
    if !is_same_body {
        return Some("another body".to_owned());
    }
    let trailers = |request: &Value| request["trailers"].as_array().cloned().unwrap_or_default();
    let is_same_end = trailers(got).is_empty() || trailers(got) == trailers(sent);
    (!is_same_end).then(|| "other trailers".to_owned())
}

#[test]
#[cfg_attr(missing_h11, ignore = "skipped: python3-h11 is not installed")]
fn a_site_gets_what_one_strict_reading_gives_or_nothing() {
    let tunnel = TUNNEL.lease();
    let site = Site::start();
    let host = site.address().to_string();
    let variants = variants(&host);
    assert!(variants.len() >= 200, "{}", variants.len());
    let streams: Vec<Vec<u8>> = variants
        .iter()
        .map(|variant| {
            let next = format!(
                "GET http://{host}/v{}/next HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
                variant.number
            );
            [&variant.bytes[..], next.as_bytes()].concat()
        })
        .collect();
    std::thread::scope(|scope| {
        for part in streams.chunks(streams.len().div_ceil(8)) {
            let tunnel = &tunnel;
            scope.spawn(move || part.iter().for_each(|stream| send(tunnel, stream)));
        }
    });
    let expected = judged(&streams);
    let mut got: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for connection in judged(&site.raw()) {
        for request in connection {
            // Every byte that the site got belongs to a request.
            assert_eq!(request.get("error"), None, "h11 refuses what the site got");
            let number = number_of(&request);
            let number = number.unwrap_or_else(|| panic!("whose request is this? {request}"));
            got.entry(number).or_default().push(request);
        }
    }
    let mut wrong = Vec::new();
    let mut passed = 0;
    for variant in &variants {
        let (Some(arrived), Some(sent)) = (got.get(&variant.number), expected.get(variant.number))
        else {
            continue;
        };
        passed += 1;
        // In any order: the client keeps several connections to the site. Each request counts once.
        let mut sent: Vec<&Value> = sent.iter().filter(|one| one.get("error").is_none()).collect();
        for request in arrived {
            let same = sent.iter().position(|sent| difference(sent, request, &host).is_none());
            if let Some(at) = same {
                sent.remove(at);
                continue;
            }
            let why: Vec<_> =
                sent.iter().filter_map(|one| difference(one, request, &host)).collect();
            let text = String::from_utf8_lossy(&variant.bytes).into_owned();
            wrong.push(format!("{}: {why:?}: {text:?} arrived as {request}", variant.family));
        }
    }
    println!("{} variants, {passed} passed on at least in part", variants.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // The test would be worth nothing if all were refused.
    assert!(passed >= 40, "{passed}");
}
