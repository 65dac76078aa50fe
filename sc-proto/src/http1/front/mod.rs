//! The whole proxy conversation of one browser connection.
//!
//! The caller carries bytes between a socket and a stream and does what the items say:
//!
//! ```text
//! browser bytes -> from_browser -> Open      -> open a stream; then opened() or fail()
//!                                  ToStream  -> the stream
//! stream bytes  -> from_stream  -> Head, ToBrowser -> the browser
//!                                  Done      -> drop the stream, go on with from_browser
//! either        -> Raw                       -> relay without this machine
//! ```
//!
//! Both `from_` methods are to be called again, with the bytes not yet consumed (perhaps none),
//! until they say `NeedMore`, `Paused`, `Closed`, `Raw` or the end of the exchange. Any order of
//! calls is legal. What goes to either side does not depend on how the bytes were split, but for
//! one thing: a fault in a request's body that is already there when its head is whole is refused
//! before [`Item::Open`], so that the site never hears of it.

mod exchange;
mod step;

use alloc::boxed::Box;

use bytes::Bytes;

use self::exchange::{Download, Exchange, Upload};
pub use self::step::{After, Answer, AnswerItem, BrowserEnd, Ending, Failure, Item, Phase, Step};
use super::Limits;
use super::message::{Framing, Mark, Method, Reader};
use super::page::Page;
use super::refused::Refused;
use super::request::{self, Scope};
use super::response::Broken;
use super::search::HeadSearch;
use crate::contract::{AccessRefused, RequestId, StreamKind, Target};

/// The answer to a CONNECT that succeeded. It must not frame a body (RFC 9110, section 9.3.6).
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";

/// One browser connection. Small while no exchange is going on.
#[derive(Debug)]
pub struct Front {
    limits: Limits,
    mark: Mark,
    scope: Scope,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Reads a request head.
    Idle(HeadSearch),
    Busy(Box<Exchange>),
    Raw,
    Closed,
}

