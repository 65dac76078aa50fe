//! What is said to an upstream proxy before the site's bytes begin: machines without I/O.
//!
//! | file | idea |
//! | --- | --- |
//! | `connect.rs` | HTTP's CONNECT (RFC 9110, section 9.3.6) |
//! | `socks4.rs` | SOCKS versions 4 and 4A |
//! | `socks5.rs` | SOCKS version 5 (RFC 1928, RFC 1929) |
//! | `forward.rs` | a request in absolute form, for plain HTTP by an HTTP proxy |
//! | `basic.rs` | HTTP Basic credentials (RFC 7617) |
//!
//! The proxy is a stranger: what it sends is bounded and judged, and becomes one typed failure.

mod basic;
mod connect;
mod forward;
mod socks4;
mod socks5;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::contract::{DialFailure, Target};
use crate::egress::{Proxy, Way};
pub(crate) use basic::encode as basic;
pub use forward::{Forward, forward};

/// The beginning of a connection by a proxy.
#[derive(Debug)]
pub struct Handshake {
    /// Bytes for the proxy.
    out: Vec<u8>,
    /// How many of them it has.
    sent: usize,
    /// Bytes of the proxy that are not judged yet.
    inbox: Vec<u8>,
    dialogue: Dialogue,
}

#[derive(Debug)]
enum Dialogue {
    Connect(connect::Connect),
    Socks4,
    Socks5(socks5::Socks5),
}

/// How far a handshake has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The proxy has more to say, or to hear.
    Pending,
    /// The site's bytes begin; these came with the proxy's last.
    Done(Vec<u8>),
}

/// What a dialogue makes of what the proxy has said so far.
enum Step {
    /// It takes more bytes to tell.
    More,
    /// So many bytes are used up, and this is to be said next.
    Next(usize, Vec<u8>),
    /// So many bytes are used up, and the way is open.
    Done(usize),
}

impl Handshake {
    /// Begins. `None` for a way without a proxy.
    pub fn begin(way: &Way, target: &Target) -> Option<Self> {
        let (out, dialogue) = match way {
            Way::Direct => return None,
            Way::Http(proxy) | Way::Https(proxy) => {
                let (out, connect) = connect::Connect::begin(proxy, target);
                (out, Dialogue::Connect(connect))
            }
            Way::Socks4(proxy) => (socks4::request(proxy, target), Dialogue::Socks4),
            Way::Socks5(proxy) => {
                let (out, socks) = socks5::Socks5::begin(proxy, target);
                (out, Dialogue::Socks5(socks))
            }
        };
        Some(Self { out, sent: 0, inbox: Vec::new(), dialogue })
    }

    /// What is to be written to the proxy.
    pub fn to_send(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes were written.
    pub fn sent(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n).min(self.out.len());
    }

    /// Takes what the proxy says.
    ///
    /// # Errors
    ///
    /// The proxy will not do it, or does not speak its protocol.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Progress, DialFailure> {
        self.inbox.extend_from_slice(bytes);
        loop {
            let step = match &mut self.dialogue {
                Dialogue::Connect(connect) => connect.step(&self.inbox)?,
                Dialogue::Socks4 => socks4::step(&self.inbox)?,
                Dialogue::Socks5(socks) => socks.step(&self.inbox)?,
            };
            match step {
                Step::More => return Ok(Progress::Pending),
                Step::Next(used, say) => {
                    self.inbox.drain(..used.min(self.inbox.len()));
                    self.out.drain(..self.sent);
                    self.sent = 0;
                    self.out.extend(say);
                }
                Step::Done(used) => {
                    self.inbox.drain(..used.min(self.inbox.len()));
                    return Ok(Progress::Done(core::mem::take(&mut self.inbox)));
                }
            }
        }
    }

    /// Bytes held here.
    pub fn held(&self) -> usize {
        self.out.len() + self.inbox.len()
    }
}

/// The line that proves the right to a proxy; nothing without credentials.
fn authorization(proxy: &Proxy) -> Vec<u8> {
    match &proxy.credentials {
        Some(credentials) => {
            let mut line = Vec::from(*b"Proxy-Authorization: Basic ");
            line.extend(basic::encode(credentials));
            line.extend_from_slice(b"\r\n");
            line
        }
        None => Vec::new(),
    }
}
