//! HTTP/1.1 connections to the REST API, within limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::http::request::Parts;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::auth::Peer;
use super::places::{Place, Places};

/// Connections at once. More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 512;
/// Of these, most that one address may have: nobody takes the API from the others alone.
const MAX_OF_ONE_PEER: usize = MAX_CONNECTIONS / 2;
/// When so many are open, answers close their connection: clients that poll would otherwise keep
/// one each.
const CROWDED: usize = MAX_CONNECTIONS / 2;
/// For a TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// For a request's head, and between two requests of a connection. Clients poll every 5 s.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be used, and how long its last answer may then take: one that sends
/// requests and does not read the answers ends too.
const LIFETIME: Duration = Duration::from_secs(300);
const LAST_ANSWER: Duration = Duration::from_secs(60);
/// The same on a connection with WebDriver commands, which may take so long.
const LAST_COMMAND: Duration = Duration::from_secs(600);
/// Largest head, and other buffers of a connection, in bytes.
const MAX_BUFFER: usize = 32 * 1024;
/// Most header fields.
const MAX_HEADERS: usize = 64;
/// How long running requests get at the end.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long accepting rests when the system has no descriptors or memory for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Whether the answers of a connection may take longer than those of the REST API. In every
/// request's extensions.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Patience(Arc<AtomicBool>);

impl Patience {
    /// From now on they may, on the connection of this request.
    pub(in crate::server) fn want(of: &Parts) {
        if let Some(Self(wanted)) = of.extensions.get() {
            wanted.store(true, Ordering::Relaxed);
        }
    }

    fn last_answer(&self) -> Duration {
        if self.0.load(Ordering::Relaxed) { LAST_COMMAND } else { LAST_ANSWER }
    }
}

/// Serves connections until `stop` becomes true.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Places::new(MAX_CONNECTIONS, MAX_OF_ONE_PEER);
    let stopping = stop.clone();
    let accept_all = async {
        loop {
            places.wait().await;
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    log::warn!("REST: cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(place) = places.take(peer.ip()) else {
                log::debug!("REST: {peer}: refused, too many connections of this address");
                continue;
            };
            let (tls, router, stopping) = (tls.clone(), router.clone(), stopping.clone());
            tokio::spawn(connection(stream, peer, place, tls, router, stopping));
        }
    };
    tokio::select! {
        () = accept_all => {}
        () = told_to_stop(&mut stop) => {}
    }
    drop(listener);
    let _ = tokio::time::timeout(GOODBYE, places.all_free()).await;
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // When the server is gone that counts as told, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    tls: Option<TlsAcceptor>,
    router: Router,
    stopping: watch::Receiver<bool>,
) {
    // Answers are small and written at once: nothing to gain by waiting for more.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return http(stream, peer, place, router, stopping).await;
    };
    match tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, peer, place, router, stopping).await,
        Ok(Err(error)) => log::debug!("REST: {peer}: TLS failed: {error}"),
        Err(_) => log::debug!("REST: {peer}: TLS took too long"),
    }
}

async fn http<S>(
    stream: S,
    peer: SocketAddr,
    place: Place,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let places = Arc::clone(&place.places);
    let patience = Patience::default();
    let wanted = patience.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(wanted.clone());
        let (answer, places) = (router.call(request), Arc::clone(&places));
        async move {
            let mut answer = answer.await?;
            if places.taken() >= CROWDED {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        done = connection.as_mut() => Some(done),
        () = told_to_stop(&mut stopping) => None,
        () = tokio::time::sleep(LIFETIME) => None,
    };
    let ended = match ended {
        Some(done) => Ok(done),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(patience.last_answer(), connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("REST: {peer}: {error}"),
        Err(_) => log::debug!("REST: {peer}: its last answer was not taken in time"),
    }
}
