//! Heads of answers: what the browser gets, and what is refused.

use std::format;

use super::play::in_all_splits;
use crate::http1::{
    Asked, Broken, Coding, FieldError, Follows, Framing, HeadError, HeadSearch, Limits, Method,
    Persistence, Response, Upgrade, Version, response,
};

const ASKED: Asked = Asked {
    method: Method::Other,
    version: Version::Http11,
    persistence: Persistence::KeepAlive,
    upgrade: Upgrade::No,
};

/// Reads a head whole, and byte by byte.
fn parse(text: &str, asked: Asked) -> Result<Response, Broken> {
    let input = text.as_bytes();
    let limits = Limits::default();
    let whole = response::read(&mut HeadSearch::new(), input, asked, &limits);
    let mut search = HeadSearch::new();
    let mut pieces = (0..=input.len())
        .map(|end| response::read(&mut search, &input[..end], asked, &limits))
        .filter(|read| *read != Ok(None));
    assert_eq!(pieces.next().unwrap_or(Ok(None)), whole, "{text}");
    let (length, response) = whole?.unwrap();
    assert_eq!(length, input.len(), "{text}");
    Ok(response)
}

fn body(framing: Framing, persistence: Persistence) -> Follows {
    Follows::Body { framing, coding: Coding::Keep, persistence }
}

#[test]
fn framing_of_answers() {
    let head = Asked { method: Method::Head, ..ASKED };
    let keep = Persistence::KeepAlive;
    let lasting = "Connection: keep-alive\r\n";
    for (asked, status, fields, framing, sent) in [
        (ASKED, "200 OK", "Content-Length: 5\r\n", Framing::Length(5), "Content-Length: 5\r\n"),
        (ASKED, "200 OK", "Content-Length: 00\r\n", Framing::Length(0), "Content-Length: 0\r\n"),
        (
            ASKED,
            "200 OK",
            "transfer-encoding: CHUNKED\r\n",
            Framing::Chunked,
            "Transfer-Encoding: chunked\r\n",
        ),
        (ASKED, "204 No Content", "", Framing::None, ""),
        (ASKED, "204 No Content", "Content-Length: 0\r\n", Framing::None, ""),
        (
            ASKED,
            "304 Not Modified",
            "Content-Length: 7\r\n",
            Framing::None,
            "Content-Length: 7\r\n",
        ),
        (ASKED, "304 Not Modified", "", Framing::None, ""),
        (head, "200 OK", "Content-Length: 9\r\n", Framing::None, "Content-Length: 9\r\n"),
        (
            head,
            "200 OK",
            "Transfer-Encoding: chunked\r\n",
            Framing::None,
            "Transfer-Encoding: chunked\r\n",
        ),
        (head, "404 Not Found", "", Framing::None, ""),
        (ASKED, "999 Odd", "Content-Length: 1\r\n", Framing::Length(1), "Content-Length: 1\r\n"),
        (ASKED, "200 ", "Content-Length: 1\r\n", Framing::Length(1), "Content-Length: 1\r\n"),
    ] {
        let response = parse(&format!("HTTP/1.1 {status}\r\n{fields}\r\n"), asked).unwrap();
        let expected = format!("HTTP/1.1 {status}\r\n{sent}{lasting}\r\n");
        assert_eq!(response.head, expected);
        assert_eq!(response.follows, body(framing, keep), "{status} {fields}");
    }
}

#[test]
fn persistence_towards_the_browser() {
    let closing = Asked { persistence: Persistence::Close, ..ASKED };
    for (asked, fields, framing) in [
        (ASKED, "", Framing::UntilClose),
        (closing, "", Framing::UntilClose),
        (closing, "Content-Length: 5\r\n", Framing::Length(5)),
        (closing, "Transfer-Encoding: chunked\r\n", Framing::Chunked),
    ] {
        let response = parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), asked).unwrap();
        assert_eq!(response.follows, body(framing, Persistence::Close));
        let expected = format!("HTTP/1.1 200 OK\r\n{fields}Connection: close\r\n\r\n");
        assert_eq!(response.head, expected);
    }
    // What the site does with its own connection is not the browser's matter.
    for site in ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n"] {
        let response = parse(&format!("{site}Content-Length: 5\r\n\r\n"), ASKED).unwrap();
        let follows = body(Framing::Length(5), Persistence::KeepAlive);
        assert_eq!(response.follows, follows);
    }
}

#[test]
fn fields_of_one_hop_end_here() {
    let response = parse(
        "HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive, X-Hop, content-length\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: close\r\n\
         Upgrade: h2c\r\nTrailer: X\r\nTE: x\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\
         Content-Length: 5\r\n\r\n",
        ASKED,
    );
    let expected = "HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\
         Content-Length: 5\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(response.unwrap().head, expected);
}

