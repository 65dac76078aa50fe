//! Query parameters.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::RestState;
use super::error::RestError;

/// The query of a request. Parameters that are not asked for are ignored.
#[derive(Clone, Debug)]
pub(super) struct Parameters(HashMap<String, String>);

impl FromRequestParts<Arc<RestState>> for Parameters {
    type Rejection = RestError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<RestState>,
    ) -> Result<Self, RestError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(error) => Err(RestError::BadRequest(format!("the query: {error}"))),
        }
    }
}

impl Parameters {
    /// A parameter's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a parameter is on. `default` if it is not there.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, RestError> {
        match self.text(name) {
            None => Ok(default),
            Some("" | "1" | "true" | "True") => Ok(true),
            Some("0" | "false" | "False") => Ok(false),
            Some(other) => {
                Err(RestError::BadRequest(format!("{name}={other:?}: write true, 1, false or 0")))
            }
        }
    }

    /// A number, at most `max`.
    pub(super) fn number(&self, name: &str, default: u32, max: u32) -> Result<u32, RestError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        match text.parse::<u32>() {
            Ok(number) => Ok(number.min(max)),
            Err(_) => Err(RestError::BadRequest(format!("{name}={text:?}: write a number"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_numbers() {
        let query = [("a", "1"), ("b", "false"), ("c", "yes"), ("d", ""), ("n", "7")];
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters = Parameters(query.iter().map(own).collect());
        assert!(parameters.flag("a", false).unwrap());
        assert!(!parameters.flag("b", true).unwrap());
        assert!(parameters.flag("c", true).is_err());
        assert!(parameters.flag("d", false).unwrap());
        assert!(!parameters.flag("none", false).unwrap());
        assert_eq!(parameters.number("n", 1, 5).unwrap(), 5);
        assert_eq!(parameters.number("none", 1, 5).unwrap(), 1);
        assert!(parameters.number("c", 1, 5).is_err());
    }
}
