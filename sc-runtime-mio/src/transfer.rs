//! One read or one write that the core asked for.
//!
//! Both runtimes are built with this file.

use std::io::IoSlice;

use sc_proto::{Core, Read, SocketId, Time, Write};

use crate::connection::Connection;
use crate::tcp::MAX_SLICES;

/// Bytes that cost as much as an action, for the budget of a turn: a full one is half a MiB, some
/// hundred microseconds. For so long a small request is not seen.
pub(crate) const BYTES_PER_UNIT: usize = 512;

/// Reads once for [`Action::Read`](sc_proto::Action::Read); says how many bytes came. Without a
/// connection the read fails.
pub(crate) fn read(
    core: &mut Core,
    id: SocketId,
    connection: Option<&mut Connection>,
    now: Time,
) -> usize {
    let outcome = match connection {
        Some(connection) => connection.read(core.read_space(id)),
        None => Read::Failed,
    };
    core.read_done(id, outcome, now);
    match outcome {
        Read::Bytes(n) | Read::Drained(n) => n,
        Read::WouldBlock | Read::End | Read::Failed => 0,
    }
}

/// Writes once for [`Action::Write`](sc_proto::Action::Write); says how many bytes went. Without a
/// connection the write fails.
pub(crate) fn write(
    core: &mut Core,
    id: SocketId,
    connection: Option<&mut Connection>,
    now: Time,
) -> usize {
    let outcome = match connection {
        Some(connection) => {
            let mut lent: [&[u8]; MAX_SLICES] = [&[]; MAX_SLICES];
            let count = core.write_slices(id, &mut lent);
            let slices = lent.map(IoSlice::new);
            match slices.get(..count) {
                None | Some([]) => Write::Bytes(0),
                Some(slices) => connection.write(slices, now),
            }
        }
        None => Write::Failed,
    };
    core.write_done(id, outcome, now);
    match outcome {
        Write::Bytes(n) | Write::Blocked(n) => n,
        Write::Failed => 0,
    }
}
