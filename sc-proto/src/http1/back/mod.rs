//! One exchange as the egress carries it to its site: the mirror of [`Front`](super::Front).
//!
//! ```text
//! stream bytes -> request::read -> head for the site, by the office's rules
//!              -> from_stream   -> the body, checked to its last byte
//! site bytes   -> from_site     -> how many of them are this exchange's answer, and its end
//! ```
//!
//! The answer is not rewritten here: the browser's end does that. What this machine knows is where
//! the answer ends, so that the connection to the site can carry another exchange. When it does
//! not understand an answer it lets it pass until the connection ends: the browser's end reads
//! the same bytes by the same rules, and says what is wrong with them.

mod request;
mod rewrite;

use alloc::vec::Vec;

pub use self::request::{Binds, Outbound, Unfit, read};
pub use self::rewrite::Scene;
use super::Limits;
use super::body::{Body, BodyError, Coding, Progress};
use super::message::{Framing, Method, Persistence, Upgrade, Version};
use super::response::{self, Asked, Follows};
use super::search::HeadSearch;

/// One exchange, from the end of the request's head to the end of the answer.
#[derive(Debug)]
pub struct Back {
    asked: Asked,
    idempotent: Idempotent,
    upload: Body,
    /// Bytes of the request's body that were taken, with its framing.
    uploaded: u64,
    answer: Answering,
    /// Whether a byte of the answer was seen.
    answer_begun: bool,
    status: Option<u16>,
    /// How long the answer's body says it is.
    announced: Option<u64>,
    /// Bytes of it so far, with its framing.
    body: u64,
}

/// Whether a request may be sent twice (RFC 9110, section 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotent {
    /// Twice is as good as once.
    Yes,
    /// It may do something each time.
    No,
}

/// How far the answer has come.
#[derive(Debug)]
enum Answering {
    /// In a head, of which this has been seen if it came in parts.
    Head {
        search: HeadSearch,
        seen: Vec<u8>,
    },
    Body {
        body: Body,
        site: Persistence,
    },
    /// After 101.
    Raw,
    /// It is not understood.
    Opaque,
    Done(Persistence),
}

/// What bytes of the site are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Taken {
    /// So many of them, from the front, belong to this answer. What follows is nobody's.
    pub bytes: usize,
    /// What comes next.
    pub next: Next,
}

/// What comes next of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More of it.
    More,
    /// The site has agreed to leave HTTP: from here on bytes are opaque, both ways.
    Raw,
    /// The answer has ended. The connection may carry another exchange, as far as the site
    /// decides.
    Ended(Persistence),
}

/// How the answer is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// In one piece of memory that may be looked at before it is sent on.
    Head,
    /// Up to so many bytes, which all belong to the answer.
    Up(u64),
    /// Whatever comes belongs to it.
    All,
    /// What comes has to be looked at, but is sent on as it is.
    Scanned,
    /// Nothing more is to be read.
    Nothing,
}

/// What the end of the site's bytes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteEnd {
    /// Not a byte of an answer came.
    Silent,
    /// It ends the answer, well or badly: the browser's end knows.
    Ends,
}

impl Back {
    /// Begins with a request whose head has been read.
    #[must_use]
    pub fn new(request: &Outbound) -> Self {
        Self {
            asked: Asked {
                method: request.method,
                version: Version::Http11,
                persistence: Persistence::KeepAlive,
                upgrade: request.upgrade,
            },
            idempotent: request.idempotent,
            upload: Body::request(request.framing),
            uploaded: 0,
            answer: Answering::head(),
            answer_begun: false,
            status: None,
            announced: None,
            body: 0,
        }
    }

    /// Takes bytes of the request's body, as [`Body::advance`] does. Nothing is taken once the
    /// request has ended: then the peer breaks the rules of the stream.
    ///
    /// # Errors
    /// A [`BodyError`]: the request must not go on.
    pub fn from_stream(&mut self, input: &[u8]) -> Result<Progress, BodyError> {
        let progress = self.upload.advance(input)?;
        self.uploaded = self.uploaded.saturating_add(progress.consumed as u64);
        Ok(progress)
    }

    /// How many bytes of the request's body have passed, with its framing.
    #[must_use]
    pub fn upload_size(&self) -> u64 {
        self.uploaded
    }

