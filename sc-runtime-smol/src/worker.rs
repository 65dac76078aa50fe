//! The loop: waits for readiness, orders and deadlines, and does what the core asks.
//!
//! One step of a worker's thread: the reactor asks the operating system, the tasks that it woke run
//! (up to 200, then the system is asked again), then the turn: tell the core what they found, take
//! the inbox, fire timers, act within a budget, report. What a budget leaves undone makes the next
//! step follow at once, so the operating system is heard between any two budgets.
//!
//! The turn owns the core; no task has a way to it, so nothing of it can be borrowed across an
//! `.await`.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::net::TcpListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_executor::{LocalExecutor, Task};
use futures_lite::StreamExt as _;
use sc_proto::contract::{DialFailure, HandOver, Note};
use sc_proto::{Action, Core, ListenerId, ListenerRole, SocketId, Time, WorkerId};

use crate::clock::Clock;
use crate::connection::{Connection, Stream};
use crate::dial::{Dialled, Dialler};
use crate::dns::NameServers;
use crate::handle::Order;
use crate::inbox::{Adoption, Inbox, Mailbox, Parcel};
use crate::listen::{self, Reception};
use crate::news::{Arrival, News};
use crate::places::Places;
use crate::reactor::{Direction, Reactor};
use crate::report::{Reported, Reporter};
use crate::resolve::Resolver;
use crate::slots::Slots;
use crate::statistics::{Work, WorkerStatistics};
use crate::transfer::{self, BYTES_PER_UNIT};

/// Messages of each kind taken from the inbox in a turn.
const MAIL_PER_TURN: usize = 64;
/// How soon an event is offered again to an embedder whose channel was full.
const REPORT_RETRY: Duration = Duration::from_millis(10);

/// One worker: a core, its sockets, and what they need.
pub(crate) struct Worker {
    core: Core,
    reactor: Rc<Reactor>,
    tasks: Rc<LocalExecutor<'static>>,
    news: Rc<News>,
    /// What was ready, taken from the news.
    ready: Vec<(SocketId, Direction)>,
    sockets: Slots<Connection>,
    dials: Slots<Task<()>>,
    listeners: BTreeMap<ListenerId, Task<()>>,
    inbox: Inbox,
    reporter: Reporter,
    peers: Arc<[Mailbox]>,
    clock: Clock,
    dialler: Dialler,
    reception: Reception,
    limits: TurnLimits,
    now: Time,
    work: Work,
}

/// What all workers of a runtime have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) peers: Arc<[Mailbox]>,
    pub(crate) places: Arc<Places>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) name_servers: Option<NameServers>,
    pub(crate) clock: Clock,
    pub(crate) dial_stagger: Duration,
    pub(crate) accept_retry: Duration,
    pub(crate) limits: TurnLimits,
}

/// How much a turn may do: see [`Options`](crate::Options).
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLimits {
    pub(crate) budget: usize,
    pub(crate) accepts: usize,
}

/// What follows a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another, at once.
    Turn,
    /// Another, when something happens or at this moment.
    Wait(Option<Time>),
    /// The runtime was told to stop.
    Stop,
}

/// Whether a part of the turn has left something undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Some,
    /// The runtime was told to stop.
    Stop,
}

