//! What a readiness event is about, packed into mio's token.
//!
//! A token is `serial | kind | index`. The serial is new for every registration, so an event of a
//! socket that went away earlier in the same batch never reaches its successor at that index.

use mio::Token;

use crate::slots::MAX_INDEX;

const INDEX_BITS: u32 = 24;
const LISTENER: usize = 1 << INDEX_BITS;
const SERIAL_SHIFT: u32 = INDEX_BITS + 1;

// One less than the bits hold, so that no token equals [`WAKE`].
const _: () = assert!(MAX_INDEX <= LISTENER - 2, "an index must fit into a token");

/// The token of the worker's waker.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// What a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Another thread has left something in the inbox.
    Wake,
    /// A listener, by its slot.
    Listener(usize),
    /// A socket or connection attempt, by the index of its [`SocketId`](sc_proto::SocketId).
    Socket(usize),
}

impl Source {
    pub(crate) fn of(token: Token) -> Self {
        let index = token.0 & (LISTENER - 1);
        if token == WAKE {
            Self::Wake
        } else if token.0 & LISTENER != 0 {
            Self::Listener(index)
        } else {
            Self::Socket(index)
        }
    }
}

/// Gives out tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    serial: usize,
}

impl Tokens {
    /// A token for a socket; `index` is at most [`MAX_INDEX`].
    pub(crate) fn socket(&mut self, index: usize) -> Token {
        debug_assert!(index <= MAX_INDEX);
        Token(self.next_serial() | index)
    }

    /// A token for a listener; `slot` is at most [`MAX_INDEX`].
    pub(crate) fn listener(&mut self, slot: usize) -> Token {
        debug_assert!(slot <= MAX_INDEX);
        Token(self.next_serial() | LISTENER | slot)
    }

    /// Wraps after 2^39 registrations (2^7 on 32-bit platforms, where a late event may then cost
    /// one needless read).
    fn next_serial(&mut self) -> usize {
        self.serial = self.serial.wrapping_add(1 << SERIAL_SHIFT);
        self.serial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_source() {
        let mut tokens = Tokens::default();
        for index in [0, 1, MAX_INDEX] {
            assert_eq!(Source::of(tokens.socket(index)), Source::Socket(index));
            assert_eq!(Source::of(tokens.listener(index)), Source::Listener(index));
        }
        assert_eq!(Source::of(WAKE), Source::Wake);
    }

    #[test]
    fn no_token_is_the_wakers() {
        let mut tokens = Tokens { serial: usize::MAX << SERIAL_SHIFT };
        tokens.serial = tokens.serial.wrapping_sub(1 << SERIAL_SHIFT);
        assert_ne!(tokens.listener(MAX_INDEX), WAKE);
    }

    #[test]
    fn tokens_of_one_index_differ() {
        let mut tokens = Tokens::default();
        assert_ne!(tokens.socket(7), tokens.socket(7));
    }
}