    /// Whether the request has gone as a whole.
    #[must_use]
    pub fn request_is_whole(&self) -> bool {
        self.upload.is_done()
    }

    /// Whether the request may be sent once more on another connection: nothing of an answer came,
    /// nothing of its body is used up, and twice is as good as once.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.is_idempotent() && self.uploaded == 0 && !self.answer_begun
    }

    /// Whether twice is as good as once.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent == Idempotent::Yes
    }

    /// Whether leaving HTTP was asked for.
    #[must_use]
    pub fn asks_upgrade(&self) -> bool {
        self.asked.upgrade == Upgrade::Asked
    }

    /// The status of the final answer, once it is known.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How the answer is to be read now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        match &self.answer {
            Answering::Head { .. } => Reading::Head,
            Answering::Raw | Answering::Opaque => Reading::All,
            Answering::Done(_) => Reading::Nothing,
            Answering::Body { body, .. } => match body.left() {
                Some(left) => Reading::Up(left),
                None if body.may_end_here() => Reading::All,
                None => Reading::Scanned,
            },
        }
    }

    /// Takes bytes of the site.
    pub fn from_site(&mut self, input: &[u8], limits: &Limits) -> Taken {
        self.answer_begun |= !input.is_empty();
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            match &mut self.answer {
                Answering::Head { .. } => match self.take_head(rest, limits) {
                    Some(used) => at += used,
                    None => return Taken { bytes: input.len(), next: Next::More },
                },
                Answering::Body { body, site } if body.is_done() => {
                    self.answer = Answering::Done(*site);
                }
                Answering::Body { .. } if rest.is_empty() => {
                    return Taken { bytes: at, next: Next::More };
                }
                Answering::Body { body, .. } => match body.advance(rest) {
                    Ok(progress) => {
                        at += progress.consumed;
                        self.body = self.body.saturating_add(progress.consumed as u64);
                    }
                    Err(_) => self.answer = Answering::Opaque,
                },
                Answering::Raw => return Taken { bytes: input.len(), next: Next::Raw },
                Answering::Opaque => return Taken { bytes: input.len(), next: Next::More },
                Answering::Done(site) => {
                    return Taken { bytes: at, next: Next::Ended(*site) };
                }
            }
        }
    }

    /// Takes bytes of a head. Says how many belong to it once it is whole; `None`: it wants more.
    fn take_head(&mut self, rest: &[u8], limits: &Limits) -> Option<usize> {
        let Answering::Head { search, seen } = &mut self.answer else { return None };
        if rest.is_empty() {
            return None;
        }
        let before = seen.len();
        let outcome = if before == 0 {
            response::read(search, rest, self.asked, limits)
        } else {
            seen.extend_from_slice(rest);
            response::read(search, seen, self.asked, limits)
        };
        let (length, response) = match outcome {
            Ok(Some(head)) => head,
            Ok(None) => {
                if before == 0 {
                    seen.extend_from_slice(rest);
                }
                return None;
            }
            Err(_) => {
                self.answer = Answering::Opaque;
                return Some(0);
            }
        };
        self.answer = match response.follows {
            Follows::Answer => Answering::head(),
            Follows::Tunnel => {
                self.status = Some(response.status);
                Answering::Raw
            }
            Follows::Body { framing, .. } => {
                self.status = Some(response.status);
                if let Framing::Length(length) = framing {
                    self.announced = Some(length);
                }
                let site = match framing {
                    Framing::UntilClose => Persistence::Close,
                    _ => response.site,
                };
                Answering::Body { body: Body::response(framing, Coding::Keep), site }
            }
        };
        Some(length.saturating_sub(before))
    }

    /// The site sends no more.
    #[must_use]
    pub fn site_ended(&self) -> SiteEnd {
        if self.answer_begun { SiteEnd::Ends } else { SiteEnd::Silent }
    }

    /// How large the answer's body is, in bytes: what it says, or what has come with its framing.
    #[must_use]
    pub fn body_size(&self) -> u64 {
        self.announced.unwrap_or(0).max(self.body)
    }
}

impl Answering {
    fn head() -> Self {
        Self::Head { search: HeadSearch::new(), seen: Vec::new() }
    }
}
