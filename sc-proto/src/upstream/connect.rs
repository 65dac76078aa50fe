//! CONNECT to an HTTP proxy (RFC 9110, section 9.3.6).

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use httparse::Status;

use super::{Step, authorization};
use crate::contract::{DialFailure, Target};
use crate::egress::Proxy;
use crate::http1::{HeadSearch, Limits};

/// What an answer to CONNECT may take.
const LIMITS: Limits = Limits { max_head: 16 * 1024, max_start_line: 1024, max_headers: 64 };
/// Interim answers that are skipped at most.
const MAX_INTERIM: usize = 4;

/// A CONNECT that waits for its answer.
#[derive(Debug)]
pub(super) struct Connect {
    search: HeadSearch,
    interim: usize,
}

impl Connect {
    pub(super) fn begin(proxy: &Proxy, target: &Target) -> (Vec<u8>, Self) {
        let mut out = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        out.extend(authorization(proxy));
        out.extend_from_slice(b"\r\n");
        (out, Self { search: HeadSearch::new(), interim: 0 })
    }

    pub(super) fn step(&mut self, inbox: &[u8]) -> Result<Step, DialFailure> {
        if inbox.is_empty() {
            return Ok(Step::More);
        }
        let wrong = DialFailure::ProxyProtocol;
        let Some(span) = self.search.advance(inbox, &LIMITS).map_err(|_| wrong)? else {
            return Ok(Step::More);
        };
        let head = inbox.get(span.start..span.end).ok_or(wrong)?;
        match status(head, span.fields).ok_or(wrong)? {
            // What follows is the site's, whatever the head says of a body (RFC 9112, section 6.3).
            200..=299 => Ok(Step::Done(span.end)),
            100..=199 if self.interim < MAX_INTERIM => {
                *self = Self { search: HeadSearch::new(), interim: self.interim + 1 };
                Ok(Step::Next(span.end, Vec::new()))
            }
            status => Err(refused(status)),
        }
    }
}

fn status(head: &[u8], fields: usize) -> Option<u16> {
    let mut fields = vec![httparse::EMPTY_HEADER; fields + 1];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(head) {
        Ok(Status::Complete(_)) => response.code,
        _ => None,
    }
}

/// What a status other than 2xx says about this hop.
fn refused(status: u16) -> DialFailure {
    match status {
        // 401 is meant for sites; some proxies say it all the same.
        401 | 407 => DialFailure::ProxyCredentials,
        504 => DialFailure::ProxyTimedOut,
        400..=499 => DialFailure::ProxyDenied,
        500..=599 => DialFailure::ProxyFailed,
        _ => DialFailure::ProxyProtocol,
    }
}
