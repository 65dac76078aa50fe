use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::contract::DialFailure::{
    ProxyCredentials, ProxyDenied, ProxyFailed, ProxyProtocol, ProxyTimedOut,
};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn way(text: &str) -> Way {
    Way::parse(text).unwrap()
}

/// Says `bytes` to a new handshake, whole and byte by byte: both come to the same.
fn hears(way: &Way, parts: &[&[u8]]) -> Result<Progress, DialFailure> {
    let begin = || Handshake::begin(way, &target("site.test:81")).unwrap();
    let whole = parts.iter().try_fold((begin(), Progress::Pending), |(mut shake, _), part| {
        let n = shake.to_send().len();
        shake.sent(n);
        let progress = shake.receive(part)?;
        Ok((shake, progress))
    });
    let mut shake = begin();
    let mut single = Ok(Progress::Pending);
    let mut late = Vec::new();
    for byte in parts.concat() {
        match &mut single {
            Ok(Progress::Pending) => single = shake.receive(&[byte]),
            _ => late.push(byte),
        }
    }
    if let Ok(Progress::Done(rest)) = &mut single {
        rest.extend(late);
    }
    let whole = whole.map(|(_, progress)| progress);
    assert_eq!(whole, single);
    whole
}

#[test]
fn connect_is_asked_and_the_sites_first_bytes_are_kept() {
    let shake = Handshake::begin(&way("u:p@proxy.test:1"), &target("[::1]:443")).unwrap();
    let said = String::from_utf8(shake.to_send().to_vec()).unwrap();
    assert_eq!(
        said,
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    );
    let proxy = way("proxy.test:1");
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\nA: b\r\n\r\n",
    ] {
        let all = [head.as_bytes(), b"SSH-2.0"].concat();
        assert_eq!(hears(&proxy, &[&all]), Ok(Progress::Done(b"SSH-2.0".to_vec())), "{head}");
        assert_eq!(hears(&proxy, &[head.as_bytes()]), Ok(Progress::Done(Vec::new())));
    }
    assert_eq!(hears(&proxy, &[b"HTTP/1.1 200 OK\r\n"]), Ok(Progress::Pending));
}

#[test]
fn an_answer_to_connect_that_is_no_yes_names_what_failed() {
    let answer = |head: &str| hears(&way("proxy.test:1"), &[head.as_bytes()]);
    for (status, failure) in [
        (407, ProxyCredentials),
        (401, ProxyCredentials),
        (403, ProxyDenied),
        (405, ProxyDenied),
        (502, ProxyFailed),
        (503, ProxyFailed),
        (504, ProxyTimedOut),
        (302, ProxyProtocol),
    ] {
        let head = alloc::format!("HTTP/1.1 {status} No\r\nServer: x\r\n\r\n");
        assert_eq!(answer(&head), Err(failure), "{status}");
    }
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
    for nonsense in
        ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\n\n", "\0", &"x".repeat(20_000), &interim]
    {
        assert_eq!(answer(nonsense), Err(ProxyProtocol), "{:.20}", nonsense);
    }
}

#[test]
fn socks_names_the_site_and_keeps_its_first_bytes() {
    let mut shake = Handshake::begin(&way("socks5://p:1"), &target("site.test:81")).unwrap();
    assert_eq!(shake.to_send(), [5, 1, 0]);
    shake.sent(3);
    assert_eq!(shake.receive(&[5, 0]), Ok(Progress::Pending));
    assert_eq!(shake.to_send(), b"\x05\x01\x00\x03\x09site.test\x00\x51");
    for bound in
        [&[1, 0, 0, 0, 0, 0, 0][..], &[3, 2, b'a', b'b', 1, 1], &[&[4][..], &[7; 18]].concat()]
    {
        let reply = [&[5, 0, 0], bound, b"hi"].concat();
        let done = Ok(Progress::Done(b"hi".to_vec()));
        assert_eq!(hears(&way("socks5://p:1"), &[&[5, 0], &reply]), done);
    }
    let mut shake = Handshake::begin(&way("socks5://p:1"), &target("10.0.0.1:258")).unwrap();
    shake.sent(3);
    shake.receive(&[5, 0]).unwrap();
    assert_eq!(shake.to_send(), [5, 1, 0, 1, 10, 0, 0, 1, 1, 2]);
}

