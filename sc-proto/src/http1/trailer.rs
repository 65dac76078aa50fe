//! The trailer section after a chunked body (RFC 9112, section 7.1.2), read byte by byte.

use super::body::BodyError;

/// Most bytes of a trailer section.
const MAX_BYTES: u16 = 8 * 1024;
/// Most fields of a trailer section.
const MAX_FIELDS: u8 = 32;

/// Fields that must not come after the body they would change: framing, routing, this hop's own
/// and credentials (RFC 9110, section 6.5.1). A receiver that merges trailers into the head would
/// be led astray by them, so the message is refused, not mended.
const FORBIDDEN: [&[u8]; 15] = [
    b"authorization",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"host",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// Where in the trailer section the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Name,
    Value,
    /// After the CR of a field line.
    LineLf,
    /// After the CR of the empty line.
    EndLf,
}

/// The trailer section. It begins right after the line of the last chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailers {
    at: At,
    bytes: u16,
    fields: u8,
    /// One bit for every forbidden name that the current name may still become.
    candidates: u16,
    name_length: u8,
}

/// What a byte of the section did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trailer {
    /// The section goes on.
    More,
    /// This was its last byte.
    End,
}

impl Trailers {
    pub(super) fn new() -> Self {
        Self { at: At::LineStart, bytes: 0, fields: 0, candidates: 0, name_length: 0 }
    }

    /// Takes one byte.
    pub(super) fn take(&mut self, byte: u8) -> Result<Trailer, BodyError> {
        if self.bytes == MAX_BYTES {
            return Err(BodyError::TrailersTooLarge);
        }
        let next = match (self.at, byte) {
            (At::LineStart, b'\r') => At::EndLf,
            (At::LineStart, _) => {
                if self.fields == MAX_FIELDS {
                    return Err(BodyError::TrailersTooLarge);
                }
                let mut named = *self;
                named.candidates = (1 << FORBIDDEN.len()) - 1;
                named.name_length = 0;
                named.take_name(byte)?;
                named.fields += 1;
                *self = named;
                At::Name
            }
            (At::Name, b':') if self.is_forbidden() => return Err(BodyError::ForbiddenTrailer),
            (At::Name, b':') => At::Value,
            (At::Name, _) => {
                self.take_name(byte)?;
                At::Name
            }
            (At::Value, b'\r') => At::LineLf,
            (At::Value, b'\t' | 0x20..=0x7e | 0x80..) => At::Value,
            (At::Value, _) => return Err(BodyError::BadTrailer),
            (At::LineLf, b'\n') => At::LineStart,
            (At::EndLf, b'\n') => return Ok(Trailer::End),
            (At::LineLf | At::EndLf, _) => return Err(BodyError::LineEnd),
        };
        self.at = next;
        self.bytes += 1;
        Ok(Trailer::More)
    }

    /// Takes one byte of a name and strikes out the forbidden names it cannot be any more.
    fn take_name(&mut self, byte: u8) -> Result<(), BodyError> {
        if !is_token_byte(byte) {
            return Err(BodyError::BadTrailer);
        }
        let place = usize::from(self.name_length);
        for (index, name) in FORBIDDEN.iter().enumerate() {
            if name.get(place) != Some(&byte.to_ascii_lowercase()) {
                self.candidates &= !(1 << index);
            }
        }
        // Longer than any forbidden name: the count need not go on.
        self.name_length = self.name_length.saturating_add(1);
        Ok(())
    }

    /// True if the name read so far is a forbidden one as a whole.
    fn is_forbidden(&self) -> bool {
        FORBIDDEN.iter().enumerate().any(|(index, name)| {
            self.candidates & (1 << index) != 0 && name.len() == usize::from(self.name_length)
        })
    }
}

/// RFC 9110, section 5.6.2: `tchar`.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
