//! The handshake: HELLO and WELCOME, and what they agree on.

use core::ops::RangeInclusive;

use super::Settings;
use super::error::ProtocolError;
use super::frame::{FrameBytes, FrameType};
use crate::contract::{
    ClientId, ConnectionNumber, ResumeSecret, SessionId, TunnelId, TunnelSecret,
};

/// The version of KGP this crate speaks.
pub const VERSION: u16 = 1;

/// Limits of [`Parameters::initial_window`], in bytes.
pub(crate) const INITIAL_WINDOW: RangeInclusive<u32> = 1 << 10..=1 << 20;
/// Limits of [`Parameters::keepalive_ms`].
pub(crate) const KEEPALIVE_MS: RangeInclusive<u32> = 100..=3_600_000;
/// Least value of [`Parameters::max_data`], in bytes.
const MIN_MAX_DATA: u16 = 1024;

/// What a side tells the other about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Most streams the peer may have open at once. At least 1.
    pub max_streams: u32,
    /// Credit of each new stream before any grant, in bytes. From 1 KiB to 1 MiB.
    pub initial_window: u32,
    /// Largest DATA payload it takes, in bytes. At least 1024.
    pub max_data: u16,
    /// How long it lets a transport be silent before it sends a PING, in milliseconds.
    /// Both sides use the smaller of the two values. From 100 to 3,600,000.
    pub keepalive_ms: u32,
}

/// A parameter is outside its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideLimits;

impl Parameters {
    const LENGTH: usize = 14;

    /// What `settings` mean on the wire.
    pub(crate) fn of(settings: &Settings) -> Self {
        let settings = settings.within_limits();
        Self {
            max_streams: settings.max_streams,
            initial_window: settings.initial_window,
            max_data: u16::MAX,
            keepalive_ms: u32::try_from(settings.keepalive.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// Whether all are within the limits given at the fields.
    pub fn check(&self) -> Result<(), OutsideLimits> {
        let good = self.max_streams >= 1
            && INITIAL_WINDOW.contains(&self.initial_window)
            && self.max_data >= MIN_MAX_DATA
            && KEEPALIVE_MS.contains(&self.keepalive_ms);
        if good { Ok(()) } else { Err(OutsideLimits) }
    }

    fn encode(&self, out: &mut FrameBytes) {
        out.put(&self.max_streams.to_be_bytes());
        out.put(&self.initial_window.to_be_bytes());
        out.put(&self.max_data.to_be_bytes());
        out.put(&self.keepalive_ms.to_be_bytes());
    }

    fn decode(bytes: &[u8; Self::LENGTH]) -> Self {
        let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, d0, d1, d2, d3] = *bytes;
        Self {
            max_streams: u32::from_be_bytes([a0, a1, a2, a3]),
            initial_window: u32::from_be_bytes([b0, b1, b2, b3]),
            max_data: u16::from_be_bytes([c0, c1]),
            keepalive_ms: u32::from_be_bytes([d0, d1, d2, d3]),
        }
    }
}

/// The client's first frame.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The version of KGP it speaks.
    pub version: u16,
    /// The tunnel it serves.
    pub tunnel: TunnelId,
    /// Proof of the right to it.
    pub secret: TunnelSecret,
    /// Who it is: the same for all its connections.
    pub client: ClientId,
    /// Which of its connections this is. To be judged before it is used.
    pub connection: ConnectionNumber,
    /// What it takes.
    pub parameters: Parameters,
}

impl PartialEq for Hello {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.tunnel == other.tunnel
            && self.secret.verify(&other.secret).is_ok()
            && self.client == other.client
            && self.connection == other.connection
            && self.parameters == other.parameters
    }
}
impl Eq for Hello {}

/// The server's answer to a HELLO it accepts.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The version of KGP both speak from here on.
    pub version: u16,
    /// The new session.
    pub session: SessionId,
    /// What a RESUME of this session has to prove.
    pub secret: ResumeSecret,
    /// What the server takes.
    pub parameters: Parameters,
}

impl PartialEq for Welcome {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.session == other.session
            && self.secret.verify(&other.secret).is_ok()
            && self.parameters == other.parameters
    }
}
impl Eq for Welcome {}

