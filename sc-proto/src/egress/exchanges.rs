//! What becomes of HTTP exchanges on their way to a site.

use alloc::vec::Vec;
use core::time::Duration;

use super::headers::HeaderRule;
use super::logins::Logins;
use crate::rules::UrlRules;

/// The office's rules for HTTP exchanges.
#[derive(Clone, Debug, Default)]
pub struct Exchanges {
    /// What sites learn of who asked.
    pub forwarded: Forwarded,
    /// Changes of the headers, in this order.
    pub headers: Vec<HeaderRule>,
    /// Credentials for requests that have none.
    pub logins: Logins,
    /// URLs that are refused.
    pub denied_urls: Option<UrlRules>,
    /// How connections to sites are kept for another exchange.
    pub keep: Keep,
    /// How long a site may take from the end of the request to the head of its answer. `None`: as
    /// long as any connection may be silent.
    pub answer_timeout: Option<Duration>,
    /// Largest body of an answer, in bytes. `None`: any size.
    pub max_answer: Option<u64>,
}

/// What a site learns of who asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarded {
    /// What the request says (version 4 with `inject-forwarded-for`).
    #[default]
    Keep,
    /// `X-Forwarded-For` is taken out (version 4).
    Remove,
    /// `X-Forwarded-Proto`, `-Host` and `-Url` are added where they are not there (version 5).
    Complete,
}

/// How connections to sites are kept. The default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Most connections that wait for one site.
    pub per_site: usize,
    /// Most connections that wait in all; the oldest makes room.
    pub in_all: usize,
    /// How long one waits.
    pub idle: Duration,
}

/// How often a site, or the proxy before it, is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dials {
    /// Dials in all, at least 1. A failure that another dial may not meet is tried again: refused,
    /// unreachable, timed out.
    pub attempts: u32,
    /// The pause before each dial after the first.
    pub backoff: Duration,
}

impl Default for Dials {
    fn default() -> Self {
        Self { attempts: 1, backoff: Duration::from_secs(1) }
    }
}
