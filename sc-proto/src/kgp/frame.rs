//! The frames of KGP, byte for byte as `docs/kgp.md` has them.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::ProtocolError;
use super::handshake::{Hello, Resume, Welcome};
use crate::contract::{DialFailure, Host, Refusal, ResetReason, StreamKind, Target};

/// Bytes of a frame header.
pub const HEADER: usize = 8;
/// Most payload bytes of one frame.
pub const MAX_PAYLOAD: usize = u16::MAX as usize;
/// Longest encoded frame besides DATA, header included: an OPEN with the longest name.
pub(crate) const MAX_CONTROL: usize = HEADER + 8 + 253;

/// A stream of a session, as the wire names it: 40 bits, odd if the client opened it,
/// even if the server did; each side counts up and never uses one again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(u64);

impl StreamId {
    /// The largest id.
    pub const MAX: u64 = (1 << 40) - 1;

    /// The id with this number; `None` for 0 (it stands for the session) or above 40 bits.
    pub const fn new(id: u64) -> Option<Self> {
        if id == 0 || id > Self::MAX { None } else { Some(Self(id)) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What a frame is, as its first byte says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "the variants of Frame say what each is")]
pub enum FrameType {
    Hello = 0x01,
    Welcome = 0x02,
    Refused = 0x03,
    Ack = 0x04,
    Ping = 0x05,
    Pong = 0x06,
    Credit = 0x07,
    Resume = 0x08,
    Resumed = 0x09,
    Open = 0x41,
    Opened = 0x42,
    OpenFailed = 0x43,
    Data = 0x44,
    Fin = 0x45,
    Reset = 0x46,
    GoAway = 0x47,
}

impl FrameType {
    fn from_byte(byte: u8) -> Result<Self, ProtocolError> {
        Ok(match byte {
            0x01 => Self::Hello,
            0x02 => Self::Welcome,
            0x03 => Self::Refused,
            0x04 => Self::Ack,
            0x05 => Self::Ping,
            0x06 => Self::Pong,
            0x07 => Self::Credit,
            0x08 => Self::Resume,
            0x09 => Self::Resumed,
            0x41 => Self::Open,
            0x42 => Self::Opened,
            0x43 => Self::OpenFailed,
            0x44 => Self::Data,
            0x45 => Self::Fin,
            0x46 => Self::Reset,
            0x47 => Self::GoAway,
            other => return Err(ProtocolError::UnknownFrame(other)),
        })
    }

    /// Whether the bytes of such a frame are counted and kept until acknowledged.
    pub const fn is_reliable(self) -> bool {
        self as u8 & 0x40 != 0
    }
}

/// One frame. DATA lends its payload from the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// Client: who I am and what I can.
    Hello(Hello),
    /// Server: the session begins.
    Welcome(Welcome),
    /// Server: it does not.
    Refused(Refusal),
    /// So many reliable bytes have been taken in, since the session began.
    Ack {
        /// The count.
        received: u64,
    },
    /// Answer with a PONG of the same token, at once.
    Ping {
        /// Any value.
        token: u64,
    },
    /// The answer to a PING.
    Pong {
        /// The PING's.
        token: u64,
    },
    /// The stream may carry so many payload bytes in all, since it began. Never goes down.
    Credit {
        /// The stream.
        stream: StreamId,
        /// The count.
        limit: u64,
    },
    /// Client: go on with a session that lost its transport.
    Resume(Resume),
    /// Server: it goes on.
    Resumed {
        /// The reliable bytes that the server has taken in, as in ACK.
        received: u64,
    },
    /// A new stream.
    Open {
        /// Its id.
        stream: StreamId,
        /// Where it leads.
        open: Open,
    },
    /// The stream's target was reached.
    Opened {
        /// The stream.
        stream: StreamId,
        /// The sender's first credit for it, as in CREDIT.
        window: u32,
    },
    /// The stream's target was not reached; the stream is over.
    OpenFailed {
        /// The stream.
        stream: StreamId,
        /// Why.
        failure: DialFailure,
    },
    /// Bytes of a stream.
    Data {
        /// The stream.
        stream: StreamId,
        /// The bytes.
        payload: &'a [u8],
    },
    /// The sender will send no more DATA on this stream.
    Fin {
        /// The stream.
        stream: StreamId,
    },
    /// The stream is over in both directions; bytes under way are dropped.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        reason: ResetReason,
    },
    /// The sender takes no new streams; running ones go on.
    GoAway,
}

