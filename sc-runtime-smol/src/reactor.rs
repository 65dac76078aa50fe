//! Readiness and time for the tasks of one thread.
//!
//! Over `polling`, which async-io is built on too. async-io itself has one reactor for the whole
//! process and a thread of its own beside the workers, which wakes up about a dozen times after
//! every event that a worker took (measured: 65 times in 10 idle seconds with a keepalive every
//! 2 s). This one belongs to its worker: no further thread, no lock, no wake-up that nobody needs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use polling::{AsRawSource, AsSource, Event, Events, PollMode, Poller};

/// The longest sleep: no clock ends before.
const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What waits in one thread, and for what.
#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Arc<Poller>,
    /// By their keys, which are never used again: a late event finds nobody.
    sources: RefCell<HashMap<usize, Rc<Source>>>,
    last_key: Cell<usize>,
    /// Who sleeps until when.
    sleepers: RefCell<BTreeMap<(Instant, usize), Waker>>,
}

/// What is waited for at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// The two directions of a socket.
#[derive(Debug, Default)]
struct Source {
    read: RefCell<Wait>,
    write: RefCell<Wait>,
}

#[derive(Debug, Default)]
enum Wait {
    #[default]
    No,
    /// The system was asked to tell.
    Asked(Waker),
    /// The system told of the other direction, and with that forgot this one.
    Forgotten,
    /// It has come, and whoever waited was woken.
    Over,
}

/// A socket that does not block and whose readiness can be awaited.
#[derive(Debug)]
pub(crate) struct Watched<T: AsSource> {
    io: Rc<T>,
    registration: Registration<T>,
}

/// The reactor's knowledge of a socket; ends when dropped.
#[derive(Debug)]
struct Registration<T: AsSource> {
    io: Rc<T>,
    key: usize,
    source: Rc<Source>,
    reactor: Rc<Reactor>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            poller: Arc::new(Poller::new()?),
            sources: RefCell::default(),
            last_key: Cell::new(0),
            sleepers: RefCell::default(),
        }))
    }

    /// Runs `future` in this thread, with whatever it waits for.
    ///
    /// # Errors
    ///
    /// The operating system's poll is broken.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        let mut future = pin!(future);
        let alarm = Arc::new(Alarm {
            poller: Arc::clone(&self.poller),
            thread: thread::current().id(),
            rung: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&alarm));
        let mut events = Events::new();
        loop {
            alarm.rung.store(false, Ordering::Release);
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(output) = polled {
                return Ok(output);
            }
            let patience = match alarm.rung.load(Ordering::Acquire) {
                true => Some(Duration::ZERO),
                false => self.first_sleeper(),
            };
            self.wait(&mut events, patience)?;
        }
    }

    /// Whose notification ends a [`Reactor::wait`], from any thread.
    pub(crate) fn poller(&self) -> Arc<Poller> {
        Arc::clone(&self.poller)
    }

    /// Waits until the moment `at`.
    pub(crate) async fn sleep_until(&self, at: Instant) {
        Sleep { reactor: self, at, key: self.next_key() }.await;
    }

    /// Waits for a span.
    pub(crate) async fn sleep(&self, span: Duration) {
        self.sleep_until(Instant::now() + span.min(LONG)).await;
    }

    fn next_key(&self) -> usize {
        // Wraps after 2^64 sockets (2^32 on 32-bit platforms, where a very late event may then
        // cost one needless read). The last value is the poller's own.
        let key = (self.last_key.get() + 1) % usize::MAX;
        self.last_key.set(key);
        key
    }

    /// How long the first sleeper has to wait. `None`: nobody sleeps.
    fn first_sleeper(&self) -> Option<Duration> {
        let sleepers = self.sleepers.borrow();
        let ((at, _), _) = sleepers.first_key_value()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Waits once and wakes whom it concerns.
    pub(crate) fn wait(&self, events: &mut Events, patience: Option<Duration>) -> io::Result<()> {
        events.clear();
        match self.poller.wait(events, patience) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            // Cloned, since who is woken may take another socket in or out.
            let source = self.sources.borrow().get(&event.key).map(Rc::clone);
            if let Some(source) = source {
                source.read.borrow_mut().told(event.readable);
                source.write.borrow_mut().told(event.writable);
            }
        }
        self.wake_sleepers();
        Ok(())
    }

    fn wake_sleepers(&self) {
        if self.sleepers.borrow().is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let mut sleepers = self.sleepers.borrow_mut();
            match sleepers.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let waker = first.remove();
                    drop(sleepers);
                    waker.wake();
                }
                _ => return,
            }
        }
    }
}