#[test]
fn socks_passwords() {
    let proxy = way("socks5://anna:secret@p:1");
    let mut shake = Handshake::begin(&proxy, &target("[::1]:1")).unwrap();
    assert_eq!(shake.to_send(), [5, 2, 0, 2]);
    shake.sent(4);
    assert_eq!(shake.receive(&[5, 2]), Ok(Progress::Pending));
    assert_eq!(shake.to_send(), b"\x01\x04anna\x06secret");
    shake.sent(13);
    assert_eq!(shake.receive(&[1, 0]), Ok(Progress::Pending));
    assert_eq!(shake.to_send()[..4], [5, 1, 0, 4]);
    let done = Ok(Progress::Done(Vec::new()));
    let reply = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    assert_eq!(hears(&proxy, &[&[5, 2], &[1, 0], &reply]), done);
    assert_eq!(hears(&proxy, &[&[5, 0], &reply]), done);
    assert_eq!(hears(&proxy, &[&[5, 2], &[1, 1]]), Err(ProxyCredentials));
    assert_eq!(hears(&proxy, &[&[5, 255]]), Err(ProxyCredentials));
    // Without a password none is offered, so none can be asked for.
    assert_eq!(hears(&way("socks5://p:1"), &[&[5, 2]]), Err(ProxyProtocol));
}

#[test]
fn socks_refusals_and_nonsense() {
    let answer = |reply: &[u8]| hears(&way("socks5://p:1"), &[&[5, 0], reply]);
    for (code, failure) in [
        (1, ProxyFailed),
        (2, ProxyDenied),
        (3, ProxyFailed),
        (4, ProxyFailed),
        (5, ProxyFailed),
        (6, ProxyTimedOut),
        (7, ProxyProtocol),
        (99, ProxyProtocol),
    ] {
        assert_eq!(answer(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]), Err(failure), "{code}");
        assert_eq!(answer(&[5, code]), Err(failure), "{code}");
    }
    assert_eq!(answer(&[4, 0]), Err(ProxyProtocol));
    assert_eq!(answer(&[5, 0, 0, 9]), Err(ProxyProtocol));
    assert_eq!(answer(&[5, 0, 0, 3]), Ok(Progress::Pending));
    assert_eq!(hears(&way("socks5://p:1"), &[b"HTTP/1.1 400"]), Err(ProxyProtocol));
}

#[test]
fn socks_4_names_the_site_and_its_user() {
    let asked = |proxy: &str, site: &str| {
        Handshake::begin(&way(proxy), &target(site)).unwrap().to_send().to_vec()
    };
    assert_eq!(asked("socks4://p:1", "10.0.0.1:258"), [4, 1, 1, 2, 10, 0, 0, 1, 0]);
    assert_eq!(
        asked("socks4://anna@p:1", "site.test:81"),
        b"\x04\x01\x00\x51\x00\x00\x00\x01anna\x00site.test\x00"
    );
    assert_eq!(asked("socks4a://p:1", "[::1]:81"), b"\x04\x01\x00\x51\x00\x00\x00\x01\x00::1\x00");
}

#[test]
fn socks_4_replies() {
    let answer = |reply: &[u8]| hears(&way("socks4://p:1"), &[reply]);
    let granted = [0, 90, 1, 2, 3, 4, 5, 6, b'h', b'i'];
    assert_eq!(answer(&granted), Ok(Progress::Done(b"hi".to_vec())));
    for end in 0..8 {
        assert_eq!(answer(&granted[..end]), Ok(Progress::Pending), "{end}");
    }
    for (reply, failure) in [
        (&[0, 91][..], ProxyFailed),
        (&[0, 92, 0, 0, 0, 0, 0, 0], ProxyCredentials),
        (&[0, 93], ProxyCredentials),
        (&[0, 5], ProxyProtocol),
        (&[4, 90, 0, 0, 0, 0, 0, 0], ProxyProtocol),
        (&[5, 0], ProxyProtocol),
        (b"HTTP/1.1 400", ProxyProtocol),
    ] {
        assert_eq!(answer(reply), Err(failure), "{reply:?}");
    }
}

#[test]
fn a_request_becomes_absolute_and_an_upgrade_does_not() {
    let proxy = way("u:p@proxy.test:1").proxy().unwrap().clone();
    let ask = |head: &[u8], site: &str| forward(head, &target(site), &proxy);
    let absolute = |head: &[u8], site: &str| match ask(head, site) {
        Some(Forward::Absolute(head)) => String::from_utf8_lossy(&head).into_owned(),
        other => panic!("{other:?}"),
    };
    let head =
        b"GET /a?b=c HTTP/1.1\r\nHost: site.test\r\nX: \xff\r\nproxy-authorization: no\r\n\r\n";
    assert_eq!(
        absolute(head, "site.test:80"),
        "GET http://site.test/a?b=c HTTP/1.1\r\nHost: site.test\r\nX: \u{fffd}\r\n\
         Proxy-Authorization: Basic dTpw\r\n\r\n"
    );
    assert!(absolute(head, "[::1]:8080").starts_with("GET http://[::1]:8080/a?b=c HTTP/1.1\r\n"));
    let options = absolute(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "a:1");
    assert!(options.starts_with("OPTIONS http://a:1 HTTP/1.1\r\n"), "{options}");
    let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert_eq!(ask(upgrade, "a:80"), Some(Forward::Tunnel));
    for wrong in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n"[..],
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET a HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ] {
        assert_eq!(ask(wrong, "a:80"), None, "{}", String::from_utf8_lossy(wrong));
    }
}
