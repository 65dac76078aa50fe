//! rathole with TLS. Its manual wants the server's certificate as PKCS#12.

use std::process::Command;

use sc_tests::process::Process;

use super::files::Files;
use super::{Layout, Running};
use crate::programs;

pub(super) fn start(layout: &Layout) -> Running {
    let files = Files::new();
    let entry = layout.entry();
    let bundle = files.path().join("server.p12");
    let status = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:peers", "-out"])
        .arg(&bundle)
        .arg("-inkey")
        .arg(files.certificates.key())
        .arg("-in")
        .arg(files.certificates.certificate())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "openssl makes no PKCS#12");
    let server = files.write(
        "server.toml",
        &format!(
            "[server]\nbind_addr = \"{}\"\ndefault_token = \"peers\"\n\
             [server.transport]\ntype = \"tls\"\n\
             [server.transport.tls]\npkcs12 = \"{}\"\npkcs12_password = \"peers\"\n\
             [server.services.site]\nbind_addr = \"{}\"\n",
            layout.listen,
            bundle.display(),
            entry.address
        ),
    );
    let client = files.write(
        "client.toml",
        &format!(
            "[client]\nremote_addr = \"{}\"\ndefault_token = \"peers\"\n\
             [client.transport]\ntype = \"tls\"\n\
             [client.transport.tls]\ntrusted_root = \"{}\"\nhostname = \"localhost\"\n\
             [client.services.site]\nlocal_addr = \"{}\"\n",
            layout.dial,
            files.certificates.ca().display(),
            layout.origin
        ),
    );
    let ends = [
        ("--server", &server, &layout.server_prefix),
        ("--client", &client, &layout.client_prefix),
    ]
    .map(|(role, file, prefix)| {
        let mut command = programs::command("rathole", prefix).expect("rathole is there");
        command.env("RUST_LOG", "warn").arg(role).arg(file);
        Process::start(&format!("rathole {role}"), command)
    });
    Running::new(entry, ends.into(), files)
}
