//! Where a body ends, and which of its bytes are sent on (RFC 9112, sections 6 and 7.1).

use core::ops::Range;

use super::message::Framing;
use super::trailer::{Trailer, Trailers};

/// Most hexadecimal digits of a chunk size.
const MAX_SIZE_DIGITS: u8 = 16;
/// Largest chunk, in bytes: 1 TiB, far below where any reader's arithmetic overflows.
const MAX_CHUNK: u64 = 1 << 40;
/// Most bytes between a chunk size and the end of its line.
const MAX_EXTENSION: u16 = 256;

/// A body that breaks the rules of its framing. What follows on the connection means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk does not begin with a hexadecimal number, or something else follows the number.
    #[error("a chunk size is not a plain hexadecimal number")]
    ChunkSize,
    /// A chunk is larger than 1 TiB, or its size has more than 16 digits.
    #[error("a chunk size is too large")]
    ChunkTooLarge,
    /// A chunk extension is longer than 256 bytes or holds a control byte.
    #[error("a chunk extension is too long or malformed")]
    ChunkExtension,
    /// CRLF is missing where a line must end.
    #[error("a line of the chunked coding does not end with CRLF")]
    LineEnd,
    /// A chunk's data is not followed by CRLF: its size was wrong.
    #[error("the data of a chunk does not end where its size says")]
    ChunkEnd,
    /// A trailer line is not `Name: value`.
    #[error("a trailer field is malformed")]
    BadTrailer,
    /// A trailer names a field that must stand in the head.
    #[error("a trailer field may only stand in the head")]
    ForbiddenTrailer,
    /// The trailer section is larger than 8 KiB or has more than 32 fields.
    #[error("the trailer section is too large")]
    TrailersTooLarge,
}

/// What becomes of the chunked coding on the way through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// It is sent on, without chunk extensions.
    Keep,
    /// Only the data is sent on: the receiver speaks HTTP/1.0.
    Remove,
}

/// What one call of [`Body::advance`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the front of the input.
    pub consumed: usize,
    /// Which of these are sent on. Empty if none.
    pub forward: Range<usize>,
    /// The body has ended. Nothing more will be taken.
    pub done: bool,
}

/// One body as it passes through. It copies nothing and holds nothing back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    state: State,
    coding: Coding,
    padding: Padding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length { left: u64 },
    UntilClose,
    Size { value: u64, digits: u8 },
    Padding { size: u64, length: u16 },
    Extension { size: u64, length: u16 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers(Trailers),
}

/// Whether white space may stand after a chunk size. Old servers pad sizes to a fixed width, and
/// every browser takes it. It is never sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Refuse,
    Skip,
}

/// What becomes of one byte of the chunked coding.
enum Fate {
    Forward,
    Skip,
}

impl Body {
    /// The body of a request.
    #[must_use]
    pub fn request(framing: Framing) -> Self {
        Self { state: State::first(framing), coding: Coding::Keep, padding: Padding::Refuse }
    }

    /// The body of an answer.
    #[must_use]
    pub fn response(framing: Framing, coding: Coding) -> Self {
        Self { state: State::first(framing), coding, padding: Padding::Skip }
    }

