//! A browser's whole conversation as a random sequence of operations: never a panic or an endless
//! loop, never more final answers than requests, nothing after the end, and the same bytes to both
//! sides for every split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::contract::{DialFailure, ResetReason};
use sc_proto::http1::{
    After, AnswerItem, BrowserEnd, Ending, Failure, Front, Item, Limits, Phase, Refused,
};

const REQUESTS: [&[u8]; 6] = [
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
    b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    b"GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"GET http://a/ HTTP/1.0\r\n\r\n",
];
const ANSWERS: [&[u8]; 7] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n",
    b"0\r\nA: b\r\n\r\n",
];
const FAILURES: [Failure; 4] = [
    Failure::Dial(DialFailure::Refused),
    Failure::NotConnected,
    Failure::SessionLost,
    Failure::Reset(ResetReason::Cancelled),
];

/// One conversation, its bytes carried in pieces of one size.
struct Play {
    front: Front,
    piece: usize,
    browser: Vec<u8>,
    stream: Vec<u8>,
    to_browser: Vec<u8>,
    to_stream: Vec<u8>,
    opened: usize,
    answered: usize,
    /// A body was refused: how much the site saw before depends on the split.
    bad_body: bool,
}

impl Play {
    fn new(piece: usize) -> Self {
        let limits = Limits { max_head: 512, max_start_line: 128, max_headers: 8 };
        Self {
            front: Front::new(limits),
            piece,
            browser: Vec::new(),
            stream: Vec::new(),
            to_browser: Vec::new(),
            to_stream: Vec::new(),
            opened: 0,
            answered: 0,
            bad_body: false,
        }
    }

    fn operate(&mut self, operation: u8, argument: u8, bytes: &[u8]) {
        let pick = usize::from(argument);
        match operation % 10 {
            0 => self.from_browser(bytes),
            1 => self.from_browser(REQUESTS[pick % REQUESTS.len()]),
            2 => self.from_stream(bytes),
            3 => self.from_stream(ANSWERS[pick % ANSWERS.len()]),
            4 | 5 => {
                let sent = self.front.opened();
                self.to_browser.extend_from_slice(&sent);
                self.stream.clear();
                self.pump_browser();
            }
            6 => {
                let ending = self.front.fail(FAILURES[pick % FAILURES.len()]);
                self.end(&ending);
            }
            7 => {
                if let Some(item) = self.front.stream_ended() {
                    self.answer(item);
                }
            }
            8 if argument == 0 => {
                let end = self.front.browser_ended();
                let raw = self.front.phase() == Phase::Raw;
                assert_eq!(end == BrowserEnd::Raw, raw);
            }
            9 if argument == 0 => {
                let ending = self.front.head_timed_out();
                self.end(&ending);
            }
            _ => {}
        }
    }

    fn from_browser(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            self.browser.extend_from_slice(piece);
            self.pump_browser();
        }
    }

    fn from_stream(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            self.stream.extend_from_slice(piece);
            self.pump_stream();
        }
    }

    fn pump_browser(&mut self) {
        let mut idle_steps = 0;
        loop {
            let closed = self.front.phase() == Phase::Closed;
            let step = self.front.from_browser(&self.browser);
            let consumed = step.consumed;
            assert!(consumed <= self.browser.len());
            let go_on = match step.item {
                Item::NeedMore | Item::Paused | Item::Raw => false,
                Item::Closed => {
                    assert!(closed && consumed == 0);
                    false
                }
                Item::Open { head, .. } => {
                    self.opened += 1;
                    self.to_stream.extend_from_slice(&head);
                    true
                }
                Item::ToStream(bytes) => {
                    assert!(!bytes.is_empty());
                    self.to_stream.extend_from_slice(bytes);
                    true
                }
                Item::RequestDone => true,
                Item::Refuse { reason, ending } => {
                    self.bad_body |= matches!(reason, Refused::Body(_));
                    assert!(ending.after != After::KeepAlive);
                    // A request refused before its stream counts, too.
                    self.opened += 1;
                    self.end(&ending);
                    true
                }
            };
            self.browser.drain(..consumed);
            if !go_on {
                return;
            }
            idle_steps = if consumed == 0 { idle_steps + 1 } else { 0 };
            assert!(idle_steps < 4, "no progress");
        }
    }

    fn pump_stream(&mut self) {
        let mut idle_steps = 0;
        loop {
            let answer = self.front.from_stream(&self.stream);
            let consumed = answer.consumed;
            assert!(consumed <= self.stream.len());
            let go_on = match answer.item {
                AnswerItem::NeedMore | AnswerItem::Raw => false,
                AnswerItem::ToBrowser(bytes) => {
                    assert!(!bytes.is_empty());
                    self.to_browser.extend_from_slice(bytes);
                    true
                }
                AnswerItem::Head(head) => {
                    assert!(head.ends_with(b"\r\n\r\n"));
                    self.answered += usize::from(!head.starts_with(b"HTTP/1.1 1"));
                    self.to_browser.extend_from_slice(&head);
                    true
                }
                AnswerItem::Surplus => {
                    assert_eq!(consumed, self.stream.len());
                    true
                }
                AnswerItem::Done(after) => return self.answer(AnswerItem::Done(after)),
                AnswerItem::Broken { reason, ending } => {
                    return self.answer(AnswerItem::Broken { reason, ending });
                }
            };
            self.stream.drain(..consumed);
            if !go_on {
                return;
            }
            idle_steps = if consumed == 0 { idle_steps + 1 } else { 0 };
            assert!(idle_steps < 4, "no progress");
        }
    }

    fn answer(&mut self, item: AnswerItem<'static>) {
        match item {
            AnswerItem::Done(after) => assert!(after != After::Abort),
            AnswerItem::Broken { ending, .. } => self.end(&ending),
            AnswerItem::Raw => return,
            other => panic!("{other:?}"),
        }
        // The rest belongs to no exchange.
        self.stream.clear();
        self.pump_browser();
    }

    fn end(&mut self, ending: &Ending) {
        assert!(ending.after != After::Abort || ending.page.is_empty());
        self.answered += usize::from(!ending.page.is_empty());
        self.to_browser.extend_from_slice(&ending.page);
        // A 408 answers a request that never was whole.
        let is_late = ending.page.starts_with(b"HTTP/1.1 408");
        self.opened += usize::from(is_late);
        assert!(self.answered <= self.opened);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut whole = Play::new(usize::MAX);
    let mut bytewise = Play::new(1);
    let mut rest = data;
    while let [operation, argument, after @ ..] = rest {
        let has_bytes = matches!(operation % 10, 0 | 2);
        let length = if has_bytes { usize::from(*argument).min(after.len()) } else { 0 };
        let (bytes, after) = after.split_at(length);
        rest = after;
        whole.operate(*operation, *argument, bytes);
        bytewise.operate(*operation, *argument, bytes);
        if whole.bad_body || bytewise.bad_body {
            return;
        }
    }
    assert!(whole.answered <= whole.opened);
    assert_eq!(whole.to_stream, bytewise.to_stream);
    assert_eq!(whole.to_browser, bytewise.to_browser);
    assert_eq!(whole.front.phase(), bytewise.front.phase());
});
