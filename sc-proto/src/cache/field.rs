//! Fields of a head that was checked before, and lists in them.

/// The fields of a head, behind its first line: names as they stand, values without white space
/// around them.
pub(crate) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default();
    core::iter::from_fn(move || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// The values of the fields of this name, in their order.
pub(crate) fn values<'h>(head: &'h [u8], name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    fields(head).filter(move |(field, _)| is(field, name)).map(|(_, value)| value)
}

/// The value of the field of this name, if there is exactly one.
pub(crate) fn only<'h>(head: &'h [u8], name: &'h str) -> Option<&'h [u8]> {
    let mut all = values(head, name);
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Whether there is a field of this name.
pub(crate) fn has(head: &[u8], name: &str) -> bool {
    values(head, name).next().is_some()
}

/// Whether this is that name.
pub(crate) fn is(field: &[u8], name: &str) -> bool {
    field.eq_ignore_ascii_case(name.as_bytes())
}

/// The members of a list, without white space around them and without empty ones. A comma within
/// quotation marks separates nothing (RFC 9110, section 5.6).
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    core::iter::from_fn(move || {
        loop {
            let text = rest?;
            let end = end_of_member(text);
            rest = text.get(end + 1..);
            let member = text[..end].trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
    })
}

fn end_of_member(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// A plain decimal number; too large ones become the largest.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(text.iter().fold(0, add))
}
