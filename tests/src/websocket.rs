//! WebSockets: the echoing end of the site, and a user's end over any connection.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use crate::http::{Connection, Head};

/// The key of RFC 6455, section 1.3, as good as any in a test.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// How long the site's end waits for a message: longer than the longest soak.
const MAX_IDLE: Duration = Duration::from_secs(12 * 3600);

/// Largest message taken.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// The site's end: answers the upgrade and sends back every message until the peer closes.
pub(crate) fn echo(head: &Head, reader: impl BufRead, mut out: &TcpStream) -> io::Result<()> {
    let Some(key) = head.field("Sec-WebSocket-Key") else {
        return out.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    };
    let accept = derive_accept_key(key.as_bytes());
    out.write_all(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .as_bytes(),
    )?;
    out.set_read_timeout(Some(MAX_IDLE))?;
    let both = Both { reader, out };
    let mut socket = WebSocket::from_raw_socket(both, Role::Server, Some(config()));
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                socket.send(message).map_err(io::Error::other)?;
            }
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// A user's end: asks for the upgrade of `target` (a path, or an absolute URL for a proxy) on
/// `connection`.
///
/// # Panics
/// If the answer is not a right 101.
pub fn upgrade(mut connection: Connection, target: &str, host: &str) -> WebSocket<Connection> {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    connection.send(request).expect("the request goes out");
    let head = connection.read_head().expect("an answer to the upgrade");
    let raw = String::from_utf8_lossy(&head.raw).into_owned();
    assert_eq!(head.status(), 101, "{raw}");
    assert!(head.lists("Upgrade", "websocket"), "{raw}");
    assert!(head.lists("Connection", "upgrade"), "{raw}");
    let accept = derive_accept_key(KEY.as_bytes());
    assert_eq!(head.field("Sec-WebSocket-Accept"), Some(accept.as_str()), "{raw}");
    WebSocket::from_raw_socket(connection, Role::Client, Some(config()))
}

/// Sends messages of several kinds and sizes over `socket`, expects each back before the next
/// goes, and closes in good order.
///
/// # Panics
/// If anything comes back otherwise.
pub fn expect_echo(socket: &mut WebSocket<Connection>) {
    let big = crate::payload::Payload::new(5, 1024 * 1024).bytes();
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(vec![0, 255, 13, 10]),
        Message::binary(big),
    ] {
        socket.send(message.clone()).expect("the message goes out");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    socket.close(None).expect("the close goes out");
    loop {
        match socket.read() {
            Ok(Message::Close(_)) => {}
            Err(Error::ConnectionClosed) => return,
            other => panic!("instead of the end: {other:?}"),
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

/// One end for reading and one for writing, as a stream.
struct Both<'a, R> {
    reader: R,
    out: &'a TcpStream,
}

impl<R: Read> Read for Both<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl<R> Write for Both<'_, R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
