//! What a client says about the transports it has lost and the sessions that went on.

use crate::deployment::Tunnel;

/// What the client prints when its transport has gone.
const INTERRUPTED: &str = "Connection interrupted (";
/// What it prints when the session goes on with a new one.
const RESUMED: &str = "Connection resumed after ";

/// One line that tells of a resumed session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resumed {
    /// How long there was no transport, in seconds.
    pub outage: f64,
    /// Streams that were kept.
    pub streams: u64,
    /// Bytes that this side sent again.
    pub replayed: u64,
}

/// How often the client has said that its transport has gone.
pub fn count(tunnel: &Tunnel) -> usize {
    tunnel.client.process.count_lines(INTERRUPTED)
}

/// All that the client has said about resumed sessions.
pub fn resumed(tunnel: &Tunnel) -> Vec<Resumed> {
    tunnel.client.process.lines().iter().filter_map(|line| Resumed::parse(line)).collect()
}

impl Resumed {
    /// Reads `… resumed after S s: N streams kept, B bytes sent again`.
    fn parse(line: &str) -> Option<Self> {
        let (_, told) = line.split_once(RESUMED)?;
        let mut words = told.split_whitespace();
        let outage = words.next()?.parse().ok()?;
        let mut numbers = words.filter_map(|word| word.parse().ok());
        Some(Self { outage, streams: numbers.next()?, replayed: numbers.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_resumed_session_is_read() {
        let line = "Connection resumed after 0.3 s: 51 streams kept, 1048 bytes sent again";
        let expected = Resumed { outage: 0.3, streams: 51, replayed: 1048 };
        assert_eq!(Resumed::parse(line), Some(expected));
        assert_eq!(Resumed::parse("Connection interrupted (closed)"), None);
    }
}