impl Front {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let state = State::Idle(HeadSearch::new());
        Self { limits, mark: Mark::default(), scope: Scope::Any, state }
    }

    /// A connection whose TLS was opened here, in place of `site`.
    #[must_use]
    pub fn within(limits: Limits, site: Target) -> Self {
        Self { scope: Scope::Site(Box::new(site)), ..Self::new(limits) }
    }

    /// The same for a proxy that refuses a request which bears its `mark`.
    #[must_use]
    pub fn marked(self, mark: Mark) -> Self {
        Self { mark, ..self }
    }

    /// Where the connection stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Idle(search) if *search == HeadSearch::new() => Phase::Idle,
            State::Idle(_) => Phase::Head,
            State::Busy(exchange) if exchange.is_opening() => Phase::Opening,
            State::Busy(_) => Phase::Exchange,
            State::Raw => Phase::Raw,
            State::Closed => Phase::Closed,
        }
    }

    /// Takes bytes from the browser: `input` begins with what the last call left.
    pub fn from_browser<'b>(&mut self, input: &'b [u8]) -> Step<'b> {
        let (consumed, item) = match &mut self.state {
            State::Idle(search) => {
                let (scope, mark) = (&self.scope, self.mark.word());
                match request::read_marked(search, input, &self.limits, scope, mark) {
                    Ok(Some((length, request))) => return self.begin(length, request, input),
                    Ok(None) => (0, Item::NeedMore),
                    Err(reason) => (0, self.refuse(reason)),
                }
            }
            State::Busy(exchange) => match exchange.upload(input) {
                (consumed, Ok(Upload::NeedMore)) => (consumed, Item::NeedMore),
                (consumed, Ok(Upload::Send(bytes))) => (consumed, Item::ToStream(bytes)),
                (consumed, Ok(Upload::Done)) => (consumed, Item::RequestDone),
                (consumed, Ok(Upload::Paused)) => (consumed, Item::Paused),
                (consumed, Err(error)) => (consumed, self.refuse(error.into())),
            },
            State::Raw => (0, Item::Raw),
            State::Closed => (0, Item::Closed),
        };
        Step { consumed, item }
    }

    /// Begins an exchange whose head took `length` bytes of `input`.
    fn begin<'b>(&mut self, length: usize, request: request::Request, input: &'b [u8]) -> Step<'b> {
        let exchange = Exchange::new(request.target.clone(), &request);
        let bad_body = match request.framing {
            Framing::Chunked => exchange.look_ahead(&input[length..]).err(),
            Framing::None | Framing::Length(_) | Framing::UntilClose => None,
        };
        self.state = State::Busy(Box::new(exchange));
        let item = match bad_body {
            Some(error) => self.refuse(error.into()),
            None => Item::Open {
                target: request.target,
                kind: request.kind,
                head: request.head,
                credentials: request.credentials,
            },
        };
        Step { consumed: length, item }
    }

    /// Ends the connection with a page that says why.
    fn refuse(&mut self, reason: Refused) -> Item<'static> {
        let page = Page::refused(reason);
        let ending = match &self.state {
            State::Busy(exchange) => exchange.last_ending(&page),
            State::Idle(_) | State::Raw | State::Closed => {
                Ending::page(&page, Method::Other, Reader::Program, After::Close)
            }
        };
        self.state = State::Closed;
        Item::Refuse { reason, ending }
    }

    /// The stream of [`Item::Open`] is open. Returns what the browser gets first, perhaps nothing.
    /// Call [`Front::from_browser`] next.
    #[must_use]
    pub fn opened(&mut self) -> Bytes {
        if let State::Busy(exchange) = &mut self.state
            && exchange.is_opening()
        {
            match exchange.kind {
                StreamKind::Http | StreamKind::Https => exchange.opened(),
                StreamKind::Connect => {
                    self.state = State::Raw;
                    return Bytes::from_static(ESTABLISHED);
                }
            }
        }
        Bytes::new()
    }

    /// The exchange has a stream: what logs call it stands in its error pages, too.
    pub fn carried_as(&mut self, id: Option<RequestId>) {
        if let State::Busy(exchange) = &mut self.state {
            exchange.id = id;
        }
    }

    /// The stream could not be opened, or was lost before its end.
    pub fn fail(&mut self, failure: Failure) -> Ending {
        let ending = match &self.state {
            State::Busy(exchange) => {
                exchange.ending(&Page::failure(failure, &exchange.target).about(exchange.id))
            }
            State::Idle(_) => return Ending::silent(After::KeepAlive),
            State::Raw => Ending::silent(After::Abort),
            State::Closed => Ending::silent(After::Close),
        };
        self.end(ending.after);
        ending
    }

    /// The sender of [`Item::Open`] may not have what it asks for.
    pub fn turn_away(&mut self, reason: &AccessRefused) -> Ending {
        match &self.state {
            State::Busy(exchange) if exchange.is_opening() => {
                let ending = exchange.ending(&Page::not_let_in(reason));
                self.end(ending.after);
                ending
            }
            State::Idle(_) | State::Busy(_) => Ending::silent(After::KeepAlive),
            State::Raw => Ending::silent(After::Abort),
            State::Closed => Ending::silent(After::Close),
        }
    }

    /// Takes bytes of the site's answer: `input` begins with what the last call left.
    pub fn from_stream<'b>(&mut self, input: &'b [u8]) -> Answer<'b> {
        let (consumed, item) = match &mut self.state {
            State::Busy(exchange) => match exchange.download(input, &self.limits) {
                (consumed, Ok(Download::NeedMore)) => (consumed, AnswerItem::NeedMore),
                (consumed, Ok(Download::Head(head))) => (consumed, AnswerItem::Head(head)),
                (consumed, Ok(Download::Send(bytes))) => (consumed, AnswerItem::ToBrowser(bytes)),
                (consumed, Ok(Download::Switch(head))) => {
                    self.state = State::Raw;
                    (consumed, AnswerItem::Head(head))
                }
                (consumed, Ok(Download::Done(after))) => {
                    self.end(after);
                    (consumed, AnswerItem::Done(after))
                }
                (consumed, Err(reason)) => (consumed, self.break_off(reason)),
            },
            State::Raw => (0, AnswerItem::Raw),
            State::Idle(_) | State::Closed if input.is_empty() => (0, AnswerItem::NeedMore),
            State::Idle(_) | State::Closed => (input.len(), AnswerItem::Surplus),
        };
        Answer { consumed, item }
    }

    /// The site's bytes have ended, and all of them were taken. `None`: nothing follows from it.
    pub fn stream_ended(&mut self) -> Option<AnswerItem<'static>> {
        match &self.state {
            State::Busy(exchange) => match exchange.download_ended() {
                Ok(after) => {
                    self.end(after);
                    Some(AnswerItem::Done(after))
                }
                Err(reason) => Some(self.break_off(reason)),
            },
            State::Raw => Some(AnswerItem::Raw),
            State::Idle(_) | State::Closed => None,
        }
    }

    /// Ends an exchange whose answer cannot be passed on.
    fn break_off(&mut self, reason: Broken) -> AnswerItem<'static> {
        let ending = match &self.state {
            State::Busy(exchange) => {
                exchange.ending(&Page::broken(reason, &exchange.target).about(exchange.id))
            }
            State::Idle(_) | State::Raw | State::Closed => Ending::silent(After::Abort),
        };
        self.end(ending.after);
        AnswerItem::Broken { reason, ending }
    }

    /// The browser sends no more. In the middle of an exchange it counts as gone, as it does for
    /// most proxies: only so does an application see that its visitor left. A client that
    /// half-closes after its request gets no answer.
    #[must_use]
    pub fn browser_ended(&mut self) -> BrowserEnd {
        let end = match &self.state {
            State::Idle(_) | State::Closed => BrowserEnd::Close,
            State::Busy(_) => BrowserEnd::Cancel,
            State::Raw => return BrowserEnd::Raw,
        };
        self.state = State::Closed;
        end
    }

    /// The deadline for a request head, or for an idle connection, has passed. Does nothing in
    /// the middle of an exchange.
    pub fn head_timed_out(&mut self) -> Ending {
        match self.phase() {
            Phase::Idle | Phase::Closed => {
                self.state = State::Closed;
                Ending::silent(After::Close)
            }
            Phase::Head => {
                self.state = State::Closed;
                let page = Page::slow_request();
                Ending::page(&page, Method::Other, Reader::Program, After::Close)
            }
            Phase::Opening | Phase::Exchange | Phase::Raw => Ending::silent(After::KeepAlive),
        }
    }

    /// Goes to what comes after an exchange.
    fn end(&mut self, after: After) {
        self.state = match after {
            After::KeepAlive => State::Idle(HeadSearch::new()),
            After::Close | After::Abort => State::Closed,
        };
    }
}

impl Ending {
    /// An end without a page.
    fn silent(after: After) -> Self {
        Self { page: Bytes::new(), after, code: None }
    }

    /// An end with a page.
    fn page(page: &Page, method: Method, reader: Reader, after: After) -> Self {
        Self { page: page.write(method, reader, after), after, code: Some(page.code) }
    }
}
