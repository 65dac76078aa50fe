//! What a session knows of the transport that carries it: that it came, went, was replaced, lives.

use core::time::Duration;

use super::{CreditDue, Direction, PingDue, Session, SpeakDue};
use crate::Time;
use crate::contract::TransportLoss;
use crate::kgp::ProtocolError;
use crate::kgp::liveness::{Liveness, Pulse};
use crate::kgp::pool::Pool;

impl Session {
    /// A transport carries the session from now on.
    pub(crate) fn attach(&mut self, now: Time) {
        let peer_keepalive = Duration::from_millis(self.peer.keepalive_ms.into());
        self.liveness = Some(Liveness::new(&self.settings, peer_keepalive, now));
        // The round trip time is known before a stream needs it.
        self.ping_due = PingDue::Yes;
    }

    /// The transport is gone. Streams stay; what was under way is sent again by
    /// [`Self::resume`]. Until then sockets are read only as far as there is room.
    pub(crate) fn detach(&mut self) {
        self.liveness = None;
        self.path_limit = u64::MAX;
        self.ping_due = PingDue::No;
        self.speak_due = SpeakDue::No;
        self.pong_due = None;
        self.ack_deadline = None;
        self.frame_rest = 0;
    }

    /// Whether the path of the transport has turned out to be long; says so once.
    pub(crate) fn finds_path_long(&mut self) -> bool {
        self.liveness.as_mut().is_some_and(Liveness::finds_path_long)
    }

    /// Whether a frame that overtakes the ring may go now: none is under way in part.
    pub(crate) fn takes_control(&self) -> bool {
        self.frame_rest == 0
    }

    /// What this side has taken in, to be told to the peer before it resumes.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the peer can have taken in so much. If not, its RESUME is late or a lie.
    pub(crate) fn judge_received(&self, received: u64) -> Result<(), TransportLoss> {
        if received < self.ring.acked() {
            return Err(TransportLoss::Ended);
        }
        self.ring.check_reached(received).map_err(|_| ProtocolError::Ack.into())
    }

    /// A new transport carries the session on: the peer has taken in `received` bytes and knows
    /// what this side has. The rest is sent again; says how many bytes.
    pub(crate) fn resume(
        &mut self,
        received: u64,
        pool: &mut Pool,
        now: Time,
    ) -> Result<u64, ProtocolError> {
        let again = self.ring.rewind(received, pool).map_err(|_| ProtocolError::Ack)?;
        self.detach();
        self.acked = self.received;
        // A CREDIT may have been lost. It is cumulative, so saying it once more is harmless.
        self.credits_due.clear();
        for (key, stream) in self.streams.iter_mut() {
            stream.credit_due = CreditDue::No;
            if stream.receiving == Direction::Open {
                stream.credit_due = CreditDue::Listed;
                self.credits_due.push_back(key);
            }
        }
        self.attach(now);
        Ok(again)
    }

    /// Bytes came from the transport: it lives, however long a whole frame takes.
    pub(crate) fn heard(&mut self, now: Time) {
        if let Some(liveness) = &mut self.liveness {
            liveness.heard(now);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let keepalive = self.liveness.as_ref().map(Liveness::deadline);
        [keepalive, self.ack_deadline].into_iter().flatten().min()
    }

    /// Fires what is due. An error: give the transport up.
    pub(crate) fn handle_timeout(&mut self, now: Time) -> Result<(), TransportLoss> {
        if self.ack_deadline.is_some_and(|at| at <= now) {
            // From now on `control` sends it.
            self.ack_deadline = None;
        }
        let Some(liveness) = &mut self.liveness else {
            return Ok(());
        };
        if liveness.wants_to_speak(now) {
            self.speak_due = SpeakDue::Yes;
        }
        match liveness.check(now) {
            Pulse::Fine => Ok(()),
            Pulse::Ping => {
                self.ping_due = PingDue::Yes;
                Ok(())
            }
            Pulse::Dead => Err(TransportLoss::Silent),
        }
    }
}
