//! Who asks the proxy port for connections.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::tiny::tiny;

/// Longer than anything here may take; the time limit of the scenario comes first.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a proxy answered to CONNECT.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The word for machines on a page of the proxy's own; empty on success.
    pub(crate) error: String,
    /// The connection, behind the answer's head.
    pub(crate) stream: TcpStream,
}

/// Asks for a connection, and does not wait for the answer.
pub(crate) fn ask(proxy: SocketAddr, target: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    tiny(&SockRef::from(&socket)).unwrap();
    socket.connect(&proxy.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
    stream
}

/// Takes the answer's head.
pub(crate) fn answer(mut stream: TcpStream) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let error = head.lines().find_map(|line| line.strip_prefix("X-Sc-Error: "));
    Answer { status, error: error.unwrap_or_default().to_owned(), stream }
}

/// Asks for a connection and waits for the answer.
pub(crate) fn connect(proxy: SocketAddr, target: &str) -> Answer {
    answer(ask(proxy, target))
}

/// A connection to a site; anything but success fails the scenario.
pub(crate) fn reach(proxy: SocketAddr, site: SocketAddr) -> TcpStream {
    let answer = connect(proxy, &site.to_string());
    assert_eq!(answer.status, 200, "{}", answer.error);
    answer.stream
}

/// Bytes that differ at each place, so that a lost or doubled piece shows.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Sends `bytes` and the end, receives until the end, both at once.
pub(crate) fn exchange(stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = stream;
            writer.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::with_capacity(bytes.len());
        let mut reader = stream;
        reader.read_to_end(&mut back).unwrap();
        back
    })
}

/// Has the echoing site send `bytes` back, and both sides end.
pub(crate) fn expect_echo(stream: &TcpStream, bytes: &[u8]) {
    let back = exchange(stream, bytes);
    assert_eq!(back.len(), bytes.len(), "the site's echo has another length");
    assert!(back == bytes, "the site's echo has other bytes");
}
