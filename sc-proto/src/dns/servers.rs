//! In which order the name servers are asked.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::MAX_SERVERS;
use crate::time::Time;

/// How long a server that gave no sign of life is asked last. Without it a dead first server would
/// cost each name its whole time limit.
const REST: Duration = Duration::from_secs(30);

/// Which name server is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerOrder {
    /// The first one; the others when it fails, in their order.
    #[default]
    Listed,
    /// Each name begins with the next one.
    RoundRobin,
}

/// The servers, and what is known of their health.
#[derive(Debug)]
pub(super) struct Servers {
    order: ServerOrder,
    servers: Vec<Server>,
    next: usize,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    rests_until: Time,
}

impl Servers {
    /// The first [`MAX_SERVERS`] count.
    pub(super) fn new(addresses: &[SocketAddr], order: ServerOrder) -> Self {
        let server = |address: &SocketAddr| Server { address: *address, rests_until: Time::ZERO };
        Self { order, servers: addresses.iter().take(MAX_SERVERS).map(server).collect(), next: 0 }
    }

    /// The servers for one name, in the order in which they are asked.
    pub(super) fn for_name(&mut self, now: Time) -> Vec<SocketAddr> {
        let first = match self.order {
            ServerOrder::Listed => 0,
            ServerOrder::RoundRobin => self.next,
        };
        self.next = (self.next + 1) % self.servers.len().max(1);
        let (before, behind) = self.servers.split_at(first.min(self.servers.len()));
        let turned = || behind.iter().chain(before);
        let well = turned().filter(|server| server.rests_until <= now);
        let resting = turned().filter(|server| server.rests_until > now);
        well.chain(resting).map(|server| server.address).collect()
    }

    /// A server has given an answer, whatever it was.
    pub(super) fn answered(&mut self, address: SocketAddr) {
        self.set_rest(address, Time::ZERO);
    }

    /// A server gave no sign of life.
    pub(super) fn silent(&mut self, address: SocketAddr, now: Time) {
        self.set_rest(address, now.after(REST));
    }

    fn set_rest(&mut self, address: SocketAddr, until: Time) {
        for server in self.servers.iter_mut().filter(|server| server.address == address) {
            server.rests_until = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(order: ServerOrder) -> Servers {
        let addresses = [1, 2, 3].map(|n| SocketAddr::from(([10, 0, 0, n], 53)));
        Servers::new(&addresses, order)
    }

    fn asked(servers: &mut Servers, seconds: u64) -> Vec<u8> {
        let order = servers.for_name(Time::ZERO.after(Duration::from_secs(seconds)));
        let last = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => v4.ip().octets()[3],
            SocketAddr::V6(_) => 0,
        };
        order.into_iter().map(last).collect()
    }

    #[test]
    fn the_list_is_the_order_and_round_robin_turns_it() {
        let mut listed = servers(ServerOrder::Listed);
        assert_eq!(asked(&mut listed, 0), [1, 2, 3]);
        assert_eq!(asked(&mut listed, 0), [1, 2, 3]);
        let mut turning = servers(ServerOrder::RoundRobin);
        for order in [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]] {
            assert_eq!(asked(&mut turning, 0), order);
        }
        assert!(Servers::new(&[], ServerOrder::RoundRobin).for_name(Time::ZERO).is_empty());
    }

    #[test]
    fn a_silent_server_is_asked_last_for_a_while() {
        let mut servers = servers(ServerOrder::Listed);
        servers.silent(SocketAddr::from(([10, 0, 0, 1], 53)), Time::ZERO);
        assert_eq!(asked(&mut servers, 29), [2, 3, 1]);
        assert_eq!(asked(&mut servers, 30), [1, 2, 3]);
        servers.silent(SocketAddr::from(([10, 0, 0, 1], 53)), Time::ZERO);
        servers.answered(SocketAddr::from(([10, 0, 0, 1], 53)));
        assert_eq!(asked(&mut servers, 0), [1, 2, 3]);
    }
}
