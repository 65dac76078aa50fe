//! The thread of a link.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, SockRef, Socket, Type};

use super::carrier::{Carrier, Pumped};
use super::pipe::Dice;
use super::{Counters, Cut, Dials, Order, What};

const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_CARRIER: usize = 2;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;
/// How many connections that were cut are kept at most: forgotten ones, and closing ones.
const MOST_KEPT: usize = 256;

#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    target: SocketAddr,
    poll: Poll,
    listener: Option<TcpListener>,
    /// Our own connection to ourselves, which fills the queue of a listener that is to drop SYNs.
    filler: Option<std::net::TcpStream>,
    silence: Option<Dials>,
    carried: Vec<Carrier>,
    closing: VecDeque<Carrier>,
    forgotten: VecDeque<Carrier>,
    dice: Dice,
    counters: Arc<Counters>,
    inbox: Receiver<Order>,
    next_token: usize,
}

impl Relay {
    pub(super) fn new(
        address: SocketAddr,
        target: SocketAddr,
        counters: Arc<Counters>,
        inbox: Receiver<Order>,
    ) -> io::Result<Self> {
        let mut relay = Self {
            address,
            target,
            poll: Poll::new()?,
            listener: None,
            filler: None,
            silence: None,
            carried: Vec::new(),
            closing: VecDeque::new(),
            forgotten: VecDeque::new(),
            dice: Dice::default(),
            counters,
            inbox,
            next_token: FIRST_CARRIER,
        };
        relay.address = relay.listen()?;
        Ok(relay)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    fn listen(&mut self) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let address = listener.local_addr()?;
        self.listener = Some(listener);
        Ok(address)
    }

    /// Runs until it is told to end.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut wake_at: Option<Instant> = None;
        loop {
            let timeout = wake_at.map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            while let Ok(order) = self.inbox.try_recv() {
                if matches!(order.what, What::End) {
                    self.cut(Cut::Reset);
                    return Ok(());
                }
                let concerned = self.obey(order.what)?;
                // Whoever ordered may have gone.
                let _ = order.done.send(concerned);
            }
            wake_at = if self.silence.is_some() { None } else { self.forward() };
            self.closing.retain_mut(Carrier::drain);
        }
    }

    fn obey(&mut self, what: What) -> io::Result<usize> {
        match what {
            What::Cut(how) => return Ok(self.cut(how)),
            What::CutOne(index, how) => return Ok(self.cut_one(index, how)),
            What::Silence(dials) => self.fall_silent(dials)?,
            What::ComeBack => self.come_back()?,
            What::SetWeather(weather) => self.dice = Dice::new(weather),
            What::End => {}
        }
        Ok(self.carried.len())
    }

    fn cut(&mut self, how: Cut) -> usize {
        let cut = std::mem::take(&mut self.carried);
        let count = cut.len();
        cut.into_iter().for_each(|carrier| self.end(carrier, how));
        count
    }

    fn cut_one(&mut self, index: usize, how: Cut) -> usize {
        if index >= self.carried.len() {
            return 0;
        }
        let carrier = self.carried.remove(index);
        self.end(carrier, how);
        1
    }

    fn end(&mut self, carrier: Carrier, how: Cut) {
        match how {
            Cut::Reset => carrier.reset(),
            Cut::Close => {
                carrier.close();
                self.closing.push_back(carrier);
            }
            Cut::Forget => self.forgotten.push_back(carrier),
        }
        for kept in [&mut self.closing, &mut self.forgotten] {
            while kept.len() > MOST_KEPT {
                kept.pop_front();
            }
        }
    }

    fn fall_silent(&mut self, dials: Dials) -> io::Result<()> {
        self.accept();
        self.silence = Some(dials);
        match dials {
            // They wait in the kernel's queue.
            Dials::Swallowed => {}
            Dials::Refused => self.listener = None,
            Dials::Dropped => {
                // Linux drops SYNs to a listener whose queue is full. The shortest queue holds one.
                if let Some(listener) = &self.listener {
                    SockRef::from(listener).listen(0)?;
                }
                let wait = Duration::from_secs(1);
                // If that fails, somebody else has filled the queue.
                self.filler = std::net::TcpStream::connect_timeout(&self.address, wait).ok();
            }
        }
        Ok(())
    }

    fn come_back(&mut self) -> io::Result<()> {
        match self.silence.take() {
            Some(Dials::Refused) => {
                self.listen()?;
            }
            Some(Dials::Dropped) => {
                if let Some(listener) = &self.listener {
                    SockRef::from(listener).listen(BACKLOG)?;
                }
                self.accept();
                self.filler = None;
            }
            Some(Dials::Swallowed) | None => {}
        }
        Ok(())
    }

    /// Takes new connections and moves what can move. Says when to come again.
    fn forward(&mut self) -> Option<Instant> {
        self.accept();
        let Self { carried, dice, counters, .. } = self;
        let mut soonest: Option<Instant> = None;
        carried.retain_mut(|carrier| match carrier.pump(dice, counters) {
            Pumped::Over => false,
            Pumped::Open(at) => {
                soonest = soonest.into_iter().chain(at).min();
                true
            }
        });
        soonest
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let filler = self.filler.as_ref().and_then(|filler| filler.local_addr().ok());
        // Any error but "none is waiting" is that of a connection that has gone already.
        while let Ok((client, peer)) = listener.accept() {
            if Some(peer) == filler {
                continue;
            }
            let token = self.next_token;
            self.next_token += 2;
            let registry = self.poll.registry();
            if let Ok(carrier) = Carrier::new(client, self.target, registry, token) {
                self.counters.connections.fetch_add(1, Ordering::Relaxed);
                self.carried.push(carrier);
            }
        }
    }
}
