//! A WebDriver endpoint: where it is, and how a request gets there.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Request, Response, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For the connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a WebDriver endpoint is: `http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH]`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct WebDriverUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    /// Before `/session`; without a slash at its end.
    path: String,
    /// For `Authorization`.
    credentials: Option<String>,
}

/// A text is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the URL of a WebDriver endpoint: write http://HOST:PORT, as http://127.0.0.1:9515 for \
     chromedriver or http://grid:4444/wd/hub"
)]
pub(crate) struct InvalidWebDriverUrl;

/// An endpoint does not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// There is no connection: nothing has reached it.
    #[error("cannot be reached: {0}")]
    Unreachable(std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    /// It took too long.
    #[error("no answer in {} s", .0.as_secs())]
    TooSlow(Duration),
}

impl TryFrom<String> for WebDriverUrl {
    type Error = InvalidWebDriverUrl;
    fn try_from(text: String) -> Result<Self, InvalidWebDriverUrl> {
        text.parse()
    }
}

impl FromStr for WebDriverUrl {
    type Err = InvalidWebDriverUrl;
    fn from_str(text: &str) -> Result<Self, InvalidWebDriverUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidWebDriverUrl)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::HTTP,
            Some("https") => Scheme::HTTPS,
            _ => return Err(InvalidWebDriverUrl),
        };
        let authority = uri.authority().ok_or(InvalidWebDriverUrl)?;
        if uri.query().is_some() || uri.host().is_none_or(str::is_empty) {
            return Err(InvalidWebDriverUrl);
        }
        let usual = if scheme == Scheme::HTTP { 80 } else { 443 };
        Ok(Self {
            port: port_of(authority, usual)?,
            scheme,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
            credentials: authority
                .as_str()
                .rsplit_once('@')
                .map(|(credentials, _)| format!("Basic {}", STANDARD.encode(credentials))),
        })
    }
}

/// `Authority::port_u16` takes `host:` and `host:99999` for hosts without a port.
fn port_of(authority: &Authority, usual: u16) -> Result<u16, InvalidWebDriverUrl> {
    let after_host = authority.as_str().rsplit('@').next().unwrap_or_default();
    match (authority.port_u16(), after_host.strip_prefix(authority.host())) {
        (Some(0), _) => Err(InvalidWebDriverUrl),
        (Some(port), _) => Ok(port),
        (None, Some("")) => Ok(usual),
        (None, _) => Err(InvalidWebDriverUrl),
    }
}

/// Without the password.
impl fmt::Display for WebDriverUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.path)
    }
}

impl fmt::Debug for WebDriverUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebDriverUrl({self})")
    }
}

impl WebDriverUrl {
    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Sends a request; `path` comes after the endpoint's own. Headers that belong to the connection or
    /// to this server must be gone from it. A connection for each: of one that is kept nobody knows
    /// whether the endpoint is closing it, and a command must not be sent twice.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        path: &str,
        limit: Duration,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let bad = |_| NoAnswer::Unreachable(std::io::ErrorKind::InvalidInput.into());
        *request.uri_mut() = format!("{}{path}", self.path).parse().map_err(bad)?;
        let headers = request.headers_mut();
        headers.insert(
            header::HOST,
            HeaderValue::from_str(&self.authority())
                .map_err(|_| NoAnswer::Unreachable(std::io::ErrorKind::InvalidInput.into()))?,
        );
        if let Some(credentials) = &self.credentials
            && let Ok(mut value) = HeaderValue::from_str(credentials)
        {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let stream = self.connect().await?;
        if self.scheme == Scheme::HTTP {
            return exchange(stream, request, limit).await;
        }
        let secured = tokio::time::timeout(CONNECT_TIMEOUT, self.secure(stream)).await;
        let stream = secured.map_err(|_| NoAnswer::TooSlow(CONNECT_TIMEOUT))?;
        exchange(stream.map_err(NoAnswer::Unreachable)?, request, limit).await
    }

    /// Opens a connection; that it can be opened is a sign of life.
    pub(super) async fn connect(&self) -> Result<TcpStream, NoAnswer> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect).await;
        let stream = stream.map_err(|_| NoAnswer::TooSlow(CONNECT_TIMEOUT))?;
        let stream = stream.map_err(NoAnswer::Unreachable)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn secure(
        &self,
        stream: TcpStream,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        TlsConnector::from(tls().map_err(std::io::Error::other)?).connect(name, stream).await
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Body>,
    limit: Duration,
) -> Result<Response<Incoming>, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the exchange: when the answer's body has been read, or is dropped.
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(answer) => answer.map_err(NoAnswer::Broken),
        Err(_) => Err(NoAnswer::TooSlow(limit)),
    }
}

/// Endpoints with TLS are checked against the system's CAs.
fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, rustls::Error>> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    };
    CONFIG.get_or_init(make).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_passwords() {
        for (text, shown, path) in [
            ("http://127.0.0.1:9515", "http://127.0.0.1:9515", ""),
            ("http://grid:4444/wd/hub/", "http://grid:4444/wd/hub", "/wd/hub"),
            ("https://jane:secret@grid", "https://grid:443", ""),
            ("http://[::1]:4444", "http://[::1]:4444", ""),
        ] {
            let url: WebDriverUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.path.as_str()), (shown, path));
            assert!(!format!("{url:?}").contains("secret"));
        }
        let with: WebDriverUrl = "http://jane:secret@grid".parse().unwrap();
        assert_eq!(with.credentials.as_deref(), Some("Basic amFuZTpzZWNyZXQ="));
        for text in ["", "grid:4444", "ftp://grid", "http://", "http://h:0", "http://h:99999", "/x"]
        {
            assert!(text.parse::<WebDriverUrl>().is_err(), "{text:?}");
        }
    }
}
