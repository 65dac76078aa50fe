//! HTTP/1.1 connections to the REST API, within limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::auth::Peer;

/// Connections at once. More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 512;
/// For a TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// For a request's head, and between two requests of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head, and other buffers of a connection, in bytes.
const MAX_BUFFER: usize = 32 * 1024;
/// Most header fields.
const MAX_HEADERS: usize = 64;
/// How long running requests get at the end.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long accepting rests when the system has no descriptors or memory for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves connections until `stop` becomes true.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let stopping = stop.clone();
    let accept_all = async {
        loop {
            // Never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    log::warn!("REST: cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (tls, router, stopping) = (tls.clone(), router.clone(), stopping.clone());
            tokio::spawn(async move {
                connection(stream, peer, tls, router, stopping).await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accept_all => {}
        () = told_to_stop(&mut stop) => {}
    }
    drop(listener);
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(GOODBYE, places.acquire_many(all)).await;
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // When the server is gone that counts as told, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stopping: watch::Receiver<bool>,
) {
    // Answers are small and written at once: nothing to gain by waiting for more.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return http(stream, peer, router, stopping).await;
    };
    match tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, peer, router, stopping).await,
        Ok(Err(error)) => log::debug!("REST: {peer}: TLS failed: {error}"),
        Err(_) => log::debug!("REST: {peer}: TLS took too long"),
    }
}

async fn http<S>(stream: S, peer: SocketAddr, router: Router, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = told_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        log::debug!("REST: {peer}: {error}");
    }
}
