//! Dialling: resolve a target, try its addresses, give one connection or one failure.
//!
//! Happy eyeballs (RFC 8305): the addresses of both families are tried in turn, each a little
//! after the one before or at once when that one failed; the first that connects wins. A dial is
//! one future; who drops it cancels it.

#[path = "../../sc-runtime-mio/src/dial/addresses.rs"]
mod addresses;
#[path = "../../sc-runtime-mio/src/dial/failure.rs"]
mod failure;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future;
use sc_proto::SocketClass;
use sc_proto::contract::{AddressGuard, DialFailure, Host, Target};
use sc_proto::dns::Answer;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::connection::Stream;
use crate::dns::NameServers;
use crate::places::{Place, Places};
use crate::reactor::{Direction, Reactor, Watched};
use crate::resolve::{LookupFailure, Resolver};
use crate::tcp;

/// What a dial needs of its worker.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    pub(crate) reactor: Rc<Reactor>,
    pub(crate) resolver: Arc<Resolver>,
    /// Asked instead of the resolver for proxied connections.
    pub(crate) name_servers: Option<NameServers>,
    pub(crate) places: Arc<Places>,
    /// How long an attempt has before the next address is tried beside it.
    pub(crate) stagger: Duration,
}

/// What a dial came to.
pub(crate) type Dialled = Result<(Stream, SocketAddr), DialFailure>;
/// A connection and whom it leads to.
type Connected = (Watched<TcpStream>, SocketAddr, Place);
/// One non-blocking connect.
type Attempt = Pin<Box<dyn Future<Output = Result<Connected, DialFailure>>>>;

impl Dialler {
    /// Dials until `deadline`.
    pub(crate) async fn dial(
        self,
        target: Target,
        class: SocketClass,
        guard: AddressGuard,
        deadline: Instant,
    ) -> Dialled {
        let dialled = async {
            let mut found = addresses::interleave(&self.addresses(&target, class).await?);
            found.retain(|address| guard.permits(address.ip()));
            if found.is_empty() {
                return Err(DialFailure::Denied);
            }
            self.first_of(found).await
        };
        let too_late = async {
            self.reactor.sleep_until(deadline).await;
            Err(DialFailure::TimedOut)
        };
        let (io, peer, place) = future::or(dialled, too_late).await?;
        tcp::set_options(SockRef::from(io.get_ref()), class);
        Ok((Stream::new(io, place), peer))
    }

    async fn addresses(
        &self,
        target: &Target,
        class: SocketClass,
    ) -> Result<Vec<SocketAddr>, DialFailure> {
        let name = match &target.host {
            Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, target.port)]),
            Host::Name(name) => name,
        };
        if let Some(both) = addresses::loopback(name, target.port) {
            return Ok(both.into());
        }
        if let (Some(servers), SocketClass::Proxied) = (&self.name_servers, class) {
            let found = ask(servers, name).await?;
            return Ok(found.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect());
        }
        let found = self.resolver.lookup(name, target.port).await?;
        if found.is_empty() { Err(DialFailure::NameNotFound) } else { Ok(found) }
    }

    /// Tries the addresses in turn; the first that connects wins, the others are closed.
    async fn first_of(&self, mut left: VecDeque<SocketAddr>) -> Result<Connected, DialFailure> {
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut telling: Option<DialFailure> = None;
        loop {
            if let Some(address) = left.pop_front() {
                let (reactor, places) = (Rc::clone(&self.reactor), Arc::clone(&self.places));
                attempts.push(Box::pin(attempt(address, reactor, places)));
            }
            if attempts.is_empty() {
                return Err(telling.unwrap_or(DialFailure::Other));
            }
            let is_last = left.is_empty();
            let stagger = async {
                match is_last {
                    true => future::pending().await,
                    false => self.reactor.sleep(self.stagger).await,
                }
                None
            };
            match future::or(ended(&mut attempts), stagger).await {
                None => {}
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(failure)) => {
                    telling = Some(match telling {
                        Some(earlier) => failure::more_telling(earlier, failure),
                        None => failure,
                    });
                }
            }
        }
    }
}

/// Asks name servers.
async fn ask(servers: &NameServers, name: &str) -> Answer {
    let (sender, answer) = async_channel::bounded(1);
    // A dial that was cancelled needs no answer.
    servers.ask(name, Box::new(move |found| drop(sender.try_send(found))))?;
    answer.recv().await.unwrap_or(Err(DialFailure::NameServers))
}

/// What the first attempt that ends came to; it is taken out.
async fn ended(attempts: &mut Vec<Attempt>) -> Option<Result<Connected, DialFailure>> {
    poll_fn(|cx| {
        for (at, attempt) in attempts.iter_mut().enumerate() {
            if let Poll::Ready(outcome) = attempt.as_mut().poll(cx) {
                drop(attempts.swap_remove(at));
                return Poll::Ready(Some(outcome));
            }
        }
        Poll::Pending
    })
    .await
}

async fn attempt(
    address: SocketAddr,
    reactor: Rc<Reactor>,
    places: Arc<Places>,
) -> Result<Connected, DialFailure> {
    let place = places.to_dial().ok_or(DialFailure::Resources)?;
    let judge = |error| failure::of_connect(&error, address);
    let io = Watched::new(&reactor, begin(address).map_err(judge)?).map_err(judge)?;
    io.ready(Direction::Write).await.map_err(judge)?;
    if let Some(error) = io.get_ref().take_error().map_err(judge)? {
        return Err(judge(error));
    }
    let peer = io.get_ref().peer_addr().map_err(judge)?;
    if io.get_ref().local_addr().is_ok_and(|local| local == peer) {
        // A port nobody listens on, in the range the kernel takes source ports from, can by chance
        // be connected to itself (RFC 9293, section 3.5, simultaneous open).
        return Err(DialFailure::Refused);
    }
    Ok((io, peer, place))
}

/// Begins a connect that does not block.
pub(crate) fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

#[cfg(unix)]
fn is_under_way(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::INPROGRESS)
}

#[cfg(not(unix))]
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl From<LookupFailure> for DialFailure {
    fn from(failure: LookupFailure) -> Self {
        match failure {
            LookupFailure::Busy => Self::Resources,
            LookupFailure::System(error) => failure::of_lookup(&error),
        }
    }
}

#[cfg(test)]
mod tests;
