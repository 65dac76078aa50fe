//! Name resolution off the loop: a few threads that call the system's resolver.
//!
//! The system's, because the office's names live in `/etc/hosts`, in a VPN's resolver or in
//! whatever else the machine is set up with. It blocks for as long as it likes, so the threads are
//! never joined; they end by themselves when the runtime is gone.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use mio::Waker;
use sc_proto::SocketId;
use sc_proto::contract::DialFailure;

use super::failure;
use crate::dns::Reply;

/// What finds the addresses of a name: the system, or a test.
pub(crate) type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A question to the pool.
pub(crate) struct Query {
    pub(super) socket: SocketId,
    pub(super) name: Box<str>,
    pub(super) port: u16,
    /// Gone when the dial is: then nobody needs the answer.
    pub(super) wanted: Weak<()>,
    pub(super) reply: ReplyTo,
}

/// Where a worker takes its answers.
#[derive(Clone)]
pub(crate) struct ReplyTo {
    pub(crate) answers: SyncSender<Answer>,
    pub(crate) waker: Arc<Waker>,
}

impl ReplyTo {
    /// A worker that is behind with its answers holds the thread up that answers, so that queues
    /// fill and its dials fail early. A worker that is gone needs none.
    fn answer(&self, answer: Answer) {
        if self.answers.send(answer).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake a worker: {error}");
        }
    }

    /// Where name servers bring their answer for a dial.
    pub(super) fn of_name_servers(&self, socket: SocketId, port: u16) -> Reply {
        let reply = self.clone();
        let with_port =
            move |ips: Vec<IpAddr>| ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Box::new(move |found| reply.answer(Answer { socket, found: found.map(with_port) }))
    }
}

/// An answer to a dial.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) socket: SocketId,
    pub(super) found: Result<Vec<SocketAddr>, DialFailure>,
}

/// The pool is not able to take a question now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// The pool. It ends when this is dropped.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    asked: Condvar,
    lookup: Box<Lookup>,
    max_threads: usize,
    max_queue: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Query>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Resolver {
    /// No thread starts before the first question.
    pub(crate) fn new(max_threads: usize, max_queue: usize, lookup: Box<Lookup>) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                asked: Condvar::new(),
                lookup,
                max_threads: max_threads.max(1),
                max_queue,
            }),
        }
    }

    /// Asks. The answer comes by the query's [`ReplyTo`].
    pub(super) fn submit(&self, query: Query) -> Result<(), Busy> {
        let mut state = self.shared.lock();
        if state.queue.len() >= self.shared.max_queue {
            return Err(Busy);
        }
        if state.idle <= state.queue.len() && state.threads < self.shared.max_threads {
            let shared = Arc::clone(&self.shared);
            let started =
                thread::Builder::new().name("sc-resolver".into()).spawn(move || shared.serve());
            match started {
                Ok(_) => state.threads += 1,
                // Those that run will come to it.
                Err(error) if state.threads > 0 => log::debug!("no more resolver threads: {error}"),
                Err(error) => {
                    log::warn!("cannot start a thread to resolve names: {error}");
                    return Err(Busy);
                }
            }
        }
        state.queue.push_back(query);
        drop(state);
        self.shared.asked.notify_one();
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.shared.asked.notify_all();
    }
}

impl Shared {
    /// The state is whole between any two statements that hold the lock, so a poisoned one is fine.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread's life.
    fn serve(&self) {
        let _guard = crate::fatal::AbortOnPanic;
        while let Some(query) = self.next() {
            if query.wanted.strong_count() == 0 {
                continue;
            }
            let found = (self.lookup)(&query.name, query.port)
                .map_err(|error| failure::of_lookup(&error))
                .and_then(|found| match found.is_empty() {
                    true => Err(DialFailure::NameNotFound),
                    false => Ok(found),
                });
            let answer = Answer { socket: query.socket, found };
            query.reply.answer(answer);
        }
    }

    fn next(&self) -> Option<Query> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(query) = state.queue.pop_front() {
                return Some(query);
            }
            state.idle += 1;
            state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

/// Asks the system (`getaddrinfo`).
pub(crate) fn system_lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((name, port).to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    use mio::{Poll, Token};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Asker {
        reply: ReplyTo,
        answers: Receiver<Answer>,
        _poll: Poll,
        wanted: Arc<()>,
    }

    impl Asker {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let (sender, answers) = mpsc::sync_channel(1);
            let reply = ReplyTo {
                answers: sender,
                waker: Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()),
            };
            Self { reply, answers, _poll: poll, wanted: Arc::new(()) }
        }

        fn query(&self, number: u32, name: &str) -> Query {
            Query {
                socket: SocketId::from_parts(number, 0),
                name: name.into(),
                port: 80,
                wanted: Arc::downgrade(&self.wanted),
                reply: self.reply.clone(),
            }
        }
    }

    #[test]
    fn the_system_knows_literals() {
        let found = system_lookup("127.0.0.1", 80).unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
    }

    #[test]
    fn an_answer_carries_its_question() {
        let asker = Asker::new();
        let lookup = |name: &str, port| match name {
            "none" => Ok(Vec::new()),
            "bad" => Err(io::Error::other("Name or service not known")),
            _ => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
        };
        let resolver = Resolver::new(2, 8, Box::new(lookup));
        for (number, (name, found)) in [
            ("none", Err(DialFailure::NameNotFound)),
            ("bad", Err(DialFailure::NameNotFound)),
            ("good", Ok(vec!["127.0.0.1:80".parse().unwrap()])),
        ]
        .into_iter()
        .enumerate()
        {
            let query = asker.query(number as u32, name);
            resolver.submit(query).unwrap();
            let answer = asker.answers.recv_timeout(PATIENCE).unwrap();
            assert_eq!(answer.socket.index(), number);
            assert_eq!(answer.found, found);
        }
    }

    #[test]
    fn the_queue_is_bounded_and_unwanted_questions_are_skipped() {
        let asker = Asker::new();
        let (go, gate) = mpsc::channel::<()>();
        let (entered, inside) = mpsc::channel::<String>();
        let gate = Mutex::new(gate);
        let lookup = move |name: &str, _| {
            entered.send(name.into()).unwrap();
            let _ = gate.lock().unwrap().recv();
            Ok(Vec::new())
        };
        let resolver = Resolver::new(1, 2, Box::new(lookup));
        resolver.submit(asker.query(0, "first")).unwrap();
        assert_eq!(inside.recv_timeout(PATIENCE).unwrap(), "first");
        let mut unwanted = asker.query(1, "unwanted");
        unwanted.wanted = Weak::new();
        resolver.submit(unwanted).unwrap();
        resolver.submit(asker.query(2, "second")).unwrap();
        assert_eq!(resolver.submit(asker.query(3, "third")), Err(Busy));
        go.send(()).unwrap();
        asker.answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(inside.recv_timeout(PATIENCE).unwrap(), "second");
        drop(go);
        let answer = asker.answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer.socket.index(), 2);
    }

    #[test]
    fn several_threads_answer_side_by_side() {
        let asker = Asker::new();
        // Each lookup waits for the other: one thread alone would never finish.
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let lookup = move |_: &str, _| {
            barrier.wait();
            Ok(Vec::new())
        };
        let resolver = Resolver::new(2, 8, Box::new(lookup));
        resolver.submit(asker.query(0, "a")).unwrap();
        resolver.submit(asker.query(1, "b")).unwrap();
        for _ in 0..2 {
            asker.answers.recv_timeout(PATIENCE).unwrap();
        }
    }
}
