//! What Linux tells of a connection, and the one thing about its speed that it lets us say.
//!
//! Neither std, socket2 nor rustix has these two options of a socket, and libc's `tcp_info` ends before the
//! fields that count here. The gain: 32 downloads over 50 ms at 1 Gbit/s reach 120 MB/s instead of 103
//! (row h in docs/performance.md).

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use libc::socklen_t;

/// How a connection's path looks from here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// Smoothed round trip time, in microseconds.
    pub(super) rtt: u32,
    /// The shortest one of late, in microseconds.
    pub(super) best_rtt: u32,
    /// Segments sent, those sent again among them. Wraps.
    pub(super) segments: u32,
    /// Segments sent again. Wraps.
    pub(super) again: u32,
    /// What arrives at the peer, in bytes a second.
    pub(super) delivery_rate: u64,
}

/// The beginning of Linux' `struct tcp_info` (include/uapi/linux/tcp.h), which only ever grows at its end.
/// Fields that nobody reads stand here for their size.
#[repr(C)]
#[derive(Default)]
struct TcpInfo {
    states: [u8; 8],
    timeouts: [u32; 15],
    rtt: u32,
    sizes: [u32; 7],
    total_retrans: u32,
    pacing_rates: [u64; 2],
    bytes: [u64; 2],
    segs_out: u32,
    segs_in: u32,
    notsent_bytes: u32,
    min_rtt: u32,
    data_segs: [u32; 2],
    delivery_rate: u64,
}

const SIZE: usize = size_of::<TcpInfo>();
const _: () = assert!(SIZE == 168 && std::mem::offset_of!(TcpInfo, min_rtt) == 148);

/// Asks for the state of a TCP connection.
///
/// # Errors
/// The descriptor is no TCP socket, or the kernel is older than 4.9 and has less to tell.
pub(super) fn path(socket: BorrowedFd<'_>) -> io::Result<Path> {
    let mut info = TcpInfo::default();
    let mut length = SIZE as socklen_t;
    // SAFETY: `info` is `length` bytes of plain integers that the kernel may fill as it likes, and it
    // writes no more than `length`. The descriptor is borrowed, so it is open.
    #[allow(unsafe_code)]
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast::<c_void>(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < SIZE {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(Path {
        rtt: info.rtt,
        best_rtt: info.min_rtt,
        segments: info.segs_out,
        again: info.total_retrans,
        delivery_rate: info.delivery_rate,
    })
}

/// Limits how fast a connection sends, in bytes a second; `u64::MAX` is no limit.
///
/// # Errors
/// The descriptor is no socket.
pub(super) fn limit_rate(socket: BorrowedFd<'_>, rate: u64) -> io::Result<()> {
    // SAFETY: the kernel reads the 8 bytes of `rate`, which outlives the call.
    #[allow(unsafe_code)]
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const rate).cast::<c_void>(),
            size_of::<u64>() as socklen_t,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_tells_of_its_path_and_takes_a_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(&[7; 10_000]).unwrap();
        far.read_exact(&mut [0; 10_000]).unwrap();
        far.write_all(b"x").unwrap();
        near.read_exact(&mut [0; 1]).unwrap();
        let seen = path(near.as_fd()).unwrap();
        assert!(seen.segments > 1 && seen.rtt > 0 && seen.best_rtt <= seen.rtt, "{seen:?}");
        assert!(seen.delivery_rate > 0 && seen.again <= seen.segments, "{seen:?}");
        limit_rate(near.as_fd(), 1_000_000).unwrap();
        limit_rate(near.as_fd(), u64::MAX).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(path(file.as_fd()).is_err() && limit_rate(file.as_fd(), 1).is_err());
    }
}
