//! The loop: waits for readiness, orders and deadlines, and does what the core asks.
//!
//! One turn: poll, tell the core what is ready, take the inbox, fire timers, accept, act within a
//! budget, report. What a budget leaves undone makes the next poll return at once, so the
//! operating system is heard between any two budgets.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::event::Event as Readiness;
use mio::{Events, Poll};
use sc_proto::contract::{DialFailure, HandOver, Note};
use sc_proto::{Action, CloseMode, Core, SocketId, Time, WorkerId};

use crate::capacity::Capacity;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::dial::{Dials, Means, Outcome};
use crate::handle::Order;
use crate::inbox::{Adoption, Inbox, Mailbox, Parcel};
use crate::listen::{Accepted, Listeners, Step};
use crate::report::{Reported, Reporter};
use crate::slots::Slots;
use crate::statistics::{Work, WorkerStatistics};
use crate::token::{Source, Tokens};
use crate::transfer::{self, BYTES_PER_UNIT};

/// Readiness events taken from the operating system at once.
const EVENTS: usize = 1024;
/// Messages of each kind taken from the inbox in a turn.
const MAIL_PER_TURN: usize = 64;
/// How soon an event is offered again to an embedder whose channel was full.
const REPORT_RETRY: Duration = Duration::from_millis(10);

/// One worker: a core, its sockets, and what they need.
pub(crate) struct Worker {
    core: Core,
    poll: Poll,
    tokens: Tokens,
    sockets: Slots<Connection>,
    dials: Dials,
    listeners: Listeners,
    inbox: Inbox,
    reporter: Reporter,
    shared: Shared,
    limits: TurnLimits,
    now: Time,
    work: Work,
    /// The inbox may hold messages.
    mail: bool,
    /// The core may have actions.
    actions: bool,
}

/// What all workers of a runtime have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) peers: Arc<[Mailbox]>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) clock: Clock,
}

/// How much a turn may do: see [`Options`](crate::Options).
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLimits {
    pub(crate) budget: usize,
    pub(crate) accepts: usize,
}

/// The parts a worker is made of.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) poll: Poll,
    pub(crate) inbox: Inbox,
    pub(crate) dials: Dials,
    pub(crate) listeners: Listeners,
    pub(crate) reporter: Reporter,
}

impl Worker {
    pub(crate) fn new(parts: Parts, shared: Shared, limits: TurnLimits) -> Self {
        Self {
            core: parts.core,
            poll: parts.poll,
            tokens: Tokens::default(),
            sockets: Slots::new(),
            dials: parts.dials,
            listeners: parts.listeners,
            inbox: parts.inbox,
            reporter: parts.reporter,
            shared,
            limits,
            now: Time::ZERO,
            work: Work::default(),
            mail: true,
            actions: true,
        }
    }

