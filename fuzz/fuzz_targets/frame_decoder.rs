//! Frames of KGP: never a panic, the same result for every split, and what decodes encodes to the
//! same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::fuzzing::encode;
use sc_proto::kgp::ProtocolError;
use sc_proto::kgp::frame::{Frame, HEADER};

type Verdict<'a> = Result<Option<(Frame<'a>, usize)>, ProtocolError>;

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    loop {
        let whole = Frame::decode(rest);
        same_for_every_split(rest, &whole);
        let Ok(Some((frame, length))) = whole else {
            break;
        };
        same_bytes(&frame, &rest[..length]);
        rest = &rest[length..];
    }
});

/// With less input the verdict is the same or not there yet.
fn same_for_every_split(input: &[u8], whole: &Verdict<'_>) {
    for end in 0..input.len().min(600) {
        let part = Frame::decode(&input[..end]);
        assert!(part == Ok(None) || part == *whole, "{part:?} {whole:?}");
    }
}

fn same_bytes(frame: &Frame<'_>, bytes: &[u8]) {
    let again = encode(frame);
    if matches!(frame, Frame::Hello(_) | Frame::Welcome(_) | Frame::Resume(_)) {
        // Later versions may have added something, which was skipped.
        let known = again.len();
        assert!(known <= bytes.len());
        assert_eq!(again[HEADER..], bytes[HEADER..known]);
    } else {
        assert_eq!(again, bytes);
    }
}
