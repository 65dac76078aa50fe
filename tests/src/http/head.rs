//! The first line and the fields of a message, as received.

use std::io::{self, BufRead, Read as _};

/// No head in these tests is longer.
const MAX_HEAD: u64 = 256 * 1024;

/// The head of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Exactly what came, with the empty line.
    pub raw: Vec<u8>,
    /// The first line without its end.
    pub start: String,
    /// Names and values in order, blanks around values dropped.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads one. `None`: the peer closed before the first byte.
    ///
    /// # Errors
    /// Those of the reader; `UnexpectedEof` within a head; `InvalidData` if it is none.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut raw = Vec::new();
        let mut reader = reader.take(MAX_HEAD);
        loop {
            let before = raw.len();
            reader.read_until(b'\n', &mut raw)?;
            match &raw[before..] {
                b"\r\n" if before > 0 => break,
                b"" if raw.is_empty() => return Ok(None),
                [.., b'\n'] => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let text = String::from_utf8_lossy(&raw);
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter(|line| !line.is_empty()).map(field).collect::<Option<_>>();
        let fields = fields.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a field"))?;
        Ok(Some(Self { raw, start, fields }))
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a field holds this word in its comma-separated list.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let values = self.all(name);
        let mut words = values.iter().flat_map(|value| value.split(','));
        words.any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    /// A request's method.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// A request's target.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// An answer's status, 0 if there is none.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
}

/// One `name: value` line, also used for trailers.
pub(super) fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}
