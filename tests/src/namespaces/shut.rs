//! Closing a connection of another process in good order, which no tool of the kernel's does: its
//! socket is borrowed from the process and shut, so that TCP sends a FIN.

use std::fs;
use std::net::Shutdown;
use std::path::PathBuf;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::Socket;

/// Shuts down sending on every established TCP connection of process `pid` whose own port is
/// `port`, and says how many there were.
///
/// # Panics
/// If the process is gone, or we may not.
pub(super) fn shut_connections(pid: u32, port: u16) -> usize {
    let inodes = established(pid, port);
    let process = Pid::from_raw(pid.cast_signed()).expect("a process id");
    let process = pidfd_open(process, PidfdFlags::empty()).expect("the process lives");
    let mut count = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives").flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let (Some(number), true) = (number, inodes.contains(&target)) else { continue };
        // The process may have closed it since it was listed.
        let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) else { continue };
        // One that the peer has reset meanwhile needs no FIN.
        count += usize::from(Socket::from(socket).shutdown(Shutdown::Write).is_ok());
    }
    count
}

/// What the links in `/proc/PID/fd` to such connections say.
fn established(pid: u32, port: u16) -> Vec<PathBuf> {
    // As the process sees it, in its own network namespace.
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).expect("the process lives");
    let pick = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, own_port) = fields.get(1)?.split_once(':')?;
        let is_meant = u16::from_str_radix(own_port, 16).ok()? == port && *fields.get(3)? == "01";
        is_meant.then(|| PathBuf::from(format!("socket:[{}]", fields[9])))
    };
    table.lines().skip(1).filter_map(pick).collect()
}
