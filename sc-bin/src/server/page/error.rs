//! What a visitor sees when something is not done.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::{LIST, SIGN_IN, layout};
use crate::server::guesses::Wait;
use crate::server::random::NoRandomness;
use crate::server::rest::RestError;

/// An answer that is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// There is no session, or none any more.
    #[error("you are not signed in")]
    NotSignedIn {
        /// Where to go after signing in.
        next: Option<String>,
    },
    /// A form that this server did not give to this session.
    #[error("this form did not come from your own page: open the page again and retry")]
    ForeignForm,
    /// Too many browsers follow.
    #[error("too many pages are open: this one shows what was so when it was loaded")]
    TooManyListeners,
    /// No session can be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// What REST would answer.
    #[error(transparent)]
    Rest(#[from] RestError),
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotSignedIn { .. } => StatusCode::UNAUTHORIZED,
            Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::TooManyListeners => StatusCode::TOO_MANY_REQUESTS,
            Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Rest(error) => error.status(),
        }
    }

    /// What it says above its text.
    fn title(&self) -> &'static str {
        match self.status() {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => "Not allowed",
            StatusCode::TOO_MANY_REQUESTS => "Too many at once",
            _ => "That did not work",
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        if let Self::NotSignedIn { next } = &self {
            let place = next.as_deref().filter(|path| is_own_path(path) && *path != LIST);
            return match place {
                // Whoever follows a page loads it anew, and comes here again then.
                Some(path) if path.ends_with("/live") => {
                    (self.status(), "not signed in").into_response()
                }
                Some(path) => Redirect::to(&format!("{SIGN_IN}?next={path}")).into_response(),
                None => Redirect::to(SIGN_IN).into_response(),
            };
        }
        let (status, title) = (self.status(), self.title());
        // The visitor is told that something failed, the log what.
        let text = match &self {
            Self::Rest(RestError::Registry(inner)) => {
                log::error!("Tunnels page: {inner}");
                "the server cannot read or write its registry: see its log".to_owned()
            }
            other => other.to_string(),
        };
        let page = layout::plain(
            title,
            &html! {
                section.card.narrow {
                    h1 { (title) }
                    p { (layout::sentence(&text)) }
                    p { a.button href=(LIST) { "To the tunnels" } }
                }
            },
        );
        let mut answer = (status, page).into_response();
        if let Self::Rest(RestError::Guesses(Wait(wait))) = &self {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            answer.headers_mut().insert(RETRY_AFTER, seconds);
        }
        answer
    }
}

/// Whether a path is one of a page of ours: what follows signing in leads nowhere else.
pub(super) fn is_own_path(path: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '/';
    path.strip_prefix(LIST).is_some_and(|rest| {
        (rest.is_empty() || rest.starts_with('/'))
            && !rest.contains("//")
            && rest.chars().all(is_plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_our_own_pages_only() {
        for own in ["/tunnels", "/tunnels/0123abcd", "/tunnels/0123abcd/stop"] {
            assert!(is_own_path(own), "{own}");
        }
        for other in [
            "",
            "/",
            "//evil.test",
            "/tunnels.evil",
            "/tunnels//evil.test",
            "/tunnels/../x",
            "https://evil.test/tunnels",
            "/tunnels/a\r\nX: y",
            "/tunnelsx",
            "/tunnels/%2f",
        ] {
            assert!(!is_own_path(other), "{other:?}");
        }
    }
}
