//! The pump between a transport's TLS and its session: frames in, bytes out.

use alloc::boxed::Box;

use super::Core;
use super::socket::{Role, Socket, SocketKey};
use super::transport::{Intake, Stage, Transport};
use crate::Time;
use crate::contract::TransportLoss;
use crate::kgp::ProtocolError;
use crate::kgp::frame::Frame;
use crate::tls::{Progress, TlsState};

/// With so much ciphertext waiting for the socket nothing more is encrypted: the choice of what
/// goes next stays open.
const OUTPUT_LOW: usize = 16 * 1024;
/// How much is encrypted for one write, in bytes.
const OUTPUT_FULL: usize = 64 * 1024;
/// One full TLS record.
const RECORD: usize = 16 * 1024;

impl Core {
    /// Decrypts and takes frames in, until a part of the plaintext has been lent out or nothing
    /// whole is left.
    pub(super) fn pump_in(&mut self, key: SocketKey, now: Time) {
        self.settle();
        let Some(mut transport) = self.take_transport(key) else {
            return;
        };
        // After our goodbye nothing is of interest, and TLS would have no way to complain.
        let outcome = match transport.stage {
            Stage::Closing => Ok(()),
            _ => self.pump_in_taken(key, &mut transport, now),
        };
        let handed_over = matches!(transport.stage, Stage::Admitted(_));
        let attached = match transport.stage {
            Stage::Attached(session) => Some(session),
            _ => None,
        };
        self.put_transport(key, transport);
        match outcome {
            Ok(()) if handed_over => self.movers.push_back(key),
            Ok(()) => {}
            Err(loss) => {
                self.settle();
                self.lose_transport(key, loss, now);
            }
        }
        if let Some(session) = attached {
            self.after_session(session, now);
        }
        self.kick_transport(key);
    }

    fn pump_in_taken(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        now: Time,
    ) -> Result<(), TransportLoss> {
        loop {
            let progress = transport.pipe.decrypt(&mut self.tls_pool);
            // What was decrypted before an error is intact and counts.
            let used = self.take_frames(key, transport, now)?;
            let progress = progress?;
            if !self.lent.is_empty() {
                return Ok(());
            }
            transport.pipe.consume(used, &mut self.tls_pool);
            if let Stage::Admitted(_) = transport.stage {
                return Ok(());
            }
            transport.intake = match progress {
                Progress::Drained => Intake::Open,
                Progress::Blocked => Intake::Blocked,
            };
            if transport.intake == Intake::Open || used == 0 {
                break;
            }
        }
        match transport.pipe.state() {
            TlsState::PeerClosed => Err(TransportLoss::Closed),
            _ => Ok(()),
        }
    }

    /// Takes all whole frames at the front of the plaintext; says how many bytes they have.
    fn take_frames(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        now: Time,
    ) -> Result<usize, TransportLoss> {
        let mut used = 0;
        loop {
            let Stage::Attached(session) = transport.stage else {
                match self.take_handshake_frame(key, transport, used, now)? {
                    Some(length) => used += length,
                    None => break,
                }
                if matches!(transport.stage, Stage::Admitted(_)) {
                    break;
                }
                continue;
            };
            let input = &transport.pipe.plaintext()[used..];
            let Some((frame, length)) = Frame::decode(input)? else {
                break;
            };
            if let Frame::Refused(refusal) = frame
                && self.sessions.get(session).is_some_and(|entry| entry.reach.is_some())
            {
                // The server's last word on a session.
                return Err(TransportLoss::Refused(refusal));
            }
            let range = used..used + length;
            self.take_session_frame(session, frame, transport.pipe.plaintext(), range, now)?;
            used += length;
            if !self.lent.is_empty() {
                self.lent.transport = Some(key.into());
                self.lent.length = used;
            }
        }
        Ok(used)
    }

    /// Takes the frame at `at`, before there is a session; says how long it is, if it is whole.
    fn take_handshake_frame(
        &mut self,
        key: SocketKey,
        transport: &mut Transport,
        at: usize,
        now: Time,
    ) -> Result<Option<usize>, TransportLoss> {
        let input = transport.pipe.plaintext().get(at..).unwrap_or_default();
        if let Some(byte) = input.first() {
            transport.stage.expects(*byte)?;
        }
        let Some((frame, length)) = Frame::decode(input)? else {
            return Ok(None);
        };
        match (&transport.stage, frame) {
            (Stage::AwaitHello, Frame::Hello(hello)) => self.judge(key, transport, hello, now)?,
            (Stage::AwaitHello, Frame::Resume(resume)) => {
                self.judge_resume(key, transport, resume, now)?;
            }
            (Stage::AwaitWelcome(reach), Frame::Welcome(welcome)) => {
                let reach = reach.clone();
                self.begin_client_session(key, transport, reach, welcome, now)?;
            }
            (Stage::AwaitResumed(session), Frame::Resumed { received }) => {
                let session = *session;
                self.carry_on(key, transport, session, received, now)?;
            }
            (Stage::AwaitWelcome(_) | Stage::AwaitResumed(_), Frame::Refused(refusal)) => {
                return Err(TransportLoss::Refused(refusal));
            }
            (_, frame) => {
                return Err(ProtocolError::UnexpectedFrame(frame.frame_type() as u8).into());
            }
        }
        Ok(Some(length))
    }

