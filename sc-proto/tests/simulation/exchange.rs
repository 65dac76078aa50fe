//! A browser that asks for things by plain HTTP, one after the other or all at once.

use std::collections::BTreeMap;

use sc_proto::ListenerId;

use crate::answer::{self, Body, Message, chunked};
use crate::patterned;
use crate::site::Site;
use crate::world::{CoreId, End, World};

/// What a request is.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    visitor: usize,
    number: usize,
    kind: Kind,
    /// Bytes of an upload.
    upload: usize,
    /// A head larger than the credit that a stream begins with.
    large: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    Head,
    Post,
    PostChunked,
}

impl Request {
    fn random(world: &mut World, visitor: usize, number: usize) -> Self {
        let kind = [Kind::Get, Kind::Head, Kind::Post, Kind::PostChunked][world.random(4)];
        let upload = match kind {
            Kind::Get | Kind::Head => 0,
            Kind::Post | Kind::PostChunked => [1, 5_000, 100_000][world.random(3)],
        };
        Self { visitor, number, kind, upload, large: world.random(4) == 0 }
    }

    pub(crate) fn id(&self) -> String {
        format!("{}x{}", self.visitor, self.number)
    }

    /// Names its answer's bytes; the upload's are named by the next number.
    pub(crate) fn tag(&self) -> usize {
        10_000 + 100 * self.visitor + 2 * self.number
    }

    pub(crate) fn upload(&self) -> usize {
        self.upload
    }

    pub(crate) fn is_head(&self) -> bool {
        self.kind == Kind::Head
    }

    pub(crate) fn has_body(&self) -> bool {
        matches!(self.kind, Kind::Post | Kind::PostChunked)
    }

    pub(crate) fn method(&self) -> &'static str {
        match self.kind {
            Kind::Get => "GET",
            Kind::Head => "HEAD",
            Kind::Post | Kind::PostChunked => "POST",
        }
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let body = patterned(self.tag() + 1, 0, self.upload);
        let fields = match self.kind {
            Kind::Get | Kind::Head => String::new(),
            Kind::Post => format!("Content-Length: {}\r\n", self.upload),
            Kind::PostChunked => "Transfer-Encoding: chunked\r\n".into(),
        };
        let cookie = "c".repeat(if self.large { 9_000 } else { 1 });
        let (method, id) = (self.method(), self.id());
        let mut out = format!(
            "{method} http://{host}{id}.test/{id} HTTP/1.1\r\nHost: {host}{id}.test\r\n\
             Cookie: {cookie}\r\n{fields}\r\n"
        )
        .into_bytes();
        match self.kind {
            Kind::PostChunked => out.extend(chunked(&body, 700)),
            _ => out.extend(body),
        }
        out
    }
}

#[derive(Debug)]
pub(crate) struct Visitor {
    number: usize,
    end: End,
    requests: Vec<Request>,
    /// Requests that have no answer because nobody listens.
    refused: Vec<bool>,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    answered: usize,
    sites: BTreeMap<usize, Site>,
    /// It left, or it has all it wanted.
    gone: bool,
    /// It left before its time.
    left: bool,
    pub(crate) excused: bool,
}

impl Visitor {
    pub(crate) fn new(
        world: &mut World,
        home: CoreId,
        proxy: ListenerId,
        number: usize,
    ) -> Option<Self> {
        let end = world.browse(home, proxy)?;
        Some(Self {
            number,
            end,
            requests: Vec::new(),
            refused: Vec::new(),
            outbox: Vec::new(),
            inbox: Vec::new(),
            answered: 0,
            sites: BTreeMap::new(),
            gone: false,
            left: false,
            excused: false,
        })
    }

    pub(crate) fn met(&mut self, world: &mut World, request: usize, end: End) {
        let site = Site::new(world, self.requests[request].clone(), end);
        assert!(self.sites.insert(request, site).is_none(), "the site is dialled once");
    }

    pub(crate) fn is_over(&self, world: &World) -> bool {
        self.gone || world.has_ended(self.end) || world.was_reset(self.end)
    }

