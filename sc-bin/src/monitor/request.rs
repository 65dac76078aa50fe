//! A request, as far as anybody here looks at it.

/// A request with an empty body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(super) method: Method,
    /// The path, without a query.
    pub(crate) path: String,
    pub(super) authorization: Option<Vec<u8>>,
    pub(super) after: After,
}

/// The methods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Close,
}

/// A head that is not answered, but for a word why. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadRequest {
    /// It is not HTTP/1.
    Syntax,
    /// It has a body. Nobody here takes any.
    Body,
    /// Its method is neither GET nor HEAD.
    Method,
}

/// Most fields of a head.
const MAX_FIELDS: usize = 64;

impl Request {
    /// Its method, as it was written.
    #[cfg(feature = "inspect")]
    pub(crate) fn method_word(&self) -> &'static str {
        match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
        }
    }

    /// Reads the head at the front of `bytes`, if all of it is there; says how long it is.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadRequest> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        let length = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(BadRequest::Syntax),
        };
        let (Some(method), Some(target)) = (head.method, head.path) else {
            return Err(BadRequest::Syntax);
        };
        let field = |name: &str| {
            let named = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            named.map(|field| field.value)
        };
        let has_body = field("content-length").is_some_and(|length| length.trim_ascii() != b"0");
        if has_body || field("transfer-encoding").is_some() {
            return Err(BadRequest::Body);
        }
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => return Err(BadRequest::Method),
        };
        let wishes_end = field("connection")
            .is_some_and(|value| value.to_ascii_lowercase().windows(5).any(|w| w == b"close"));
        // HTTP/1.0 would have to ask for more.
        let after = match head.version {
            Some(1) if !wishes_end => After::Keep,
            _ => After::Close,
        };
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let authorization = field("authorization").map(<[u8]>::to_vec);
        Ok(Some((Self { method, path, authorization, after }, length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let text = b"GET /readyz?x=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YQ==\r\n\r\nGET";
        let (request, length) = Request::parse(text).unwrap().unwrap();
        assert_eq!(length, text.len() - 3);
        assert_eq!((request.path.as_str(), request.after), ("/readyz", After::Keep));
        assert_eq!(request.authorization.as_deref(), Some(&b"Basic YQ=="[..]));
        for (text, after) in [
            ("GET / HTTP/1.0\r\n\r\n", After::Close),
            ("HEAD / HTTP/1.1\r\nConnection: Close\r\n\r\n", After::Close),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", After::Keep),
        ] {
            assert_eq!(Request::parse(text.as_bytes()).unwrap().unwrap().0.after, after, "{text}");
        }
        assert_eq!(Request::parse(b"GET / HTTP/1.1\r\nHost"), Ok(None));
    }

    #[test]
    fn what_is_not_answered() {
        for (text, why) in [
            ("\x16\x03\x01\x02", BadRequest::Syntax),
            ("GET /\r\n\r\n", BadRequest::Syntax),
            ("POST / HTTP/1.1\r\n\r\n", BadRequest::Method),
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", BadRequest::Body),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", BadRequest::Body),
        ] {
            assert_eq!(Request::parse(text.as_bytes()), Err(why), "{text:?}");
        }
    }
}
