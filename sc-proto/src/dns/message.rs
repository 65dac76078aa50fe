//! Questions as bytes, and what the bytes of an answer mean (RFC 1035, section 4).
//!
//! EDNS (RFC 6891) is not used: answers of a few addresses fit into 512 bytes, larger ones come by
//! TCP, and no server is too old for that.

use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::str::FromStr as _;

use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::message_builder::MessageBuilder;
use domain::base::{Message, Name, ParsedName, Record, Rtype, ToName as _};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa, Cname, Soa};

use super::MAX_ADDRESSES;

/// Most names that one answer may lead on to.
const MAX_CHAIN: usize = 16;
/// Room for one question: a header, a name, a type and a class.
const QUESTION: usize = 12 + 255 + 4;

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    const fn record(self) -> Rtype {
        match self {
            Self::V4 => Rtype::A,
            Self::V6 => Rtype::AAAA,
        }
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) id: u16,
    pub(super) name: QuestionName,
    pub(super) family: Family,
}

/// A name that can stand in a question: labels of 63 bytes at most, 255 bytes in all (RFC 1035,
/// section 2.3.4).
#[derive(Clone, Debug)]
pub(super) struct QuestionName(Box<Name<Array<255>>>);

/// What an answer says of the question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is not an answer to this question.
    Foreign,
    /// It was too large for a datagram.
    Truncated,
    /// The server cannot say.
    Unable,
    /// There are addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// Another name is meant, and this answer does not say more of it.
    Alias(QuestionName, u32),
    /// There is no address. For so many seconds, if it says.
    Nothing(Option<u32>),
}

impl QuestionName {
    /// Takes a name in lower case. `None`: no name server can know it.
    pub(super) fn new(name: &str) -> Option<Self> {
        // A backslash would begin an escape.
        let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        Name::from_str(name)
            .ok()
            .filter(|name| is_plain && !name.is_root())
            .map(|name| Self(Box::new(name)))
    }

    fn of(name: ParsedName<&[u8]>) -> Option<Self> {
        Self::new(&name.to_string())
    }
}

impl PartialEq for QuestionName {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().name_eq(other.0.as_ref())
    }
}

impl Eq for QuestionName {}

impl Question {
    /// The bytes of a datagram. `None` cannot happen: there is room for every name.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let mut builder = MessageBuilder::from_target(Array::<QUESTION>::new()).ok()?;
        let header = builder.header_mut();
        header.set_id(self.id);
        header.set_opcode(Opcode::QUERY);
        header.set_rd(true);
        let mut question = builder.question();
        question.push((self.name.0.as_ref(), self.family.record())).ok()?;
        Some(question.finish().as_ref().to_vec())
    }

    /// Judges what came as an answer.
    pub(super) fn read(&self, bytes: &[u8]) -> Meaning {
        let Ok(message) = Message::from_octets(bytes) else { return Meaning::Foreign };
        let header = message.header();
        if header.id() != self.id || !header.qr() || header.opcode() != Opcode::QUERY {
            return Meaning::Foreign;
        }
        let rcode = header.rcode();
        if message.header_counts().qdcount() == 0 && !is_definite(rcode) {
            // Who could not read the question cannot repeat it.
            return Meaning::Unable;
        }
        if !self.is_of(&message) {
            return Meaning::Foreign;
        }
        if header.tc() {
            return Meaning::Truncated;
        }
        match is_definite(rcode) {
            true => self.records(&message, rcode).unwrap_or(Meaning::Unable),
            false => Meaning::Unable,
        }
    }

    fn is_of(&self, message: &Message<&[u8]>) -> bool {
        message.sole_question().is_ok_and(|question| {
            question.qtype() == self.family.record()
                && question.qclass() == Class::IN
                && question.qname().name_eq(self.name.0.as_ref())
        })
    }

    /// Follows aliases to the records that count. `None`: the records cannot be read, or the aliases
    /// lead too far.
    fn records(&self, message: &Message<&[u8]>, rcode: Rcode) -> Option<Meaning> {
        let mut name: ParsedName<&[u8]> = message.sole_question().ok()?.into_qname();
        let mut seconds = u32::MAX;
        let mut aliases = 0;
        loop {
            let (addresses, least) = self.addresses(message, &name)?;
            if !addresses.is_empty() {
                return Some(Meaning::Addresses(addresses, seconds.min(least)));
            }
            let Some(alias) = alias(message, &name)? else { break };
            aliases += 1;
            if aliases > MAX_CHAIN {
                return None;
            }
            seconds = seconds.min(alias.ttl().as_secs());
            name = alias.into_data().into_cname();
        }
        let absent = absent_for(message);
        if aliases > 0 && absent.is_none() && rcode == Rcode::NOERROR {
            return Some(Meaning::Alias(QuestionName::of(name)?, seconds));
        }
        Some(Meaning::Nothing(absent.map(|absent| absent.min(seconds))))
    }

    /// The addresses of one name in an answer, and the least of their times.
    fn addresses(
        &self,
        message: &Message<&[u8]>,
        name: &ParsedName<&[u8]>,
    ) -> Option<(Vec<IpAddr>, u32)> {
        let mut found = Vec::new();
        let mut least = u32::MAX;
        let mut take = |owner: &ParsedName<&[u8]>, ip: IpAddr, seconds: u32| {
            if owner.name_eq(name) && found.len() < MAX_ADDRESSES && !found.contains(&ip) {
                found.push(ip);
                least = least.min(seconds);
            }
        };
        let answer = message.answer().ok()?;
        match self.family {
            Family::V4 => {
                for record in answer.limit_to_in::<A>() {
                    let record = record.ok()?;
                    take(record.owner(), record.data().addr().into(), record.ttl().as_secs());
                }
            }
            Family::V6 => {
                for record in answer.limit_to_in::<Aaaa>() {
                    let record = record.ok()?;
                    take(record.owner(), record.data().addr().into(), record.ttl().as_secs());
                }
            }
        }
        Some((found, least))
    }
}

/// Whether a code says something of the name, and not of the server.
fn is_definite(rcode: Rcode) -> bool {
    rcode == Rcode::NOERROR || rcode == Rcode::NXDOMAIN
}

/// A record that says which name is meant by another.
type Alias<'a> = Record<ParsedName<&'a [u8]>, Cname<ParsedName<&'a [u8]>>>;

/// The alias of a name in an answer, if there is one. The outer `None`: it cannot be read.
fn alias<'a>(
    message: &Message<&'a [u8]>,
    name: &ParsedName<&'a [u8]>,
) -> Option<Option<Alias<'a>>> {
    for record in message.answer().ok()?.limit_to_in::<Cname<_>>() {
        let record = record.ok()?;
        if record.owner().name_eq(name) {
            return Some(Some(record));
        }
    }
    Some(None)
}

/// For how many seconds a name's absence holds (RFC 2308, section 5).
fn absent_for(message: &Message<&[u8]>) -> Option<u32> {
    let soa = message.authority().ok()?.limit_to_in::<Soa<_>>().next()?.ok()?;
    Some(soa.ttl().as_secs().min(soa.data().minimum().as_secs()))
}
