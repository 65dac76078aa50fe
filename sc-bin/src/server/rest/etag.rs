//! Entity tags for what is polled (RFC 9110, 8.8.3 and 13.1.2): whoever has the same already is
//! told so in a head without a body.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::error::RestError;

/// Largest answer that is looked at, in bytes: 1,000 records with long lists. Handlers bound what
/// they answer themselves.
const MAX_ANSWER: usize = 512 * 1024 * 1024;
/// Bytes of the hash in a tag.
const TAG_BYTES: usize = 16;

/// Tags a successful answer to GET, and leaves its body out if the caller has it.
pub(super) async fn tag(request: Request, next: Next) -> Response {
    let known = (request.method() == Method::GET).then(|| known_tags(request.headers()));
    let answer = next.run(request).await;
    let Some(known) = known.filter(|_| answer.status() == StatusCode::OK) else {
        return answer;
    };
    let (mut head, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, MAX_ANSWER).await else {
        return RestError::Broken.into_response();
    };
    let tag = tag_of(&body);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        head.headers.insert(ETAG, value);
    }
    // To be asked about each time, and kept by the caller alone.
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if known.iter().any(|one| one == "*" || *one == tag) {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(axum::http::header::CONTENT_TYPE);
        head.headers.remove(axum::http::header::CONTENT_LENGTH);
        return Response::from_parts(head, Body::empty());
    }
    Response::from_parts(head, Body::from(body))
}

fn tag_of(body: &Bytes) -> String {
    let hash = Sha256::digest(body);
    let digits: String = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// The tags of `If-None-Match`; weak ones count like strong ones there.
fn known_tags(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(|value| value.split(','));
    tags.map(|tag| tag.trim().trim_start_matches("W/").to_owned()).collect()
}
