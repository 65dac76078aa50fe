//! The site at the end of the doctor's tunnel: a few bytes, or many.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How many bytes `/many` has.
pub(super) const MANY: u64 = 16 << 20;
/// How long it waits for a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that are served at most: the doctor's own need a few.
const CONNECTIONS: usize = 16;

/// Serves on loopback until the process ends. Says where.
///
/// # Errors
///
/// No port or no thread is left.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("sc-doctor-site".to_owned()).spawn(move || {
        for socket in listener.incoming().take(CONNECTIONS).flatten() {
            let thread = thread::Builder::new().name("sc-doctor-site".to_owned());
            // One that cannot be served is closed.
            let _ = thread.spawn(move || serve(socket));
        }
    })?;
    Ok(address)
}

fn serve(socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let mut answers = socket.try_clone()?;
    let mut lines = BufReader::new(socket).lines();
    while let Some(first) = lines.next().transpose()? {
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let length = if first.contains("/many") { MANY } else { 2 };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        answers.write_all(head.as_bytes())?;
        io::copy(&mut io::Read::take(io::repeat(b'x'), length), &mut answers)?;
    }
    Ok(())
}
