//! One step of rustls' state machine, for both sides. The only file that drives rustls.

use alloc::boxed::Box;
use alloc::format;

use rustls::CommonState;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncryptError, ReadTraffic, UnbufferedStatus, WriteTraffic,
};

use super::buffer::{BufferPool, Window};
use super::error::TlsError;

/// A connection of rustls.
pub(super) enum Connection {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// What a step shall do once rustls has nothing to do by itself.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    Nothing,
    /// Encrypt all of this; there must be room for it.
    Encrypt(&'a [u8]),
    CloseNotify,
    #[cfg(test)]
    RefreshKeys,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Moved on with records of its own (handshake, alert, key update): step again.
    Advanced,
    /// Appended plaintext: step again.
    Received,
    /// Did what was asked.
    Done,
    /// The peer has said goodbye.
    PeerClosed,
    /// Needs more ciphertext.
    Idle,
}

/// Outcome of a step.
pub(super) struct Outcome {
    /// So many bytes of the incoming ciphertext are used up, also after an error.
    pub(super) discard: usize,
    pub(super) step: Result<Step, TlsError>,
}

/// Where a step puts its results.
pub(super) struct Output<'a> {
    pub(super) plaintext: &'a mut Window,
    pub(super) ciphertext: &'a mut Window,
    pub(super) pool: &'a mut BufferPool,
}

impl Connection {
    /// What rustls knows about both sides alike.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Client(connection) => connection,
            Self::Server(connection) => connection,
        }
    }

    /// Takes the next step over `incoming`, decrypting in place.
    pub(super) fn step(
        &mut self,
        incoming: &mut [u8],
        ask: Ask<'_>,
        output: &mut Output<'_>,
    ) -> Outcome {
        match self {
            Self::Client(connection) => {
                carry_out(connection.process_tls_records(incoming), ask, output)
            }
            Self::Server(connection) => {
                carry_out(connection.process_tls_records(incoming), ask, output)
            }
        }
    }
}

fn carry_out<Side>(
    status: UnbufferedStatus<'_, '_, Side>,
    ask: Ask<'_>,
    output: &mut Output<'_>,
) -> Outcome {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Err(TlsError::connection(error)),
        Ok(ConnectionState::ReadTraffic(traffic)) => receive(traffic, &mut discard, output),
        Ok(ConnectionState::EncodeTlsData(mut record)) => {
            match record.encode(output.ciphertext.space(output.pool)) {
                Ok(n) => {
                    output.ciphertext.fill(n, output.pool);
                    Ok(Step::Advanced)
                }
                Err(error) => Err(TlsError::Internal(format!("{error}"))),
            }
        }
        // It is in the output buffer, which is as good as transmitted: nothing overtakes it there.
        Ok(ConnectionState::TransmitTlsData(transmit)) => {
            transmit.done();
            Ok(Step::Advanced)
        }
        Ok(ConnectionState::WriteTraffic(traffic)) => write(traffic, ask, output),
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Ok(Step::Idle),
        // Early data is never enabled, and no other state is known.
        Ok(other) => Err(TlsError::Internal(format!("unexpected state {other:?}"))),
    };
    Outcome { discard, step }
}

fn receive<Side>(
    mut traffic: ReadTraffic<'_, '_, Side>,
    discard: &mut usize,
    output: &mut Output<'_>,
) -> Result<Step, TlsError> {
    while let Some(record) = traffic.next_record() {
        let record = record.map_err(TlsError::connection)?;
        *discard += record.discard;
        let length = record.payload.len();
        let Some(space) = output.plaintext.space(output.pool).get_mut(..length) else {
            return Err(TlsError::Internal("no room for a record".into()));
        };
        space.copy_from_slice(record.payload);
        output.plaintext.fill(length, output.pool);
    }
    Ok(Step::Received)
}

fn write<Side>(
    mut traffic: WriteTraffic<'_, Side>,
    ask: Ask<'_>,
    output: &mut Output<'_>,
) -> Result<Step, TlsError> {
    let written = match ask {
        Ask::Nothing => return Ok(Step::Idle),
        #[cfg(test)]
        Ask::RefreshKeys => {
            traffic.refresh_traffic_keys().map_err(TlsError::connection)?;
            return Ok(Step::Done);
        }
        Ask::Encrypt(plain) => traffic.encrypt(plain, output.ciphertext.space(output.pool)),
        Ask::CloseNotify => traffic.queue_close_notify(output.ciphertext.space(output.pool)),
    };
    // After an error as well: a buffer that stayed empty goes back to the pool.
    let length = written.as_ref().copied().unwrap_or(0);
    output.ciphertext.fill(length, output.pool);
    match written {
        Ok(_) => Ok(Step::Done),
        Err(EncryptError::EncryptExhausted) => Err(TlsError::KeysExhausted),
        Err(error) => Err(TlsError::Internal(format!("{error}"))),
    }
}
