//! One request and its answer.

use crate::contract::{RequestId, StreamKind, Target};
use crate::http1::Limits;
use crate::http1::body::{Body, BodyError};
use crate::http1::message::{Persistence, Reader, Upgrade};
use crate::http1::page::Page;
use crate::http1::request::Request;
use crate::http1::response::{self, Asked, Broken, Follows};
use crate::http1::search::HeadSearch;

use super::step::{After, Ending};

/// An exchange from the end of the request's head to the end of the answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) target: Target,
    pub(super) kind: StreamKind,
    asked: Asked,
    reader: Reader,
    upload: Body,
    request: RequestEnd,
    answer: Answering,
    /// What the logs call it, once it has a stream.
    pub(super) id: Option<RequestId>,
}

/// Whether [`Item::RequestDone`](super::Item::RequestDone) was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestEnd {
    Unsaid,
    Said,
}

/// How far the answer has come.
#[derive(Debug)]
enum Answering {
    /// The stream is not open yet.
    Opening,
    Head(HeadSearch),
    Body {
        body: Body,
        persistence: Persistence,
    },
}

/// What became of bytes of the request's body.
pub(super) enum Upload<'b> {
    NeedMore,
    Send(&'b [u8]),
    Done,
    Paused,
}

/// What became of bytes of the answer.
pub(super) enum Download<'b> {
    NeedMore,
    Head(bytes::Bytes),
    Switch(bytes::Bytes),
    Send(&'b [u8]),
    Done(After),
}

