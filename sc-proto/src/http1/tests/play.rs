//! Plays the part of the endpoint: carries bytes through a [`Front`] in pieces of one size and
//! writes down what comes out.

use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::contract::{AccessRefused, DialFailure, StreamKind};
use crate::http1::{After, AnswerItem, BrowserEnd, Ending, Failure, Front, Item, Limits, Phase};

/// What came out of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) to_stream: Vec<u8>,
    pub(super) to_browser: Vec<u8>,
    /// What happened beside bytes, one line each.
    pub(super) log: Vec<String>,
}

/// One conversation.
pub(super) struct Play {
    front: Front,
    /// Bytes per read.
    piece: usize,
    from_browser: Vec<u8>,
    from_stream: Vec<u8>,
    pub(super) record: Record,
}

/// Piece sizes that every conversation is played in.
pub(super) const PIECES: [usize; 6] = [1, 2, 3, 7, 64, usize::MAX];

/// Plays `script` in all piece sizes and checks that the same comes out. Returns it.
pub(super) fn in_all_splits(script: impl Fn(&mut Play)) -> Record {
    let mut records = PIECES.iter().map(|&piece| {
        let mut play = Play::new(piece);
        script(&mut play);
        (piece, play.record)
    });
    let (_, first) = records.next().unwrap();
    for (piece, record) in records {
        assert_eq!(text(&record.to_stream), text(&first.to_stream), "piece {piece}");
        assert_eq!(text(&record.to_browser), text(&first.to_browser), "piece {piece}");
        assert_eq!(record.log, first.log, "piece {piece}");
    }
    first
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Record {
    pub(super) fn to_stream(&self) -> String {
        text(&self.to_stream)
    }

    pub(super) fn to_browser(&self) -> String {
        text(&self.to_browser)
    }

    /// The log as one text.
    pub(super) fn log(&self) -> String {
        self.log.join("; ")
    }
}

impl Play {
    pub(super) fn new(piece: usize) -> Self {
        Self {
            front: Front::new(Limits::default()),
            piece,
            from_browser: Vec::new(),
            from_stream: Vec::new(),
            record: Record::default(),
        }
    }

    /// The browser sends bytes.
    pub(super) fn browser(&mut self, bytes: impl AsRef<[u8]>) {
        for piece in bytes.as_ref().chunks(self.piece) {
            self.from_browser.extend_from_slice(piece);
            self.pump_browser();
        }
    }

    /// The site sends bytes.
    pub(super) fn site(&mut self, bytes: impl AsRef<[u8]>) {
        for piece in bytes.as_ref().chunks(self.piece) {
            self.from_stream.extend_from_slice(piece);
            self.pump_stream();
        }
    }

    /// The stream is open.
    pub(super) fn opened(&mut self) {
        assert_eq!(self.front.phase(), Phase::Opening);
        let bytes = self.front.opened();
        self.record.to_browser.extend_from_slice(&bytes);
        self.pump_browser();
    }

    /// The site could not be reached.
    pub(super) fn dial_failed(&mut self, failure: DialFailure) {
        self.fail(Failure::Dial(failure));
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        let ending = self.front.fail(failure);
        self.end("failed", &ending);
    }

    pub(super) fn turn_away(&mut self, reason: &AccessRefused) {
        let ending = self.front.turn_away(reason);
        self.end("turned away", &ending);
    }

    /// The site closed.
    pub(super) fn site_ended(&mut self) {
        match self.front.stream_ended() {
            None => self.log("site ended"),
            Some(AnswerItem::Done(after)) => self.done(after),
            Some(AnswerItem::Broken { reason, ending }) => {
                self.end(&format!("broken: {reason}"), &ending);
            }
            Some(AnswerItem::Raw) => self.log("raw end"),
            Some(other) => panic!("{other:?}"),
        }
    }

    pub(super) fn browser_ended(&mut self) -> BrowserEnd {
        self.front.browser_ended()
    }

    pub(super) fn head_timed_out(&mut self) {
        let ending = self.front.head_timed_out();
        self.end("head timed out", &ending);
    }

    pub(super) fn phase(&self) -> Phase {
        self.front.phase()
    }

    pub(super) fn log(&mut self, line: &str) {
        self.record.log.push(line.to_owned());
    }

    fn pump_browser(&mut self) {
        loop {
            let step = self.front.from_browser(&self.from_browser);
            let consumed = step.consumed;
            let mut raw = false;
            let line = match step.item {
                Item::NeedMore | Item::Paused | Item::Closed => {
                    self.from_browser.drain(..consumed);
                    let kept = self.from_browser.len();
                    assert!(kept <= Limits::default().max_head || self.phase() != Phase::Head);
                    return;
                }
                Item::Open { target, kind, head, .. } => {
                    self.record.to_stream.extend_from_slice(&head);
                    let kind = match kind {
                        StreamKind::Connect => "tunnel",
                        StreamKind::Http => "open",
                        StreamKind::Https => "open over TLS",
                    };
                    Some(format!("{kind} {target}"))
                }
                Item::ToStream(bytes) => {
                    assert!(!bytes.is_empty());
                    self.record.to_stream.extend_from_slice(bytes);
                    None
                }
                Item::RequestDone => Some("request done".to_string()),
                Item::Raw => {
                    raw = true;
                    None
                }
                Item::Refuse { reason, ending } => {
                    self.end(&format!("refused: {reason}"), &ending);
                    None
                }
            };
            if let Some(line) = line {
                self.record.log.push(line);
            }
            self.from_browser.drain(..consumed);
            if raw {
                let rest = core::mem::take(&mut self.from_browser);
                self.record.to_stream.extend_from_slice(&rest);
                return;
            }
        }
    }

    fn pump_stream(&mut self) {
        loop {
            let answer = self.front.from_stream(&self.from_stream);
            let consumed = answer.consumed;
            let mut stop = false;
            match answer.item {
                AnswerItem::NeedMore => stop = true,
                AnswerItem::Head(head) => self.record.to_browser.extend_from_slice(&head),
                AnswerItem::ToBrowser(bytes) => {
                    assert!(!bytes.is_empty());
                    self.record.to_browser.extend_from_slice(bytes);
                }
                AnswerItem::Done(after) => self.done(after),
                AnswerItem::Raw => {
                    let rest = core::mem::take(&mut self.from_stream);
                    self.record.to_browser.extend_from_slice(&rest);
                    return;
                }
                AnswerItem::Broken { reason, ending } => {
                    self.end(&format!("broken: {reason}"), &ending);
                }
                AnswerItem::Surplus => {
                    // Pieces of surplus count as one.
                    if self.record.log.last().is_none_or(|line| line != "surplus") {
                        self.log("surplus");
                    }
                    stop = true;
                }
            }
            self.from_stream.drain(..consumed);
            if stop {
                return;
            }
        }
    }

    fn done(&mut self, after: After) {
        self.log(&format!("done {after:?}"));
        self.pump_browser();
    }

    fn end(&mut self, what: &str, ending: &Ending) {
        self.record.to_browser.extend_from_slice(&ending.page);
        self.log(&format!("{what} {:?}", ending.after));
    }
}
