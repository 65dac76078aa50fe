//! Ids and secrets, each a type of its own.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use subtle::ConstantTimeEq as _;

/// One TCP connection, or the attempt at one. Given out by the core.
///
/// It carries a generation: an id of a socket that is gone never names a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SocketId {
    /// An id as a core would give it out, to test a driver without a core. A core ignores ids
    /// that are not its own.
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The slot of this socket: small and dense, so a driver may index a table with it.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket {}.{}", self.index, self.generation)
    }
}

/// One listening socket. Given out by the embedder, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u32);

/// One worker: a thread of the runtime with a [`Core`](crate::Core) of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// A tunnel, as the REST API names it: 16 bytes, shown as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub [u8; 16]);

/// A session of KGP: chosen by the server, 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

/// A client of a tunnel: 16 random bytes, made when the client starts. A tunnel's sessions are
/// all of one client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub [u8; 16]);

/// Which of the connections that a client serves its tunnel by, and how many it means to have. A
/// connection has one session at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionNumber {
    index: u8,
    count: u8,
}

impl ConnectionNumber {
    /// Most connections of one tunnel.
    pub const MOST: u8 = 32;

    /// The connection of a client that has no other.
    pub const ONLY: Self = Self { index: 0, count: 1 };

    /// Connection `index`, from 0, of `count`. `None` if there is none such, or if there may not
    /// be so many.
    pub const fn new(index: u8, count: u8) -> Option<Self> {
        let number = Self { index, count };
        if number.is_within_limits() { Some(number) } else { None }
    }

    /// As a peer said it. Not to be used before [`Self::is_within_limits`].
    pub(crate) const fn said(index: u8, count: u8) -> Self {
        Self { index, count }
    }

    /// Whether there is such a connection, and not too many.
    pub(crate) const fn is_within_limits(self) -> bool {
        self.index < self.count && self.count <= Self::MOST
    }

    /// Which one, from 0.
    pub const fn index(self) -> u8 {
        self.index
    }

    /// How many the client means to have, at least 1.
    pub const fn count(self) -> u8 {
        self.count
    }
}

/// As people count: `connection 2 of 4`.
impl fmt::Display for ConnectionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} of {}", u16::from(self.index) + 1, self.count)
    }
}

/// The presented secret is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretMismatch;

macro_rules! secret {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        ///
        /// Its `Debug` form shows nothing of it.
        #[derive(Clone)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes, to be sent or stored.
            pub const fn expose(&self) -> &[u8; 32] {
                &self.0
            }

            /// Compares in constant time.
            pub fn verify(&self, presented: &Self) -> Result<(), SecretMismatch> {
                if bool::from(self.0.ct_eq(&presented.0)) { Ok(()) } else { Err(SecretMismatch) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(****)"))
            }
        }
    };
}
secret! {
    /// What a client proves its right to a tunnel with: 32 random bytes from the REST answer.
    TunnelSecret
}
secret! {
    /// What a client proves its right to go on with a session with: 32 random bytes that the
    /// server gives it at the beginning of the session.
    ResumeSecret
}

/// A text is not the hex form of an id or secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct ParseHexError {
    /// How many digits the type has.
    pub expected: usize,
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let error = ParseHexError { expected: 2 * N };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16).ok_or(error)?;
            *byte = *byte << 4 | value as u8;
        }
    }
    Ok(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! hex_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = ParseHexError;
            fn from_str(text: &str) -> Result<Self, ParseHexError> {
                parse_hex(text).map(Self)
            }
        }
    )*};
}
hex_text!(TunnelId, SessionId, ClientId);

impl FromStr for TunnelSecret {
    type Err = ParseHexError;
    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        parse_hex(text).map(Self)
    }
}

impl TunnelSecret {
    /// The secret as 64 lower-case hex digits, for the REST answer that hands it out.
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in &self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn hex_forms_round_trip() {
        let id: TunnelId = "000102030405060708090a0b0c0d0eff".parse().unwrap();
        assert_eq!(id.0[15], 0xff);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        let secret = TunnelSecret::new([0xab; 32]);
        assert_eq!(secret.to_hex().parse::<TunnelSecret>().unwrap().expose(), secret.expose());
    }

    #[test]
    fn wrong_hex_is_refused() {
        for text in
            ["", "00", "zz0102030405060708090a0b0c0d0eff", "00010203040506070809 a0b0c0d0eff"]
        {
            assert_eq!(text.parse::<TunnelId>(), Err(ParseHexError { expected: 32 }), "{text:?}");
        }
    }

    #[test]
    fn connections_are_numbered_within_their_count() {
        assert_eq!(ConnectionNumber::new(0, 1), Some(ConnectionNumber::ONLY));
        let last = ConnectionNumber::new(31, 32);
        assert_eq!(last.map(|number| number.to_string()).as_deref(), Some("connection 32 of 32"));
        for (index, count) in [(0, 0), (1, 1), (4, 3), (0, 33), (255, 255)] {
            assert_eq!(ConnectionNumber::new(index, count), None);
            assert!(!ConnectionNumber::said(index, count).is_within_limits());
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", TunnelSecret::new([7; 32])), "TunnelSecret(****)");
    }
}
