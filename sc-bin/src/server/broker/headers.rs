//! Which header fields go on to an endpoint and back.

use axum::http::{HeaderMap, HeaderName, header};

/// Those of one connection (RFC 9110, 7.6.1) and those that the next hop sets itself.
const OF_ONE_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
];

/// Takes out what belongs to one connection.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_ONE_HOP) {
        headers.remove(name);
    }
}

/// The same for a request, without what is for this server alone: the access key.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    strip(headers);
    headers.remove(header::AUTHORIZATION);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_and_the_key_stay_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-One"),
            ("x-one", "1"),
            ("transfer-encoding", "chunked"),
            ("authorization", "Basic x"),
            ("x-two", "2"),
            ("content-length", "7"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        strip_request(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-two", "content-length"]);
    }
}
