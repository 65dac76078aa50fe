//! The body machine alone.

use std::string::String;
use std::vec::Vec;

use super::play::text;
use crate::http1::{Body, BodyError, Coding, Framing};

/// Feeds a body in pieces; returns what is sent on, and what is left over or went wrong.
fn feed(mut body: Body, input: &[u8], piece: usize) -> (String, Result<usize, BodyError>) {
    let mut sent = Vec::new();
    let (mut end, mut at) = (0, 0);
    while at < input.len() && !body.is_done() {
        end = input.len().min(at.max(end).saturating_add(piece));
        while at < end && !body.is_done() {
            let progress = match body.advance(&input[at..end]) {
                Ok(progress) => progress,
                Err(error) => return (text(&sent), Err(error)),
            };
            assert!(progress.consumed > 0);
            assert!(progress.forward.end <= progress.consumed);
            assert_eq!(progress.done, body.is_done());
            sent.extend_from_slice(&input[at..end][progress.forward]);
            at += progress.consumed;
        }
    }
    let _ = end;
    (text(&sent), Ok(input.len() - at))
}

fn in_all_pieces(body: Body, input: &str) -> (String, Result<usize, BodyError>) {
    let whole = feed(body, input.as_bytes(), usize::MAX);
    for piece in 1..=input.len().min(40) {
        assert_eq!(feed(body, input.as_bytes(), piece), whole, "{piece}: {input}");
    }
    whole
}

#[test]
fn lengths_and_ends() {
    let of = |framing, input| in_all_pieces(Body::request(framing), input);
    assert_eq!(of(Framing::Length(5), "hello"), ("hello".into(), Ok(0)));
    assert_eq!(of(Framing::Length(5), "helloGET"), ("hello".into(), Ok(3)));
    assert_eq!(of(Framing::Length(9), "hello"), ("hello".into(), Ok(0)));
    assert_eq!(of(Framing::Length(0), "GET"), ("".into(), Ok(3)));
    assert_eq!(of(Framing::None, "GET"), ("".into(), Ok(3)));
    let until_close = Body::response(Framing::UntilClose, Coding::Keep);
    assert_eq!(in_all_pieces(until_close, "hello"), ("hello".into(), Ok(0)));
    assert!(until_close.may_end_here() && !until_close.is_done());
    assert!(!Body::request(Framing::Length(1)).may_end_here());
    assert!(!Body::request(Framing::Chunked).may_end_here());
    assert!(Body::request(Framing::None).may_end_here());
}

#[test]
fn chunked_bodies() {
    for (input, kept, data, left) in [
        ("0\r\n\r\n", "0\r\n\r\n", "", 0),
        ("5\r\nhello\r\n0\r\n\r\nGET", "5\r\nhello\r\n0\r\n\r\n", "hello", 3),
        (
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
            "hello world",
            0,
        ),
        ("A\r\n0123456789\r\n0\r\n\r\n", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
        (
            "a\r\n0\r\n\r\n45678\r\n0\r\n\r\n",
            "a\r\n0\r\n\r\n45678\r\n0\r\n\r\n",
            "0\r\n\r\n45678",
            0,
        ),
        (
            "0000000000000005\r\nhello\r\n000\r\n\r\n",
            "0000000000000005\r\nhello\r\n000\r\n\r\n",
            "hello",
            0,
        ),
        // Extensions end here.
        ("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello", 0),
        ("5;\r\nhello\r\n0;\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello", 0),
        // Trailers go on.
        ("0\r\nX-Sum: 1\r\nY:\r\n\r\n", "0\r\nX-Sum: 1\r\nY:\r\n\r\n", "", 0),
        (
            "0\r\nHosts: a\r\nHos: b\r\nContent-Lengths: c\r\n\r\n",
            "0\r\nHosts: a\r\nHos: b\r\nContent-Lengths: c\r\n\r\n",
            "",
            0,
        ),
    ] {
        let request = Body::request(Framing::Chunked);
        assert_eq!(in_all_pieces(request, input), (kept.into(), Ok(left)), "{input}");
        let keep = Body::response(Framing::Chunked, Coding::Keep);
        assert_eq!(in_all_pieces(keep, input), (kept.into(), Ok(left)), "{input}");
        let remove = Body::response(Framing::Chunked, Coding::Remove);
        assert_eq!(in_all_pieces(remove, input), (data.into(), Ok(left)), "{input}");
    }
}

#[test]
fn sites_may_pad_chunk_sizes() {
    let input = "5  \r\nhello\r\n0 \t;a\r\n\r\n";
    let keep = Body::response(Framing::Chunked, Coding::Keep);
    let expected = ("5\r\nhello\r\n0\r\n\r\n".into(), Ok(0));
    assert_eq!(in_all_pieces(keep, input), expected);
    let (_, refused) = in_all_pieces(Body::request(Framing::Chunked), input);
    assert_eq!(refused, Err(BodyError::ChunkSize));
    let (_, refused) = in_all_pieces(keep, "5 5\r\nhello");
    assert_eq!(refused, Err(BodyError::ChunkSize));
}

#[test]
fn faults_are_named() {
    let long = std::format!("5;{}\r\n", "a".repeat(257));
    let many = std::format!("0\r\n{}", "A:\r\n".repeat(33));
    let large = std::format!("0\r\nA:{}", "b".repeat(8192));
    for (input, error) in [
        ("\r\n", BodyError::ChunkSize),
        ("x", BodyError::ChunkSize),
        ("5 \r\n", BodyError::ChunkSize),
        ("00000000000000000\r\n", BodyError::ChunkTooLarge),
        ("10000000001\r\n", BodyError::ChunkTooLarge),
        ("ffffffffffffffff\r\n", BodyError::ChunkTooLarge),
        ("5;\n", BodyError::ChunkExtension),
        (&long, BodyError::ChunkExtension),
        ("5\rx", BodyError::LineEnd),
        ("1\r\naa", BodyError::ChunkEnd),
        ("1\r\na\rx", BodyError::ChunkEnd),
        ("0\r\n\rx", BodyError::LineEnd),
        ("0\r\nA: b\rx", BodyError::LineEnd),
        ("0\r\n A: b\r\n", BodyError::BadTrailer),
        ("0\r\nA: \x01", BodyError::BadTrailer),
        ("0\r\ncONTENT-lENGTH:", BodyError::ForbiddenTrailer),
        ("0\r\nTE: x", BodyError::ForbiddenTrailer),
        (&many, BodyError::TrailersTooLarge),
        (&large, BodyError::TrailersTooLarge),
    ] {
        let (sent, result) = in_all_pieces(Body::request(Framing::Chunked), input);
        assert_eq!(result, Err(error), "{input:?}");
        assert!(sent.len() < input.len());
    }
}

/// The largest chunk is taken, in bytes that never come.
#[test]
fn a_chunk_of_one_tebibyte() {
    let input = "10000000000\r\nx";
    let taken = in_all_pieces(Body::request(Framing::Chunked), input);
    assert_eq!(taken, (input.into(), Ok(0)));
}

/// What a whole buffer holds is sent on in one run, however many chunks it has.
#[test]
fn runs_are_not_cut_at_chunks() {
    let input = "5\r\nhello\r\n".repeat(1000);
    let mut body = Body::request(Framing::Chunked);
    let progress = body.advance(input.as_bytes()).unwrap();
    assert_eq!(progress.forward, 0..input.len());
}
