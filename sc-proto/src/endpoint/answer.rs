//! The site's answer on its way to the browser, and the end of an exchange.

use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;

use super::Core;
use super::http::Wants;
use super::socket::{Input, Output, Socket, SocketKey};
use crate::Time;
use crate::contract::ResetReason;
use crate::http1::{After, AnswerItem, Ending, Failure};

impl Core {
    /// Bytes of the answer, at `range` of `plaintext`.
    pub(super) fn take_answer(
        &mut self,
        key: SocketKey,
        plaintext: &[u8],
        range: Range<usize>,
        now: Time,
    ) {
        let Some(http) = self.http(key) else { return };
        let mut kept = core::mem::take(&mut http.answer);
        let Some(payload) = plaintext.get(range.clone()) else {
            return;
        };
        if kept.is_empty() {
            let used = self.drive_answer(key, payload, Some((plaintext, range.start)), now);
            kept.extend_from_slice(&payload[used..]);
        } else {
            kept.extend_from_slice(payload);
            let used = self.drive_answer(key, &kept, None, now);
            kept.drain(..used);
        }
        if let Some(http) = self.http(key) {
            // Without a byte in it it holds no memory either.
            http.answer = if kept.is_empty() { Vec::new() } else { kept };
        }
        self.return_idle_credit(key, now);
    }

    /// Returns the credit of bytes that left nothing to be written: framing, heads in the making.
    fn return_idle_credit(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        if proxied.has_output() {
            return;
        }
        let returned = core::mem::take(&mut proxied.unreturned);
        if let Some(link) = proxied.link
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.consumed(link.stream, returned, now);
        }
    }

    /// Has the front take bytes of the answer; says how many. `lendable`: they are a part of this
    /// plaintext, which begins at that place, and may be lent on.
    pub(super) fn drive_answer(
        &mut self,
        key: SocketKey,
        bytes: &[u8],
        lendable: Option<(&[u8], usize)>,
        now: Time,
    ) -> usize {
        let plaintext = lendable.map_or(&[][..], |(plaintext, _)| plaintext);
        let mut used = 0;
        loop {
            let Some(http) = self.http(key) else {
                return used;
            };
            let rest = &bytes[used..];
            let answer = http.front.from_stream(rest);
            match answer.item {
                AnswerItem::NeedMore => return used + answer.consumed,
                AnswerItem::Head(head) => {
                    let head = self.marked(key, head);
                    self.push_bytes(key, &head, plaintext);
                }
                AnswerItem::ToBrowser(body) => match lendable {
                    Some((plaintext, start)) => {
                        let at = start + used + offset_in(rest, body);
                        self.pass_on(key, plaintext, at..at + body.len());
                    }
                    None => self.push_bytes(key, body, plaintext),
                },
                AnswerItem::Done(after) => {
                    self.exchange_done(key, after, plaintext, now);
                    return bytes.len();
                }
                AnswerItem::Raw => {
                    self.become_raw(key);
                    let at = used + answer.consumed;
                    match lendable {
                        Some((plaintext, start)) if at < bytes.len() => {
                            self.pass_on(key, plaintext, start + at..start + bytes.len());
                        }
                        _ => self.push_bytes(key, &bytes[at..], plaintext),
                    }
                    return bytes.len();
                }
                AnswerItem::Broken { reason, ending } => {
                    log::debug!("{key:?}: answer refused: {reason}");
                    self.unlink(key, ResetReason::Cancelled, now);
                    self.conclude(key, ending, plaintext, now);
                    return bytes.len();
                }
                AnswerItem::Surplus => {
                    self.unlink(key, ResetReason::Cancelled, now);
                    return bytes.len();
                }
            }
            used += answer.consumed;
        }
    }

    /// The stream of an exchange has ended.
    pub(super) fn answer_ended(&mut self, key: SocketKey, plaintext: &[u8], now: Time) {
        let Some(http) = self.http(key) else { return };
        match http.front.stream_ended() {
            Some(AnswerItem::Done(after)) => self.exchange_done(key, after, plaintext, now),
            Some(AnswerItem::Broken { reason, ending }) => {
                log::debug!("{key:?}: answer refused: {reason}");
                self.unlink(key, ResetReason::Cancelled, now);
                self.conclude(key, ending, plaintext, now);
            }
            _ => {}
        }
    }

    fn exchange_done(&mut self, key: SocketKey, after: After, plaintext: &[u8], now: Time) {
        self.leave_cache(key, now);
        self.retire_stream(key, now);
        self.conclude(key, Ending { page: Bytes::new(), after, code: None }, plaintext, now);
    }

    /// Ends the exchange with a page that says why it failed. The stream is gone, or was never
    /// there.
    pub(super) fn end_exchange(
        &mut self,
        key: SocketKey,
        failure: Failure,
        plaintext: &[u8],
        now: Time,
    ) {
        let Some(http) = self.http(key) else { return };
        http.opening = None;
        let ending = http.front.fail(failure);
        self.conclude(key, ending, plaintext, now);
    }

    /// As [`Self::end_exchange`], when nothing is being decrypted.
    pub(super) fn fail_exchange(&mut self, key: SocketKey, failure: Failure, now: Time) {
        self.settle();
        self.end_exchange(key, failure, &[], now);
    }

    /// Writes the last bytes of an exchange, then goes on or ends the connection.
    pub(super) fn conclude(&mut self, key: SocketKey, ending: Ending, plaintext: &[u8], now: Time) {
        self.leave_cache(key, now);
        self.expect_movement(key, now);
        if let Some(code) = ending.code {
            self.counters.errors.count(code);
        }
        self.push_bytes(key, &ending.page, plaintext);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        proxied.ahead.clear();
        let Some(http) = &mut proxied.http else {
            return;
        };
        http.answer.clear();
        match ending.after {
            After::KeepAlive => {
                http.wants = Wants::Head;
                self.revive.push_back(key);
            }
            After::Close => {
                http.kept.clear();
                proxied.input = Input::Discard;
                proxied.output = Output::EndWanted;
                self.flush(key, now);
                self.queue_read(key);
            }
            After::Abort => self.close_socket(key, crate::CloseMode::Abort),
        }
    }
}

/// Where `part` begins within `whole`, of which it is a slice.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}
