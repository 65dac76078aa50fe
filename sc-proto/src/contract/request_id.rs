//! What logs and error pages of both sides call one request.

use core::fmt;

use super::id::{ConnectionNumber, TunnelId};

/// A request through a tunnel, as both sides can name it without a word about it: the first eight
/// digits of the tunnel's id, the connection, and the stream, as `0123abcd-0-17`. A session that
/// takes a lost one's place counts its streams anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// Its tunnel.
    pub tunnel: TunnelId,
    /// Which of the tunnel's connections carries it.
    pub connection: ConnectionNumber,
    /// Its stream, as the wire numbers it.
    pub stream: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.tunnel.0.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "-{}-{}", self.connection.index(), self.stream)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn it_is_short_and_has_all_three() {
        let connection = ConnectionNumber::new(1, 4).unwrap();
        let id = RequestId { tunnel: TunnelId([0xab; 16]), connection, stream: 17 };
        assert_eq!(id.to_string(), "abababab-1-17");
    }
}
