//! Listeners: who is accepted, and when accepting pauses. Each is one task.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sc_proto::{ListenerId, ListenerRole};
use socket2::SockRef;

use crate::clock::Clock;
use crate::connection::Stream;
use crate::news::{Arrival, News};
use crate::places::{Place, Places};
use crate::reactor::{Direction, Reactor, Watched};
use crate::tcp::{self, BACKLOG};

/// What a listener needs of its worker.
#[derive(Clone, Debug)]
pub(crate) struct Reception {
    pub(crate) reactor: Rc<Reactor>,
    pub(crate) news: Rc<News>,
    pub(crate) places: Arc<Places>,
    pub(crate) clock: Clock,
    /// How long to wait when the system has no descriptors or memory left.
    pub(crate) retry: Duration,
}

/// Watches a socket that is bound and listens.
pub(crate) fn watch(
    reactor: &Rc<Reactor>,
    socket: TcpListener,
    role: ListenerRole,
) -> io::Result<Watched<TcpListener>> {
    socket.set_nonblocking(true)?;
    // To listen again changes the backlog of a listening socket.
    SockRef::from(&socket).listen(BACKLOG)?;
    tcp::set_listener_options(SockRef::from(&socket), role.class());
    Watched::new(reactor, socket)
}

/// Accepts for as long as it is polled.
pub(crate) async fn accept(
    listener: Watched<TcpListener>,
    id: ListenerId,
    role: ListenerRole,
    reception: Reception,
) {
    loop {
        reception.news.leave_to_accept().await;
        let place = reception.place().await;
        match listener.get_ref().accept() {
            Ok((stream, peer)) => match reception.watch(stream) {
                Ok(io) => {
                    tcp::set_accepted_options(SockRef::from(io.get_ref()), role.class());
                    let stream = Stream::new(io, place);
                    reception.news.arrived(Arrival::Accepted { listener: id, peer, stream });
                }
                Err(error) => log::warn!("cannot watch a socket: {error}"),
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Its place is free for others while nobody comes.
                drop(place);
                if let Err(error) = listener.ready(Direction::Read).await {
                    reception.pause(&error).await;
                }
            }
            Err(error) if tcp::is_of_one_connection(&error) => {}
            // EMFILE, ENFILE, ENOMEM, ENOBUFS, and whatever else: wait, or this would spin.
            Err(error) => {
                drop(place);
                reception.pause(&error).await;
            }
        }
    }
}

impl Reception {
    fn watch(&self, stream: TcpStream) -> io::Result<Watched<TcpStream>> {
        stream.set_nonblocking(true)?;
        Watched::new(&self.reactor, stream)
    }

    async fn place(&self) -> Place {
        match self.places.to_accept() {
            Some(place) => place,
            None => {
                self.news.tell_pause("as many as may be are open", self.clock.now());
                self.places.wait_to_accept().await
            }
        }
    }

    async fn pause(&self, error: &io::Error) {
        self.news.tell_pause(&error.to_string(), self.clock.now());
        self.reactor.sleep(self.retry).await;
    }
}