impl Exchange {
    pub(super) fn new(target: Target, request: &Request) -> Self {
        Self {
            target,
            kind: request.kind,
            asked: Asked {
                method: request.method,
                version: request.version,
                persistence: request.persistence,
                upgrade: request.upgrade,
            },
            reader: request.reader,
            upload: Body::request(request.framing),
            request: RequestEnd::Unsaid,
            answer: Answering::Opening,
            id: None,
        }
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.answer, Answering::Opening)
    }

    pub(super) fn opened(&mut self) {
        self.answer = Answering::Head(HeadSearch::new());
    }

    /// Judges body bytes that are here already, without taking them: what can be refused before
    /// the site hears of the request, is.
    pub(super) fn look_ahead(&self, mut input: &[u8]) -> Result<(), BodyError> {
        let mut body = self.upload;
        while !input.is_empty() && !body.is_done() {
            let consumed = body.advance(input)?.consumed;
            input = &input[consumed..];
        }
        Ok(())
    }

    /// Takes bytes of the request's body. Says how many.
    pub(super) fn upload<'b>(&mut self, input: &'b [u8]) -> (usize, Result<Upload<'b>, BodyError>) {
        if self.is_opening() {
            return (0, Ok(Upload::Paused));
        }
        if self.upload.is_done() {
            let before = core::mem::replace(&mut self.request, RequestEnd::Said);
            return match before {
                RequestEnd::Unsaid => (0, Ok(Upload::Done)),
                RequestEnd::Said => (0, Ok(Upload::Paused)),
            };
        }
        match forwarded(&mut self.upload, input) {
            (consumed, Err(error)) => (consumed, Err(error)),
            (consumed, Ok([])) if self.upload.is_done() => {
                self.request = RequestEnd::Said;
                (consumed, Ok(Upload::Done))
            }
            (consumed, Ok([])) => (consumed, Ok(Upload::NeedMore)),
            (consumed, Ok(bytes)) => (consumed, Ok(Upload::Send(bytes))),
        }
    }

    /// Takes bytes of the answer. Says how many.
    pub(super) fn download<'b>(
        &mut self,
        input: &'b [u8],
        limits: &Limits,
    ) -> (usize, Result<Download<'b>, Broken>) {
        match &mut self.answer {
            Answering::Opening => (0, Ok(Download::NeedMore)),
            Answering::Head(_) => self.download_heads(input, limits),
            Answering::Body { body, persistence } => {
                if body.is_done() {
                    return (0, Ok(Download::Done(after(*persistence))));
                }
                match forwarded(body, input) {
                    (consumed, Err(error)) => (consumed, Err(error.into())),
                    (consumed, Ok([])) if body.is_done() => {
                        (consumed, Ok(Download::Done(after(*persistence))))
                    }
                    (consumed, Ok([])) => (consumed, Ok(Download::NeedMore)),
                    (consumed, Ok(bytes)) => (consumed, Ok(Download::Send(bytes))),
                }
            }
        }
    }

    /// Takes heads until one is for the browser: HTTP/1.0 sees no interim answer.
    fn download_heads<'b>(
        &mut self,
        input: &'b [u8],
        limits: &Limits,
    ) -> (usize, Result<Download<'b>, Broken>) {
        let mut consumed = 0;
        while let Answering::Head(search) = &mut self.answer {
            let mut asked = self.asked;
            if !self.upload.is_done() {
                // An answer before the end of the request: what the browser sends from here on
                // may or may not be the rest of it, so no request can follow.
                asked.persistence = Persistence::Close;
            }
            let (length, response) = match response::read(search, &input[consumed..], asked, limits)
            {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(broken) => return (consumed, Err(broken)),
            };
            consumed += length;
            match response.follows {
                Follows::Answer => *search = HeadSearch::new(),
                Follows::Tunnel => return (consumed, Ok(Download::Switch(response.head))),
                Follows::Body { framing, coding, persistence } => {
                    let body = Body::response(framing, coding);
                    self.answer = Answering::Body { body, persistence };
                }
            }
            if !response.head.is_empty() {
                return (consumed, Ok(Download::Head(response.head)));
            }
        }
        (consumed, Ok(Download::NeedMore))
    }

    /// The site's bytes have ended.
    pub(super) fn download_ended(&self) -> Result<After, Broken> {
        match &self.answer {
            Answering::Opening => Err(Broken::NoAnswer),
            Answering::Head(search) if *search == HeadSearch::new() => Err(Broken::NoAnswer),
            Answering::Head(_) => Err(Broken::Truncated),
            Answering::Body { body, persistence } if body.may_end_here() => Ok(after(*persistence)),
            Answering::Body { .. } => Err(Broken::Truncated),
        }
    }

    /// What the browser gets when the exchange fails, with a page if it can still have one.
    pub(super) fn ending(&self, page: &Page) -> Ending {
        if let Answering::Body { .. } = self.answer {
            return Ending::silent(After::Abort);
        }
        let after = match (self.kind, self.asked.upgrade) {
            // Bytes sent ahead of the switch would be taken for a request.
            (StreamKind::Connect, _) | (_, Upgrade::Asked) => After::Close,
            (_, Upgrade::No) if !self.upload.is_done() => After::Close,
            (_, Upgrade::No) => after(self.asked.persistence),
        };
        self.page(page, after)
    }

    /// As [`Exchange::ending`], but nothing more is read from the browser.
    pub(super) fn last_ending(&self, page: &Page) -> Ending {
        let mut ending = self.ending(page);
        if ending.after == After::KeepAlive {
            ending = self.page(page, After::Close);
        }
        ending
    }

    fn page(&self, page: &Page, after: After) -> Ending {
        Ending::page(page, self.asked.method, self.reader, after)
    }
}

fn after(persistence: Persistence) -> After {
    match persistence {
        Persistence::KeepAlive => After::KeepAlive,
        Persistence::Close => After::Close,
    }
}

/// The first run of bytes to send on, and how many bytes were taken for it. An empty run: all of
/// the input was taken, or the body has ended.
fn forwarded<'b>(body: &mut Body, input: &'b [u8]) -> (usize, Result<&'b [u8], BodyError>) {
    let mut consumed = 0;
    while consumed < input.len() && !body.is_done() {
        let rest = &input[consumed..];
        let progress = match body.advance(rest) {
            Ok(progress) => progress,
            Err(error) => return (consumed, Err(error)),
        };
        consumed += progress.consumed;
        if !progress.forward.is_empty() {
            return (consumed, Ok(&rest[progress.forward]));
        }
    }
    (consumed, Ok(&[]))
}
