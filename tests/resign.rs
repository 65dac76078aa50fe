//! Re-signed TLS: browsers trust the server's CA, the client trusts the office's, and what runs
//! within TLS works as it does without a tunnel.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sc_tests::certificate::Certificates;
use sc_tests::curl::Curl;
use sc_tests::deployment::{Client, CommandLine, Server, Tunnel, proxy_address};
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::payload::Payload;
use sc_tests::process::Process;
use sc_tests::{binary, ports, wait};
use tempfile::TempDir;

/// A tunnel whose TLS is re-signed, and the CA that its browsers trust.
struct Resigned {
    tunnel: Tunnel,
    folder: TempDir,
}

impl Resigned {
    fn v5(options: &[&str]) -> Self {
        Self::start(CommandLine::Version5, options)
    }

    fn start(line: CommandLine, options: &[&str]) -> Self {
        let server = Server::start();
        let user = server.add_user("jane");
        let mut command = binary::command();
        command.args(line.arguments(&server.rest_url(), &user, "test")).args(options);
        let client = Client::start_as(command);
        client.wait_ready(line);
        let record = server.rest(&user).tunnel_named("test").expect("the tunnel is listed");
        let proxy = proxy_address(&record);
        let id = record["id"].as_str().expect("an id").to_owned();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca = Command::new("curl")
            .args(["--silent", "--noproxy", "*", &format!("{}/ca.pem", server.rest_url())])
            .output()
            .expect("curl runs");
        let ca = String::from_utf8_lossy(&ca.stdout).into_owned();
        assert!(ca.contains("BEGIN CERTIFICATE"), "{ca}");
        std::fs::write(folder.path().join("ca.pem"), ca).expect("a file in our own folder");
        Self { tunnel: Tunnel { client, server, user, proxy, id }, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// curl that trusts the server's CA and no other.
    fn curl(&self, url: &str) -> Curl {
        Curl::through(self.tunnel.proxy).args(["--cacert", text(&self.ca()), url])
    }

    fn fails_with(&self, url: &str, status: u16, code: &str) -> String {
        let output = self.curl(url).args(["--include"]).run();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("X-Sc-Error: {code}\r\n")), "{answer}");
        answer
    }

    /// TLS to a site in the way of a browser.
    fn tls(&self, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.ca()).expect("a certificate");
        roots.add(ca).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = TcpStream::connect(self.tunnel.proxy).expect("the proxy listens");
        stream.set_read_timeout(Some(wait::PATIENCE)).expect("a limit");
        write!(stream, "CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")
            .expect("the request goes out");
        let mut answer = [0; 39];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200 Connection Established\r\n\r\n");
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        StreamOwned::new(client, stream)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// A site of Python's own: WebSockets by the library of that name, and server-sent events.
struct PythonSite {
    _process: Process,
    certificates: Certificates,
    websockets: u16,
    events: u16,
}

const SITE: &str = r#"
import asyncio, ssl, sys, websockets
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)
async def events(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    # The answer does not end, so what comes has been passed on at once.
    for number in range(3):
        event = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
    await reader.read()
async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[3]), ssl=context):
        await asyncio.start_server(events, "127.0.0.1", int(sys.argv[4]), ssl=context)
        print("listening", flush=True)
        await asyncio.Future()
asyncio.run(main())
"#;

impl PythonSite {
    fn start() -> Self {
        Self::with(Certificates::new())
    }

