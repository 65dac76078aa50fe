//! Finds the end of a head, and refuses line ends and bytes that parsers read differently.

use super::Limits;

/// A head that no parser should see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A line ends with LF alone (RFC 9112, section 2.2, allows to refuse it).
    #[error("a line ends with LF where CRLF is required")]
    BareLf,
    /// A CR that no LF follows.
    #[error("a CR stands without its LF")]
    BareCr,
    /// NUL or another control byte.
    #[error("a control byte (such as NUL) stands in the head")]
    Control,
    /// More than one empty line before the start line.
    #[error("empty lines stand before the first line")]
    EmptyLine,
    /// The first line begins with white space.
    #[error("white space stands before the first line")]
    LeadingSpace,
    /// The request line or status line is longer than [`Limits::max_start_line`].
    #[error("the first line is too long")]
    StartLineTooLong,
    /// The head is longer than [`Limits::max_head`].
    #[error("the head is too large")]
    TooLarge,
    /// There are more header fields than [`Limits::max_headers`].
    #[error("there are too many header fields")]
    TooManyFields,
}

/// Where a whole head lies in the bytes searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadSpan {
    /// Where its first line begins: 0, or 2 after an empty line.
    pub start: usize,
    /// One past its final empty line.
    pub end: usize,
    /// Lines between the first line and the empty line.
    pub fields: usize,
}

/// The search for the end of one head. It remembers how far it has come, so that bytes that
/// trickle in are looked at once each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadSearch {
    /// Bytes looked at.
    at: usize,
    /// Where the current line begins.
    line: usize,
    /// Whole lines seen, without an empty one at the very front.
    lines: usize,
}

impl HeadSearch {
    /// A search that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on in `input`, which must begin where it began in the last call and may have grown.
    /// What comes out depends on the bytes alone, not on how they were split. `Ok(None)` is only
    /// said while the head may still end within [`Limits::max_head`].
    ///
    /// # Errors
    /// A [`HeadError`], found at the first byte that makes the head unusable.
    pub fn advance(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<HeadSpan>, HeadError> {
        while let Some(&byte) = input.get(self.at) {
            let after_cr = self.at > 0 && input.get(self.at - 1) == Some(&b'\r');
            if byte == b'\n' && after_cr {
                self.at += 1;
                if self.end_line(limits)? {
                    return Ok(Some(HeadSpan {
                        start: if input.starts_with(b"\r\n") { 2 } else { 0 },
                        end: self.at,
                        fields: self.lines - 1,
                    }));
                }
            } else {
                self.check(byte, after_cr, limits)?;
                self.at += 1;
            }
            if self.at >= limits.max_head {
                return Err(HeadError::TooLarge);
            }
        }
        Ok(None)
    }

    /// Judges a byte that does not end a line.
    fn check(&self, byte: u8, after_cr: bool, limits: &Limits) -> Result<(), HeadError> {
        let in_start_line = self.lines == 0;
        let column = self.at - self.line;
        match byte {
            _ if after_cr => Err(HeadError::BareCr),
            b'\n' => Err(HeadError::BareLf),
            b'\r' => Ok(()),
            b' ' | b'\t' if in_start_line && column == 0 => Err(HeadError::LeadingSpace),
            0..=0x08 | 0x0a..=0x1f | 0x7f => Err(HeadError::Control),
            _ if in_start_line && column >= limits.max_start_line => {
                Err(HeadError::StartLineTooLong)
            }
            _ => Ok(()),
        }
    }

    /// Counts the line that ends before `at`. True if it is the empty line that ends the head.
    fn end_line(&mut self, limits: &Limits) -> Result<bool, HeadError> {
        let is_empty = self.at - self.line == 2;
        let is_first = self.line == 0;
        self.line = self.at;
        match (is_empty, self.lines) {
            // RFC 9112, section 2.2: one empty line before a request is ignored.
            (true, 0) if is_first => Ok(false),
            (true, 0) => Err(HeadError::EmptyLine),
            (true, _) => Ok(true),
            (false, lines) => {
                self.lines = lines + 1;
                if lines > limits.max_headers {
                    return Err(HeadError::TooManyFields);
                }
                Ok(false)
            }
        }
    }
}
