//! Small socket buffers, so that loopback behaves like a bad network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, SockRef, Socket, Type};

/// Bytes of each buffer; the kernel takes twice as much for its own bookkeeping.
const BUFFER: usize = 8 * 1024;
/// Bytes of a segment: loopback's own are larger than the buffers, which stalls them.
const SEGMENT: u32 = 1_400;
/// Room for all who come at once.
const BACKLOG: i32 = 4096;

/// Makes the buffers of a socket small. To be called before it listens or connects.
pub(crate) fn tiny(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_tcp_mss(SEGMENT)
}

/// A listener on a free port, whose connections have small buffers.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    tiny(&SockRef::from(&socket)).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(BACKLOG).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nothing listens. The socket keeps others from taking the port.
pub(crate) fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}
