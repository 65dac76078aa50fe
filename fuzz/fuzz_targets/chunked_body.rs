//! The body machine: never a panic, the same result for every split, and what is sent on is a
//! clean body with the same data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::http1::{Body, BodyError, Coding, Framing};

/// What came of feeding a body.
#[derive(Debug, PartialEq, Eq)]
struct Fed {
    sent: Vec<u8>,
    taken: usize,
    done: bool,
    error: Option<BodyError>,
}

fn feed(mut body: Body, input: &[u8], pieces: &[u8]) -> Fed {
    let (mut sent, mut at, mut end, mut error) = (Vec::new(), 0, 0, None);
    let mut sizes = pieces.iter().cycle();
    'all: while end < input.len() {
        let size = sizes.next().map_or(input.len(), |&size| usize::from(size).max(1));
        end = input.len().min(end + size);
        while at < end && !body.is_done() {
            let rest = &input[at..end];
            match body.advance(rest) {
                Ok(progress) => {
                    assert!(progress.consumed > 0 && progress.consumed <= rest.len());
                    assert!(progress.forward.end <= progress.consumed);
                    assert_eq!(progress.done, body.is_done());
                    sent.extend_from_slice(&rest[progress.forward]);
                    at += progress.consumed;
                }
                Err(found) => {
                    assert_eq!(body.advance(rest), Err(found), "an error stays");
                    error = Some(found);
                    break 'all;
                }
            }
        }
    }
    Fed { sent, taken: at, done: body.is_done(), error }
}

fuzz_target!(|data: &[u8]| {
    // First byte: how many bytes of piece sizes follow.
    let Some((&count, rest)) = data.split_first() else {
        return;
    };
    let (pieces, input) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let keep = Body::response(Framing::Chunked, Coding::Keep);
    let remove = Body::response(Framing::Chunked, Coding::Remove);
    for body in [
        keep,
        remove,
        Body::request(Framing::Chunked),
        Body::request(Framing::Length(u64::from(count))),
        Body::response(Framing::UntilClose, Coding::Keep),
    ] {
        let whole = feed(body, input, &[]);
        assert_eq!(feed(body, input, &[1]), whole);
        assert_eq!(feed(body, input, pieces), whole);
    }
    let kept = feed(keep, input, &[]);
    let data = feed(remove, input, &[]);
    assert_eq!((kept.taken, kept.done, kept.error), (data.taken, data.done, data.error));
    // A strict reader takes all of what is sent on, changes nothing, and finds the same data.
    let again = feed(Body::request(Framing::Chunked), &kept.sent, &[]);
    assert_eq!(again.sent, kept.sent);
    assert_eq!((again.taken, again.done, again.error), (kept.sent.len(), kept.done, None));
    assert_eq!(feed(remove, &kept.sent, &[]).sent, data.sent);
});