    /// Encrypts what goes next, if little is waiting. Says whether the socket has something to
    /// write.
    pub(super) fn pump_out(&mut self, key: SocketKey, now: Time) -> HasOutput {
        let Some(mut transport) = self.take_transport(key) else {
            return HasOutput::No;
        };
        transport.encrypt_preamble(&mut self.tls_pool);
        let has_output = match transport.preamble_output() {
            Some(preamble) => !preamble.is_empty(),
            None => {
                if transport.pipe.ciphertext().len() < OUTPUT_LOW {
                    self.fill_output(&mut transport, now);
                }
                !transport.pipe.ciphertext().is_empty()
            }
        };
        self.put_transport(key, transport);
        if has_output { HasOutput::Yes } else { HasOutput::No }
    }

    fn fill_output(&mut self, transport: &mut Transport, now: Time) {
        let Transport { pipe, first, stage, .. } = transport;
        if !first.is_empty() {
            let n = pipe.encrypt(first, &mut self.tls_pool);
            first.drain(..n);
            if !first.is_empty() {
                return;
            }
        }
        if let Stage::Closing = stage {
            pipe.close(&mut self.tls_pool);
        }
        let Stage::Attached(session) = *stage else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let session = &mut entry.session;
        while session.wants_to_send() {
            // Control frames and the beginning of the ring share a record.
            let record = &mut self.record;
            record.clear();
            while record.len() < RECORD - 512
                && let Some(frame) = session.next_control(now)
            {
                record.extend_from_slice(frame.as_slice());
            }
            let taken = if record.is_empty() {
                let n = pipe.encrypt(session.unsent(), &mut self.tls_pool);
                session.mark_sent(n);
                n
            } else {
                let unsent = session.unsent();
                let n = unsent.len().min(RECORD - record.len());
                record.extend_from_slice(&unsent[..n]);
                session.mark_sent(n);
                let taken = pipe.encrypt(record, &mut self.tls_pool);
                // Only a pipe that has failed takes less than a record with its output this low.
                first.extend_from_slice(&record[taken..]);
                taken
            };
            if taken == 0 || pipe.ciphertext().len() >= OUTPUT_FULL {
                break;
            }
        }
    }

    /// Puts a transport in the list of those to write, if it has anything to write.
    pub(super) fn kick_transport(&mut self, key: SocketKey) {
        let Self { sockets, sessions, .. } = self;
        let Some(socket) = sockets.get_mut(key) else {
            return;
        };
        let can_write = socket.can_write && !socket.write_queued;
        let Some(transport) = socket.transport() else {
            return;
        };
        let wants = transport.preamble_wants().unwrap_or_else(|| {
            !transport.pipe.ciphertext().is_empty()
                || (!transport.first.is_empty() && transport.pipe.state() == TlsState::Established)
                || match transport.stage {
                    Stage::Attached(session) => {
                        sessions.get(session).is_some_and(|entry| entry.session.wants_to_send())
                    }
                    _ => false,
                }
        });
        if can_write && wants {
            socket.write_queued = true;
            self.transport_writes.push_back(key);
        }
    }

    /// The decrypted bytes that are lent out.
    pub(super) fn plaintext_of(&self, key: SocketKey) -> &[u8] {
        match self.sockets.get(key).map(|socket| &socket.role) {
            Some(Role::Transport(Some(transport))) => transport.pipe.plaintext(),
            _ => &[],
        }
    }

    /// The first `n` bytes of the plaintext are used up.
    pub(super) fn consume_plaintext(&mut self, key: SocketKey, n: usize) {
        let Self { sockets, tls_pool, .. } = self;
        if let Some(transport) = sockets.get_mut(key).and_then(Socket::transport) {
            transport.pipe.consume(n, tls_pool);
        }
    }

    pub(super) fn take_transport(&mut self, key: SocketKey) -> Option<Box<Transport>> {
        match &mut self.sockets.get_mut(key)?.role {
            Role::Transport(transport) => transport.take(),
            Role::Proxied(_) => None,
        }
    }

    pub(super) fn put_transport(&mut self, key: SocketKey, transport: Box<Transport>) {
        if let Some(Role::Transport(slot)) =
            self.sockets.get_mut(key).map(|socket| &mut socket.role)
        {
            *slot = Some(transport);
        }
    }
}

/// Whether a transport has ciphertext to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasOutput {
    Yes,
    No,
}