impl Worker {
    /// Made in its own thread, where it stays.
    pub(crate) fn new(
        core: Core,
        reactor: Rc<Reactor>,
        inbox: Inbox,
        reporter: Reporter,
        shared: Shared,
    ) -> Self {
        let news = Rc::new(News::default());
        news.allow_accepts(shared.limits.accepts);
        Self {
            core,
            tasks: Rc::default(),
            ready: Vec::new(),
            sockets: Slots::new(),
            dials: Slots::new(),
            listeners: BTreeMap::new(),
            inbox,
            reporter,
            peers: shared.peers,
            clock: shared.clock,
            dialler: Dialler {
                reactor: Rc::clone(&reactor),
                resolver: shared.resolver,
                name_servers: shared.name_servers,
                places: Arc::clone(&shared.places),
                stagger: shared.dial_stagger,
            },
            reception: Reception {
                reactor: Rc::clone(&reactor),
                news: Rc::clone(&news),
                places: shared.places,
                clock: shared.clock,
                retry: shared.accept_retry,
            },
            reactor,
            news,
            limits: shared.limits,
            now: Time::ZERO,
            work: Work::default(),
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self) {
        let tasks = Rc::clone(&self.tasks);
        let mut tasks = pin!(tasks.run(pending::<()>()));
        let reactor = Rc::clone(&self.reactor);
        let mut alarm = pin!(None);
        poll_fn(|cx| {
            self.now = self.clock.now();
            self.work.begin(self.now);
            let _: Poll<()> = tasks.as_mut().poll(cx);
            let next = self.turn(cx);
            self.work.end(self.clock.now());
            match next {
                Next::Stop => return Poll::Ready(()),
                Next::Turn => cx.waker().wake_by_ref(),
                Next::Wait(until) => {
                    // The one timer of a worker. That it is over is seen by the turn that follows.
                    let until = until.map(|until| reactor.sleep_until(self.clock.instant(until)));
                    alarm.set(until);
                    if let Some(alarm) = alarm.as_mut().as_pin_mut()
                        && alarm.poll(cx).is_ready()
                    {
                        cx.waker().wake_by_ref();
                    }
                }
            }
            Poll::Pending
        })
        .await;
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Next {
        self.take_news();
        let mail = self.take_mail(cx);
        if mail == Left::Stop {
            return Next::Stop;
        }
        self.fire_timers();
        let actions = self.act();
        let reported = self.reporter.report(&mut self.core);
        self.news.allow_accepts(self.limits.accepts);
        // Room in the core's queue of events may be what an action waited for.
        if mail == Left::Some
            || actions == Left::Some
            || reported == Reported::Some
            || !self.news.is_empty()
        {
            return Next::Turn;
        }
        let core = self.core.next_deadline().map(|deadline| deadline.at);
        let report = self.reporter.is_held_up();
        let report = report.then(|| self.now.after(REPORT_RETRY));
        Next::Wait([core, report].into_iter().flatten().min())
    }

    fn take_news(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        self.news.take_ready(&mut ready);
        for (id, direction) in ready.drain(..) {
            match direction {
                Direction::Read => self.core.readable(id),
                Direction::Write => self.core.writable(id),
            }
        }
        self.ready = ready;
        for arrival in self.news.take_arrivals() {
            match arrival {
                Arrival::Accepted { listener, peer, stream } => {
                    if let Some(id) = self.core.accepted(listener, peer, self.now) {
                        self.keep(id, stream);
                    }
                }
                Arrival::Dialled { socket, outcome } => self.finish_dial(socket, outcome),
            }
        }
    }

    fn take_mail(&mut self, cx: &mut Context<'_>) -> Left {
        for _ in 0..MAIL_PER_TURN {
            let order = self.inbox.orders.poll_next(cx);
            let parcel = self.inbox.parcels.poll_next(cx);
            if order.is_pending() && parcel.is_pending() {
                return Left::Nothing;
            }
            match order {
                Poll::Ready(None) => return Left::Stop,
                Poll::Ready(Some(order)) => self.obey(order),
                Poll::Pending => {}
            }
            match parcel {
                Poll::Ready(Some(Parcel::Connection(adoption))) => self.adopt(*adoption),
                Poll::Ready(Some(Parcel::Note(note))) => self.core.told(note, self.now),
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        Left::Some
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Command(command) => self.core.command(command, self.now),
            Order::Listen { id, role, socket } => self.listen(id, role, socket),
            Order::Unlisten(id) => {
                self.listeners.remove(&id);
                self.core.remove_listener(id);
            }
            Order::Report(answer) => {
                // Who asked may have lost patience.
                let _ = answer.try_send(WorkerStatistics::of(&self.core, self.work));
            }
        }
    }

    fn listen(&mut self, id: ListenerId, role: ListenerRole, socket: TcpListener) {
        self.listeners.remove(&id);
        match listen::watch(&self.reactor, socket, role) {
            Ok(listener) => {
                self.core.add_listener(id, role);
                let accepting = listen::accept(listener, id, role, self.reception.clone());
                self.listeners.insert(id, self.tasks.spawn(accepting));
            }
            Err(error) => log::error!("cannot watch a listening socket: {error}"),
        }
    }

    /// Takes a connection from another worker, or back.
    fn adopt(&mut self, Adoption { stream, peer, state }: Adoption) {
        let id = self.core.adopt(state, peer, self.now);
        match stream.watch(&self.reactor) {
            Ok(stream) => self.keep(id, stream),
            Err(error) => {
                log::warn!("cannot watch a socket: {error}");
                self.try_first(id);
            }
        }
    }

    /// Keeps a connection that the core knows.
    fn keep(&mut self, id: SocketId, stream: Stream) {
        let connection = Connection::new(stream, id, &self.news, &self.tasks);
        // One that is not in the table fails in the read that follows.
        let _ = self.sockets.insert(id, connection);
        self.try_first(id);
    }

    /// A new socket is tried before it is waited for.
    fn try_first(&mut self, id: SocketId) {
        self.core.readable(id);
        self.core.writable(id);
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
    }

    /// Does what the core asks, until it has nothing more or the budget is spent.
    fn act(&mut self) -> Left {
        let mut left = self.limits.budget;
        while left > 0 {
            let Some(action) = self.core.poll_action(self.now) else {
                return Left::Nothing;
            };
            let moved = self.perform(action);
            left = left.saturating_sub(1 + moved / BYTES_PER_UNIT);
        }
        Left::Some
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
                let deadline = self.clock.instant(deadline);
                let dialling = self.dialler.clone().dial(target, class, guard, deadline);
                self.dial(socket, dialling);
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
            Action::Close { socket, mode } => match self.sockets.remove(socket) {
                Some(connection) => connection.close(mode),
                None => drop(self.dials.remove(socket)),
            },
            Action::HandOver { socket, to, state } => self.hand_over(socket, to, state),
            Action::Tell { to, note } => self.tell(to, note),
        }
        0
    }

    fn dial(&mut self, socket: SocketId, dialling: impl Future<Output = Dialled> + 'static) {
        let news = Rc::clone(&self.news);
        let task = self.tasks.spawn(async move {
            let outcome = dialling.await;
            news.arrived(Arrival::Dialled { socket, outcome });
        });
        if self.dials.insert(socket, task).is_err() {
            self.core.dial_failed(socket, DialFailure::Resources, self.now);
        }
    }

    fn finish_dial(&mut self, socket: SocketId, outcome: Dialled) {
        if self.dials.remove(socket).is_none() {
            // Cancelled in the same step.
            return;
        }
        match outcome {
            Ok((stream, peer)) => {
                let connection = Connection::new(stream, socket, &self.news, &self.tasks);
                match self.sockets.insert(socket, connection) {
                    Ok(()) => {
                        self.core.connected(socket, peer, self.now);
                        self.try_first(socket);
                    }
                    Err(_) => {
                        let failure = DialFailure::Resources;
                        self.core.dial_failed(socket, failure, self.now);
                    }
                }
            }
            Err(failure) => self.core.dial_failed(socket, failure, self.now),
        }
    }

    fn hand_over(&mut self, id: SocketId, to: WorkerId, state: HandOver) {
        let Some(connection) = self.sockets.remove(id) else {
            return;
        };
        let Ok((stream, peer)) = connection.release() else {
            // The connection has failed meanwhile.
            return;
        };
        let adoption = Box::new(Adoption { stream, peer, state });
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
        match self.peers.get(usize::from(to.0)) {
            Some(mailbox) => mailbox.give(parcel),
            None => Err(parcel),
        }
    }
}
