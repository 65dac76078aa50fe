//! HTTP/1.1 as a proxy speaks it: strict machines over borrowed bytes (RFC 9110, RFC 9112).
//!
//! From small to large:
//!
//! | part | what it does |
//! | --- | --- |
//! | [`HeadSearch`] | finds the end of a head, checks line ends and sizes, byte by byte |
//! | [`request::read`], [`response::read`] | one head: what it means, and the head to send on |
//! | [`Body`] | where a body ends and which of its bytes are sent on |
//! | [`Front`] | one browser connection: requests, answers, error pages, tunnels |
//! | [`back::Back`] | one exchange with a site: the office's rules, and where the answer ends |
//!
//! They know nothing of KGP, sessions or sockets. Whatever may be read in two ways is refused,
//! never guessed: two proxies that read a request differently are how requests are smuggled.

mod basic;
mod body;
mod code;
mod field;
mod front;
mod message;
mod page;
mod refused;
mod search;
mod trailer;

#[cfg(test)]
mod tests;

pub mod back;
pub mod request;
pub mod response;

pub use basic::Credentials;
pub use body::{Body, BodyError, Coding, Progress};
pub use code::{ErrorCode, Hop};
pub use field::FieldError;
pub use front::{After, Answer, AnswerItem, BrowserEnd, Ending, Failure, Front, Item, Phase, Step};
pub use message::{Framing, Mark, Method, Persistence, Reader, Upgrade, Version};
pub(crate) use page::status_of;
pub use refused::Refused;
pub use request::Request;
pub use response::{Asked, Broken, Follows, Response};
pub use search::{HeadError, HeadSearch, HeadSpan};

/// Limits of what is taken from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest head of a request or response, in bytes, with its final empty line.
    pub max_head: usize,
    /// Longest request line or status line, in bytes, without its line end.
    pub max_start_line: usize,
    /// Most header fields in a head.
    pub max_headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_head: 64 * 1024, max_start_line: 32 * 1024, max_headers: 128 }
    }
}
