//! Dials: how the world answers them, and when.

use std::time::Duration;

use sc_proto::contract::DialFailure;
use sc_proto::{SocketId, Time};

use super::{CoreId, Holder, KGP, World};

/// The way from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// A dial takes this long.
    Slow(Duration),
    /// A dial fails at once.
    Unreachable,
    Refusing,
    /// Nobody hears of a dial, nor answers it, also when the way is open again.
    Swallowing,
}

/// A dial under way.
#[derive(Debug)]
pub(super) struct Dial {
    core: CoreId,
    socket: SocketId,
    target: String,
    outcome: Outcome,
    /// When the outcome is told.
    at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Server,
    Site,
    /// A site that gives no answer as long as the test wants that.
    Hanging,
    Failed(DialFailure),
}

impl World {
    /// A core dials; `deadline` is when it gives up.
    pub(super) fn dial(&mut self, core: CoreId, socket: SocketId, target: String, deadline: Time) {
        let now = self.now;
        let (outcome, at) = if target == "server:443" {
            match self.way {
                Way::Open => (Outcome::Server, now),
                Way::Slow(time) if now.after(time) < deadline => (Outcome::Server, now.after(time)),
                Way::Slow(_) | Way::Swallowing => {
                    (Outcome::Failed(DialFailure::TimedOut), deadline)
                }
                Way::Unreachable => (Outcome::Failed(DialFailure::Unreachable), now),
                Way::Refusing => (Outcome::Failed(DialFailure::Refused), now),
            }
        } else if self.refusing || target.starts_with("refused") {
            (Outcome::Failed(DialFailure::Refused), now)
        } else if target.starts_with("hanging") {
            (Outcome::Hanging, now)
        } else {
            (Outcome::Site, now)
        };
        self.dialling.push(Dial { core, socket, target, outcome, at });
    }

    /// A core closes a socket that may still be dialling.
    pub(super) fn forget_dial(&mut self, core: CoreId, socket: SocketId) {
        self.dialling.retain(|dial| (dial.core, dial.socket) != (core, socket));
    }

    /// The sockets that are dialling.
    pub(super) fn dialling(&self) -> impl Iterator<Item = (CoreId, SocketId)> {
        self.dialling.iter().map(|dial| (dial.core, dial.socket))
    }

    /// When the next dial is answered.
    pub(super) fn next_dial(&self) -> Option<Time> {
        self.dialling.iter().filter(|dial| !self.hangs(dial)).map(|dial| dial.at).min()
    }

    fn hangs(&self, dial: &Dial) -> bool {
        self.hanging && dial.outcome == Outcome::Hanging
    }

    /// Tells the outcomes that are due; says whether there was one.
    pub(super) fn finish_dials(&mut self) -> bool {
        let (kept, due) = std::mem::take(&mut self.dialling)
            .into_iter()
            .partition::<Vec<_>, _>(|dial| dial.at > self.now || self.hangs(dial));
        self.dialling = kept;
        let any = !due.is_empty();
        for Dial { core, socket, target, outcome, .. } in due {
            match outcome {
                Outcome::Server => self.finish_transport_dial(core, socket),
                Outcome::Site => {
                    let (a, b) = self.pair(Holder::Nobody, Holder::Test);
                    self.cores[core].connected(socket, Self::peer_address(), self.now);
                    self.hold(core, socket, a);
                    self.sites.push_back((target, b));
                }
                Outcome::Hanging => {
                    self.cores[core].dial_failed(socket, DialFailure::TimedOut, self.now);
                }
                Outcome::Failed(failure) => {
                    self.cores[core].dial_failed(socket, failure, self.now);
                }
            }
        }
        any
    }

    fn finish_transport_dial(&mut self, core: CoreId, socket: SocketId) {
        let (a, b) = self.pair(Holder::Nobody, Holder::Nobody);
        let accepted = self.cores[0].accepted(KGP, Self::peer_address(), self.now);
        self.cores[core].connected(socket, Self::peer_address(), self.now);
        self.transports.push(a);
        self.hold(core, socket, a);
        match accepted {
            Some(accepted) => self.hold(0, accepted, b),
            None => self.abort(b),
        }
    }
}
