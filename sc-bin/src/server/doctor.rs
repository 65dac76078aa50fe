//! `sc server doctor`: what a server with these options needs, looked at without starting one. A
//! server that runs on the same data folder is no trouble: its own ports are then taken by itself.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::certificate::{self, CertificateFiles};
use super::data_dir::{DataDir, DataDirError};
use super::ports::PortRange;
use super::registry::{DatabaseUrl, Registry};
use super::settings::{RestSecurity, Settings};
use crate::calendar::unix_now;
use crate::doctor::{Certificate, Report, Shown, days_left, open_files};

/// Space that is worth a word, and space that is not enough, in bytes.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 64 << 20;
/// A certificate with less than this left, in days, is worth a word.
const SOON: i64 = 30;
/// Ports of the range that are tried.
const TRIED_PORTS: u16 = 20;

/// Whether a server runs on the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Yes,
    No,
}

/// Checks all, prints what it finds, and says the exit code.
pub(super) fn doctor(settings: &Settings, shown: Shown) -> u8 {
    let mut report = Report::new(shown);
    let running = data(settings, &mut report);
    certificates(settings, &mut report);
    listeners(settings, running, &mut report);
    open_files(&mut report);
    clock(settings, &mut report);
    report.end()
}

fn data(settings: &Settings, report: &mut Report) -> Running {
    let path = &settings.data_dir;
    let shown = path.display();
    let dir = match DataDir::open(path) {
        Ok(dir) => dir,
        Err(error) => {
            report.wrong(
                "data-dir",
                error.to_string(),
                "give another by --data-dir, or its rights",
            );
            return Running::No;
        }
    };
    let running = match dir.lock_server() {
        Ok(_) => Running::No,
        Err(DataDirError::InUse(_)) => Running::Yes,
        Err(error) => {
            report.wrong(
                "data-dir",
                error.to_string(),
                "let the user that runs the server own the folder and all in it",
            );
            return Running::No;
        }
    };
    let running_text = match running {
        Running::Yes => "; a server runs on it",
        Running::No => "",
    };
    report.good("data-dir", format!("{shown} can be written{running_text}"));
    rights(path, report);
    space(path, report);
    database(&dir, settings.fleet.as_ref().map(|fleet| &fleet.database), report);
    running
}

#[cfg(unix)]
fn rights(path: &Path, report: &mut Report) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(found) = std::fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        report.warn(
            "data-dir",
            format!("others may look into {path} (mode {mode:03o}): it has private keys"),
            format!("chmod 700 {path}"),
        );
    }
}

#[cfg(not(unix))]
fn rights(_: &Path, _: &mut Report) {}

#[cfg(unix)]
fn space(path: &Path, report: &mut Report) {
    let Ok(found) = rustix::fs::statvfs(path) else { return };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} MiB free for {}", free >> 20, path.display());
    let remedy = "make room there, or give another folder by --data-dir";
    match free {
        ..NO_SPACE => report.wrong("disk-space", text, remedy),
        NO_SPACE..LITTLE_SPACE => report.warn("disk-space", text, remedy),
        LITTLE_SPACE.. => report.good("disk-space", text),
    }
}

#[cfg(not(unix))]
fn space(_: &Path, _: &mut Report) {}

fn database(dir: &DataDir, shared: Option<&DatabaseUrl>, report: &mut Report) {
    let shown = match shared {
        Some(url) => url.shown(),
        None => dir.registry_file().display().to_string(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report.wrong(
                "database",
                error.to_string(),
                "free some of this machine's memory",
            );
        }
    };
    let users = runtime.block_on(async {
        let registry = Registry::open(dir, shared).await?;
        let users = registry.users(None).await;
        registry.close().await;
        users
    });
    match users {
        Ok(users) if users.is_empty() => report.warn(
            "database",
            format!("{shown} can be used and has no users"),
            "`sc server user add NAME` adds one",
        ),
        Ok(users) => report.good("database", format!("{shown} can be used: {} users", users.len())),
        Err(error) => report.wrong(
            "database",
            format!("{shown} cannot be used: {error}"),
            match shared {
                Some(_) => "let this machine reach it, with a user that may make tables there",
                None => "put a backup in its place, or move it away and begin with an empty one",
            },
        ),
    }
}

fn certificates(settings: &Settings, report: &mut Report) {
    match &settings.tunnel_certificate {
        Some(files) => given(
            "tunnel-certificate",
            files,
            Some(&settings.tunnel_host),
            "give a certificate for that name by --tls-cert and --tls-key, or the right --tunnel-host",
            report,
        ),
        None => {
            let leaf = settings.data_dir.join(certificate::LEAF);
            match leaf.exists() {
                true => file("tunnel-certificate", &leaf, None, "", report),
                false => report.good("tunnel-certificate", "the server makes its own at the start"),
            }
        }
    }
    match &settings.rest_security {
        RestSecurity::Tls(files) => given(
            "rest-certificate",
            files,
            None,
            "give another by --rest-tls-cert and --rest-tls-key",
            report,
        ),
        RestSecurity::PlainOnLoopback if !settings.rest_address.ip().is_loopback() => report.wrong(
            "rest-certificate",
            format!("access keys would go to {} unencrypted", settings.rest_address),
            "give --rest-tls-cert and --rest-tls-key, or --insecure-rest if something else protects it",
        ),
        RestSecurity::PlainOnLoopback => {
            report.good("rest-certificate", "none is needed on this machine's own address");
        }
        RestSecurity::PlainAnywhere => report.warn(
            "rest-certificate",
            "access keys go over the network unencrypted (--insecure-rest)",
            "make sure that something in front of it speaks HTTPS",
        ),
    }
    if let Some(files) = &settings.resign_ca {
        let remedy = "give another by --resign-ca-cert and --resign-ca-key";
        given("resign-ca", files, None, remedy, report);
    }
}

