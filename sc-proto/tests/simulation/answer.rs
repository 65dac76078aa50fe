//! Reading HTTP messages as a browser or a site does, to see whether they are whole.

/// How the body of a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) id: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is all there by its own framing.
    pub(crate) whole: bool,
    pub(crate) framing: Body,
    /// Bytes of the input it takes, if it is whole.
    pub(crate) length: usize,
}

/// Reads one message at the front of `input`; `None` as long as its head is not whole.
/// `framing` overrides what the head says.
pub(crate) fn read(input: &[u8], framing: Option<Body>) -> Option<Message> {
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(input[..end].to_vec()).unwrap();
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let framing =
        framing.unwrap_or_else(|| match (field("transfer-encoding"), field("content-length")) {
            (Some(coding), _) if coding == "chunked" => Body::Chunked,
            (_, Some(length)) => Body::Length(length.parse().unwrap()),
            _ => Body::UntilClose,
        });
    let rest = &input[end..];
    let (body, length, whole) = match framing {
        Body::None => (Vec::new(), 0, true),
        Body::Length(n) => (rest[..n.min(rest.len())].to_vec(), n, rest.len() >= n),
        Body::Chunked => dechunk(rest),
        Body::UntilClose => (rest.to_vec(), rest.len(), false),
    };
    let start = head.lines().next().unwrap_or_default().to_owned();
    Some(Message { start, id: field("x-id"), body, whole, framing, length: end + length })
}

/// The payload of chunks, how many bytes they take, and whether the last one is there.
fn dechunk(input: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = input[at..].windows(2).position(|two| two == b"\r\n");
        let Some(line) = line else { return (body, at, false) };
        let size = std::str::from_utf8(&input[at..at + line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let data = at + line + 2;
        if size == 0 {
            return (body, data + 2, input.len() >= data + 2);
        }
        let have = input.len().min(data + size);
        body.extend(&input[data.min(have)..have]);
        if input.len() < data + size + 2 {
            return (body, at, false);
        }
        at = data + size + 2;
    }
}

/// `body` in chunks of `size`.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in body.chunks(size) {
        out.extend(format!("{:x}\r\n", part.len()).bytes());
        out.extend(part);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}
