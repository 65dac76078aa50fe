// Reads `malformed_requests.txt`. Included with `include!` by the unit tests of `sc-proto` and by
// the tests of the binary from outside, so it names everything by its full path.

/// A request that must be refused.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What is wrong with it.
    pub name: &'static str,
    /// All that is sent.
    pub bytes: std::vec::Vec<u8>,
    /// The status of the answer.
    pub status: u16,
}

/// All of them, in the order of the file.
pub fn malformed_requests() -> std::vec::Vec<Malformed> {
    include_str!("malformed_requests.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, " | ");
            let mut part = || parts.next().unwrap_or_else(|| panic!("three parts: {line}"));
            Malformed {
                status: part().parse().expect("a status"),
                name: part(),
                bytes: written(part()),
            }
        })
        .collect()
}

/// The bytes that a text of the file stands for.
fn written(text: &str) -> std::vec::Vec<u8> {
    let mut bytes = std::vec::Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '\\' => {
                length = 2;
                match &rest[1..2] {
                    "r" => bytes.push(b'\r'),
                    "n" => bytes.push(b'\n'),
                    "t" => bytes.push(b'\t'),
                    "0" => bytes.push(0),
                    "\\" => bytes.push(b'\\'),
                    "x" => {
                        length = 4;
                        bytes.push(u8::from_str_radix(&rest[2..4], 16).expect("two hex digits"));
                    }
                    other => panic!("escape {other:?} in {text}"),
                }
            }
            '{' => {
                let (inside, _) = rest[1..].split_once('}').expect("a closing brace");
                let (times, repeated) = inside.split_once('*').expect("a star");
                length = inside.len() + 2;
                bytes.extend(written(repeated).repeat(times.parse().expect("a number")));
            }
            _ => bytes.extend_from_slice(&rest.as_bytes()[..length]),
        }
        rest = &rest[length..];
    }
    bytes
}
