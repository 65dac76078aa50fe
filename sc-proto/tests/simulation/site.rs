//! A site that answers one plain request, well or badly.

use crate::answer::{self, Body, chunked};
use crate::exchange::Request;
use crate::patterned;
use crate::world::{End, World};

/// How it ends the connection after what it has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// It waits to be left.
    Stays,
    Closes,
    Resets,
}

#[derive(Debug)]
pub(crate) struct Site {
    end: End,
    request: Request,
    got: Vec<u8>,
    /// What it says; empty until it has decided.
    answer: Vec<u8>,
    said: usize,
    leaves: Leaves,
    /// It answers before it has read the request's body.
    early: bool,
    gone: bool,
    /// It answers correctly, so the browser must get that.
    pub(crate) good: bool,
    /// It ends an answer that only its end can end.
    pub(crate) until_close: bool,
}

impl Site {
    pub(crate) fn new(world: &mut World, request: Request, end: End) -> Self {
        let mut site = Self {
            end,
            request,
            got: Vec::new(),
            answer: Vec::new(),
            said: 0,
            leaves: [Leaves::Stays, Leaves::Closes][world.random(2)],
            early: world.random(5) == 0,
            gone: false,
            good: true,
            until_close: false,
        };
        site.decide(world);
        site
    }

    fn decide(&mut self, world: &mut World) {
        let length = [0, 10, 3_000, 80_000, 400_000][world.random(5)];
        let body = patterned(self.request.tag(), 0, length);
        let id = self.request.id();
        if world.random(4) == 0 {
            self.answer.extend(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        }
        let has_body = !self.request.is_head();
        let fresh = ["", "Cache-Control: max-age=60\r\n"][world.random(2)];
        let mut say = |fields: String, body: &[u8]| {
            let head = format!("HTTP/1.1 200 OK\r\nX-Id: {id}\r\n{fresh}{fields}\r\n");
            self.answer.extend(head.bytes());
            if has_body {
                self.answer.extend(body);
            }
        };
        match world.random(4) {
            0 => say("Transfer-Encoding: chunked\r\n".into(), &chunked(&body, 1 + length / 3)),
            1 if has_body => {
                say(String::new(), &body);
                self.leaves = Leaves::Closes;
                self.until_close = true;
            }
            _ => say(format!("Content-Length: {length}\r\n"), &body),
        }
        match world.random(12) {
            0 if !self.until_close => self.answer.extend(b"more than was asked for"),
            1 => {
                let cut = world.random(self.answer.len());
                self.answer.truncate(cut);
                self.leaves = [Leaves::Closes, Leaves::Resets][world.random(2)];
                self.good = false;
            }
            2 => {
                self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab".to_vec();
                self.good = false;
            }
            _ => {}
        }
        // A reset may overtake what was said.
        self.good &= self.leaves != Leaves::Resets;
    }

    /// Reads some and says some. Says whether anything moved.
    pub(crate) fn act(&mut self, world: &mut World, most: usize) -> bool {
        if self.gone {
            return false;
        }
        let bytes = world.take(self.end, most);
        self.got.extend(&bytes);
        let heard = self.check_request();
        let mut moved = !bytes.is_empty();
        if (heard || self.early) && self.said < self.answer.len() {
            let n = most.min(self.answer.len() - self.said);
            world.send(self.end, &self.answer[self.said..self.said + n]);
            self.said += n;
            moved |= n > 0;
        }
        let over = world.has_ended(self.end) || world.was_reset(self.end);
        let all_said = self.said == self.answer.len() && (heard || self.early);
        if all_said && self.leaves == Leaves::Resets {
            self.gone = true;
            world.abort(self.end);
        } else if over || (all_said && self.leaves == Leaves::Closes) {
            self.gone = true;
            world.close(self.end);
        }
        moved || self.gone
    }

    /// What has come so far is the request, whole or in part. Says whether it is whole.
    fn check_request(&self) -> bool {
        let request = &self.request;
        let framing = if request.has_body() { None } else { Some(Body::None) };
        let Some(message) = answer::read(&self.got, framing) else { return false };
        let expected = format!("{} /{} HTTP/1.1", request.method(), request.id());
        assert_eq!(message.start, expected);
        let sent = patterned(request.tag() + 1, 0, message.body.len());
        assert!(message.body == sent, "the upload of {} differs", request.id());
        if message.whole {
            assert_eq!(message.body.len(), request.upload(), "{}", request.id());
            assert_eq!(self.got.len(), message.length, "more than the request came");
        }
        message.whole
    }

    pub(crate) fn check_end(&self, world: &World) {
        let over = world.has_ended(self.end) || world.was_reset(self.end);
        assert!(self.gone || over, "the site of {} stalls", self.request.id());
    }
}