/// The payload of an OPEN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// What the far end shall do with the stream.
    pub kind: StreamKind,
    /// The sender's first credit for the stream, as in CREDIT.
    pub window: u32,
    /// Where it leads.
    pub target: Target,
}

/// One encoded frame besides DATA, on the stack.
#[derive(Clone)]
pub(crate) struct FrameBytes {
    bytes: [u8; MAX_CONTROL],
    len: usize,
}

impl fmt::Debug for FrameBytes {
    /// Shows type and length only: a HELLO holds a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {:#04x}, {} bytes", self.bytes[0], self.len)
    }
}

impl FrameBytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends. Every caller stays within `MAX_CONTROL`; the rest would be cut.
    pub(crate) fn put(&mut self, part: &[u8]) {
        let room = &mut self.bytes[self.len..];
        let n = part.len().min(room.len());
        room[..n].copy_from_slice(&part[..n]);
        self.len += n;
    }
}

/// Writes a header into the first 8 bytes of `out`.
pub(crate) fn put_header(out: &mut [u8], kind: FrameType, length: usize, stream: u64) {
    let mut header =
        ((kind as u64) << 56 | (length as u64 & 0xffff) << 40 | stream & StreamId::MAX)
            .to_be_bytes();
    header[0] = kind as u8;
    out[..HEADER].copy_from_slice(&header);
}

/// Bytes of the frame that begins `bytes`, header included, as its header says.
pub(crate) fn frame_length(bytes: &[u8]) -> usize {
    match bytes.first_chunk::<4>() {
        Some([_, high, low, _]) => HEADER + usize::from(u16::from_be_bytes([*high, *low])),
        None => HEADER,
    }
}

impl Frame<'_> {
    /// The type of this frame.
    pub fn frame_type(&self) -> FrameType {
        match self {
            Frame::Hello(_) => FrameType::Hello,
            Frame::Welcome(_) => FrameType::Welcome,
            Frame::Refused(_) => FrameType::Refused,
            Frame::Ack { .. } => FrameType::Ack,
            Frame::Ping { .. } => FrameType::Ping,
            Frame::Pong { .. } => FrameType::Pong,
            Frame::Credit { .. } => FrameType::Credit,
            Frame::Resume(_) => FrameType::Resume,
            Frame::Resumed { .. } => FrameType::Resumed,
            Frame::Open { .. } => FrameType::Open,
            Frame::Opened { .. } => FrameType::Opened,
            Frame::OpenFailed { .. } => FrameType::OpenFailed,
            Frame::Data { .. } => FrameType::Data,
            Frame::Fin { .. } => FrameType::Fin,
            Frame::Reset { .. } => FrameType::Reset,
            Frame::GoAway => FrameType::GoAway,
        }
    }

    fn stream_number(&self) -> u64 {
        match self {
            Frame::Credit { stream, .. }
            | Frame::Open { stream, .. }
            | Frame::Opened { stream, .. }
            | Frame::OpenFailed { stream, .. }
            | Frame::Data { stream, .. }
            | Frame::Fin { stream }
            | Frame::Reset { stream, .. } => stream.get(),
            Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Refused(_)
            | Frame::Ack { .. }
            | Frame::Ping { .. }
            | Frame::Pong { .. }
            | Frame::Resume(_)
            | Frame::Resumed { .. }
            | Frame::GoAway => 0,
        }
    }

    /// The frame as bytes. DATA is encoded by the session in place, its payload is not taken here.
    pub(crate) fn encode(&self) -> FrameBytes {
        let mut out = FrameBytes { bytes: [0; MAX_CONTROL], len: HEADER };
        match self {
            Frame::Hello(hello) => hello.encode(&mut out),
            Frame::Welcome(welcome) => welcome.encode(&mut out),
            Frame::Refused(refusal) => out.put(&[refusal_code(*refusal)]),
            Frame::Resume(resume) => resume.encode(&mut out),
            Frame::Ack { received: value }
            | Frame::Resumed { received: value }
            | Frame::Ping { token: value }
            | Frame::Pong { token: value }
            | Frame::Credit { limit: value, .. } => out.put(&value.to_be_bytes()),
            Frame::Open { open, .. } => open.encode(&mut out),
            Frame::Opened { window, .. } => out.put(&window.to_be_bytes()),
            Frame::OpenFailed { failure, .. } => out.put(&[failure_code(*failure)]),
            Frame::Reset { reason, .. } => out.put(&[reset_code(*reason)]),
            Frame::Data { .. } | Frame::Fin { .. } | Frame::GoAway => {}
        }
        let length = out.len - HEADER;
        put_header(&mut out.bytes, self.frame_type(), length, self.stream_number());
        out
    }
}

