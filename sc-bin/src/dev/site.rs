//! The demo site: one page that tells how it was reached.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse};
use tokio::sync::oneshot;

use super::origin::{Route, route};

/// A demo site that runs on a thread of its own until it is dropped.
pub(super) struct Site {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// Starts it on loopback; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// The port is taken, or threads or descriptors are used up.
    pub(super) fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("sc-demo-site".to_owned()).spawn(move || {
            let served = runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, address) => served,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = served {
                log::error!("the demo site ended: {error}");
            }
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Its URL, by the name that leads to loopback everywhere.
    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}/", self.address.port())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Facts {
    address: SocketAddr,
    requests: AtomicU64,
}

async fn serve(listener: TcpListener, address: SocketAddr) -> io::Result<()> {
    let facts = std::sync::Arc::new(Facts { address, requests: AtomicU64::new(0) });
    let site = Router::new().fallback(page).with_state(facts);
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, site.into_make_service_with_connect_info::<SocketAddr>()).await
}

async fn page(
    State(facts): State<std::sync::Arc<Facts>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> impl IntoResponse {
    let number = facts.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let way = route(peer, facts.address);
    let html = render(way, peer, number, &request);
    ([(CACHE_CONTROL, "no-store")], Html(html))
}

fn render(way: Route, peer: SocketAddr, number: u64, request: &Request) -> String {
    let (class, told, why) = match way {
        Route::Tunnel => (
            "tunnel",
            "Reached through the tunnel.",
            "The connection was opened by the client end of the tunnel, inside the sc process.",
        ),
        Route::OtherTunnel => (
            "tunnel",
            "Reached through another tunnel.",
            "The connection was opened by another sc process: a second client, at its end.",
        ),
        Route::Direct => (
            "direct",
            "Reached directly, not through the tunnel.",
            "The connection was opened by a process that is no sc: give it the tunnel's proxy.",
        ),
        Route::Unknown => (
            "unknown",
            "This system does not tell whether this came through the tunnel.",
            "If your program was given the tunnel's proxy, it did.",
        ),
    };
    let mut rows = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            rows,
            "<tr><th>{}</th><td><code>{}</code></td></tr>",
            escape(name),
            escape(value)
        );
    };
    row("request", &format!("{} {}", request.method(), request.uri()));
    row("number", &number.to_string());
    row("connection from", &peer.to_string());
    row("process", &std::process::id().to_string());
    for (name, value) in request.headers() {
        row(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    include_str!("page.html")
        .replace("{{class}}", class)
        .replace("{{route}}", told)
        .replace("{{why}}", why)
        .replace("{{rows}}", rows.trim_end())
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(url: &str, header: &str) -> String {
        ureq::get(url).header("x-test", header).call().unwrap().body_mut().read_to_string().unwrap()
    }

    #[test]
    fn the_page_tells_how_it_was_reached() {
        let site = Site::start(0).unwrap();
        let page = get(&format!("http://{}/a?b=1", site.address), "<b>&");
        assert!(page.contains("<title>sc demo site</title>"), "{page}");
        assert!(page.contains("GET /a?b=1") && page.contains("&lt;b&gt;&amp;"), "{page}");
        // The test is the same process as the site, as the client end of a tunnel is.
        #[cfg(target_os = "linux")]
        assert!(page.contains("Reached through the tunnel."), "{page}");
        assert!(!page.contains("{{"), "{page}");
        assert!(get(&site.url(), "").contains("<th>number</th><td><code>2</code>"));
    }

    #[test]
    fn it_ends_when_dropped_and_frees_its_port() {
        let site = Site::start(0).unwrap();
        let address = site.address;
        drop(site);
        assert!(TcpListener::bind(address).is_ok());
    }
}
