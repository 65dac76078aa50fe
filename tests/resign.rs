//! Re-signed TLS: browsers trust the server's CA, the client trusts the office's, and what runs
//! within TLS works as it does without a tunnel.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sc_tests::certificate::Certificates;
use sc_tests::curl::Curl;
use sc_tests::deployment::CommandLine;
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::payload::Payload;
use sc_tests::process::Process;
use sc_tests::resigned::{Resigned, text};
use sc_tests::{ports, wait};

/// TLS to a site in the way of a browser.
fn tls(office: &Resigned, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(office.ca()).expect("a certificate");
    roots.add(ca).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut stream = TcpStream::connect(office.tunnel.proxy).expect("the proxy listens");
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
fn hosts_with_credentials_are_always_resigned_in_version_5() {
    let nginx = Nginx::start();
    let (who, port) = (nginx.https("/who"), nginx.https("").rsplit(':').next().unwrap().to_owned());
    let login = format!("Aladdin:open%20sesame@localhost:{port}");
    let (ca, other) = (nginx.ca(), nginx.https("/who").replace("localhost", "127.0.0.1"));
    let basic = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    for more in [&[][..], &["-B", "localhost"], &["-b", "^elsewhere$"]] {
        let options = [&["-a", &login, "--cacert-file", text(&ca)], more].concat();
        let office = Resigned::v5(&options);
        assert_eq!(office.curl(&who).text(), basic, "{more:?}");
        office.tunnel.client.process.wait_for_text("TLS with localhost is re-signed");
        if more.is_empty() {
            // Another name of the same site passes end to end, and nothing is put in.
            let through = Curl::through(office.tunnel.proxy);
            assert_eq!(through.args(["--cacert", text(&ca), &other]).text(), "");
        }
    }
    // In version 4 the list of exceptions decides.
    let login = format!("localhost:{port}:Aladdin:open sesame");
    let v4 = |list| {
        let options = ["-a", &login, "-B", list, "--cacert-file", text(&ca)];
        Resigned::start(CommandLine::Version4, &options)
    };
    assert_eq!(v4("elsewhere.test").curl(&who).text(), basic);
    let passes = v4("localhost");
    let through = Curl::through(passes.tunnel.proxy);
    assert_eq!(through.args(["--cacert", text(&ca), &who]).text(), "");
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
    let mut events = BufReader::new(tls(&office, site.events));
    events.get_mut().write_all(request(site.events, "").as_bytes()).expect("a request");
    let mut lines = String::new();
    while !lines.contains("data: 2") {
        assert!(events.read_line(&mut lines).expect("an event") > 0, "{lines}");
    }
    assert_eq!(events.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));

    let mut socket = tls(&office, site.websockets);
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

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_websockets, ignore = "skipped: python3-websockets is not installed")]
fn what_is_wrong_with_a_certificate_is_said() {
    for (certificates, code, seen) in [
        (Certificates::expired(), "tls-certificate-expired", "expired"),
        (Certificates::not_yet_valid(), "tls-certificate-not-yet-valid", "not valid yet"),
        (Certificates::self_signed(), "tls-certificate-issuer", "issuer"),
    ] {
        let site = PythonSite::with(certificates);
        let ca = site.certificates.ca();
        let office = Resigned::v5(&["-b", "all", "--cacert-file", text(&ca)]);
        let url = format!("https://localhost:{}/", site.events);
        let page = office.fails_with(&url, 502, code);
        assert!(page.contains(&format!("localhost:{}", site.events)), "{page}");
        office.tunnel.client.process.wait_for_text(&format!("TLS with localhost:{}", site.events));
        println!("{seen}: {page}");
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn authorities_come_from_a_file_a_url_and_the_environment() {
    let nginx = Nginx::start();
    let pem = std::fs::read_to_string(nginx.ca()).unwrap();
    let url = format!("data:,{}", pem.replace('+', "%2B").replace('\n', "%0A"));
    let elsewhere = Certificates::new();
    // Several come together.
    let office =
        Resigned::v5(&["-b", "all", "--cacert-file", text(&elsewhere.ca()), "--cacert-file", &url]);
    assert_eq!(office.curl(&nginx.https("/")).text(), INDEX);
    let other = Resigned::v5(&["-b", "all", "--cacert-file", text(&elsewhere.ca())]);
    // It has the same name as the right one, but not its key.
    other.fails_with(&nginx.https("/"), 502, "tls-certificate");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
fn a_site_that_is_silent_in_its_handshake_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let office = Resigned::v5(&["-b", "all", "--http-tls-handshake-timeout", "300ms"]);
    office.fails_with(&format!("https://localhost:{port}/"), 504, "tls-timeout");
}
