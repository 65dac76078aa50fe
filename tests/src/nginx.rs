//! nginx, as the site that a person would have.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::certificate::Certificates;
use crate::payload::{self, Payload};
use crate::process::Process;
use crate::shared::Report;
use crate::{ports, wait};

/// A running nginx with one root folder, by HTTP and HTTPS. PUT under `/upload/` stores a file;
/// `/who` answers with the `Authorization` that it got.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    folder: TempDir,
    certificates: Certificates,
    http: SocketAddr,
    https: SocketAddr,
}

impl Nginx {
    /// Starts it and waits until it accepts connections.
    ///
    /// # Panics
    /// If it does not.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::new();
        for name in ["www/upload", "temporary"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder in our own folder");
        }
        let http = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let https = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let configuration = folder.path().join("nginx.conf");
        let text = configuration_text(folder.path(), &certificates, http, https);
        fs::write(&configuration, text).expect("a file in our own folder");
        fs::write(folder.path().join("www/index.html"), INDEX).expect("a file in our own folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("nginx");
        // Debian has it where only root looks.
        command.env("PATH", format!("{path}:/usr/sbin"));
        command.arg("-c").arg(&configuration).arg("-p").arg(folder.path()).args(["-e", "stderr"]);
        let process = Process::start("nginx", command);
        for address in [http, https] {
            wait::until("nginx to accept connections", || TcpStream::connect(address).ok());
        }
        Self { process, folder, certificates, http, https }
    }

    /// The URL of a path by HTTP.
    pub fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// The URL of a path by HTTPS, under the name that is in the certificate.
    pub fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https.port())
    }

    /// The certificate authority that signed the HTTPS certificate.
    pub fn ca(&self) -> PathBuf {
        self.certificates.ca()
    }

    /// A file under the root folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("www").join(name)
    }

    /// Puts a file of `payload` under the root folder.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn put(&self, name: &str, payload: Payload) {
        let file = fs::File::create(self.file(name)).expect("a file in our own folder");
        let mut file = BufWriter::with_capacity(1024 * 1024, file);
        payload::send(payload, &mut file).and_then(|()| file.flush()).expect("room on the disk");
    }
}

impl Report for Nginx {
    fn report(&self) -> String {
        self.process.report()
    }
}

/// The page at `/`.
pub const INDEX: &str = "<!doctype html><title>nginx</title><p>served by nginx\n";

fn configuration_text(
    folder: &Path,
    certificates: &Certificates,
    http: SocketAddr,
    https: SocketAddr,
) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {folder}/temporary/{kind};\n"))
        .collect();
    format!(
        "daemon off;\n\
         master_process off;\n\
         pid {folder}/nginx.pid;\n\
         error_log stderr warn;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}\
         \x20 access_log off;\n\
         \x20 default_type text/html;\n\
         \x20 sendfile on;\n\
         \x20 server {{\n\
         \x20   listen {http};\n\
         \x20   listen {https} ssl;\n\
         \x20   ssl_certificate {};\n\
         \x20   ssl_certificate_key {};\n\
         \x20   root {folder}/www;\n\
         \x20   client_max_body_size 0;\n\
         \x20   location /upload/ {{ dav_methods PUT; }}\n\
         \x20   location /who {{ return 200 \"$http_authorization\"; }}\n\
         \x20   # A filter that may change the length makes nginx send chunks.\n\
         \x20   location /chunked/ {{ alias {folder}/www/; sub_filter absent absent; }}\n\
         \x20 }}\n\
         }}\n",
        certificates.certificate().display(),
        certificates.key().display(),
    )
}
