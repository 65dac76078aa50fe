//! What a TCP socket of sc is set to, and how it is written, closed and accepted, whoever waits
//! for it.
//!
//! Both runtimes are built with this folder.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kernel;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pace;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_pace.rs"]
mod pace;

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::Shutdown;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsFd;
use std::time::Duration;

use sc_proto::{CloseMode, SocketClass, Time, Write};
use socket2::{SockRef, TcpKeepalive};

pub(crate) use pace::Pace;

/// Most slices in one `writev`.
pub(crate) const MAX_SLICES: usize = 32;

/// Connections that may wait in the kernel; it takes less if its own limit is lower
/// (`net.core.somaxconn`).
///
/// std listens with 128. That is few for a page that opens hundreds of connections at once, and
/// beyond it Linux answers with SYN cookies and resets some of the connections it confirmed.
pub(crate) const BACKLOG: i32 = 4096;

/// How often the log hears that accepting pauses.
pub(crate) const PAUSES_TOLD: Duration = Duration::from_secs(10);

/// Unsent bytes the kernel holds for a transport before it counts as not writable.
///
/// What lies there can no longer be overtaken by a control frame or a small flow, so it is little:
/// a millisecond at 1 Gbit/s. It is not less, because the kernel asks for more only when half of it
/// has gone, and must not run dry until the worker's next turn.
pub(crate) const TRANSPORT_UNSENT: u32 = 128 * 1024;

/// As [`TRANSPORT_UNSENT`], on a long path: congestion control that spreads packets over time holds
/// more back in the kernel, and takes a pause of the worker for a slow application.
#[cfg(any(target_os = "linux", target_os = "android"))]
const DISTANT_UNSENT: u32 = 512 * 1024;

/// Most bytes that a transport's send buffer is set to: 80 ms at 1 Gbit/s, with the kernel's books.
#[cfg(any(target_os = "linux", target_os = "android"))]
const LARGEST_SEND_BUFFER: usize = 16 * 1024 * 1024;

/// How long a proxied connection may be silent before the kernel asks whether its peer lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);

/// Most bytes thrown away before an orderly close, see [`prepare_close`].
const MAX_DISCARD: usize = 64 * 1024;

/// Whether anything may still come from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Open,
    /// The end or an error was read.
    Over,
}

/// Whether an accepted socket has the options of its listener, so that they need not be set for
/// each connection.
const INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Sets the options of `class` on a listener, where its connections inherit them.
pub(crate) fn set_listener_options(listener: SockRef<'_>, class: SocketClass) {
    if INHERITED {
        set_options(listener, class);
    }
}

/// Sets the options of `class` on an accepted socket that has not inherited them.
pub(crate) fn set_accepted_options(socket: SockRef<'_>, class: SocketClass) {
    if !INHERITED {
        set_options(socket, class);
    }
}

