//! The description of the API for programs (OpenAPI 3.1): written by hand in `openapi.yaml`, served
//! as JSON, and compared with the routes by tests here and with the answers by a test from outside.

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::error::RestError;

/// As it was written.
const YAML: &str = include_str!("openapi.yaml");

/// `GET /public/openapi.json`, for everybody.
pub(super) async fn document() -> Result<Response, RestError> {
    static JSON: OnceLock<Option<String>> = OnceLock::new();
    let json = JSON.get_or_init(|| {
        let value: Value = serde_norway::from_str(YAML).ok()?;
        serde_json::to_string(&value).ok()
    });
    match json {
        Some(json) => Ok(([(CONTENT_TYPE, "application/json")], json.as_str()).into_response()),
        None => Err(RestError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::BASE;
    use crate::server::rest::paths;

    #[test]
    fn it_has_all_paths_and_no_others() {
        let document: Value = serde_norway::from_str(YAML).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["servers"][0]["url"], BASE);
        let described: BTreeSet<_> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let routed: BTreeSet<_> = paths().into_iter().map(|(path, _)| path).collect();
        assert_eq!(described, routed);
    }
}