impl Wait {
    /// The system has told of the socket. Whoever waits looks again.
    fn told(&mut self, has_come: bool) {
        if let Self::Asked(waker) = self {
            let waker = waker.clone();
            *self = if has_come { Self::Over } else { Self::Forgotten };
            waker.wake();
        }
    }

    const fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }
}

impl<T: AsSource> Watched<T>
where
    for<'a> &'a T: AsRawSource,
{
    /// Watches a socket, which must not block.
    ///
    /// # Errors
    ///
    /// The system can watch no more.
    pub(crate) fn new(reactor: &Rc<Reactor>, io: T) -> io::Result<Self> {
        let key = reactor.next_key();
        let io = Rc::new(io);
        // SAFETY: the source must be deleted from the poller before it is dropped. The
        // registration below shares the socket, and deletes it from the poller when it is dropped
        // itself, before it lets go of the socket. The gain: see the head of this file.
        #[allow(unsafe_code)]
        unsafe {
            reactor.poller.add_with_mode(&*io, Event::none(key), PollMode::Oneshot)?;
        }
        let source = Rc::new(Source::default());
        reactor.sources.borrow_mut().insert(key, Rc::clone(&source));
        let registration =
            Registration { io: Rc::clone(&io), key, source, reactor: Rc::clone(reactor) };
        Ok(Self { io, registration })
    }
}

impl<T: AsSource> Watched<T> {
    pub(crate) fn get_ref(&self) -> &T {
        &self.io
    }

    /// Takes the socket out of the reactor.
    pub(crate) fn into_inner(self) -> io::Result<T> {
        drop(self.registration);
        Rc::into_inner(self.io).ok_or_else(|| ErrorKind::ResourceBusy.into())
    }

    /// Whether what was waited for has come. If not, the system is asked to tell, and the task is
    /// woken then. One task for a socket: of several the last is woken.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let source = &self.registration.source;
        let wait = match direction {
            Direction::Read => &source.read,
            Direction::Write => &source.write,
        };
        let mut wait = wait.borrow_mut();
        match &*wait {
            Wait::Over => {
                *wait = Wait::No;
                return Poll::Ready(Ok(()));
            }
            Wait::Asked(waker) if waker.will_wake(cx.waker()) => return Poll::Pending,
            Wait::Asked(_) | Wait::Forgotten | Wait::No => {
                *wait = Wait::Asked(cx.waker().clone());
            }
        }
        drop(wait);
        match self.registration.ask() {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits for one direction.
    pub(crate) async fn ready(&self, direction: Direction) -> io::Result<()> {
        poll_fn(|cx| self.poll_ready(direction, cx)).await
    }
}

impl<T: AsSource> Registration<T> {
    /// Asks the system for all that is waited for. It tells once and forgets all of it.
    fn ask(&self) -> io::Result<()> {
        let (read, write) = (&self.source.read, &self.source.write);
        let wanted = Event::new(self.key, read.borrow().is_asked(), write.borrow().is_asked());
        self.reactor.poller.modify(&*self.io, wanted)
    }
}

impl<T: AsSource> Drop for Registration<T> {
    fn drop(&mut self) {
        self.reactor.sources.borrow_mut().remove(&self.key);
        if let Err(error) = self.reactor.poller.delete(&*self.io) {
            log::debug!("cannot stop watching a socket: {error}");
        }
    }
}

/// Wakes the thread of a reactor.
#[derive(Debug)]
struct Alarm {
    poller: Arc<Poller>,
    thread: ThreadId,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The thread itself looks at the bell before it waits.
        if !self.rung.swap(true, Ordering::AcqRel)
            && thread::current().id() != self.thread
            && let Err(error) = self.poller.notify()
        {
            log::error!("cannot wake a worker: {error}");
        }
    }
}

/// See [`Reactor::sleep_until`].
struct Sleep<'a> {
    reactor: &'a Reactor,
    at: Instant,
    key: usize,
}

impl Future for Sleep<'_> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.at <= Instant::now() {
            return Poll::Ready(());
        }
        let mut sleepers = self.reactor.sleepers.borrow_mut();
        sleepers.insert((self.at, self.key), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.reactor.sleepers.borrow_mut().remove(&(self.at, self.key));
    }
}

#[cfg(test)]
mod tests;
