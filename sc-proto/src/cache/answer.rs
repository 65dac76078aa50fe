//! Whether an answer may be stored (RFC 9111, section 3), and how long it is fresh (section 4.2).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Seconds;
use super::date;
use super::directive::{Directive, Directives};
use super::field::{has, is, members, number, only, values};
use super::request::{Asking, Cookies, Credentials, Part};

/// Heuristic freshness is a tenth of what an answer's age was when it was made (RFC 9111, section
/// 4.2.2), and no more than this many seconds: what is tested changes, and a test that sees what
/// was there an hour ago is worth less than a 304.
const LONGEST_GUESS: Seconds = 60;
/// Most fields that `Vary` may name.
const MAX_VARY: usize = 16;

/// When an exchange with the site was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchanged {
    /// The request was sent.
    pub(crate) asked: Seconds,
    /// The head of the answer came.
    pub(crate) answered: Seconds,
}

/// A field that an answer depends on, in lower case, and what its request said there.
type Selecting = (Box<str>, Option<Box<[u8]>>);

/// What is known of a stored answer beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// When it came.
    answered: Seconds,
    /// How old it was then (section 4.2.3).
    initial_age: Seconds,
    /// How old it may become (section 4.2.1).
    lifetime: Seconds,
    directives: Directives,
    /// What the request said in the fields that the answer depends on.
    vary: Vec<Selecting>,
}

/// Why an answer is not stored. For tests and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStored {
    /// The request is none whose answer is stored.
    Request,
    /// The status says nothing that lasts.
    Status,
    /// `no-store` or `private`.
    Forbidden,
    /// It was asked with credentials, and does not allow that.
    Credentials,
    /// It sets a cookie: that is for one browser.
    Cookie,
    /// It depends on more than the request says, or on too much.
    Vary,
    /// It is a stream or a part.
    Kind,
    /// It would never be fresh, and nothing could make it so.
    Useless,
}

/// What a stored answer is worth for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It may be used as it is.
    Fresh,
    /// Too old: the site has to say that it is still good.
    Stale,
    /// It would be fresh, but the request wants the site to be asked.
    Unwanted,
}

/// Judges a final answer by its status and its head, as the site sent it.
pub(crate) fn judge(
    asking: &Asking,
    status: u16,
    head: &[u8],
    at: Exchanged,
) -> Result<Facts, NotStored> {
    if asking.part != Part::Get {
        return Err(NotStored::Request);
    }
    let directives = Directives::of(head);
    if directives.has(Directive::NoStore) || directives.has(Directive::Private) {
        return Err(NotStored::Forbidden);
    }
    if directives.has(Directive::MustUnderstand) && !lasts(status) {
        return Err(NotStored::Status);
    }
    if asking.credentials == Credentials::Given && !allows_credentials(&directives) {
        return Err(NotStored::Credentials);
    }
    if has(head, "set-cookie") {
        return Err(NotStored::Cookie);
    }
    let is_stream = |value: &[u8]| {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        [&b"text/event-stream"[..], b"multipart/x-mixed-replace"]
            .iter()
            .any(|stream| kind.eq_ignore_ascii_case(stream))
    };
    if has(head, "content-range") || values(head, "content-type").any(is_stream) {
        return Err(NotStored::Kind);
    }
    let age = initial_age(head, at);
    let explicit = stated_lifetime(&directives, head, at.answered);
    let may_guess = lasts(status) || directives.has(Directive::Public) && understood(status);
    let lifetime = match explicit {
        Some(lifetime) if understood(status) => lifetime,
        None if may_guess => guessed_lifetime(asking, head, at.answered),
        Some(_) | None => return Err(NotStored::Status),
    };
    let lifetime = if directives.has(Directive::NoCache) { 0 } else { lifetime };
    let can_be_validated = only(head, "etag").is_some() || only(head, "last-modified").is_some();
    if lifetime <= age && !can_be_validated {
        return Err(NotStored::Useless);
    }
    let vary = vary(asking, head).ok_or(NotStored::Vary)?;
    Ok(Facts { answered: at.answered, initial_age: age, lifetime, directives, vary })
}

