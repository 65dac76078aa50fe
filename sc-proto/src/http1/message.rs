//! What a request or response is, in the few facts the machines need.

use alloc::boxed::Box;
use alloc::sync::Arc;

/// What a proxy calls itself in `Via`: a token (RFC 9110, section 5.6.2). By default nothing, and
/// `Via` is left alone. One pointer, as every browser's connection has it.
#[derive(Clone, Debug, Default)]
pub struct Mark(Option<Arc<Box<str>>>);

impl Mark {
    /// This word; nothing if it is empty.
    #[must_use]
    pub fn new(word: &str) -> Self {
        Self((!word.is_empty()).then(|| Arc::new(word.into())))
    }

    /// The word, perhaps empty.
    #[must_use]
    pub fn word(&self) -> &str {
        self.0.as_ref().map_or("", |word| word)
    }
}

/// A request's method, as far as it changes how messages are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// CONNECT: asks for a tunnel of opaque bytes (RFC 9110, section 9.3.6).
    Connect,
    /// HEAD: its answer has no body, whatever its fields say (RFC 9110, section 9.3.2).
    Head,
    /// Any other method.
    Other,
}

/// The version a message was sent in. No other version is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no interim answers, no persistence through a proxy.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// All bytes until the connection ends. Only an answer can be so.
    UntilClose,
}

/// Whether a connection is to be used again after this exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Another request may follow.
    KeepAlive,
    /// The connection closes after this exchange.
    Close,
}

/// Whether a request asks to leave HTTP on this connection (RFC 9110, section 7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// It does not, or the wish was not passed on.
    No,
    /// It does, and the site may answer 101.
    Asked,
}

/// Who reads an answer of the proxy's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// A person with a browser: `Accept` takes HTML.
    Person,
    /// A program, or nobody knows.
    #[default]
    Program,
}
