//! The REST API from the client's side: blocking calls, each with a time limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustls_pki_types::CertificateDer;
use sc_proto::contract::TunnelId;
use sc_proto::egress::Way;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, ProxyProtocol};

use super::call::{Answer, Call, JobsAtEnd};
use super::egress;
use super::inspect::{self, ControlLog};
use super::rest_error::RestError;
use super::trust::{self, TrustError};
use crate::api::{DeleteAnswer, ErrorBody, HeartbeatAnswer, NumJobs, Tunnel};
use crate::cli::{RestTransport, RestUrl, Settings};

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 1 << 20;
/// How much of an answer's error text is shown, in characters.
const TEXT_LIMIT: usize = 300;

const CREATE_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_TIMEOUT: Duration = Duration::from_secs(5);
const SAY_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one REST API for one user. Clones share its connections.
#[derive(Clone)]
pub(super) struct Rest {
    agent: Agent,
    base: RestUrl,
    user: String,
    authorization: String,
    log: ControlLog,
}

impl Rest {
    /// Prepares calls; makes none yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, TrustError> {
        let proxy = proxy(settings);
        let by_tls = proxy.as_ref().is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https);
        let mut roots = match settings.rest.transport() {
            RestTransport::Tls => trust::roots(settings.rest_ca.as_deref())?,
            RestTransport::Plain(_) if by_tls => trust::roots(settings.rest_ca.as_deref())?,
            RestTransport::Plain(_) => Vec::new(),
        };
        if by_tls {
            let given = settings.egress.tls.authorities.iter().cloned();
            roots.extend(given.map(CertificateDer::from));
        }
        let agent = agent(&roots, proxy);
        let credentials = format!("{}:{}", settings.user, settings.access_key.expose());
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        Ok(Self {
            agent,
            base: settings.rest.clone(),
            user: settings.user.clone(),
            authorization: format!("Basic {encoded}"),
            log: inspect::control(settings),
        })
    }

    /// Makes a call and waits for its answer.
    pub(super) fn make(&self, call: &Call) -> Answer {
        match call {
            Call::Updates { query } => {
                let path = format!("/tunnels/info/updates?{query}");
                Answer::Updates(self.get(&path, POLL_TIMEOUT).map(Box::new))
            }
            Call::Create(body) => {
                Answer::Created(self.post("/tunnels", body, CREATE_TIMEOUT).map(Box::new))
            }
            Call::Poll(id) => {
                Answer::Polled(self.get::<Tunnel>(&tunnel(*id, ""), POLL_TIMEOUT).map(Box::new))
            }
            Call::Jobs(id) => Answer::Jobs(
                self.get::<NumJobs>(&tunnel(*id, "/num_jobs"), POLL_TIMEOUT)
                    .map(|answer| answer.jobs_running),
            ),
            Call::Heartbeat(id, body) => Answer::Heartbeat(
                self.post::<HeartbeatAnswer>(&tunnel(*id, "/connected"), body, SAY_TIMEOUT)
                    .map(|_| ()),
            ),
            Call::Delete { id, jobs, reason } => {
                let wait = match jobs {
                    JobsAtEnd::Wait => 1,
                    JobsAtEnd::Abandon => 0,
                };
                let query = format!("?wait_for_jobs={wait}&reason={reason}");
                Answer::Deleted(
                    *jobs,
                    self.delete::<DeleteAnswer>(&tunnel(*id, &query))
                        .map(|answer| answer.jobs_running),
                )
            }
        }
    }

    /// The URL of `path` below the user's own.
    fn url(&self, path: &str) -> String {
        self.base.join(&format!("/{}{path}", self.user))
    }

    fn get<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<T, RestError> {
        let (url, began) = (self.url(path), Instant::now());
        let request = self.agent.get(&url).config().timeout_global(Some(limit));
        let request = request.build().header(header::AUTHORIZATION, &self.authorization);
        self.read("GET", &url, began, request.call())
    }

    fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestError> {
        let (url, began) = (self.url(path), Instant::now());
        let request = self.agent.delete(&url).config();
        let request = request.timeout_global(Some(SAY_TIMEOUT)).build();
        let answer = request.header(header::AUTHORIZATION, &self.authorization).call();
        self.read("DELETE", &url, began, answer)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<T, RestError> {
        let (url, began) = (self.url(path), Instant::now());
        let request = self.agent.post(&url).config().timeout_global(Some(limit));
        let request = request.build().header(header::AUTHORIZATION, &self.authorization);
        self.read("POST", &url, began, request.send_json(body))
    }

    fn read<T: DeserializeOwned>(
        &self,
        method: &str,
        url: &str,
        began: Instant,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, RestError> {
        let head = answer.as_ref().ok().map(|answer| (answer.status().as_u16(), answer.headers()));
        self.log.tell(method, url, began, head);
        read(answer?)
    }
}

/// A client of HTTP that trusts `roots` and goes by `proxy`, and by no other that it finds itself.
pub(super) fn agent(roots: &[CertificateDer<'static>], proxy: Option<ureq::Proxy>) -> Agent {
    let roots: RootCerts = roots.iter().map(|root| Certificate::from_der(root).to_owned()).into();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(roots)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("sc/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .timeout_connect(Some(Duration::from_secs(10)))
        .build();
    config.new_agent()
}

/// The proxy for the REST API: that of the settings, and never one that the library finds itself.
fn proxy(settings: &Settings) -> Option<ureq::Proxy> {
    let host = settings.rest.host()?;
    let way = egress::own_proxy(settings.egress.rest.as_ref()?, &host)?;
    let (protocol, proxy) = match way {
        Way::Direct => return None,
        Way::Http(proxy) => (ProxyProtocol::Http, proxy),
        Way::Https(proxy) => (ProxyProtocol::Https, proxy),
        Way::Socks4(proxy) => (ProxyProtocol::Socks4A, proxy),
        Way::Socks5(proxy) => (ProxyProtocol::Socks5, proxy),
    };
    let address = &proxy.address;
    let mut builder = ureq::Proxy::builder(protocol)
        .host(&address.host.to_string())
        .port(address.port)
        .resolve_target(false);
    if let Some(credentials) = &proxy.credentials {
        builder = builder.username(credentials.user()).password(credentials.expose());
    }
    builder.build().ok()
}

fn tunnel(id: TunnelId, rest: &str) -> String {
    format!("/tunnels/{id}{rest}")
}

fn read<T: DeserializeOwned>(mut response: Response<ureq::Body>) -> Result<T, RestError> {
    let status = response.status();
    let body = response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec();
    if status.is_success() {
        return serde_json::from_slice(&body?).map_err(|e| RestError::Answer(e.to_string()));
    }
    // What is not JSON of ours, a proxy's page perhaps, is not shown: only its status.
    let text = body.ok().and_then(|body| serde_json::from_slice::<ErrorBody>(&body).ok());
    Err(RestError::Status {
        code: status.as_u16(),
        text: text.map_or(String::new(), |body| printable(&body.error)),
    })
}

/// Text from a server, made fit for a terminal: short and without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_LIMIT).collect()
}
