//! SOCKS version 5: the CONNECT command of RFC 1928, with the password of RFC 1929.
//!
//! Names are given to the proxy as they are; resolving them is its affair.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Step;
use crate::contract::{DialFailure, Host, Target};
use crate::egress::{Credentials, Proxy};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

/// A dialogue with a SOCKS proxy.
#[derive(Debug)]
pub(super) struct Socks5 {
    target: Target,
    credentials: Option<Credentials>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It chooses how to authenticate.
    Method,
    /// It judges the password.
    Password,
    /// It connects.
    Reply,
}

impl Socks5 {
    pub(super) fn begin(proxy: &Proxy, target: &Target) -> (Vec<u8>, Self) {
        let out = match proxy.credentials {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, PASSWORD],
        };
        let credentials = proxy.credentials.clone();
        (out, Self { target: target.clone(), credentials, stage: Stage::Method })
    }

    pub(super) fn step(&mut self, inbox: &[u8]) -> Result<Step, DialFailure> {
        match self.stage {
            Stage::Method => self.method(inbox),
            Stage::Password => self.password(inbox),
            Stage::Reply => reply(inbox),
        }
    }

    fn method(&mut self, inbox: &[u8]) -> Result<Step, DialFailure> {
        let [version, method, ..] = *inbox else { return begins(inbox, VERSION) };
        match (version, method, &self.credentials) {
            (VERSION, NO_AUTHENTICATION, _) => Ok(self.connect()),
            (VERSION, PASSWORD, Some(credentials)) => {
                self.stage = Stage::Password;
                Ok(Step::Next(2, password_request(credentials)))
            }
            (VERSION, NONE_ACCEPTABLE, _) => Err(DialFailure::ProxyCredentials),
            _ => Err(DialFailure::ProxyProtocol),
        }
    }

    fn password(&mut self, inbox: &[u8]) -> Result<Step, DialFailure> {
        match *inbox {
            // Some proxies answer with SOCKS' version instead of the sub-negotiation's.
            [1 | VERSION, 0, ..] => Ok(self.connect()),
            [1 | VERSION, _, ..] => Err(DialFailure::ProxyCredentials),
            [] | [1 | VERSION] => Ok(Step::More),
            [..] => Err(DialFailure::ProxyProtocol),
        }
    }

    /// The request of RFC 1928, section 4.
    fn connect(&mut self) -> Step {
        self.stage = Stage::Reply;
        let mut out = vec![VERSION, 1, 0];
        match &self.target.host {
            Host::Ip(IpAddr::V4(ip)) => {
                out.push(1);
                out.extend_from_slice(&ip.octets());
            }
            Host::Ip(IpAddr::V6(ip)) => {
                out.push(4);
                out.extend_from_slice(&ip.octets());
            }
            Host::Name(name) => {
                out.push(3);
                put_text(&mut out, name);
            }
        }
        out.extend_from_slice(&self.target.port.to_be_bytes());
        Step::Next(2, out)
    }
}

/// The request of RFC 1929, section 2.
fn password_request(credentials: &Credentials) -> Vec<u8> {
    let mut out = vec![1];
    put_text(&mut out, credentials.user());
    put_text(&mut out, credentials.expose());
    out
}

/// A text behind its length. Names and credentials have 255 bytes at most, by their types.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or(bytes));
}

/// The reply of RFC 1928, section 6. Its address is of no use here, but has to be skipped.
fn reply(inbox: &[u8]) -> Result<Step, DialFailure> {
    let [version, code, _, kind, ..] = *inbox else {
        // A refusal may be cut short after its code.
        return match *inbox {
            [VERSION, code, ..] if code != 0 => Err(refused(code)),
            _ => begins(inbox, VERSION),
        };
    };
    if version != VERSION {
        return Err(DialFailure::ProxyProtocol);
    }
    if code != 0 {
        return Err(refused(code));
    }
    let address = match (kind, inbox.get(4)) {
        (1, _) => 4,
        (4, _) => 16,
        (3, Some(length)) => 1 + usize::from(*length),
        (3, None) => return Ok(Step::More),
        _ => return Err(DialFailure::ProxyProtocol),
    };
    let whole = 4 + address + 2;
    Ok(if inbox.len() < whole { Step::More } else { Step::Done(whole) })
}

fn refused(code: u8) -> DialFailure {
    match code {
        2 => DialFailure::ProxyDenied,
        1 | 3..=5 => DialFailure::ProxyFailed,
        6 => DialFailure::ProxyTimedOut,
        _ => DialFailure::ProxyProtocol,
    }
}

/// More is needed, if what there is can be the beginning of it.
fn begins(inbox: &[u8], first: u8) -> Result<Step, DialFailure> {
    match inbox.first() {
        Some(byte) if *byte != first => Err(DialFailure::ProxyProtocol),
        _ => Ok(Step::More),
    }
}
