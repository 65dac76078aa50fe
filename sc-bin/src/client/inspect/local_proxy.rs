//! The client's own proxy port, for people and scripts beside it.

use std::net::{SocketAddr, TcpListener};

use crate::cli::{Dialect, Settings};
use crate::client::failure::Failure;
use crate::client::plane::WorkerPlane;
use crate::monitor::ListenAddress;

/// Opens it if it is wanted; gives its address.
///
/// # Errors
///
/// The address cannot be had.
pub(in crate::client) fn open(
    settings: &Settings,
    plane: &WorkerPlane,
) -> Result<Option<SocketAddr>, Failure> {
    let address = &settings.local_proxy.address;
    let Some(ListenAddress::Tcp { host, port }) = address else { return Ok(None) };
    let failed = |error: std::io::Error| Failure::Listen {
        flag: flag(settings.dialect),
        address: ListenAddress::Tcp { host: host.clone(), port: *port }.to_string(),
        error: error.to_string(),
    };
    let socket = TcpListener::bind((host.as_str(), *port)).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    plane.listen_locally(socket)?;
    Ok(Some(address))
}

/// What people are told of it, a line each.
pub(in crate::client) fn about(address: SocketAddr) -> Vec<String> {
    let mut lines = vec![format!("Local proxy listening on {address}")];
    if !address.ip().is_loopback() {
        lines.push(format!(
            "Warning: whoever reaches {address} over the network reaches what this machine \
             reaches, with its credentials, and is asked for none"
        ));
    }
    lines
}

fn flag(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::V4 => "--scproxy-port",
        Dialect::V5 => "--debug-address",
    }
}
