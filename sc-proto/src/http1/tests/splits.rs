//! Random splits and random damage: what comes out depends on the bytes alone.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::malformed::malformed_requests;
use super::play::text;
use crate::http1::{
    Body, BodyError, Coding, Framing, HeadSearch, Limits, Refused, Request, request,
};

/// Reads one head whose bytes arrive up to the given places.
fn read(input: &[u8], ends: &[usize]) -> Result<Option<(usize, Request)>, Refused> {
    let mut search = HeadSearch::new();
    let mut ends: Vec<usize> = ends.iter().map(|end| end % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    for end in ends {
        let read =
            request::read(&mut search, &input[..end], &Limits::default(), &request::Scope::Any)?;
        if read.is_some() {
            return Ok(read);
        }
    }
    Ok(None)
}

/// Feeds a body whose bytes arrive up to the given places.
fn feed(mut body: Body, input: &[u8], ends: &[usize]) -> (String, Result<bool, BodyError>) {
    let mut ends: Vec<usize> = ends.iter().map(|end| end % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    let (mut sent, mut at) = (Vec::new(), 0);
    for end in ends {
        while at < end && !body.is_done() {
            let rest = &input[at..end];
            match body.advance(rest) {
                Ok(progress) => {
                    sent.extend_from_slice(&rest[progress.forward]);
                    at += progress.consumed;
                }
                Err(error) => return (text(&sent), Err(error)),
            }
        }
    }
    (text(&sent), Ok(body.is_done()))
}

/// A chunked body, mostly well-formed.
fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop::collection::vec(any::<u8>(), 1..40).prop_flat_map(|data| {
        prop::sample::select(std::vec!["", "", ";a=b", " ", ";"]).prop_map(move |extension| {
            let mut bytes = std::format!("{:x}{extension}\r\n", data.len()).into_bytes();
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(b"\r\n");
            bytes
        })
    });
    let end =
        prop::sample::select(std::vec!["0\r\n\r\n", "0;x\r\nA: b\r\n\r\n", "0\r\nTE: b\r\n", ""]);
    (prop::collection::vec(chunk, 0..8), end).prop_map(|(chunks, end)| {
        let mut bytes = chunks.concat();
        bytes.extend_from_slice(end.as_bytes());
        bytes
    })
}

/// A request of the corpus or a good one, damaged in up to three places.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = malformed_requests()
        .into_iter()
        .map(|request| request.bytes)
        .filter(|bytes| bytes.len() < 500)
        .collect();
    seeds.push(b"GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\nA: b\r\n\r\n".to_vec());
    let byte = prop::sample::select(b"\r\n\t\0 :;,aZ/5\xff".to_vec());
    let damage = prop::collection::vec((any::<prop::sample::Index>(), byte), 0..3);
    (prop::sample::select(seeds), damage).prop_map(|(mut bytes, damage)| {
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn heads_do_not_depend_on_splits(
        input in damaged(),
        ends in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let every: Vec<usize> = (0..input.len()).collect();
        let whole = read(&input, &[]);
        prop_assert_eq!(&read(&input, &every), &whole);
        prop_assert_eq!(&read(&input, &ends), &whole);
    }

    #[test]
    fn bodies_do_not_depend_on_splits(
        input in chunked(),
        ends in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        for body in [
            Body::request(Framing::Chunked),
            Body::response(Framing::Chunked, Coding::Keep),
            Body::response(Framing::Chunked, Coding::Remove),
        ] {
            let every: Vec<usize> = (0..input.len()).collect();
            let whole = feed(body, &input, &[]);
            prop_assert_eq!(&feed(body, &input, &every), &whole);
            prop_assert_eq!(&feed(body, &input, &ends), &whole);
        }
    }

    /// What is sent on is a chunked body again, with the same data, and clean.
    #[test]
    fn kept_coding_reads_the_same_again(input in chunked()) {
        let body = Body::response(Framing::Chunked, Coding::Keep);
        let data = Body::response(Framing::Chunked, Coding::Remove);
        let mut kept = Vec::new();
        let (mut machine, mut at) = (body, 0);
        while at < input.len() && !machine.is_done() {
            let Ok(progress) = machine.advance(&input[at..]) else { return Ok(()) };
            kept.extend_from_slice(&input[at..][progress.forward]);
            at += progress.consumed;
        }
        let strict = Body::request(Framing::Chunked);
        prop_assert_eq!(feed(strict, &kept, &[]), (text(&kept), Ok(machine.is_done())));
        prop_assert_eq!(feed(data, &kept, &[]), feed(data, &input[..at], &[]));
    }
}
