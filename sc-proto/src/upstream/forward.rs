//! Plain HTTP by an HTTP proxy: the request goes to the proxy in absolute form (RFC 9112, section
//! 3.2.2).
//!
//! The usual configurations of proxies allow CONNECT to port 443 only, so plain HTTP cannot go by
//! CONNECT in general. An upgrade cannot go in absolute form: a proxy that does not know it drops
//! it. It goes by CONNECT, as browsers do with WebSockets (RFC 6455, section 4.1).

use alloc::format;
use alloc::vec::Vec;

use super::authorization;
use crate::contract::Target;
use crate::egress::Proxy;

/// How a request goes to an HTTP proxy.
#[derive(Debug, PartialEq, Eq)]
pub enum Forward {
    /// With this head.
    Absolute(Vec<u8>),
    /// As it is, through a tunnel that CONNECT makes.
    Tunnel,
}

/// Writes the head for a proxy. `head` is one whole head in origin form, for `target`, as
/// [`http1::request`](crate::http1::request) writes it. `None`: it is not that.
pub fn forward(head: &[u8], target: &Target, proxy: &Proxy) -> Option<Forward> {
    write(lines(head.strip_suffix(b"\r\n\r\n")?), target, proxy)
}

/// The lines of a head. In one that [`HeadSearch`](crate::http1::HeadSearch) let pass, LF stands
/// behind CR and nowhere else.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn write<'a>(
    mut lines: impl Iterator<Item = &'a [u8]>,
    target: &Target,
    proxy: &Proxy,
) -> Option<Forward> {
    let line = core::str::from_utf8(lines.next()?).ok()?;
    let mut words = line.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || version != "HTTP/1.1" || method == "CONNECT" {
        return None;
    }
    let path = match path {
        // RFC 9112, section 3.2.4.
        "*" if method == "OPTIONS" => "",
        _ if path.starts_with('/') => path,
        _ => return None,
    };
    let authority = match target.port {
        80 => format!("{}", target.host),
        _ => format!("{target}"),
    };
    let mut out = format!("{method} http://{authority}{path} HTTP/1.1\r\n").into_bytes();
    for field in lines {
        let name = field.split(|byte| *byte == b':').next()?;
        if name.eq_ignore_ascii_case(b"upgrade") {
            return Some(Forward::Tunnel);
        }
        if !name.eq_ignore_ascii_case(b"proxy-authorization") {
            out.extend_from_slice(field);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend(authorization(proxy));
    out.extend_from_slice(b"\r\n");
    Some(Forward::Absolute(out))
}
