//! Writes by a driver that hands copies to the kernel and hears later what has gone.

use sc_proto::{SocketId, Write};

use super::{CoreId, World};

/// A copy that is under way.
#[derive(Debug)]
pub(crate) struct Flight {
    core: CoreId,
    socket: SocketId,
    bytes: Vec<u8>,
}

impl World {
    /// From here on writes are done later than they are asked for.
    pub(crate) fn complete_later(&mut self) {
        self.flights = Some(Vec::new());
    }

    /// Copies what the core lends, unless there is a copy under way.
    pub(super) fn launch(&mut self, core: CoreId, socket: SocketId) {
        let Some(flights) = &mut self.flights else { return };
        if !flights.iter().any(|flight| (flight.core, flight.socket) == (core, socket)) {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let count = self.cores[core].write_slices(socket, &mut slices);
            flights.push(Flight { core, socket, bytes: slices[..count].concat() });
        }
        self.cores[core].write_done(socket, Write::Blocked(0), self.now);
    }

    /// Some copy is done. Says whether there was one.
    pub(super) fn land(&mut self) -> bool {
        let count = self.flights.as_ref().map_or(0, Vec::len);
        if count == 0 {
            return false;
        }
        let index = self.random(count);
        let most = 1 + self.random(100_000);
        let Some(flights) = &mut self.flights else { return false };
        let Flight { core, socket, bytes } = flights.swap_remove(index);
        let Some(end) = self.sockets.get(&(core, socket)).copied() else {
            // Closed meanwhile: the core takes no notice.
            self.cores[core].write_done(socket, Write::Bytes(bytes.len()), self.now);
            return true;
        };
        let mut slices: [&[u8]; 64] = [&[]; 64];
        let count = self.cores[core].write_slices(socket, &mut slices);
        assert!(slices[..count].concat().starts_with(&bytes), "other bytes came to the front");
        let n = bytes.len().min(most);
        self.halves[Self::other(end)].arrived.extend(&bytes[..n]);
        self.cores[core].write_done(socket, Write::Bytes(n), self.now);
        self.cores[core].writable(socket);
        self.wake_reader(Self::other(end));
        true
    }
}