    /// Runs until told to stop. An error means that the operating system's poll is broken.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.shared.stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.now = self.shared.clock.now();
            self.work.begin(self.now);
            for event in &events {
                self.notice(event);
            }
            self.take_mail();
            self.fire_timers();
            self.accept();
            self.act();
            // Room in the core's queue of events may be what an action waited for.
            self.actions |= self.reporter.report(&mut self.core) == Reported::Some;
            self.work.end(self.shared.clock.now());
        }
        Ok(())
    }

    /// How long to wait for the operating system. `None`: until something happens.
    fn timeout(&self) -> Option<Duration> {
        if self.actions || self.mail || self.listeners.has_work() {
            return Some(Duration::ZERO);
        }
        let core = self.core.next_deadline().map(|deadline| deadline.at);
        let report = self.reporter.is_held_up();
        let report = report.then(|| self.now.after(REPORT_RETRY));
        let dials = self.dials.next_alarm();
        let listeners = self.listeners.next_retry();
        let first = [core, report, dials, listeners].into_iter().flatten().min();
        first.map(|at| at.since(self.now))
    }

    /// Passes a readiness event on to whom it concerns.
    fn notice(&mut self, event: &Readiness) {
        match Source::of(event.token()) {
            Source::Wake => self.mail = true,
            Source::Listener(slot) => self.listeners.ready(slot, event.token()),
            Source::Socket(index) => match self.sockets.at_mut(index) {
                Some((id, connection)) if connection.token() == event.token() => {
                    connection.note(event);
                    self.tell_ready(id, event);
                }
                _ => {
                    let (dials, mut means) = self.dialling();
                    let outcome = dials.ready(&mut means, index, event);
                    self.finish_dial(outcome, Some(event));
                }
            },
        }
    }

    /// An error or a hang-up shows in the next read and the next write, so it counts as both.
    fn tell_ready(&mut self, id: SocketId, event: &Readiness) {
        let failed = event.is_error() || event.is_write_closed();
        if failed || event.is_readable() || event.is_read_closed() {
            self.core.readable(id);
        }
        if failed || event.is_writable() {
            self.core.writable(id);
        }
    }

    fn take_mail(&mut self) {
        if !self.mail {
            return;
        }
        // Cleared first: a message sent from here on wakes again.
        self.mail = false;
        for turn in 1..=MAIL_PER_TURN {
            let order = self.inbox.orders.try_recv().ok();
            let parcel = self.inbox.parcels.try_recv().ok();
            let answer = self.inbox.answers.try_recv().ok();
            if order.is_none() && parcel.is_none() && answer.is_none() {
                return;
            }
            if let Some(order) = order {
                self.obey(order);
            }
            match parcel {
                Some(Parcel::Connection(adoption)) => self.adopt(*adoption),
                Some(Parcel::Note(note)) => self.core.told(note, self.now),
                None => {}
            }
            if let Some(answer) = answer {
                let (dials, mut means) = self.dialling();
                let outcome = dials.answered(&mut means, answer);
                self.finish_dial(outcome, None);
            }
            self.mail = turn == MAIL_PER_TURN;
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Command(command) => self.core.command(command, self.now),
            Order::Listen { id, role, socket } => {
                let registry = self.poll.registry();
                match self.listeners.add(registry, &mut self.tokens, id, role, socket) {
                    Ok(()) => self.core.add_listener(id, role),
                    Err(error) => log::error!("cannot watch a listening socket: {error}"),
                }
            }
            Order::Unlisten(id) => {
                self.listeners.remove(self.poll.registry(), id);
                self.core.remove_listener(id);
            }
            Order::Report(answer) => {
                // Who asked may have lost patience.
                let _ = answer.try_send(WorkerStatistics::of(&self.core, self.work));
            }
        }
    }

    fn fire_timers(&mut self) {
        if let Some(deadline) = self.core.next_deadline()
            && deadline.at <= self.now
        {
            self.core.handle_timeout(self.now);
            debug_assert!(
                self.core.next_deadline().is_none_or(|next| next.at > self.now),
                "the core's deadline {deadline:?} did not move"
            );
        }
        loop {
            let (dials, mut means) = self.dialling();
            let outcome = dials.expire(&mut means);
            if outcome.is_none() {
                break;
            }
            self.finish_dial(outcome, None);
        }
        self.listeners.retry(self.now);
    }

    fn accept(&mut self) {
        for _ in 0..self.limits.accepts {
            match self.listeners.accept(self.now) {
                Step::Accepted(accepted) => self.welcome(accepted),
                Step::Skipped => {}
                Step::Idle => return,
            }
        }
    }

    fn welcome(&mut self, accepted: Accepted) {
        let Some(id) = self.core.accepted(accepted.listener, accepted.peer, self.now) else {
            return;
        };
        let token = self.tokens.socket(id.index());
        let Accepted { stream, permit, .. } = accepted;
        self.keep(id, Connection::new(stream, token, permit));
    }

    /// Takes a connection from another worker, or back. What happened to it in between is unknown, so it
    /// counts as ready for both.
    fn adopt(&mut self, adoption: Adoption) {
        let id = self.core.adopt(adoption.state, adoption.peer, self.now);
        self.keep(id, adoption.connection);
        self.core.readable(id);
        self.core.writable(id);
    }

    /// Watches a connection that the core knows. Registering tells its present state as an event.
    fn keep(&mut self, id: SocketId, mut connection: Connection) {
        let token = self.tokens.socket(id.index());
        let registered = connection.register(self.poll.registry(), token);
        if let Err(error) = &registered {
            log::warn!("cannot watch a socket: {error}");
        }
        if registered.is_err() || self.sockets.insert(id, connection).is_err() {
            // Not in the table: the read and the write that follow report its failure.
            self.core.readable(id);
            self.core.writable(id);
        }
    }

    /// Does what the core asks, until it has nothing more or the budget is spent.
    fn act(&mut self) {
        let mut left = self.limits.budget;
        while left > 0 {
            let Some(action) = self.core.poll_action(self.now) else {
                self.actions = false;
                return;
            };
            let moved = self.perform(action);
            left = left.saturating_sub(1 + moved / BYTES_PER_UNIT);
        }
        self.actions = true;
    }

    /// Carries out one action; says how many bytes it moved.
    fn perform(&mut self, action: Action) -> usize {
        match action {
            Action::Read(id) => {
                return transfer::read(&mut self.core, id, self.sockets.get_mut(id), self.now);
            }
            Action::Write(id) => {
                return transfer::write(&mut self.core, id, self.sockets.get_mut(id), self.now);
            }
            Action::Dial { socket, target, class, guard, deadline } => {
                let (dials, mut means) = self.dialling();
                let outcome = dials.start(&mut means, socket, &target, class, guard, deadline);
                self.finish_dial(outcome, None);
            }
            Action::ShutdownWrite(id) => {
                if let Some(connection) = self.sockets.get_mut(id) {
                    connection.shutdown_write();
                }
            }
            Action::LongPath(id) => {
                if let Some(connection) = self.sockets.get_mut(id) {
                    connection.prepare_for_distance();
                }
            }
            Action::Close { socket, mode } => self.close(socket, mode),
            Action::HandOver { socket, to, state } => self.hand_over(socket, to, state),
            Action::Tell { to, note } => self.tell(to, note),
        }
        0
    }

    fn close(&mut self, id: SocketId, mode: CloseMode) {
        match self.sockets.remove(id) {
            Some(connection) => connection.close(mode),
            None => self.dials.cancel(id),
        }
        self.listeners.socket_closed();
    }

    fn hand_over(&mut self, id: SocketId, to: WorkerId, state: HandOver) {
        let Some(mut connection) = self.sockets.remove(id) else {
            return;
        };
        let Ok(peer) = connection.deregister(self.poll.registry()) else {
            // The connection has failed meanwhile.
            return self.listeners.socket_closed();
        };
        let adoption = Box::new(Adoption { connection, peer, state });
        if let Err(Parcel::Connection(back)) = self.give(to, Parcel::Connection(adoption)) {
            log::warn!("worker {} cannot take the connection of {peer} now", to.0);
            self.adopt(*back);
        }
    }

    fn tell(&mut self, to: WorkerId, note: Note) {
        if let Err(Parcel::Note(note)) = self.give(to, Parcel::Note(note)) {
            self.core.untold(to, note, self.now);
        }
    }

    /// Gives something to another worker, or back.
    fn give(&self, to: WorkerId, parcel: Parcel) -> Result<(), Parcel> {
        match self.shared.peers.get(usize::from(to.0)) {
            Some(mailbox) => mailbox.give(parcel),
            None => Err(parcel),
        }
    }

    fn finish_dial(&mut self, outcome: Option<Outcome>, event: Option<&Readiness>) {
        match outcome {
            None => {}
            Some(Outcome::Failed { socket, failure }) => {
                self.core.dial_failed(socket, failure, self.now);
            }
            Some(Outcome::Connected { socket, connection, peer }) => {
                match self.sockets.insert(socket, connection) {
                    Ok(()) => {
                        self.core.connected(socket, peer, self.now);
                        if let Some(event) = event {
                            self.tell_ready(socket, event);
                        }
                    }
                    Err(_) => {
                        let failure = DialFailure::Resources;
                        self.core.dial_failed(socket, failure, self.now);
                    }
                }
            }
        }
    }

    /// The dials and what they need of the rest.
    fn dialling(&mut self) -> (&mut Dials, Means<'_>) {
        let means = Means {
            registry: self.poll.registry(),
            tokens: &mut self.tokens,
            capacity: &self.shared.capacity,
            now: self.now,
        };
        (&mut self.dials, means)
    }
}