/// Sets the options of `class`.
///
/// A failure to set one costs speed, not correctness; and a socket that has failed already will
/// say so when read.
pub(crate) fn set_options(socket: SockRef<'_>, class: SocketClass) {
    if let Err(error) = socket.set_tcp_nodelay(true) {
        log::debug!("cannot set TCP_NODELAY: {error}");
    }
    // Who vanished without a word is noticed by the kernel. A transport has KGP's keepalive.
    if class == SocketClass::Proxied {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE);
        if let Err(error) = socket.set_tcp_keepalive(&keepalive) {
            log::debug!("cannot set SO_KEEPALIVE: {error}");
        }
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if class == SocketClass::Transport
        && let Err(error) = socket.set_tcp_notsent_lowat(TRANSPORT_UNSENT)
    {
        log::debug!("cannot set TCP_NOTSENT_LOWAT: {error}");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = TRANSPORT_UNSENT;
}

/// Sets a transport up for a long path: congestion control that measures instead of taking every
/// lost packet for a full queue, where the machine has it and lets us; and a send buffer for more
/// than the kernel grows it to by itself, where its limits allow that. What fails leaves the socket
/// as it was. With the new congestion control comes somebody to look after it.
pub(crate) fn prepare_for_distance(socket: SockRef<'_>) -> Option<Box<Pace>> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        if let Err(error) = socket.set_tcp_notsent_lowat(DISTANT_UNSENT) {
            log::debug!("cannot set TCP_NOTSENT_LOWAT: {error}");
        }
        // The kernel doubles what is set, and from then on leaves the size alone.
        if let Some(size) = larger_send_buffer()
            && let Err(error) = socket.set_send_buffer_size(size)
        {
            log::debug!("cannot set SO_SNDBUF: {error}");
        }
        match socket.set_tcp_congestion(b"bbr") {
            Ok(()) => return Some(Box::new(Pace::new())),
            Err(error) => log::debug!("cannot set TCP_CONGESTION to bbr: {error}"),
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket;
    None
}

/// Before a write: looks how a connection on a long path does, if it is one and it is time.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn look_after(pace: Option<&mut Pace>, socket: impl AsFd, now: Time) {
    if let Some(pace) = pace {
        pace.look(socket.as_fd(), now);
    }
}

/// Nothing here has to be looked after.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn look_after<S>(_: Option<&mut Pace>, _: S, _: Time) {}

/// What to set the send buffer to, so that it gets larger than the kernel would make it; `None` where
/// its limit for what programs set is lower than that.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn larger_send_buffer() -> Option<usize> {
    let limits = ["/proc/sys/net/core/wmem_max", "/proc/sys/net/ipv4/tcp_wmem"];
    let [set, grown] = limits.map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_whitespace().next_back()?.parse::<usize>().ok()
    });
    let size = set?.min(LARGEST_SEND_BUFFER);
    (2 * size > grown?).then_some(size)
}

/// Writes once to a socket that does not block.
pub(crate) fn write(mut stream: impl io::Write, slices: &[IoSlice<'_>]) -> Write {
    let outcome = retried(|| match slices {
        [one] => stream.write(one),
        many => stream.write_vectored(many),
    });
    let offered = slices.iter().map(|slice| slice.len()).sum();
    match outcome {
        Ok(n) if n < offered => Write::Blocked(n),
        Ok(n) => Write::Bytes(n),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Write::Blocked(0),
        Err(_) => Write::Failed,
    }
}

/// Does what has to be done before a socket that does not block is dropped, which closes it.
///
/// Orderly: the end of data is sent, and what has arrived is thrown away, up to a limit:
/// closing a socket with unread bytes resets it, and a reset destroys what was written but not
/// delivered (RFC 1122, section 4.2.2.13; RFC 9112, section 9.6). To wait for what is still on
/// its way is the core's part, before it closes.
pub(crate) fn prepare_close<'a, S>(stream: &'a S, mode: CloseMode, incoming: Incoming)
where
    &'a S: Read,
    SockRef<'a>: From<&'a S>,
{
    match (mode, incoming) {
        (CloseMode::Abort, _) => {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        (CloseMode::Graceful, Incoming::Over) => {}
        (CloseMode::Graceful, Incoming::Open) => {
            let _ = SockRef::from(stream).shutdown(Shutdown::Write);
            discard(stream);
        }
    }
}

fn discard(mut stream: impl Read) {
    let mut bin = [0; 8 * 1024];
    let mut left = MAX_DISCARD;
    while let Ok(n @ 1..) = retried(|| stream.read(&mut bin)) {
        left = left.saturating_sub(n);
        if n < bin.len() || left == 0 {
            break;
        }
    }
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Errors that accept(2) passes on from the new connection: it is gone, the next may be fine.
/// What might stay for good, as `EPERM`, is not among them.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}

/// Tells the log that nobody is accepted for now.
pub(crate) fn tell_pause(why: &str) {
    log::warn!(
        "new connections wait: {why}; raise the limit of open files (ulimit -n) if this goes on"
    );
}
