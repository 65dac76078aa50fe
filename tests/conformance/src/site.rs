//! Who is asked: applications in the office.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::tiny;

/// What each browser of [`echo_in_turn`] sends, in bytes.
pub(crate) const WORD: usize = 32;

/// Serves each connection on a thread of its own.
pub(crate) fn site(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let (listener, address) = tiny::listener();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A site that sends back what it gets, and its end after the other's.
pub(crate) fn echo() -> SocketAddr {
    site(|stream| {
        let _ = io::copy(&mut &stream, &mut &stream);
        let _ = stream.shutdown(Shutdown::Write);
    })
}

/// A site for very many: takes `count` connections, then sends a word of each back, then waits for
/// the end of each.
pub(crate) fn echo_in_turn(listener: &TcpListener, count: usize) -> io::Result<()> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        streams.push(listener.accept()?.0);
    }
    for stream in &mut streams {
        let mut word = [0; WORD];
        stream.read_exact(&mut word)?;
        stream.write_all(&word)?;
    }
    for mut stream in streams {
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// A site whose machine answers nothing: its queue is full, so the kernel drops who asks. The
/// sockets have to be kept.
pub(crate) fn silent() -> (Vec<Socket>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = vec![listener];
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if socket.connect_timeout(&address, Duration::from_millis(200)).is_err() {
            return (kept, address.as_socket().unwrap());
        }
        kept.push(socket);
    }
}

/// Has the close of a socket be a reset.
pub(crate) fn abort(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}
