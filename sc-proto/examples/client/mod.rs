//! What the examples that dial a server take from their command line and print. Of no use beyond
//! examples: the secret shows in `ps`.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::BuildHasher as _;
use std::ops::ControlFlow;
use std::time::SystemTime;

use sc_proto::contract::{ClientId, Connect, ConnectionNumber, TunnelSecret};
use sc_proto::tls::{TlsClient, Trust};
use sc_proto::{Command, Config, Core, Event, WorkerId};

/// A client's core, and the command that has it connect. The arguments are those of a tunnel that
/// a server expects: `TUNNEL SECRET SERVER:PORT PIN`, where PIN is the SHA-256 of its certificate.
pub(crate) fn from_arguments() -> Result<(Core, Command), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("needs TUNNEL SECRET SERVER:PORT PIN");
    let connect = Connect {
        tunnel: next()?.parse()?,
        secret: next()?.parse()?,
        client: ClientId(random()),
        connection: ConnectionNumber::ONLY,
        server: next()?.parse()?,
        server_name: "pinned".into(),
        // A pin is 32 bytes in hex, as a secret is.
        tls: TlsClient::new(Trust::Pin(*next()?.parse::<TunnelSecret>()?.expose()))?,
    };
    let unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let config = Config { unix_time_at_zero: unix_time.as_secs(), ..Config::default() };
    Ok((Core::new(config, WorkerId(0), random()), Command::Connect(Box::new(connect))))
}

/// std seeds its hash maps from the system's random numbers. A product takes those themselves.
fn random<const N: usize>() -> [u8; N] {
    std::array::from_fn(|_| RandomState::new().hash_one(0) as u8)
}

/// Prints an event. The example is over when its tunnel is.
pub(crate) fn report(event: Event) -> ControlFlow<()> {
    println!("{event:?}");
    match event {
        Event::ConnectFailed { .. } | Event::TunnelDown { .. } | Event::Stopped => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    }
}