    /// True once the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// True if the body may end where the connection does.
    #[must_use]
    pub fn may_end_here(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// How many bytes are left, if a length says so.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length { left } => Some(left),
            _ => None,
        }
    }

    /// Takes bytes of the body. Takes at least one unless the input is empty or the body has
    /// ended; call again while input is left. The bytes to send on are the same for every split.
    ///
    /// # Errors
    /// A [`BodyError`] at the byte that breaks the rules, once all bytes before it are taken. The
    /// error stays: the bad byte is never taken.
    pub fn advance(&mut self, input: &[u8]) -> Result<Progress, BodyError> {
        let mut at = 0;
        let mut forward = 0..0;
        while at < input.len() && self.state != State::Done {
            let before = *self;
            let (taken, fate) = match self.take(&input[at..]) {
                Ok(step) => step,
                Err(error) if at == 0 => {
                    *self = before;
                    return Err(error);
                }
                Err(_) => {
                    *self = before;
                    break;
                }
            };
            if let Fate::Forward = fate {
                if forward.is_empty() {
                    forward = at..at;
                } else if forward.end != at {
                    *self = before;
                    break;
                }
                forward.end = at + taken;
            }
            at += taken;
        }
        Ok(Progress { consumed: at, forward, done: self.is_done() })
    }

    /// Takes the longest run of bytes, at least one, that share a fate.
    fn take(&mut self, input: &[u8]) -> Result<(usize, Fate), BodyError> {
        match &mut self.state {
            State::Length { left } => {
                let taken = take_from(left, input);
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok((taken, Fate::Forward))
            }
            State::Data { left } => {
                let taken = take_from(left, input);
                if *left == 0 {
                    self.state = State::DataCr;
                }
                Ok((taken, Fate::Forward))
            }
            State::UntilClose => Ok((input.len(), Fate::Forward)),
            State::Done => Ok((0, Fate::Skip)),
            _ => match (self.take_byte(input[0])?, self.coding) {
                (Fate::Forward, Coding::Keep) => Ok((1, Fate::Forward)),
                (Fate::Forward, Coding::Remove) | (Fate::Skip, _) => Ok((1, Fate::Skip)),
            },
        }
    }

    /// Takes one byte of the chunked coding that is not data.
    fn take_byte(&mut self, byte: u8) -> Result<Fate, BodyError> {
        let (next, fate) = match self.state {
            State::Size { value, digits } => self.take_size(value, digits, byte)?,
            State::Padding { size, length } => match byte {
                b'\r' => (State::SizeLf { size }, Fate::Forward),
                b';' => (State::Extension { size, length: 0 }, Fate::Skip),
                b' ' | b'\t' if length < MAX_EXTENSION => {
                    let length = length + 1;
                    (State::Padding { size, length }, Fate::Skip)
                }
                _ => return Err(BodyError::ChunkSize),
            },
            State::Extension { size, length } => match byte {
                b'\r' => (State::SizeLf { size }, Fate::Forward),
                b'\t' | 0x20..=0x7e | 0x80.. if length < MAX_EXTENSION => {
                    let length = length + 1;
                    (State::Extension { size, length }, Fate::Skip)
                }
                _ => return Err(BodyError::ChunkExtension),
            },
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => (State::Trailers(Trailers::new()), Fate::Forward),
                (b'\n', left) => (State::Data { left }, Fate::Forward),
                _ => return Err(BodyError::LineEnd),
            },
            State::DataCr if byte == b'\r' => (State::DataLf, Fate::Forward),
            State::DataLf if byte == b'\n' => (State::SIZE, Fate::Forward),
            State::DataCr | State::DataLf => return Err(BodyError::ChunkEnd),
            State::Trailers(mut trailers) => match trailers.take(byte)? {
                Trailer::More => (State::Trailers(trailers), Fate::Forward),
                Trailer::End => (State::Done, Fate::Forward),
            },
            state @ (State::Done
            | State::Length { .. }
            | State::UntilClose
            | State::Data { .. }) => (state, Fate::Forward),
        };
        self.state = next;
        Ok(fate)
    }

    /// Takes one byte of a chunk size, or the one after it.
    fn take_size(&self, value: u64, digits: u8, byte: u8) -> Result<(State, Fate), BodyError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if digits == 0 => return Err(BodyError::ChunkSize),
            b'\r' => return Ok((State::SizeLf { size: value }, Fate::Forward)),
            b';' => {
                let (size, length) = (value, 0);
                return Ok((State::Extension { size, length }, Fate::Skip));
            }
            b' ' | b'\t' if self.padding == Padding::Skip => {
                let (size, length) = (value, 1);
                return Ok((State::Padding { size, length }, Fate::Skip));
            }
            _ => return Err(BodyError::ChunkSize),
        };
        // At most MAX_CHUNK before, so the shift loses nothing.
        let value = (value << 4) | u64::from(digit);
        if digits == MAX_SIZE_DIGITS || value > MAX_CHUNK {
            return Err(BodyError::ChunkTooLarge);
        }
        let digits = digits + 1;
        Ok((State::Size { value, digits }, Fate::Forward))
    }
}

impl State {
    /// Before the first digit of a chunk size.
    const SIZE: Self = Self::Size { value: 0, digits: 0 };

    fn first(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(left) => Self::Length { left },
            Framing::Chunked => Self::SIZE,
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

/// Takes what both `left` and the input allow.
fn take_from(left: &mut u64, input: &[u8]) -> usize {
    let taken = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    *left -= taken as u64;
    taken
}
