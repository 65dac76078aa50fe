//! Server-sent events, each sent only after the reader said that it has the one before.
//!
//! So the test needs no clock: if anything on the way held an event back until more came, the
//! reader could not confirm it, the next would never be sent, and a deadline would pass.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::wait::PATIENCE;

/// Up to which event the reader of each stream has confirmed. Streams are named by the test.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    by_stream: Mutex<BTreeMap<String, u64>>,
    changed: Condvar,
}

impl Confirmations {
    /// The reader of `stream` has event `number`.
    pub(crate) fn confirm(&self, stream: &str, number: u64) {
        let mut by_stream = self.by_stream.lock().unwrap_or_else(PoisonError::into_inner);
        by_stream.insert(stream.to_owned(), number);
        self.changed.notify_all();
    }

    /// Waits until the reader of `stream` has event `number`.
    fn wait_for(&self, stream: &str, number: u64) -> io::Result<()> {
        let by_stream = self.by_stream.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |by_stream: &mut BTreeMap<String, u64>| {
            by_stream.get(stream).is_none_or(|confirmed| *confirmed < number)
        };
        let waited = self.changed.wait_timeout_while(by_stream, PATIENCE, is_missing);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            let text = format!("event {number} of {stream} was not confirmed");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        Ok(())
    }

    /// Sends events 1 to `last` as a chunked answer.
    pub(crate) fn send(&self, stream: &str, last: u64, mut out: impl Write) -> io::Result<()> {
        out.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
              Transfer-Encoding: chunked\r\n\r\n",
        )?;
        for number in 1..=last {
            let event = format!("id: {number}\ndata: event {number}\n\n");
            out.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
            self.wait_for(stream, number)?;
        }
        out.write_all(b"0\r\n\r\n")
    }
}
