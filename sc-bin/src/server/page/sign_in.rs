//! Signing in with user name and access key, and out.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Form, Query, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::error::{PageError, is_own_path};
use super::sessions::Session;
use super::visitor::{Visitor, is_from_here};
use super::{LIST, Page, SIGN_IN, layout};
use crate::server::guesses::Wait;
use crate::server::rest::{RestError, address_of, admit_call, identify};

/// Longest user name and key that are looked at, in bytes.
const MAX_FIELD: usize = 256;

/// Where a visitor wanted to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    next: Option<String>,
}

impl Wish {
    /// The page, if it is one of ours.
    fn page(&self) -> Option<&str> {
        self.next.as_deref().filter(|path| is_own_path(path))
    }
}

/// What the form says.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Credentials {
    user: String,
    key: String,
    next: Option<String>,
}

/// A form with nothing in it but its mark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Marked {
    /// The session's.
    pub(super) mark: String,
}

/// `GET /sign-in`.
pub(super) async fn show(visitor: Option<Visitor>, Query(wish): Query<Wish>) -> Response {
    match visitor {
        Some(_) => Redirect::to(wish.page().unwrap_or(LIST)).into_response(),
        None => form("", wish.page(), None).into_response(),
    }
}

/// `POST /sign-in`.
pub(super) async fn take(
    State(page): State<Arc<Page>>,
    parts: Parts,
    Form(said): Form<Credentials>,
) -> Result<Response, PageError> {
    is_from_here(&parts.headers)?;
    let Credentials { user, key, next } = said;
    let wish = Wish { next };
    // Often pasted, with what was around it.
    let (user, key) = (user.trim(), key.trim());
    let address = address_of(&parts);
    let fits = user.len() <= MAX_FIELD && key.len() <= MAX_FIELD;
    let holder = match fits {
        true => identify(&page.rest, user, key, address).await,
        false => Ok(None),
    };
    let holder = match holder {
        Ok(Some(holder)) => holder,
        Ok(None) => {
            if page.rest.strangers.admits(Instant::now()) {
                log::info!("Tunnels page: {address}: wrong user name or access key");
            }
            let text = "User name or access key is wrong.";
            return Ok((StatusCode::FORBIDDEN, form(user, wish.page(), Some(text))).into_response());
        }
        Err(RestError::Guesses(Wait(wait))) => {
            let seconds = wait.as_secs().max(1);
            let text = format!("Too many wrong access keys. Wait {seconds} s, then try again.");
            let page = form(user, wish.page(), Some(&text));
            let retry = [(RETRY_AFTER, HeaderValue::from(seconds))];
            return Ok((StatusCode::TOO_MANY_REQUESTS, retry, page).into_response());
        }
        Err(other) => return Err(other.into()),
    };
    admit_call(&page.rest, &holder.account).await?;
    let session = Session { user: holder.account.name, key_sha256: holder.key_sha256 };
    let token = page.sessions.begin(session, Instant::now())?;
    let cookie = [(SET_COOKIE, page.cookie(Some(&token)))];
    Ok((cookie, Redirect::to(wish.page().unwrap_or(LIST))).into_response())
}

/// `POST /sign-out`.
pub(super) async fn out(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Form(Marked { mark }): Form<Marked>,
) -> Result<Response, PageError> {
    visitor.check_form(&mark)?;
    page.sessions.end(visitor.token.hash());
    Ok(([(SET_COOKIE, page.cookie(None))], Redirect::to(SIGN_IN)).into_response())
}

fn form(user: &str, next: Option<&str>, trouble: Option<&str>) -> Html<String> {
    let described = trouble.map(|_| "trouble");
    layout::plain(
        "Sign in",
        &html! {
            section.card.narrow {
                h1 { "Sign in" }
                p.quiet { "With the user name and access key that your tests use." }
                @if let Some(trouble) = trouble {
                    p #trouble.trouble role="alert" { (trouble) }
                }
                form.fields method="post" action=(SIGN_IN) {
                    label for="user" { "User name" }
                    input #user name="user" value=(user) required autocomplete="username"
                        autocapitalize="none" spellcheck="false" autofocus[user.is_empty()]
                        aria-describedby=[described];
                    label for="key" { "Access key" }
                    input #key name="key" type="password" required
                        autocomplete="current-password" autofocus[!user.is_empty()]
                        aria-describedby=[described];
                    @if let Some(next) = next {
                        input type="hidden" name="next" value=(next);
                    }
                    button.primary type="submit" { "Sign in" }
                }
                details {
                    summary { "No access key yet?" }
                    p {
                        "Whoever runs this server makes a user, and with it a key, which is shown "
                        "once:"
                    }
                    pre.command tabindex="0" role="region" aria-label="Command that adds a user" {
                        code { "sc server user add NAME" }
                    }
                    p { "A lost key is replaced:" }
                    pre.command tabindex="0" role="region" aria-label="Command that replaces a key" {
                        code { "sc server user rotate NAME" }
                    }
                }
            }
        },
    )
}
