//! A driver without an operating system: connections are pipes of memory, time is a number.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sc_proto::{Action, Core, ListenerId, Read, SocketId, Time, Write};

pub(crate) const SERVER: usize = 0;
pub(crate) const CLIENT: usize = 1;
pub(crate) const KGP: ListenerId = ListenerId(0);
pub(crate) const PROXY: ListenerId = ListenerId(1);

/// One end of a connection. The other end is its neighbour: 0 and 1, 2 and 3 ...
pub(crate) type End = usize;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) cores: Vec<Core>,
    /// The ends that a core holds.
    sockets: BTreeMap<(usize, SocketId), End>,
    /// What has arrived at each end, and whether that is all.
    arrived: Vec<(VecDeque<u8>, bool)>,
    /// Where the client's connections to sites end.
    pub(crate) sites: Vec<End>,
    pub(crate) now: Time,
}

impl World {
    pub(crate) fn new(server: Core, client: Core) -> Self {
        Self { cores: vec![server, client], ..Self::default() }
    }

    /// A new connection: its two ends.
    fn connection(&mut self) -> (End, End) {
        self.arrived.extend([Default::default(), Default::default()]);
        (self.arrived.len() - 2, self.arrived.len() - 1)
    }

    /// Whoever holds this end may read and write it.
    fn wake(&mut self, end: End) {
        let holder = self.sockets.iter().find(|(_, held)| **held == end);
        if let Some(((core, id), _)) = holder {
            self.cores[*core].readable(*id);
            self.cores[*core].writable(*id);
        }
    }

    /// Whoever holds this end sends.
    pub(crate) fn send(&mut self, from: End, bytes: &[u8]) {
        self.arrived[from ^ 1].0.extend(bytes);
        self.wake(from ^ 1);
    }

    /// What has arrived at an end so far.
    pub(crate) fn sent_to(&self, end: End) -> String {
        let bytes: Vec<u8> = self.arrived[end].0.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Someone connects to a listener of the server.
    pub(crate) fn knock(&mut self, listener: ListenerId) -> Option<End> {
        let (mine, theirs) = self.connection();
        let peer = ([127, 0, 0, 1], 9).into();
        let id = self.cores[SERVER].accepted(listener, peer, self.now)?;
        self.sockets.insert((SERVER, id), theirs);
        Some(mine)
    }

    /// Does all that the cores want, until they want nothing more at this moment.
    pub(crate) fn run(&mut self) {
        while let Some((core, action)) = [SERVER, CLIENT]
            .into_iter()
            .find_map(|core| Some((core, self.cores[core].poll_action(self.now)?)))
        {
            let _ = self.perform(core, action);
            while let Some(event) = self.cores[core].poll_event() {
                println!("{} {}: {event:?}", self.now, ["server", "client"][core]);
            }
        }
    }

    /// Carries out one action. `None`: of a socket that is gone.
    fn perform(&mut self, core: usize, action: Action) -> Option<()> {
        let held = |id| self.sockets.get(&(core, id)).copied();
        match action {
            Action::Dial { socket: id, target, .. } => {
                let end = match target.port {
                    443 => self.knock(KGP)?,
                    _ => {
                        let (mine, theirs) = self.connection();
                        self.sites.push(theirs);
                        mine
                    }
                };
                self.sockets.insert((core, id), end);
                self.cores[core].connected(id, ([127, 0, 0, 1], target.port).into(), self.now);
            }
            Action::Read(id) => {
                let (arrived, ended) = &mut self.arrived[held(id)?];
                let space = self.cores[core].read_space(id);
                let n = space.len().min(arrived.len());
                for (place, byte) in space.iter_mut().zip(arrived.drain(..n)) {
                    *place = byte;
                }
                let read = if n > 0 { Read::Bytes(n) } else { Read::WouldBlock };
                let read = if n == 0 && *ended { Read::End } else { read };
                self.cores[core].read_done(id, read, self.now);
            }
            Action::Write(id) => {
                let mut slices: [&[u8]; 16] = [&[]; 16];
                let end = held(id)?;
                let count = self.cores[core].write_slices(id, &mut slices);
                let bytes = slices[..count].concat();
                self.send(end, &bytes);
                self.cores[core].write_done(id, Write::Bytes(bytes.len()), self.now);
            }
            Action::ShutdownWrite(id) => {
                let other = held(id)? ^ 1;
                self.arrived[other].1 = true;
                self.wake(other);
            }
            Action::LongPath(_) => {}
            Action::Close { socket: id, .. } | Action::HandOver { socket: id, .. } => {
                let other = self.sockets.remove(&(core, id))? ^ 1;
                self.arrived[other].1 = true;
                self.wake(other);
            }
            Action::Tell { .. } => {}
        }
        Some(())
    }

    /// Lets time pass. Nobody sleeps: the clock jumps from deadline to deadline.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = self.now.after(span);
        while self.now < until {
            let due = self.cores.iter().filter_map(Core::next_deadline).map(|due| due.at).min();
            self.now = due.unwrap_or(until).clamp(self.now, until);
            self.cores.iter_mut().for_each(|core| core.handle_timeout(self.now));
            self.run();
        }
    }
}
