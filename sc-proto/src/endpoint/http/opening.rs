//! The stream of a browser's request: opened, put off or refused, and what its answer to OPEN brings.

use crate::contract::{DialFailure, ResetReason, Target, TunnelId};
use crate::endpoint::Core;
use crate::endpoint::placing::NoPlace;
use crate::endpoint::route::Opening;
use crate::endpoint::socket::{Link, Socket, SocketKey};
use crate::endpoint::tunnel::Waits;
use crate::http1::Failure;
use crate::kgp::OpenRefused;
use crate::rules::Way;
use crate::{DeadlineReason, Time};

impl Core {
    /// Opens the stream of a request, has it wait, or says why not.
    pub(in crate::endpoint) fn open_stream(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        let tunnel = proxied.tunnel;
        let Some(http) = &mut proxied.http else {
            return;
        };
        let Some(opening) = http.opening.take() else {
            return;
        };
        let placement = match opening.way {
            Way::Tunnel => self.place(tunnel),
            Way::Direct => self.place_direct(key, now),
        };
        let session = match placement {
            Ok(session) => session,
            Err(NoPlace::Yet) => {
                self.open_later(key, tunnel, opening, now);
                return self.look_again(tunnel);
            }
            Err(NoPlace::Elsewhere(_)) => return self.place_there(key, opening, now),
            Err(NoPlace::Never(failure)) => return self.end_exchange(key, failure, &[], now),
        };
        let head = self.stamped(key, &opening);
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let Opening { target, kind, .. } = &opening;
        match entry.session.open(key.into(), *kind, target.clone(), &mut self.pool, now) {
            Ok(stream) => {
                self.counters.streams += 1;
                let (transport, is_full) = (entry.transport, entry.session.is_full());
                if let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) {
                    proxied.link = Some(Link { session, stream });
                    proxied.ahead = head;
                    proxied.hops = 0;
                }
                let deadline = now.after(self.answer_limit());
                self.set_timer(key, deadline, DeadlineReason::OpenAnswer);
                self.note_request(key, Link { session, stream }, &opening.target);
                self.offer_source(key);
                self.kick_transport(transport);
                if is_full {
                    self.publish(tunnel);
                }
            }
            Err(OpenRefused::Draining) => {
                let failure = Failure::Dial(DialFailure::Draining);
                self.end_exchange(key, failure, &[], now);
            }
            Err(OpenRefused::TooMany) if opening.way == Way::Direct => {
                self.end_exchange(key, Failure::TooManyStreams, &[], now);
            }
            Err(OpenRefused::TooMany) => self.open_later(key, tunnel, opening, now),
        }
    }

    /// Tells the log what a request is called, and its error page, if there will be one.
    fn note_request(&mut self, key: SocketKey, link: Link, target: &Target) {
        let Some(id) = self.request_id(link) else { return };
        log::debug!(target: "request", "a stream was opened target={target} request={id}");
        if let Some(http) = self.http(key) {
            http.front.carried_as(Some(id));
        }
    }

    /// The request waits for its stream, if not too many do already.
    pub(in crate::endpoint) fn open_later(
        &mut self,
        key: SocketKey,
        tunnel: TunnelId,
        opening: Opening,
        now: Time,
    ) {
        if let Some(http) = self.http(key) {
            http.opening = Some(opening);
        }
        match self.wait_for_stream(tunnel, key) {
            Waits::Yes => {
                let deadline = now.after(self.config.dial_timeout);
                self.set_timer(key, deadline, DeadlineReason::OpenWait);
            }
            Waits::No => self.end_exchange(key, Failure::TooManyStreams, &[], now),
        }
    }

    /// A request that waited may try again.
    pub(in crate::endpoint) fn open_again(&mut self, key: SocketKey, now: Time) {
        if self.http(key).is_some_and(|http| http.opening.is_some()) {
            self.clear_timer(key);
            self.open_stream(key, now);
        }
    }

    /// The client answered the OPEN of this browser's request.
    pub(in crate::endpoint) fn answered(
        &mut self,
        key: SocketKey,
        outcome: Result<(), DialFailure>,
        now: Time,
    ) {
        match outcome {
            Ok(()) => {
                if let Some(fetch) = self.http(key).and_then(|http| http.carried()) {
                    return self.fetch_opened(key, fetch, now);
                }
                self.expect_movement(key, now);
                self.peek_over(key);
                let Some(http) = self.http(key) else { return };
                let bytes = http.front.opened();
                self.push_bytes(key, &bytes, &[]);
                self.go_on(key, now);
            }
            Err(failure) => {
                let failure = self.failure_of(key, failure);
                if let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) {
                    proxied.link = None;
                }
                self.end_exchange(key, failure, &[], now);
            }
        }
    }

    /// From here on bytes are relayed as they are.
    pub(in crate::endpoint) fn become_raw(&mut self, key: SocketKey) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        let Some(http) = proxied.http.take() else {
            return;
        };
        proxied.send_later(http.kept);
        self.offer_source(key);
    }

    /// A deadline of a browser's connection has passed.
    pub(in crate::endpoint) fn http_timeout(
        &mut self,
        key: SocketKey,
        reason: DeadlineReason,
        now: Time,
    ) {
        if let Some(later) = self.answer_is_due_later(key, reason, now) {
            return self.set_timer(key, later, reason);
        }
        match reason {
            DeadlineReason::Access => self.access_timeout(key, now),
            DeadlineReason::OpenWait => self.end_exchange(key, Failure::TooManyStreams, &[], now),
            DeadlineReason::OpenAnswer => {
                self.unlink(key, ResetReason::TimedOut, now);
                self.end_exchange(key, Failure::NoReply, &[], now);
            }
            _ => {
                let Some(http) = self.http(key) else { return };
                let ending = http.front.head_timed_out();
                self.conclude(key, ending, &[], now);
            }
        }
    }

    /// When the client's answer is due, if an outage has put it off: nobody can answer without a
    /// transport, and the grace limits that time.
    fn answer_is_due_later(
        &mut self,
        key: SocketKey,
        reason: DeadlineReason,
        now: Time,
    ) -> Option<Time> {
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied)?;
        let due = match reason {
            DeadlineReason::OpenAnswer => {
                let entry = self.sessions.get(proxied.link?.session)?;
                let since = if entry.outage.is_some() { now } else { entry.carried_since };
                since.after(self.answer_limit())
            }
            DeadlineReason::OpenWait => {
                let tunnel = proxied.tunnel;
                self.wait_is_due(tunnel, self.config.dial_timeout, now)?
            }
            _ => return None,
        };
        Some(due).filter(|due| *due > now)
    }
}
