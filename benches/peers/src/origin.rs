//! The site behind every tunnel: nginx with one big file and one small answer.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::Command;

use sc_tests::ports;
use sc_tests::process::Process;
use tempfile::TempDir;

use crate::programs;

/// The size of the file that downloads ask for.
pub(crate) const BULK_BYTES: u64 = 1024 * 1024 * 1024;
/// The size of the small answer's body.
pub(crate) const SMALL_BYTES: usize = 1024;
/// Asks for the big file.
pub(crate) const BULK_REQUEST: &[u8] = b"GET /bulk HTTP/1.1\r\nHost: site\r\n\r\n";
/// Asks for the small answer.
pub(crate) const SMALL_REQUEST: &[u8] = b"GET /small HTTP/1.1\r\nHost: site\r\n\r\n";
/// Asks for the small answer as the last one of its connection.
pub(crate) const LAST_SMALL_REQUEST: &[u8] =
    b"GET /small HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n";

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Origin {
    _process: Process,
    _folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Origin {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If nginx is not installed or cannot start.
    pub(crate) fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        Self::start_at(address, &[])
    }

    /// Starts it at `address`, by way of a program that becomes it (`ip netns exec …`).
    ///
    /// # Panics
    /// As [`Self::start`].
    pub(crate) fn start_at(address: SocketAddr, prefix: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        // A hole: its pages are zeros in the page cache, which no tunnel here compresses.
        let bulk = File::create(path.join("bulk")).expect("a file in our own folder");
        bulk.set_len(BULK_BYTES).expect("a sparse file");
        let configuration = path.join("nginx.conf");
        fs::write(&configuration, text(&path.display().to_string(), address))
            .expect("a file in our own folder");
        let mut command = programs::command("nginx", prefix).expect("nginx is installed");
        command.arg("-c").arg(&configuration).arg("-p").arg(path).args(["-e", "stderr"]);
        let process = Process::start("nginx", command);
        read_once(&path.join("bulk").display().to_string());
        Self { _process: process, _folder: folder, address }
    }
}

/// Brings the file into the page cache, so that no run is the first.
fn read_once(path: &str) {
    let status = Command::new("sh").args(["-c", "cat \"$0\" >/dev/null", path]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot read {path}");
}

fn text(folder: &str, address: SocketAddr) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .collect();
    let small = "x".repeat(SMALL_BYTES);
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n{temporary}\
         \x20 access_log off;\n\
         \x20 sendfile on;\n\
         \x20 tcp_nodelay on;\n\
         \x20 open_file_cache max=16;\n\
         \x20 keepalive_requests 1000000000;\n\
         \x20 keepalive_timeout 1h;\n\
         \x20 client_header_timeout 1h;\n\
         \x20 server {{\n\
         \x20   listen {address} backlog=4096;\n\
         \x20   root {folder};\n\
         \x20   location = /small {{ return 200 \"{small}\"; }}\n\
         \x20 }}\n\
         }}\n"
    )
}
