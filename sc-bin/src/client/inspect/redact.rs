//! What of an exchange may be shown: nobody's credentials.

/// Stands for what is not shown.
pub(super) const BLANK: &str = "****";

/// Fields whose values are credentials, in small letters.
const SECRET_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// The lines of a head behind its first, as they may be shown. `own`: names of fields, in small
/// letters, whose values are the office's secrets.
pub(super) fn fields<'a>(head: &'a str, own: &'a [String]) -> impl Iterator<Item = String> + 'a {
    let lines = head.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    lines.map(move |line| {
        let Some((name, value)) = line.split_once(':') else { return printable(line) };
        let small = name.trim().to_ascii_lowercase();
        let is_secret = SECRET_FIELDS.contains(&small.as_str()) || own.contains(&small);
        match is_secret {
            true => format!("{}: {BLANK}", printable(name)),
            false => format!("{}: {}", printable(name), url(&printable(value.trim()))),
        }
    })
}

/// A text with user and password of every URL in it blotted out.
pub(super) fn url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        out.push_str(before);
        let end = behind.find(['/', '?', '#', ' ', '"', '\'', '<', '>']).unwrap_or(behind.len());
        let (authority, next) = behind.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => out.push_str(&format!("{BLANK}@{host}")),
            None => out.push_str(authority),
        }
        rest = next;
    }
    out + rest
}

/// A text without what moves a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_blotted_out_in_any_case() {
        let head = "GET / HTTP/1.1\r\nHost: a.test\r\nAUTHORIZATION: Basic SECRET\r\n\
                    proxy-authorization:SECRET\r\nCookie: id=SECRET\r\nX-Token: SECRET\r\n\
                    Referer: http://u:SECRET@a.test/x?y=http://v:SECRET@b/\r\n\r\nX: body";
        let own = ["x-token".to_owned()];
        let lines: Vec<_> = fields(head, &own).collect();
        assert_eq!(
            lines,
            [
                "Host: a.test",
                "AUTHORIZATION: ****",
                "proxy-authorization: ****",
                "Cookie: ****",
                "X-Token: ****",
                "Referer: http://****@a.test/x?y=http://****@b/",
            ]
        );
        let answer = "HTTP/1.1 200 OK\r\nset-COOKIE: SECRET\r\n\r\n";
        assert_eq!(fields(answer, &[]).collect::<Vec<_>>(), ["set-COOKIE: ****"]);
    }

    #[test]
    fn what_is_no_url_stays() {
        for text in ["a@b", "http://a.test/@x", "://", "mailto:u@h"] {
            assert_eq!(url(text), text);
        }
        assert_eq!(url("ftp://u@h"), "ftp://****@h");
        assert_eq!(printable("a\u{1b}[2Jb\r\n"), "a.[2Jb..");
    }
}