    pub(crate) fn act(&mut self, world: &mut World) {
        let most = 1 + world.random(60_000);
        match world.random(40) {
            0..=4 => self.ask(world),
            5..=15 => drop(self.send(world, most)),
            16..=24 => drop(self.take(world, most)),
            25..=38 => {
                for site in self.sites.values_mut() {
                    site.act(world, most);
                }
            }
            _ if world.random(3) == 0 && !self.gone => {
                (self.gone, self.left) = (true, true);
                match world.random(2) {
                    0 => world.abort(self.end),
                    _ => world.close(self.end),
                }
            }
            _ => {}
        }
    }

    fn ask(&mut self, world: &mut World) {
        if self.requests.len() >= self.answered + 5 || self.gone {
            return;
        }
        let request = Request::random(world, self.number, self.requests.len());
        let refused = world.random(8) == 0;
        self.outbox.extend(request.bytes(if refused { "refused" } else { "h" }));
        self.requests.push(request);
        self.refused.push(refused);
    }

    fn send(&mut self, world: &mut World, most: usize) -> bool {
        if self.gone || world.unread(self.end) > 200_000 {
            return false;
        }
        let n = most.min(self.outbox.len());
        world.send(self.end, &self.outbox[..n]);
        self.outbox.drain(..n);
        n > 0
    }

    fn take(&mut self, world: &mut World, most: usize) -> bool {
        if self.gone {
            return false;
        }
        let bytes = world.take(self.end, most);
        self.inbox.extend(&bytes);
        while let Some(length) = self.read_answer(world) {
            self.inbox.drain(..length);
        }
        !bytes.is_empty()
    }

    /// Checks what there is of the next answer; says how long it is if it is whole.
    fn read_answer(&mut self, world: &World) -> Option<usize> {
        if let Some(interim) = answer::read(&self.inbox, Some(Body::None))
            && interim.start.starts_with("HTTP/1.1 1")
        {
            return Some(interim.length);
        }
        let request = self.requests.get(self.answered);
        let none = request.is_some_and(Request::is_head);
        let mut message = answer::read(&self.inbox, none.then_some(Body::None))?;
        let Some(request) = request else { panic!("an answer without a request") };
        if message.framing == Body::UntilClose && world.has_ended(self.end) {
            message.whole = !world.was_reset(self.end);
        }
        match &message.id {
            Some(id) => self.check_answer(request, id, &message),
            None => self.check_page(&message),
        }
        if !message.whole {
            return None;
        }
        self.answered += 1;
        Some(message.length)
    }

    fn check_answer(&self, request: &Request, id: &str, message: &Message) {
        assert_eq!(*id, request.id(), "answers come in the order of requests");
        let sent = patterned(request.tag(), 0, message.body.len());
        assert!(message.body == sent, "the answer {id} differs");
        let site = &self.sites[&request.number];
        if message.whole && !site.until_close {
            assert!(site.good || message.framing == Body::None, "{id} cannot be whole");
        }
    }

    /// A page of the proxy's own, which needs a reason.
    fn check_page(&self, message: &Message) {
        let expected = self.excused
            || self.refused[self.answered]
            || self.sites.get(&self.answered).is_some_and(|site| !site.good);
        let text = String::from_utf8_lossy(&message.body);
        let site = self.sites.get(&self.answered);
        assert!(
            expected,
            "{} for {}x{}: {text} {site:?}",
            message.start, self.number, self.answered
        );
    }

    /// Sends what is left, reads on, leaves when all is said. Says whether anything moved.
    pub(crate) fn finish(&mut self, world: &mut World) -> bool {
        let mut moved = self.send(world, usize::MAX);
        for site in self.sites.values_mut() {
            moved |= site.act(world, usize::MAX);
        }
        moved |= self.take(world, usize::MAX);
        let over = world.has_ended(self.end) || world.was_reset(self.end);
        if !self.gone && (over || self.answered == self.requests.len()) {
            self.gone = true;
            world.finish(self.end);
            moved = true;
        }
        moved
    }

    pub(crate) fn check_end(&mut self, world: &World) {
        self.sites.values().for_each(|site| site.check_end(world));
        let over = world.has_ended(self.end) || world.was_reset(self.end);
        assert!(self.gone || over, "a visitor stalls: {self:?}");
        if self.left || self.excused {
            return;
        }
        assert!(over, "its connection stays open: {self:?}");
        let untouched = self.sites.values().all(|site| site.good);
        if untouched && !world.was_reset(self.end) {
            assert!(self.inbox.is_empty(), "half an answer without a failure: {self:?}");
        }
    }
}
