//! Downloads between two network namespaces over a line with delay, a bottleneck and loss.
//!
//! ```text
//!  generator ── cloud: server ══ 25 ms each way, 1 Gbit/s, loss ══ office: client, nginx
//! ```
//!
//! Without a tunnel the generator's connections go through the cloud to nginx, over the same line.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use sc_tests::namespaces::{CongestionControl, Namespaces};
use sc_tests::packet_link::Conditions;
use sc_tests::ports;

use super::{Sample, Times, steady};
use crate::load::{Plan, Work};
use crate::origin::Origin;
use crate::peer::{Layout, Peer};

/// How much longer than elsewhere things take here: many round trips until TCP has found its rate,
/// and until its rate after a loss is a mean one.
const WARM_UP: f64 = 3.0;
const WINDOW: f64 = 1.7;

/// The line without loss; its queue holds what is on its way in one round trip.
const LINE: Conditions = Conditions {
    delay: Duration::from_millis(25),
    rate: 1000,
    queue: 6_250_000,
    one_in: 0,
    seed: 7,
};

/// One in so many packets is lost, and the columns' names for one and for 32 downloads.
const LOSSES: [(u32, &str, &str); 3] =
    [(0, "1, no loss", "32, no loss"), (1000, "1, 0.1 %", "32, 0.1 %"), (100, "1, 1 %", "32, 1 %")];

pub(super) fn measure(peer: Peer, times: Times) -> Sample {
    let times =
        Times { warm_up: times.warm_up.mul_f64(WARM_UP), window: times.window.mul_f64(WINDOW) };
    let mut sample = Sample::new();
    for (one_in, one, many) in LOSSES {
        let conditions = Conditions { one_in, ..LINE };
        let (network, _line) = Namespaces::over(conditions, CongestionControl::Cubic);
        network.let_programs_choose();
        let within = |name: &str| ["ip", "netns", "exec", name].map(str::to_owned).to_vec();
        let office = within(network.office.name());
        // The site is the office's own: nobody else reaches this address.
        let address = match peer {
            Peer::Direct => through_the_cloud(&network),
            _ => Ipv4Addr::LOCALHOST,
        };
        let origin = Origin::start_at(SocketAddr::from((address, ports::one())), &office);
        let listen = SocketAddr::from((network.cloud_address(), ports::one()));
        let layout = Layout {
            listen,
            dial: listen,
            entry: network.browsers_address().into(),
            origin: origin.address,
            server_prefix: within(network.cloud.name()),
            client_prefix: office,
        };
        let running = peer.start(&layout);
        for (name, connections) in [(one, 1), (many, 32)] {
            let plan = Plan { entry: running.entry, work: Work::Bulk, connections };
            sample.push((name, steady::rate(&running, plan, times)));
        }
    }
    sample
}

/// Has the cloud pass packets on between this process and the office; says where the office is.
fn through_the_cloud(network: &Namespaces) -> Ipv4Addr {
    let (cloud, office) = (network.browsers_address(), network.office_address());
    network.cloud.run("sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'");
    // The way back: to what is behind the cloud, with the congestion control of the line.
    let us = Ipv4Addr::from(u32::from(cloud) - 1);
    let via = network.cloud_address();
    network.office.ip(&format!("route replace {us} via {via} congctl cubic"));
    // It goes when the link to the cloud does.
    let to_office = format!("ip route replace {office} via {cloud}");
    let status = Command::new("sh").arg("-c").arg(&to_office).status();
    assert!(status.is_ok_and(|status| status.success()), "{to_office} failed");
    office
}