    fn with(certificates: Certificates) -> Self {
        let (websockets, events) = (ports::one(), ports::one());
        let mut command = Command::new("/usr/bin/python3");
        command.arg("-c").arg(SITE).arg(certificates.certificate()).arg(certificates.key());
        command.args([websockets.to_string(), events.to_string()]);
        let process = Process::start("python", command);
        for port in [websockets, events] {
            wait::until("python to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
        Self { _process: process, certificates, websockets, events }
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn pages_downloads_and_uploads_pass_and_the_issuer_is_the_server() {
    let nginx = Nginx::start();
    nginx.put("file", Payload::new(7, 3_000_000));
    let office = Resigned::v5(&["-b", ".*", "--cacert-file", text(&nginx.ca())]);
    let (page, file) = (nginx.https("/"), nginx.https("/file"));
    // Two on one connection: keep-alive.
    let both = office.curl(&page).args([page.as_str(), "--verbose"]).run();
    assert_eq!(String::from_utf8_lossy(&both.stdout), INDEX.repeat(2));
    let told = String::from_utf8_lossy(&both.stderr).into_owned();
    assert!(told.contains("sc server re-signing CA"), "{told}");
    assert!(told.contains("ALPN: server accepted http/1.1"), "{told}");
    assert!(told.matches("CONNECT localhost").count() >= 1, "{told}");
    let into = office.folder.path().join("downloaded");
    office.curl(&file).args(["--output", text(&into)]).text();
    assert!(std::fs::read(&into).unwrap() == std::fs::read(nginx.file("file")).unwrap());
    let upload = nginx.https("/upload/one");
    // With `Expect: 100-continue`, as curl does for large bodies.
    office.curl(&upload).args(["--upload-file", text(&into), "-H", "Expect: 100-continue"]).text();
    assert!(std::fs::read(nginx.file("upload/one")).unwrap() == std::fs::read(&into).unwrap());
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn what_is_not_to_be_resigned_passes_end_to_end() {
    let nginx = Nginx::start();
    let page = nginx.https("/");
    let sites_own = |office: &Resigned| {
        let through = Curl::through(office.tunnel.proxy);
        through.args(["--cacert", text(&nginx.ca()), &page]).text()
    };
    for options in [&[][..], &["-B", "all"], &["-b", "^elsewhere$"], &["-B", "^localhost$"]] {
        assert_eq!(sites_own(&Resigned::v5(options)), INDEX, "{options:?}");
    }
    for options in [&[][..], &["-B", "all"], &["-B", "localhost"]] {
        let office = Resigned::start(CommandLine::Version4, options);
        assert_eq!(sites_own(&office), INDEX, "{options:?}");
    }
    let v4 = Resigned::start(
        CommandLine::Version4,
        &["-B", "elsewhere.test", "--cacert-file", text(&nginx.ca())],
    );
    assert_eq!(v4.curl(&page).text(), INDEX);
    // Plain HTTP within a CONNECT is not TLS.
    let plain = nginx.http("/");
    assert_eq!(v4.curl(&plain).args(["--proxytunnel"]).text(), INDEX);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn a_certificate_that_is_not_accepted_is_named() {
    let nginx = Nginx::start();
    let page = nginx.https("/");
    let strict = Resigned::v5(&["-b", "all"]);
    strict.fails_with(&page, 502, "tls-certificate-issuer");
    strict.fails_with(&nginx.http("/").replace("http://", "https://"), 502, "tls-not-spoken");
    let closed = format!("https://localhost:{}/", ports::one());
    strict.fails_with(&closed, 502, "dial-refused");
    let lax = Resigned::v5(&["-b", "all", "--tls-insecure-domains", "^localhost$"]);
    assert_eq!(lax.curl(&page).text(), INDEX);
    assert_eq!(lax.tunnel.client.process.count_lines("certificates are NOT checked"), 1);
    lax.fails_with(&page.replace("localhost", "127.0.0.1"), 502, "tls-certificate-issuer");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_websockets, ignore = "skipped: python3-websockets is not installed")]
fn websockets_and_events_work_within_resigned_tls() {
    let site = PythonSite::start();
    let ca = site.certificates.ca();
    let office = Resigned::v5(&["-b", "all", "--cacert-file", text(&ca)]);
    let request =
        |port: u16, more: &str| format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n{more}\r\n");
    let mut events = BufReader::new(office.tls(site.events));
    events.get_mut().write_all(request(site.events, "").as_bytes()).expect("a request");
    let mut lines = String::new();
    while !lines.contains("data: 2") {
        assert!(events.read_line(&mut lines).expect("an event") > 0, "{lines}");
    }
    assert_eq!(events.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));

    let mut socket = office.tls(site.websockets);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    socket.write_all(request(site.websockets, upgrade).as_bytes()).expect("an upgrade");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    // A masked text frame of 5 bytes (RFC 6455, section 5.7), and its echo.
    socket.write_all(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").expect("a message");
    let mut echo = [0; 7];
    socket.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"\x81\x05Hello");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_websockets, ignore = "skipped: python3-websockets is not installed")]
fn a_certificate_for_other_names_is_not_accepted() {
    let site = PythonSite::with(Certificates::for_names(&["elsewhere.test"]));
    let ca = site.certificates.ca();
    let office = Resigned::v5(&["-b", "all", "--cacert-file", text(&ca)]);
    let url = format!("https://localhost:{}/", site.events);
    office.fails_with(&url, 502, "tls-certificate-name");
    office.tunnel.client.process.wait_for_text("elsewhere.test");
}
