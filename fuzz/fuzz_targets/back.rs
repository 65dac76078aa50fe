//! An exchange with a site, whatever its peers say, in pieces of any size: never a panic, what goes
//! to the site is one request by a second reading, and how bytes are cut changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::contract::{StreamKind, Target};
use sc_proto::egress::{Exchanges, Forwarded, HeaderRule, Login, Logins};
use sc_proto::http1::back::{Back, Next, Outbound, Scene, read};
use sc_proto::http1::{HeadSearch, Limits, Persistence};

fuzz_target!(|input: &[u8]| {
    let [choice, cut, rest @ ..] = input else { return };
    let middle = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len());
    let (asked, said) = (&rest[..middle], rest.get(middle + 1..).unwrap_or_default());
    let Some((outbound, body)) = ask(asked, *choice) else { return };
    check_head(&outbound.head);
    let size = usize::from(*cut).max(1);
    assert_eq!(upload(&outbound, body, body.len()), upload(&outbound, body, size));
    assert_eq!(answer(&outbound, said, said.len()), answer(&outbound, said, size));
});

/// Reads the request; gives what follows its head, too.
fn ask(asked: &[u8], choice: u8) -> Option<(Outbound, &[u8])> {
    let rules = Exchanges {
        forwarded: [Forwarded::Keep, Forwarded::Remove, Forwarded::Complete]
            [usize::from(choice) % 3],
        headers: ["a: b", "c;", "-d", "-x-*", "Host: e"]
            .iter()
            .take(usize::from(choice) / 3 % 6)
            .map(|rule| HeaderRule::parse(rule).unwrap())
            .collect(),
        logins: Logins::new([Login::parse_v5("u:p@*:80").unwrap()]).unwrap(),
        ..Exchanges::default()
    };
    let target: Target = "a:80".parse().unwrap();
    let kind = [StreamKind::Http, StreamKind::Https][usize::from(choice) % 2];
    let scene = Scene {
        target: &target,
        kind,
        rules: &rules,
        mark: "sc-0123",
        persistence: Persistence::KeepAlive,
    };
    let limits = Limits::default();
    let whole = read(&mut HeadSearch::new(), asked, &limits, &scene);
    // One byte more at a time says the same, once it is whole.
    let mut search = HeadSearch::new();
    let by_bytes =
        (0..=asked.len()).find_map(|n| read(&mut search, &asked[..n], &limits, &scene).transpose());
    match (&whole, &by_bytes) {
        (Ok(None), None) => {}
        (Ok(Some(one)), Some(Ok(other))) => assert_eq!(one, other),
        (Err(one), Some(Err(other))) => assert_eq!(one, other),
        (one, other) => panic!("{one:?} {other:?}"),
    }
    let (used, outbound) = whole.ok()??;
    Some((outbound, &asked[used..]))
}

/// A second reading of the head: one request line, one Host, no line end but CRLF.
fn check_head(head: &[u8]) {
    let text = head.strip_suffix(b"\r\n\r\n").expect("a head ends with an empty line");
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        let inner = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!inner.is_empty() && !inner.contains(&b'\r') && !inner.contains(&0));
    }
    let named = |name: &[u8]| {
        let begins = |line: &&&[u8]| {
            line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        };
        lines.iter().filter(begins).count()
    };
    assert_eq!(named(b"host:"), 1);
    let framing = named(b"content-length:") + named(b"transfer-encoding:");
    assert!(framing <= 1);
}

/// What of the body goes to the site.
fn upload(outbound: &Outbound, body: &[u8], size: usize) -> Vec<u8> {
    let mut back = Back::new(outbound);
    let mut out = Vec::new();
    for part in body.chunks(size.max(1)) {
        let mut at = 0;
        while at < part.len() {
            match back.from_stream(&part[at..]) {
                Ok(progress) if progress.consumed > 0 => {
                    let forward = at + progress.forward.start..at + progress.forward.end;
                    out.extend_from_slice(&part[forward]);
                    at += progress.consumed;
                }
                Ok(_) | Err(_) => return out,
            }
        }
    }
    out
}

/// How many bytes are the answer, and whether it has ended.
fn answer(outbound: &Outbound, said: &[u8], size: usize) -> (usize, Option<Persistence>) {
    let mut back = Back::new(outbound);
    let mut taken = 0;
    for part in said.chunks(size.max(1)) {
        let step = back.from_site(part, &Limits::default());
        assert!(step.bytes <= part.len());
        taken += step.bytes;
        match step.next {
            Next::More => assert_eq!(step.bytes, part.len()),
            Next::Raw => return (said.len(), None),
            Next::Ended(site) => return (taken, Some(site)),
        }
    }
    (taken, None)
}
