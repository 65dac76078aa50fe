//! Two cores talking without a network: a server, a client, a browser and a site in one thread.
//! Ten minutes of keepalives pass in an instant. `memory/mod.rs` is the driver.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod memory;

use std::error::Error;
use std::time::Duration;

use memory::{CLIENT, KGP, PROXY, SERVER, World};
use sc_proto::contract::{ClientId, Connect, ConnectionNumber, TunnelId, TunnelSecret};
use sc_proto::tls::{TlsClient, TlsServer, Trust};
use sc_proto::{Command, Config, Core, ListenerRole, WorkerId};

fn main() -> Result<(), Box<dyn Error>> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["server".into()])?.self_signed(&key)?;
    let tls = TlsServer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())?;
    let trust = TlsClient::new(Trust::Pin(tls.leaf_sha256()))?;
    // A product takes unpredictable seeds and secrets.
    let server =
        Core::new(Config { tls_server: Some(tls), ..Config::default() }, WorkerId(0), [1; 32]);
    let client = Core::new(Config::default(), WorkerId(0), [2; 32]);
    let mut world = World::new(server, client);

    let (tunnel, secret) = (TunnelId([7; 16]), TunnelSecret::new([9; 32]));
    let add = Command::AddTunnel { tunnel, secret: secret.clone(), home: WorkerId(0) };
    world.cores[SERVER].command(add, world.now);
    world.cores[SERVER].add_listener(KGP, ListenerRole::Kgp);
    world.cores[SERVER].add_listener(PROXY, ListenerRole::Ingress(tunnel));
    let connect = Connect {
        client: ClientId([1; 16]),
        connection: ConnectionNumber::ONLY,
        tunnel,
        secret,
        server: "server:443".parse()?,
        server_name: "server".into(),
        tls: trust,
    };
    world.cores[CLIENT].command(Command::Connect(Box::new(connect)), world.now);
    world.run();
    world.pass(Duration::from_secs(600));

    let browser = world.knock(PROXY).ok_or("the server does not want a browser")?;
    world.send(browser, b"GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n");
    world.run();
    let site = world.sites.pop().ok_or("nobody dialled the site")?;
    println!("{} site got {:?}", world.now, world.sent_to(site));
    world.send(site, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    world.run();
    println!("{} browser got {:?}", world.now, world.sent_to(browser));
    Ok(())
}
