//! The REST API from the client's side: blocking calls, each with a time limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustls_pki_types::CertificateDer;
use sc_proto::contract::TunnelId;
use sc_proto::egress::Way;
use serde::Serialize;
use serde::de::DeserializeOwned;
#[cfg(feature = "relay")]
use ureq::http::{HeaderMap, HeaderValue};
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, AsSendBody, Body, ProxyProtocol};

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
/// A browser may take minutes to start, and a page to load.
#[cfg(feature = "relay")]
const RELAY_TIMEOUT: Duration = Duration::from_secs(660);
const SAY_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of a REST API for one user. Clones share its connections.
#[derive(Clone)]
pub(super) struct Rest {
    /// Those that serve it, in the order they are tried in.
    servers: Arc<[(Agent, RestUrl)]>,
    /// The one that answered last.
    at: Arc<AtomicUsize>,
    user: String,
    authorization: String,
    log: ControlLog,
}

/// Whether a call that may have been done may be made again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Harmless,
    Harmful,
}

impl Rest {
    /// Prepares calls; makes none yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, TrustError> {
        let proxies: Vec<_> = settings.rest.all().map(|url| proxy(settings, url)).collect();
        let is_tls = settings.rest.all().any(|url| url.transport() == RestTransport::Tls);
        let by_tls = proxies.iter().flatten().any(|by| by.protocol() == ProxyProtocol::Https);
        let mut roots = match is_tls || by_tls {
            true => trust::roots(settings.rest_ca.as_deref())?,
            false => Vec::new(),
        };
        if by_tls {
            let given = settings.egress.tls.authorities.iter().cloned();
            roots.extend(given.map(CertificateDer::from));
        }
        let server = |(url, proxy): (&RestUrl, _)| (agent(&roots, proxy), url.clone());
        let credentials = format!("{}:{}", settings.user, settings.access_key.expose());
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        Ok(Self {
            servers: settings.rest.all().zip(proxies).map(server).collect(),
            at: Arc::default(),
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
            Call::Create(body) => Answer::Created(
                self.post("/tunnels", body, CREATE_TIMEOUT, Repeat::Harmful).map(Box::new),
            ),
            Call::Poll(id) => {
                Answer::Polled(self.get::<Tunnel>(&tunnel(*id, ""), POLL_TIMEOUT).map(Box::new))
            }
            Call::Jobs(id) => Answer::Jobs(
                self.get::<NumJobs>(&tunnel(*id, "/num_jobs"), POLL_TIMEOUT)
                    .map(|answer| answer.jobs_running),
            ),
            Call::Heartbeat(id, body) => Answer::Heartbeat(
                self.post::<HeartbeatAnswer>(
                    &tunnel(*id, "/connected"),
                    body,
                    SAY_TIMEOUT,
                    Repeat::Harmless,
                )
                .map(|_| ()),
            ),
            Call::Rules(id, rules) => Answer::Rules(
                self.put::<HeartbeatAnswer>(&tunnel(*id, "/rules"), rules).map(|_| ()),
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

    /// The user's live tunnels.
    #[cfg(feature = "operations")]
    pub(super) fn tunnels(&self) -> Result<Vec<Tunnel>, RestError> {
        self.get("/tunnels?full=1", SAY_TIMEOUT)
    }

    /// The server's clock, as HTTP writes it.
    #[cfg(feature = "operations")]
    pub(super) fn date(&self) -> Option<String> {
        let (agent, url) = self.servers.get(self.at.load(Ordering::Relaxed))?;
        let request = agent.get(url.join("/public/tunnels/info/versions"));
        let answer = request.config().timeout_global(Some(POLL_TIMEOUT)).build().call().ok()?;
        Some(answer.headers().get(header::DATE)?.to_str().ok()?.to_owned())
    }

    fn get<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<T, RestError> {
        self.send(Method::GET, path, None, limit, Repeat::Harmless)
    }

    fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestError> {
        self.send(Method::DELETE, path, None, SAY_TIMEOUT, Repeat::Harmless)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
        repeat: Repeat,
    ) -> Result<T, RestError> {
        self.send(Method::POST, path, Some(json(body)?), limit, repeat)
    }

    fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, RestError> {
        self.send(Method::PUT, path, Some(json(body)?), SAY_TIMEOUT, Repeat::Harmless)
    }

    /// Asks the server that answered last, then each of the others once. What may not be done twice
    /// is asked of the next one only by the next call.
    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        limit: Duration,
        repeat: Repeat,
    ) -> Result<T, RestError> {
        let mut left = self.servers.len();
        loop {
            left = left.saturating_sub(1);
            let at = self.at.load(Ordering::Relaxed);
            let Some((agent, url)) = self.servers.get(at) else {
                return Err(RestError::NameNotFound);
            };
            let (place, began) = (url.join(&format!("/{}{path}", self.user)), Instant::now());
            let request = Request::builder()
                .method(&method)
                .uri(&place)
                .header(header::AUTHORIZATION, &self.authorization);
            let answer = match body.clone() {
                Some(body) => {
                    let request = request.header(header::CONTENT_TYPE, "application/json");
                    run(agent, request.body(body), limit)
                }
                None => run(agent, request.body(()), limit),
            };
            let head = answer.as_ref().ok().map(|head| (head.status().as_u16(), head.headers()));
            self.log.tell(method.as_str(), &place, began, head);
            let error = match answer.map_err(RestError::from).and_then(read) {
                Err(error) if error.is_of_server() => error,
                done => return done,
            };
            self.at.store((at + 1) % self.servers.len(), Ordering::Relaxed);
            let may_harm = repeat == Repeat::Harmful && error.may_have_been_done();
            if left == 0 || may_harm {
                return Err(error);
            }
        }
    }
}

fn json(body: &impl Serialize) -> Result<String, RestError> {
    serde_json::to_string(body).map_err(|error| RestError::Local(error.to_string()))
}

fn run(
    agent: &Agent,
    request: Result<Request<impl AsSendBody>, ureq::http::Error>,
    limit: Duration,
) -> Result<Response<Body>, ureq::Error> {
    agent.run(agent.configure_request(request?).timeout_global(Some(limit)).build())
}

#[cfg(feature = "relay")]
impl Rest {
    /// Sends a WebDriver command to the server's broker, with this user's credentials if it has
    /// none. `path` begins with `/session`. Of a fleet it is the server that answered last: no other
    /// one knows the sessions there.
    pub(super) fn relay(
        &self,
        method: &Method,
        path: &str,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response<Body>, ureq::Error> {
        let at = self.at.load(Ordering::Relaxed);
        let (agent, url) = self.servers.get(at).ok_or(ureq::Error::HostNotFound)?;
        if !headers.contains_key(header::AUTHORIZATION) {
            let mut value =
                HeaderValue::from_str(&self.authorization).map_err(ureq::http::Error::from)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut request = Request::builder().method(method).uri(url.hub(path));
        if let Some(own) = request.headers_mut() {
            *own = headers;
        }
        // The library takes bodies with these methods alone.
        if matches!(*method, Method::POST | Method::PUT) {
            run(agent, request.body(body), RELAY_TIMEOUT)
        } else {
            run(agent, request.body(()), RELAY_TIMEOUT)
        }
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
fn proxy(settings: &Settings, url: &RestUrl) -> Option<ureq::Proxy> {
    let host = url.host()?;
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

fn read<T: DeserializeOwned>(mut response: Response<Body>) -> Result<T, RestError> {
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
