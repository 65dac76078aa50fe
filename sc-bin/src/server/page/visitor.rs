//! Who comes: the user of the session in a browser's cookie, and whether a form is its own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use super::Page;
use super::error::PageError;
use super::sessions::{Session, Token};
use crate::server::accounts::Account;
use crate::server::rest::admit_call;

/// The cookie. The prefix has browsers take it only from this host, by TLS, for all paths.
const COOKIE: &str = "sc-session";
const TLS_COOKIE: &str = "__Host-sc-session";

/// A user who is signed in.
#[derive(Clone)]
pub(super) struct Visitor {
    /// Who.
    pub(super) account: Account,
    /// By which session.
    pub(super) token: Token,
    /// The host that the browser called, if it is one that can be shown.
    pub(super) host: Option<String>,
}

impl Visitor {
    /// Whether a form was made for this session, or somebody else put it into the browser.
    pub(super) fn check_form(&self, mark: &str) -> Result<(), PageError> {
        match self.token.has_mark(mark) {
            true => Ok(()),
            false => Err(PageError::ForeignForm),
        }
    }
}

impl FromRequestParts<Arc<Page>> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, page: &Arc<Page>) -> Result<Self, PageError> {
        if parts.method != Method::GET {
            is_from_here(&parts.headers)?;
        }
        let next = (parts.method == Method::GET).then(|| parts.uri.path().to_owned());
        let refused = || PageError::NotSignedIn { next };
        let token = token(&parts.headers, page).ok_or_else(refused.clone())?;
        let session = page.sessions.used(token.hash(), Instant::now());
        let session = session.ok_or_else(refused.clone())?;
        let Some(account) = page.account_of(&session).await? else {
            page.sessions.end(token.hash());
            return Err(refused());
        };
        admit_call(&page.rest, &account).await?;
        Ok(Self { account, token, host: host(&parts.headers) })
    }
}

impl OptionalFromRequestParts<Arc<Page>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        page: &Arc<Page>,
    ) -> Result<Option<Self>, Infallible> {
        Ok(<Self as FromRequestParts<_>>::from_request_parts(parts, page).await.ok())
    }
}

impl Page {
    /// The user of a session as it is now; none if it is gone, or has another key meanwhile.
    pub(super) async fn account_of(&self, session: &Session) -> Result<Option<Account>, PageError> {
        let holder = self.rest.registry.key_holder(&session.user).await;
        let holder = holder.map_err(|error| PageError::Rest(error.into()))?;
        let holder = holder.filter(|holder| holder.key_sha256 == session.key_sha256);
        Ok(holder.map(|holder| holder.account))
    }

    fn is_tls(&self) -> bool {
        self.rest.scheme == "https"
    }

    /// The header that gives a browser its session, or takes it.
    pub(super) fn cookie(&self, token: Option<&Token>) -> String {
        let (name, secure) = match self.is_tls() {
            true => (TLS_COOKIE, "; Secure"),
            false => (COOKIE, ""),
        };
        let (value, age) = match token {
            Some(token) => (token.expose(), ""),
            None => ("", "; Max-Age=0"),
        };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
    }
}

fn token(headers: &HeaderMap, page: &Page) -> Option<Token> {
    let wanted = if page.is_tls() { TLS_COOKIE } else { COOKIE };
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == wanted)?;
    Some(Token::from_cookie(value.trim()))
}

fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    host.chars().all(is_plain).then(|| host.to_owned())
}

/// Whether a form comes from a page of this server. Browsers say so by `Sec-Fetch-Site`; those that
/// do not, or not without TLS, by `Origin`. Who says neither is no browser, and has no cookie
/// that it did not ask for.
pub(super) fn is_from_here(headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        (None, None) => true,
    };
    if is_own { Ok(()) } else { Err(PageError::ForeignForm) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let host = ("host", "sc.test:8033");
        for own in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "http://sc.test:8033")],
            &[host, ("origin", "http://sc.test:8033")],
            // Behind something that changes the name.
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://sc.example")],
        ] {
            assert!(is_from_here(&headers(own)).is_ok(), "{own:?}");
        }
        for foreign in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            // Another port of this machine is the same site.
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://sc.test:1")],
            &[host, ("origin", "null")],
            &[("origin", "null")],
        ] {
            assert!(is_from_here(&headers(foreign)).is_err(), "{foreign:?}");
        }
    }

    #[test]
    fn only_a_plain_host_is_shown() {
        assert_eq!(host(&headers(&[("host", "[::1]:8033")])), Some("[::1]:8033".to_owned()));
        assert_eq!(host(&headers(&[("host", "a$(reboot)")])), None);
    }
}
