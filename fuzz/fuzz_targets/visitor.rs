//! Credentials for a proxy port: the value of `Proxy-Authorization` and what HTTP Basic holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::contract::Visitor;
use sc_proto::http1::request::Scope;
use sc_proto::http1::{Credentials, HeadSearch, Limits, request};

fuzz_target!(|input: &[u8]| {
    let mut head = b"GET http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Authorization: ".to_vec();
    head.extend_from_slice(input);
    head.extend_from_slice(b"\r\n\r\n");
    let read = request::read(&mut HeadSearch::new(), &head, &Limits::default(), &Scope::Any);
    if let Ok(Some((_, read))) = read {
        // The site never sees it.
        let lower = read.head.to_ascii_lowercase();
        assert!(!lower.windows(21).any(|part| part == b"\nproxy-authorization:"));
        if let Credentials::Basic(visitor) = read.credentials {
            check(&visitor);
        }
    }
    if let Ok(text) = core::str::from_utf8(input) {
        let (user_id, key) = text.split_once('\n').unwrap_or((text, "key"));
        if let Ok(visitor) = Visitor::new(user_id, key) {
            check(&visitor);
        }
    }
});

fn check(visitor: &Visitor) {
    let (user, tunnel, key) = (visitor.user(), visitor.tunnel(), visitor.expose());
    assert!(!user.is_empty() && !user.contains('+') && !key.is_empty());
    for part in [user, tunnel.unwrap_or("-"), key] {
        assert!(!part.is_empty() && !part.chars().any(char::is_control));
    }
    // Written as it has to be written it means the same.
    let written: String =
        tunnel.unwrap_or_default().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let named = format!("{user}+{written}");
    if let (Ok(again), Ok(other)) = (Visitor::new(&named, key), Visitor::new(&named, "another")) {
        assert_eq!((again.user(), again.tunnel()), (user, tunnel));
        assert_eq!(format!("{again:?}"), format!("{other:?}"), "the key shows");
    }
}