#[test]
fn interim_answers_and_switches() {
    let upgrade = Asked { upgrade: Upgrade::Asked, ..ASKED };
    let connect = Asked { method: Method::Connect, ..ASKED };
    let old = Asked { version: Version::Http10, ..ASKED };
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n";
    for (asked, text, follows, head) in [
        (ASKED, "HTTP/1.1 100 Continue\r\n\r\n", Follows::Answer, "HTTP/1.1 100 Continue\r\n\r\n"),
        (ASKED, "HTTP/1.1 102 \r\n\r\n", Follows::Answer, "HTTP/1.1 102 \r\n\r\n"),
        (ASKED, &format!("{hints}Connection: x\r\n\r\n"), Follows::Answer, &format!("{hints}\r\n")),
        (old, "HTTP/1.1 100 Continue\r\n\r\n", Follows::Answer, ""),
        (
            upgrade,
            "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nA: b\r\n\r\n",
            Follows::Tunnel,
            "HTTP/1.1 101 Switching\r\nA: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
        (
            connect,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            Follows::Tunnel,
            "HTTP/1.1 200 OK\r\n\r\n",
        ),
    ] {
        let response = parse(text, asked).unwrap();
        assert_eq!(response.head, head);
        assert_eq!(response.follows, follows);
    }
}

#[test]
fn http_1_0_browsers_get_no_chunks() {
    let old = Asked { version: Version::Http10, persistence: Persistence::Close, ..ASKED };
    let response = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", old).unwrap();
    assert_eq!(response.head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    let follows = Follows::Body {
        framing: Framing::Chunked,
        coding: Coding::Remove,
        persistence: Persistence::Close,
    };
    assert_eq!(response.follows, follows);
}

#[test]
fn ambiguous_answers_are_refused() {
    let field = |error| Broken::Field(error);
    let head = |error| Broken::Head(error);
    let upgrade = Asked { upgrade: Upgrade::Asked, ..ASKED };
    for (asked, text, reason) in [
        (ASKED, "200 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/2 200 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/1.2 200 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "http/1.1 200 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "\r\nHTTP/1.1 200 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "\x15\x03\x01\0\x02\x02", Broken::StatusLine),
        (ASKED, "HTTP/1.1 20 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/1.1 2000 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/1.1 099 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/1.1  200 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/1.1 +20 OK\r\n\r\n", Broken::StatusLine),
        (ASKED, "HTTP/1.1 200 OK\nA: b\n\n", head(HeadError::BareLf)),
        (ASKED, "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", head(HeadError::BareCr)),
        (ASKED, "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", head(HeadError::Control)),
        (ASKED, "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Broken::FieldLine),
        (ASKED, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Broken::FieldLine),
        (ASKED, "HTTP/1.1 200 OK\r\nA\r\n\r\n", Broken::FieldLine),
        (ASKED, "HTTP/1.1 200 OK\r\n: b\r\n\r\n", Broken::FieldLine),
        (
            ASKED,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            field(FieldError::TwoLengths),
        ),
        (ASKED, "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", field(FieldError::TwoLengths)),
        (ASKED, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", field(FieldError::BadLength)),
        (
            ASKED,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            field(FieldError::LengthAndCoding),
        ),
        (
            ASKED,
            "HTTP/1.1 204 No\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            field(FieldError::LengthAndCoding),
        ),
        (
            ASKED,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            field(FieldError::BadCoding),
        ),
        (
            ASKED,
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            field(FieldError::CodingInHttp10),
        ),
        (ASKED, "HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\n\r\n", Broken::Switch),
        (upgrade, "HTTP/1.1 101 Switch\r\nConnection: upgrade\r\n\r\n", Broken::Switch),
    ] {
        assert_eq!(parse(text, asked), Err(reason), "{text:?}");
        let record = in_all_splits(|play| {
            play.browser("GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n");
            play.browser(match asked.upgrade {
                Upgrade::Asked => "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                Upgrade::No => "\r\n",
            });
            play.opened();
            for byte in text.bytes() {
                play.site([byte]);
                if play.record.log().contains("broken") {
                    break;
                }
            }
        });
        assert!(record.to_browser().starts_with("HTTP/1.1 502 "), "{}", record.to_browser());
        assert!(record.to_browser().contains("X-Sc-Error: bad-answer\r\n"));
    }
}

#[test]
fn huge_heads_are_refused() {
    let long = format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(parse(&long, ASKED), Err(Broken::Head(HeadError::StartLineTooLong)));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(129));
    assert_eq!(parse(&many, ASKED), Err(Broken::Head(HeadError::TooManyFields)));
    let large = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(66_000));
    assert_eq!(parse(&large, ASKED), Err(Broken::Head(HeadError::TooLarge)));
}