/// Statuses whose answers may be stored without a word about it (RFC 9110, section 15.1), but for
/// 206: parts are not put together here.
fn lasts(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Statuses that may be stored if the answer says how long.
fn understood(status: u16) -> bool {
    lasts(status) || matches!(status, 302 | 303 | 307)
}

/// RFC 9111, section 3.5.
fn allows_credentials(directives: &Directives) -> bool {
    directives.has(Directive::Public)
        || directives.has(Directive::MustRevalidate)
        || directives.s_maxage.is_some()
}

/// RFC 9111, section 4.2.1: what a shared cache is told first counts.
fn stated_lifetime(directives: &Directives, head: &[u8], now: Seconds) -> Option<Seconds> {
    if let Some(seconds) = directives.s_maxage.or(directives.max_age) {
        return Some(seconds);
    }
    let mut all = values(head, "expires");
    let first = all.next()?;
    // More than one, or no date (often "0"): it has expired.
    let expires = if all.next().is_none() { date::parse(first, now) } else { None };
    Some(expires.map_or(0, |expires| expires.saturating_sub(date_of(head, now))))
}

/// RFC 9111, section 4.2.2. A guess is not good enough for a person the site may know.
fn guessed_lifetime(asking: &Asking, head: &[u8], now: Seconds) -> Seconds {
    if asking.cookies == Cookies::Sent {
        return 0;
    }
    let modified = only(head, "last-modified").and_then(|value| date::parse(value, now));
    let age = modified.map_or(0, |modified| date_of(head, now).saturating_sub(modified));
    (age / 10).min(LONGEST_GUESS)
}

fn date_of(head: &[u8], now: Seconds) -> Seconds {
    only(head, "date").and_then(|value| date::parse(value, now)).unwrap_or(now)
}

/// RFC 9111, section 4.2.3.
fn initial_age(head: &[u8], at: Exchanged) -> Seconds {
    let apparent = at.answered.saturating_sub(date_of(head, at.answered));
    let first = values(head, "age").flat_map(members).next();
    let said = first.and_then(number).unwrap_or(0).min(1 << 31);
    apparent.max(said + at.answered.saturating_sub(at.asked))
}

/// The fields that the answer depends on, as the request has them. `None`: on all, or too many.
fn vary(asking: &Asking, head: &[u8]) -> Option<Vec<Selecting>> {
    let mut all: Vec<Selecting> = Vec::new();
    for member in values(head, "vary").flat_map(members) {
        let name = core::str::from_utf8(member).ok().filter(|name| *name != "*")?;
        if all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        if all.len() == MAX_VARY {
            return None;
        }
        let name = name.to_ascii_lowercase().into_boxed_str();
        let value = selecting(&asking.head, &name);
        all.push((name, value));
    }
    Some(all)
}

/// All values of a field in one form: members apart by a comma, without other white space.
fn selecting(head: &[u8], name: &str) -> Option<Box<[u8]>> {
    let mut text: Option<Vec<u8>> = None;
    for value in values(head, name) {
        let text = text.get_or_insert_with(Vec::new);
        for member in members(value) {
            if !text.is_empty() {
                text.push(b',');
            }
            text.extend_from_slice(member);
        }
    }
    text.map(Vec::into_boxed_slice)
}

impl Facts {
    /// Whether it is an answer to this request, as far as `Vary` says (RFC 9111, section 4.1), and
    /// may be given to someone with credentials.
    pub(crate) fn selects(&self, asking: &Asking) -> bool {
        let may_have =
            asking.credentials == Credentials::No || allows_credentials(&self.directives);
        may_have && self.vary.iter().all(|(name, value)| selecting(&asking.head, name) == *value)
    }

    /// How old it is (RFC 9111, section 4.2.3).
    pub(crate) fn age(&self, now: Seconds) -> Seconds {
        self.initial_age.saturating_add(now.saturating_sub(self.answered))
    }

    /// How long it stays fresh; below 0: how long it has been stale.
    pub(crate) fn left(&self, now: Seconds) -> i64 {
        let seconds = |time: Seconds| i64::try_from(time).unwrap_or(i64::MAX);
        seconds(self.lifetime).saturating_sub(seconds(self.age(now)))
    }

    /// What it is worth for a request (RFC 9111, sections 4.2 and 5.2.1).
    pub(crate) fn worth(&self, asking: &Asking, now: Seconds) -> Worth {
        let wanted = &asking.directives;
        let age = self.age(now);
        let left = self.left(now);
        if left <= 0 {
            let late = left.unsigned_abs();
            let bears = wanted.max_stale.is_none_or(|most| late <= most)
                && wanted.max_age.is_none_or(|most| age <= most)
                && wanted.min_fresh.is_none();
            let tolerated = wanted.has(Directive::MaxStale) && bears && self.may_be_stale();
            let tolerated = tolerated && !wanted.has(Directive::NoCache);
            return if tolerated { Worth::Fresh } else { Worth::Stale };
        }
        let refused = wanted.has(Directive::NoCache)
            || wanted.max_age.is_some_and(|most| age > most)
            || wanted.min_fresh.is_some_and(|least| left.unsigned_abs() < least);
        if refused { Worth::Unwanted } else { Worth::Fresh }
    }

    /// RFC 9111, section 4.2.4.
    fn may_be_stale(&self) -> bool {
        let said = &self.directives;
        let forbidden = [Directive::NoCache, Directive::MustRevalidate, Directive::ProxyRevalidate];
        said.s_maxage.is_none() && !forbidden.iter().any(|directive| said.has(*directive))
    }

    /// Bytes of memory.
    pub(super) fn cost(&self) -> usize {
        let value = |value: &Option<Box<[u8]>>| value.as_ref().map_or(0, |value| value.len());
        self.vary.iter().map(|(name, of)| name.len() + value(of) + 40).sum()
    }
}

/// Fields of the site's answer that are not stored: its framing, and what is written anew each
/// time. Fields of one hop have gone before.
pub(super) fn is_written_anew(name: &[u8]) -> bool {
    ["connection", "content-length", "transfer-encoding", "age"].iter().any(|other| is(name, other))
}
