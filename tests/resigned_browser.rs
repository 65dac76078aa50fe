//! Chromium in a tunnel whose TLS is re-signed: it trusts the server's CA as a person makes it, and
//! finds nothing to complain about.

use std::net::TcpStream;
use std::process::Command;

use sc_tests::certificate::Certificates;
use sc_tests::chromium::{DevTools, Profile};
use sc_tests::process::Process;
use sc_tests::resigned::{Resigned, text};
use sc_tests::{ports, wait};

/// Pages, downloads, uploads and events by HTTP/1.1, and WebSockets on another port. What it gets
/// of an upload it tells the page, which checks everything itself.
const SITE: &str = r#"
import asyncio, ssl, sys, hashlib, websockets
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
PORT, SOCKETS = int(sys.argv[3]), int(sys.argv[4])
PAGE = """<!doctype html><link rel=icon href=data:,><link rel=stylesheet href=/style.css>
<script>
const check = async () => {
  const made = new Uint8Array(300000).map((_, at) => at * 31 % 251);
  const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
  const results = {secure: window.isSecureContext};
  results.download = same(new Uint8Array(await (await fetch('/download')).arrayBuffer()), made);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', made));
  const hex = [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('');
  results.upload = await (await fetch('/upload', {method: 'POST', body: made})).text() === hex;
  results.events = await new Promise((done, fail) => {
    const source = new EventSource('/events'), got = [];
    source.onmessage = event => { got.push(event.data); if (got.length === 3) { source.close(); done(got.join()); } };
    source.onerror = fail;
  });
  results.socket = await new Promise((done, fail) => {
    const socket = new WebSocket('wss://localhost:PORT_OF_SOCKETS/');
    socket.onopen = () => socket.send('hello');
    socket.onmessage = event => { done(event.data); socket.close(); };
    socket.onerror = fail;
  });
  results.style = getComputedStyle(document.body).color;
  return JSON.stringify(results);
};
</script><body>page""".replace("PORT_OF_SOCKETS", str(SOCKETS))
MADE = bytes(at * 31 % 251 for at in range(300000))
async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            if path == "/events":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                for number in range(3):
                    writer.write(b"data: %d\n\n" % number)
                    await writer.drain()
                await reader.read()
                return
            kind, answer = {
                "/": ("text/html", PAGE.encode()),
                "/style.css": ("text/css", b"body { color: rgb(1, 2, 3) }"),
                "/download": ("application/octet-stream", MADE),
                "/upload": ("text/plain", hashlib.sha256(body).hexdigest().encode()),
            }[path]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                % (kind.encode(), len(answer)) + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", SOCKETS, ssl=context):
        await asyncio.start_server(serve, "127.0.0.1", PORT, ssl=context)
        await asyncio.Future()
asyncio.run(main())
"#;

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
#[cfg_attr(missing_certutil, ignore = "skipped: certutil (libnss3-tools) is not installed")]
#[cfg_attr(missing_websockets, ignore = "skipped: python3-websockets is not installed")]
fn a_page_with_all_that_there_is_works_and_devtools_are_silent() {
    let certificates = Certificates::new();
    let (port, sockets) = (ports::one(), ports::one());
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-c").arg(SITE);
    command.arg(certificates.certificate()).arg(certificates.key());
    command.args([port.to_string(), sockets.to_string()]);
    let _site = Process::start("python", command);
    for port in [port, sockets] {
        wait::until("python to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
    }
    let office = Resigned::v5(&["-b", "all", "--cacert-file", text(&certificates.ca())]);
    let mut browser = DevTools::start(Profile::trusting(&office.ca()), office.tunnel.proxy);
    browser.load(&format!("https://localhost:{port}/"));
    let results = browser.wait_for("check()");
    let results: serde_json::Value =
        serde_json::from_str(results.as_str().expect("a text")).expect("JSON");
    let expected = serde_json::json!({
        "secure": true, "download": true, "upload": true, "events": "0,1,2", "socket": "hello",
        "style": "rgb(1, 2, 3)",
    });
    assert_eq!(results, expected);
    let issuers: Vec<_> = browser
        .events
        .iter()
        .filter_map(|event| event["params"]["response"]["securityDetails"]["issuer"].as_str())
        .collect();
    assert!(!issuers.is_empty(), "TLS has an issuer");
    let is_ours = |issuer: &&str| issuer.contains("sc server re-signing CA");
    assert!(issuers.iter().all(is_ours), "{issuers:?}");
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
#[cfg_attr(missing_chromium, ignore = "skipped: chromium is not installed")]
fn without_the_ca_the_browser_refuses() {
    let nginx = sc_tests::nginx::Nginx::start();
    let office = Resigned::v5(&["-b", "all", "--cacert-file", text(&nginx.ca())]);
    let mut browser = DevTools::start(Profile::new(), office.tunnel.proxy);
    let result = browser.ask("Page.navigate", serde_json::json!({"url": nginx.https("/")}));
    assert_eq!(result["errorText"], "net::ERR_CERT_AUTHORITY_INVALID");
}
