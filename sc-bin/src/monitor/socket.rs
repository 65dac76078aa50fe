//! Sockets of TCP and of the file system, as one.

#[cfg(unix)]
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use super::address::ListenAddress;

/// Where connections come in.
#[derive(Debug)]
pub(crate) enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket in the file system, which is removed at the end.
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Within this machine.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    /// Listens.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub(crate) fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp { host, port } => {
                let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
                for address in ListenAddress::resolve(host, *port)? {
                    match TcpListener::bind(address) {
                        Ok(listener) => return Ok(Self::Tcp(listener)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            ListenAddress::Unix(path) => Self::bind_path(path),
        }
    }

    /// Where it listens, as it can be dialled from this machine.
    pub(crate) fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => {
                let address = dialable(listener.local_addr()?);
                Ok(ListenAddress::Tcp { host: address.ip().to_string(), port: address.port() })
            }
            #[cfg(unix)]
            Self::Unix(_, path) => Ok(ListenAddress::Unix(path.clone())),
        }
    }

    pub(super) fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Answers are written at once.
                let _ = stream.set_nodelay(true);
                Ok(Socket::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => Ok(Socket::Unix(listener.accept()?.0)),
        }
    }

    /// For its owner only. What a process left behind that has ended is taken away.
    #[cfg(unix)]
    fn bind_path(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
            && UnixStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
        {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self::Unix(listener, path.to_owned()))
    }

    #[cfg(not(unix))]
    fn bind_path(_: &Path) -> io::Result<Self> {
        Err(io::Error::new(ErrorKind::Unsupported, "this system has no unix sockets"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Self::Unix(_, path) = self {
            // It may be gone already.
            let _ = fs::remove_file(path);
        }
    }
}

impl Socket {
    /// Connects, within `patience` for each address.
    ///
    /// # Errors
    ///
    /// Nobody listens there.
    pub(crate) fn connect(address: &ListenAddress, patience: Duration) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp { host, port } => {
                let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
                for address in ListenAddress::resolve(host, *port)? {
                    match TcpStream::connect_timeout(&dialable(address), patience) {
                        Ok(stream) => return Ok(Self::Tcp(stream)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => UnixStream::connect(path).map(Self::Unix),
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// The same connection once more.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    /// How long a read may wait. Not zero.
    pub(crate) fn set_read_timeout(&self, wait: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(wait)),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(Some(wait)),
        }
    }

    /// How long a write may wait. Not zero.
    pub(crate) fn set_write_timeout(&self, wait: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(wait)),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_write_timeout(Some(wait)),
        }
    }

    /// Ends it, in one direction or both. One that has ended already has nothing against it.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody can dial "all addresses".
fn dialable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
