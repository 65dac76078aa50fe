//! `Cache-Control` (RFC 9111, section 5.2).

use super::field::{has, members, number, values};

/// The longest time anything is said to be, in seconds: 2^31 (RFC 9111, section 1.2.2).
const LONGEST: u64 = 1 << 31;

/// A directive that says something by being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    NoStore,
    NoCache,
    Private,
    Public,
    MustRevalidate,
    ProxyRevalidate,
    MustUnderstand,
    OnlyIfCached,
    MaxStale,
}

const NAMES: [(&str, Directive); 9] = [
    ("no-store", Directive::NoStore),
    ("no-cache", Directive::NoCache),
    ("private", Directive::Private),
    ("public", Directive::Public),
    ("must-revalidate", Directive::MustRevalidate),
    ("proxy-revalidate", Directive::ProxyRevalidate),
    ("must-understand", Directive::MustUnderstand),
    ("only-if-cached", Directive::OnlyIfCached),
    ("max-stale", Directive::MaxStale),
];

/// The directives of a message. Names count in any case; a directive with field names
/// (`private="x"`) counts as one without, as section 5.2.2 allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    said: u16,
    pub(super) max_age: Option<u64>,
    pub(super) s_maxage: Option<u64>,
    /// Without a value: any age.
    pub(super) max_stale: Option<u64>,
    pub(super) min_fresh: Option<u64>,
}

impl Directives {
    /// Those of a head. `Pragma: no-cache` stands in for a missing `Cache-Control` of a request
    /// (RFC 9111, section 5.4); in an answer it is taken so, too: it stores less.
    pub(super) fn of(head: &[u8]) -> Self {
        let mut all = Self::default();
        for member in values(head, "cache-control").flat_map(members) {
            all.take(member);
        }
        let asks = |value: &[u8]| members(value).any(|m| m.eq_ignore_ascii_case(b"no-cache"));
        if !has(head, "cache-control") && values(head, "pragma").any(asks) {
            all.say(Directive::NoCache);
        }
        all
    }

    /// Whether it is said.
    pub(super) fn has(&self, directive: Directive) -> bool {
        self.said & (1 << directive as u16) != 0
    }

    fn say(&mut self, directive: Directive) {
        self.said |= 1 << directive as u16;
    }

    fn take(&mut self, member: &[u8]) {
        let (name, value) = match member.iter().position(|byte| *byte == b'=') {
            Some(at) => (member[..at].trim_ascii(), Some(unquoted(member[at + 1..].trim_ascii()))),
            None => (member, None),
        };
        let known = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((_, directive)) = known {
            self.say(*directive);
        }
        let place = match () {
            () if name.eq_ignore_ascii_case(b"max-age") => &mut self.max_age,
            () if name.eq_ignore_ascii_case(b"s-maxage") => &mut self.s_maxage,
            () if name.eq_ignore_ascii_case(b"min-fresh") => &mut self.min_fresh,
            () if name.eq_ignore_ascii_case(b"max-stale") && value.is_some() => &mut self.max_stale,
            () => return,
        };
        // What is no number, or said twice with two numbers, counts as the shortest time: what it
        // makes fresh is stale (section 4.2.1).
        let seconds = value.and_then(number).map_or(0, |seconds| seconds.min(LONGEST));
        *place = Some(place.map_or(seconds, |before| if before == seconds { seconds } else { 0 }));
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}
