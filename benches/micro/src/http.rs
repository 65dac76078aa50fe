//! HTTP with the browser.

use sc_proto::http1::{Front, HeadSearch, Limits, Step, request};

/// A request as Chromium sends it to a proxy.
pub const BROWSER: &[u8] = b"GET http://app.test:8080/assets/index-4f2a.js?v=3 HTTP/1.1\r\n\
    Host: app.test:8080\r\n\
    Proxy-Connection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0\r\n\
    Accept: */*\r\n\
    Referer: http://app.test:8080/\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n\
    If-None-Match: \"65f0-3c2a\"\r\n\r\n";

/// The same target by CONNECT.
pub const CONNECT: &[u8] = b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\
    Proxy-Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\n";

/// Finds the end of a request's head and reads what it means; says how long the head is that the
/// site gets.
///
/// # Panics
/// If it is refused.
pub fn read(input: &[u8]) -> usize {
    let read =
        request::read(&mut HeadSearch::new(), input, &Limits::default(), &request::Scope::Any);
    let (_, request) = read.expect("a good request").expect("a whole head");
    request.head.len()
}

/// The same by the machine of a browser's connection.
pub fn front(input: &[u8]) -> usize {
    let mut front = Front::new(Limits::default());
    let step: Step<'_> = front.from_browser(input);
    std::hint::black_box(&step).consumed
}