/// The first frame of a client that goes on with a session.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The version of KGP it speaks.
    pub version: u16,
    /// The tunnel it serves.
    pub tunnel: TunnelId,
    /// The session.
    pub session: SessionId,
    /// Proof of the right to it.
    pub secret: ResumeSecret,
    /// The reliable bytes that the client has taken in, as in ACK.
    pub received: u64,
    /// Which of the client's connections the session is of, as the HELLO said: the server may
    /// keep them in different places.
    pub connection: ConnectionNumber,
}

impl PartialEq for Resume {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.tunnel == other.tunnel
            && self.session == other.session
            && self.secret.verify(&other.secret).is_ok()
            && self.received == other.received
            && self.connection == other.connection
    }
}
impl Eq for Resume {}

impl Resume {
    pub(crate) const LENGTH: usize = 2 + 16 + 16 + 32 + 8 + 2;

    pub(crate) fn encode(&self, out: &mut FrameBytes) {
        out.put(&self.version.to_be_bytes());
        out.put(&self.tunnel.0);
        out.put(&self.session.0);
        out.put(self.secret.expose());
        out.put(&self.received.to_be_bytes());
        out.put(&[self.connection.index(), self.connection.count()]);
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let short = ProtocolError::FrameLength(FrameType::Resume as u8);
        let (version, rest) = payload.split_first_chunk().ok_or(short)?;
        let (tunnel, rest) = rest.split_first_chunk().ok_or(short)?;
        let (session, rest) = rest.split_first_chunk().ok_or(short)?;
        let (secret, rest) = rest.split_first_chunk().ok_or(short)?;
        let (received, rest) = rest.split_first_chunk().ok_or(short)?;
        let [index, count] = *rest.first_chunk().ok_or(short)?;
        Ok(Self {
            version: u16::from_be_bytes(*version),
            tunnel: TunnelId(*tunnel),
            session: SessionId(*session),
            secret: ResumeSecret::new(*secret),
            received: u64::from_be_bytes(*received),
            connection: ConnectionNumber::said(index, count),
        })
    }
}

impl Hello {
    pub(crate) const LENGTH: usize = 2 + 16 + 32 + Parameters::LENGTH + 16 + 2;

    pub(crate) fn encode(&self, out: &mut FrameBytes) {
        out.put(&self.version.to_be_bytes());
        out.put(&self.tunnel.0);
        out.put(self.secret.expose());
        self.parameters.encode(out);
        out.put(&self.client.0);
        out.put(&[self.connection.index(), self.connection.count()]);
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let short = ProtocolError::FrameLength(FrameType::Hello as u8);
        let (version, rest) = payload.split_first_chunk().ok_or(short)?;
        let (tunnel, rest) = rest.split_first_chunk().ok_or(short)?;
        let (secret, rest) = rest.split_first_chunk().ok_or(short)?;
        let (parameters, rest) = rest.split_first_chunk().ok_or(short)?;
        let (client, rest) = rest.split_first_chunk().ok_or(short)?;
        let [index, count] = *rest.first_chunk().ok_or(short)?;
        Ok(Self {
            version: u16::from_be_bytes(*version),
            tunnel: TunnelId(*tunnel),
            secret: TunnelSecret::new(*secret),
            parameters: Parameters::decode(parameters),
            client: ClientId(*client),
            connection: ConnectionNumber::said(index, count),
        })
    }
}

impl Welcome {
    pub(crate) const LENGTH: usize = 2 + 16 + 32 + Parameters::LENGTH;

    pub(crate) fn encode(&self, out: &mut FrameBytes) {
        out.put(&self.version.to_be_bytes());
        out.put(&self.session.0);
        out.put(self.secret.expose());
        self.parameters.encode(out);
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        let short = ProtocolError::FrameLength(FrameType::Welcome as u8);
        let (version, rest) = payload.split_first_chunk().ok_or(short)?;
        let (session, rest) = rest.split_first_chunk().ok_or(short)?;
        let (secret, rest) = rest.split_first_chunk().ok_or(short)?;
        let parameters = rest.first_chunk().ok_or(short)?;
        Ok(Self {
            version: u16::from_be_bytes(*version),
            session: SessionId(*session),
            secret: ResumeSecret::new(*secret),
            parameters: Parameters::decode(parameters),
        })
    }
}