impl<'a> Frame<'a> {
    /// Reads the frame at the front of `input`; `None` until it is there whole.
    /// Says how many bytes it takes.
    pub fn decode(input: &'a [u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER>() else {
            // A wrong type is known from its first byte: no need to wait for the rest.
            return match input.first() {
                Some(byte) => FrameType::from_byte(*byte).map(|_| None),
                None => Ok(None),
            };
        };
        let kind = FrameType::from_byte(header[0])?;
        let word = u64::from_be_bytes(*header);
        let length = (word >> 40 & 0xffff) as usize;
        check_length(kind, length)?;
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Self::from_parts(kind, word & StreamId::MAX, payload)?;
        Ok(Some((frame, HEADER + length)))
    }

    fn from_parts(kind: FrameType, stream: u64, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let value = ProtocolError::FrameValue(kind as u8);
        let stream = match (of_a_stream(kind), StreamId::new(stream)) {
            (true, Some(stream)) => stream,
            // A frame of the session carries stream 0, and no other does; the id is not used below.
            (false, None) if stream == 0 => StreamId(0),
            _ => return Err(value),
        };
        let word = || Ok(u64::from_be_bytes(*payload.first_chunk().ok_or(value)?));
        let code = payload.first().copied().unwrap_or(0);
        Ok(match kind {
            FrameType::Hello => Self::Hello(Hello::decode(payload)?),
            FrameType::Welcome => Self::Welcome(Welcome::decode(payload)?),
            FrameType::Refused => Self::Refused(refusal_from(code).ok_or(value)?),
            FrameType::Ack => Self::Ack { received: word()? },
            FrameType::Ping => Self::Ping { token: word()? },
            FrameType::Pong => Self::Pong { token: word()? },
            FrameType::Credit => Self::Credit { stream, limit: word()? },
            FrameType::Resume => Self::Resume(Resume::decode(payload)?),
            FrameType::Resumed => Self::Resumed { received: word()? },
            FrameType::Open => Self::Open { stream, open: Open::decode(payload)? },
            FrameType::Opened => Self::Opened {
                stream,
                window: u32::from_be_bytes(*payload.first_chunk().ok_or(value)?),
            },
            FrameType::OpenFailed => {
                Self::OpenFailed { stream, failure: failure_from(code).ok_or(value)? }
            }
            FrameType::Data => Self::Data { stream, payload },
            FrameType::Fin => Self::Fin { stream },
            FrameType::Reset => Self::Reset { stream, reason: reset_from(code).ok_or(value)? },
            FrameType::GoAway => Self::GoAway,
        })
    }
}

const fn of_a_stream(kind: FrameType) -> bool {
    match kind {
        FrameType::Credit
        | FrameType::Open
        | FrameType::Opened
        | FrameType::OpenFailed
        | FrameType::Data
        | FrameType::Fin
        | FrameType::Reset => true,
        FrameType::Hello
        | FrameType::Welcome
        | FrameType::Refused
        | FrameType::Ack
        | FrameType::Ping
        | FrameType::Pong
        | FrameType::Resume
        | FrameType::Resumed
        | FrameType::GoAway => false,
    }
}

