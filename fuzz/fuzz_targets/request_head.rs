//! Request heads: never a panic, the same result for every split, and what is sent on means the
//! same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::contract::StreamKind;
use sc_proto::http1::request::Scope;
use sc_proto::http1::{
    Framing, HeadSearch, Limits, Persistence, Refused, Request, Upgrade, Version, request,
};

fn limits() -> Limits {
    // Small, so that the fuzzer reaches them.
    Limits { max_head: 2048, max_start_line: 512, max_headers: 16 }
}

fn read(input: &[u8], limits: &Limits) -> Result<Option<(usize, Request)>, Refused> {
    request::read(&mut HeadSearch::new(), input, limits, &Scope::Any)
}

fuzz_target!(|input: &[u8]| {
    let limits = limits();
    let whole = read(input, &limits);
    let mut search = HeadSearch::new();
    let pieces = (0..=input.len())
        .map(|end| request::read(&mut search, &input[..end], &limits, &Scope::Any))
        .find(|read| *read != Ok(None))
        .unwrap_or(Ok(None));
    assert_eq!(whole, pieces);
    match whole {
        Ok(Some((length, request))) => {
            assert!(length <= input.len() && length <= limits.max_head);
            check(&request);
        }
        Ok(None) => assert!(input.len() < limits.max_head),
        Err(refused) => {
            assert!((400..=599).contains(&refused.status()));
            assert!(!refused.code().word().is_empty() && !refused.advice().is_empty());
        }
    }
});

/// Holds a request against what its own forward head says.
fn check(request: &Request) {
    assert!(request.target.port != 0);
    assert!(request.framing != Framing::UntilClose);
    if request.kind == StreamKind::Connect {
        assert!(request.head.is_empty());
        assert!(matches!(request.framing, Framing::None | Framing::Length(0)));
        return;
    }
    let head = std::str::from_utf8(&request.head)
        .map(str::to_owned)
        .unwrap_or_else(|_| request.head.iter().map(|&byte| char::from(byte)).collect());
    let fields = |name: &str| {
        let start = format!("{name}: ");
        head.split("\r\n")
            .skip(1)
            .filter(|line| {
                line.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&start))
            })
            .count()
    };
    assert_eq!(fields("host"), 1);
    assert_eq!(fields("connection"), 1);
    assert!(fields("content-length") + fields("transfer-encoding") <= 1);
    for gone in ["keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"] {
        assert_eq!(fields(gone), 0, "{gone}");
    }
    read_again(request);
}

/// Puts the site back into the request line and reads the head again.
fn read_again(request: &Request) {
    let head = &request.head;
    let method_end = head.iter().position(|&byte| byte == b' ').expect("a method");
    let rest = &head[method_end + 1..];
    let mut again = head[..=method_end].to_vec();
    again.extend_from_slice(format!("http://{}", request.target).as_bytes());
    again.extend_from_slice(rest.strip_prefix(b"*").unwrap_or(rest));
    // The target is written out here, and numbers and field names are written anew there.
    let limits = Limits {
        max_head: 2 * limits().max_head,
        max_start_line: 2 * limits().max_start_line,
        max_headers: 2 + limits().max_headers,
    };
    let (length, second) = match read(&again, &limits) {
        Ok(Some(read)) => read,
        // Each hop counts down; at the last one it ends.
        Err(Refused::LastHop) => return,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&again)),
    };
    assert_eq!(length, again.len());
    assert_eq!(second.target, request.target);
    assert_eq!(second.method, request.method);
    assert_eq!(second.framing, request.framing);
    assert_eq!(second.upgrade, request.upgrade);
    assert_eq!(second.version, Version::Http11);
    let expected = match request.upgrade {
        Upgrade::No => Persistence::Close,
        Upgrade::Asked => Persistence::KeepAlive,
    };
    assert_eq!(second.persistence, expected);
    let counts = request.head.windows(12).any(|w| w.eq_ignore_ascii_case(b"max-forwards"));
    if !counts {
        assert_eq!(second.head, request.head);
    }
}
