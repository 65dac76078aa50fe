//! SOCKS version 4 and its extension 4A: CONNECT, with a user's id and no password.
//!
//! There is no RFC: both are notes of their authors ("SOCKS: A protocol for TCP proxy across
//! firewalls" and "SOCKS 4A: A Simple Extension to SOCKS 4 Protocol"). Names are given to the proxy
//! as they are, by 4A; IPv4 addresses by plain 4. It knows no IPv6: such an address goes as a name,
//! which a proxy that asks its system's resolver understands.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Step;
use crate::contract::{DialFailure, Host, Target};
use crate::egress::Proxy;

const VERSION: u8 = 4;
const CONNECT: u8 = 1;
/// The address that says "a name follows": 0.0.0.x, where x is not 0.
const NAME_FOLLOWS: [u8; 4] = [0, 0, 0, 1];
/// Length of the proxy's reply.
const REPLY: usize = 8;

/// What is said to the proxy. There is nothing to remember until its reply.
pub(super) fn request(proxy: &Proxy, target: &Target) -> Vec<u8> {
    let mut out = vec![VERSION, CONNECT];
    out.extend_from_slice(&target.port.to_be_bytes());
    let (address, name) = match &target.host {
        Host::Ip(IpAddr::V4(ip)) => (ip.octets(), None),
        Host::Ip(IpAddr::V6(ip)) => (NAME_FOLLOWS, Some(format!("{ip}"))),
        Host::Name(name) => (NAME_FOLLOWS, Some(name.as_ref().into())),
    };
    out.extend_from_slice(&address);
    if let Some(credentials) = &proxy.credentials {
        // A zero byte would end it early. Options refuse one; a script's proxy may still have it.
        out.extend(credentials.user().bytes().filter(|byte| *byte != 0));
    }
    out.push(0);
    if let Some(name) = name {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
    }
    out
}

/// Judges the reply. Its address is of no use here.
pub(super) fn step(inbox: &[u8]) -> Result<Step, DialFailure> {
    match *inbox {
        [] | [0] => Ok(Step::More),
        [0, 90, ..] if inbox.len() < REPLY => Ok(Step::More),
        [0, 90, ..] => Ok(Step::Done(REPLY)),
        // "Rejected or failed": it does not say which.
        [0, 91, ..] => Err(DialFailure::ProxyFailed),
        // It asked the identd of this machine, which is not there or knows another user.
        [0, 92 | 93, ..] => Err(DialFailure::ProxyCredentials),
        _ => Err(DialFailure::ProxyProtocol),
    }
}
