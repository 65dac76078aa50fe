//! OpenSSH: `ssh -R` to an sshd of our own, with keys that live as long as it does.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sc_tests::process::Process;

use super::files::Files;
use super::{Layout, Running};
use crate::programs;

/// The cipher that ours uses too, and OpenSSH's fastest here.
const CIPHER: &str = "aes256-gcm@openssh.com";

pub(super) fn start(layout: &Layout) -> Running {
    let files = Files::new();
    let entry = layout.entry();
    let path = files.path();
    for name in ["host", "user"] {
        make_key(&path.join(name));
    }
    fs::copy(path.join("user.pub"), path.join("authorized")).expect("a file in our own folder");
    // Where Debian's sshd leaves the privileges that root has; it belongs to the package.
    let _ = fs::create_dir_all("/run/sshd");
    let configuration = files.write("sshd.conf", &server_text(layout, path));
    let server = programs::find("sshd").expect("sshd is there");
    // sshd wants to be called by its absolute path.
    let mut command = programs::command(server.to_str().expect("text"), &layout.server_prefix)
        .expect("sshd is there");
    command.args(["-D", "-e", "-f"]).arg(configuration);
    let server = Process::start("sshd", command);
    let client = Process::start("ssh", client_command(layout, path, entry.address));
    Running::new(entry, vec![server, client], files)
}

fn server_text(layout: &Layout, path: &Path) -> String {
    let path = path.display();
    format!(
        "ListenAddress {}\nHostKey {path}/host\nAuthorizedKeysFile {path}/authorized\n\
         PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         PermitRootLogin prohibit-password\nAllowTcpForwarding yes\nLogLevel ERROR\n\
         GatewayPorts clientspecified\nCiphers {CIPHER}\n",
        layout.listen
    )
}

/// ssh ends with its connection: a loop, as people write it, starts it again.
fn client_command(layout: &Layout, path: &Path, entry: std::net::SocketAddr) -> Command {
    let user = env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let script = format!(
        "while :; do ssh -F none -N -i {path}/user -c {CIPHER} -p {port} \
         -o StrictHostKeyChecking=no -o UserKnownHostsFile={path}/known -o LogLevel=ERROR \
         -o ExitOnForwardFailure=yes -o BatchMode=yes -o ServerAliveInterval=5 \
         -R {entry}:{origin} {user}@{host}; sleep 0.1; done",
        path = path.display(),
        port = layout.dial.port(),
        host = layout.dial.ip(),
        origin = layout.origin,
    );
    let mut command = programs::command("/bin/sh", &layout.client_prefix).expect("sh is there");
    command.args(["-c", &script]);
    command
}

fn make_key(path: &Path) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "ssh-keygen makes no key");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}