/// Refuses a wrong length from the header alone, before any of the payload is awaited.
fn check_length(kind: FrameType, length: usize) -> Result<(), ProtocolError> {
    let fits = match kind {
        // Later versions of these may be longer: what follows the known fields is skipped.
        FrameType::Hello => (Hello::LENGTH..=512).contains(&length),
        FrameType::Welcome => (Welcome::LENGTH..=512).contains(&length),
        FrameType::Refused | FrameType::OpenFailed | FrameType::Reset => length == 1,
        FrameType::Resume => (Resume::LENGTH..=512).contains(&length),
        FrameType::Ack
        | FrameType::Ping
        | FrameType::Pong
        | FrameType::Credit
        | FrameType::Resumed => length == 8,
        FrameType::Open => (8 + 1..=MAX_CONTROL - HEADER).contains(&length),
        FrameType::Opened => length == 4,
        FrameType::Data => length >= 1,
        FrameType::Fin | FrameType::GoAway => length == 0,
    };
    if fits { Ok(()) } else { Err(ProtocolError::FrameLength(kind as u8)) }
}

impl Open {
    fn encode(&self, out: &mut FrameBytes) {
        out.put(&[match self.kind {
            StreamKind::Connect => 1,
            StreamKind::Http => 2,
            StreamKind::Https => 3,
        }]);
        out.put(&self.window.to_be_bytes());
        out.put(&self.target.port.to_be_bytes());
        match &self.target.host {
            Host::Name(name) => {
                out.put(&[1]);
                out.put(name.as_bytes());
            }
            Host::Ip(IpAddr::V4(ip)) => {
                out.put(&[4]);
                out.put(&ip.octets());
            }
            Host::Ip(IpAddr::V6(ip)) => {
                out.put(&[6]);
                out.put(&ip.octets());
            }
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wrong = ProtocolError::FrameValue(FrameType::Open as u8);
        let (fixed, host) = payload.split_first_chunk::<8>().ok_or(wrong)?;
        let [kind, w0, w1, w2, w3, p0, p1, host_kind] = *fixed;
        let kind = match kind {
            1 => StreamKind::Connect,
            2 => StreamKind::Http,
            3 => StreamKind::Https,
            _ => return Err(wrong),
        };
        let host = match host_kind {
            1 => match Host::parse(core::str::from_utf8(host).map_err(|_| wrong)?) {
                // The only spelling of a name on the wire is the one `Host` gives it.
                Ok(Host::Name(name)) if name.as_bytes() == host => Host::Name(name),
                _ => return Err(wrong),
            },
            4 => {
                Host::Ip(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(host).map_err(|_| wrong)?)))
            }
            6 => {
                Host::Ip(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(host).map_err(|_| wrong)?)))
            }
            _ => return Err(wrong),
        };
        let port = u16::from_be_bytes([p0, p1]);
        if port == 0 {
            return Err(wrong);
        }
        Ok(Self {
            kind,
            window: u32::from_be_bytes([w0, w1, w2, w3]),
            target: Target { host, port },
        })
    }
}

/// A table of codes, both ways, from one list.
macro_rules! codes {
    ($($to:ident, $from:ident: $type:ident { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        fn $to(value: $type) -> u8 {
            match value { $($type::$variant => $code),* }
        }
        fn $from(code: u8) -> Option<$type> {
            match code { $($code => Some($type::$variant),)* _ => None }
        }
    )*};
}
codes! {
    refusal_code, refusal_from: Refusal { Version = 1, Credentials = 2, Parameters = 3, Ending = 4, Session = 5 }
    failure_code, failure_from: DialFailure {
        Refused = 1, Unreachable = 2, TimedOut = 3, NameNotFound = 4, Denied = 5, Tls = 6,
        Resources = 7, Draining = 8, Other = 9, LocalhostDenied = 10,
        ProxyUnreachable = 11, ProxyCredentials = 12, ProxyDenied = 13, ProxyFailed = 14,
        ProxyProtocol = 15, ProxyTimedOut = 16, NoWay = 17, Loop = 18, BadRequest = 19,
        CertificateExpired = 20, CertificateNotYetValid = 21, CertificateIssuer = 22,
        CertificateName = 23, Certificate = 24, NotTls = 25, TlsTimedOut = 26, ProxyTls = 27,
        NameServers = 28,
    }
    reset_code, reset_from: ResetReason {
        Cancelled = 1, ConnectionLost = 2, TimedOut = 3, Protocol = 4, ShuttingDown = 5,
        AnswerTooLarge = 6,
    }
}

#[cfg(test)]
mod tests;