/// A certificate and its key, from files that the settings name.
fn given(
    check: &'static str,
    files: &CertificateFiles,
    name: Option<&str>,
    remedy: &str,
    report: &mut Report,
) {
    if let Err(error) = certificate::read(files) {
        return report.wrong(check, error.to_string(), remedy);
    }
    file(check, &files.certificate, name, remedy, report);
}

fn file(check: &'static str, path: &Path, name: Option<&str>, remedy: &str, report: &mut Report) {
    let shown = path.display();
    let leaf = CertificateDer::from_pem_file(path).ok().and_then(|der| Certificate::read(&der));
    let Some(leaf) = leaf else {
        return report.wrong(check, format!("{shown} has no certificate that can be read"), remedy);
    };
    let left = days_left(leaf.not_after);
    let renew = "renew it; the server reads it at its start";
    if left < 0 {
        report.wrong(check, format!("{shown} has expired: {leaf}"), renew);
    } else if leaf.not_before > unix_now() {
        let text = format!("{shown} is not valid yet: {leaf}");
        report.wrong(check, text, "set the clock, or wait");
    } else if left < SOON {
        report.warn(check, format!("{shown}: {leaf}: {left} days left"), renew);
    } else {
        report.good(check, format!("{shown}: {leaf}"));
    }
    if let Some(name) = name.filter(|name| !leaf.names.iter().any(|own| covers(own, name))) {
        report.wrong(
            check,
            format!(
                "{shown} is not for {name}, which clients dial; it is for {}",
                leaf.names.join(", ")
            ),
            remedy,
        );
    }
}

/// Whether a certificate's name is good for a host (RFC 9525, section 6.3).
fn covers(own: &str, host: &str) -> bool {
    match own.strip_prefix("*.") {
        Some(domain) => {
            host.split_once('.').is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(domain))
        }
        None => own.eq_ignore_ascii_case(host),
    }
}

fn listeners(settings: &Settings, running: Running, report: &mut Report) {
    let metrics = settings.metrics.as_ref().and_then(|metrics| {
        let shown = metrics.address.to_string();
        shown.to_socket_addrs().ok()?.next()
    });
    for (flag, address) in [
        ("--rest-address", Some(settings.rest_address)),
        ("--tunnel-address", Some(settings.tunnel_address)),
        ("--shared-proxy-address", settings.shared_proxy_address),
        ("--metrics-address", metrics),
    ] {
        if let Some(address) = address {
            port(flag, address, running, report);
        }
    }
    let PortRange::Between(first, last) = settings.proxy_ports else { return };
    let count = u32::from(last - first) + 1;
    let tried = first..=last.min(first.saturating_add(TRIED_PORTS - 1));
    let of_ours = |port| TcpListener::bind(SocketAddr::new(settings.proxy_ip, port));
    let failed: Vec<_> =
        tried.clone().filter_map(|port| Some((port, of_ours(port).err()?))).collect();
    match failed.first() {
        Some((port, error)) if failed.len() == tried.count() && running == Running::No => report
            .wrong(
                "proxy-ports",
                format!(
                    "no port from {first} can be had on {}; {port}: {error}",
                    settings.proxy_ip
                ),
                "choose others by --proxy-ports, or the right --proxy-host",
            ),
        Some((port, error)) if running == Running::No => report.warn(
            "proxy-ports",
            format!("{} of the first ports are taken; {port}: {error}", failed.len()),
            "choose others by --proxy-ports: each tunnel needs one",
        ),
        _ => report.good("proxy-ports", format!("{first}-{last}: {count} tunnels at once")),
    }
}

fn port(flag: &'static str, address: SocketAddr, running: Running, report: &mut Report) {
    match TcpListener::bind(address) {
        Ok(_) if running == Running::Yes && address.port() != 0 => report.warn(
            "ports",
            format!("{flag} {address} is free, though a server runs on this data folder"),
            "give the doctor the options that the server has",
        ),
        Ok(_) => report.good("ports", format!("{flag} {address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running == Running::Yes => {
            report.good("ports", format!("{flag} {address} is in use, by the server it seems"));
        }
        Err(error) => report.wrong(
            "ports",
            format!("{flag} {address} cannot be had: {error}"),
            format!("choose another by {flag}, or end what listens there"),
        ),
    }
}

/// Nothing that was written can be of the future.
fn clock(settings: &Settings, report: &mut Report) {
    let written =
        |entry: io::Result<std::fs::DirEntry>| entry.ok()?.metadata().ok()?.modified().ok();
    let entries = std::fs::read_dir(&settings.data_dir).ok().into_iter().flatten();
    let newest = entries.filter_map(written).max();
    let ahead = newest.and_then(|newest| newest.duration_since(std::time::SystemTime::now()).ok());
    match ahead.filter(|ahead| ahead.as_secs() > 60) {
        Some(ahead) => report.wrong(
            "clock",
            format!(
                "this clock is behind what was written in {} by {} s at least",
                settings.data_dir.display(),
                ahead.as_secs()
            ),
            "set it by NTP: certificates are judged by it",
        ),
        None => report.good("clock", crate::calendar::Moment::of_unix(unix_now()).rfc3339()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates() {
        for (own, host, covered) in [
            ("a.test", "A.test", true),
            ("*.test", "a.test", true),
            ("*.test", "b.a.test", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("b.test", "a.test", false),
        ] {
            assert_eq!(covers(own, host), covered, "{own} {host}");
        }
    }
}
