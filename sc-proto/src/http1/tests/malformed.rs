//! The corpus of requests that must be refused.

use std::vec::Vec;

use super::play::{PIECES, Play, text};
use crate::http1::Phase;

#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, missing_docs)]
mod corpus {
    include!("../../../../tests/corpus/malformed_requests.rs");
}
pub(super) use corpus::malformed_requests;

#[test]
fn every_malformed_request_is_refused() {
    let requests = malformed_requests();
    assert!(requests.len() > 200, "{}", requests.len());
    for request in requests {
        for piece in PIECES {
            let mut play = Play::new(piece);
            play.browser(&request.bytes);
            // In one piece nothing has been opened; in many, the fault may come after the head.
            if piece == usize::MAX {
                assert_eq!(play.record.to_stream(), "", "{}", request.name);
            } else if play.phase() == Phase::Opening {
                play.opened();
            }
            let answer = play.record.to_browser();
            let status = std::format!("HTTP/1.1 {} ", request.status);
            assert!(answer.starts_with(&status), "{}, {piece}: {answer:?}", request.name);
            assert!(answer.contains("\r\nConnection: close\r\n"), "{}", request.name);
            assert_eq!(play.phase(), Phase::Closed, "{}", request.name);
            let told = play.record.log.last().unwrap();
            assert!(told.starts_with("refused: ") && told.ends_with(" Close"), "{told}");
        }
    }
}

/// The same head is refused for the same reason, whatever stands before it on the connection.
#[test]
fn malformed_requests_are_refused_after_a_good_one() {
    for request in malformed_requests() {
        let mut play = Play::new(usize::MAX);
        let mut bytes = Vec::from(*b"GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n");
        bytes.extend_from_slice(&request.bytes);
        play.browser(&bytes);
        play.opened();
        let sent = play.record.to_stream.len();
        play.site("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(play.phase(), Phase::Closed, "{}", request.name);
        assert_eq!(play.record.to_stream.len(), sent, "{}", request.name);
        let answer = text(&play.record.to_browser);
        let status = std::format!("\r\n\r\nokHTTP/1.1 {} ", request.status);
        assert!(answer.contains(&status), "{}: {answer:?}", request.name);
    }
}
