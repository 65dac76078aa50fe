//! The keys of TLS connections, for who reads recorded traffic with them.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write as _};

/// Takes the keys of TLS connections. Whoever has them can read what was recorded of those
/// connections.
pub trait KeyLog: fmt::Debug + Send + Sync {
    /// A line of the NSS key log format, without its end. Called in the midst of handshakes.
    fn line(&self, line: &str);
}

/// Makes lines of what rustls tells.
#[derive(Debug)]
pub(super) struct Lines(pub(super) Arc<dyn KeyLog>);

impl rustls::KeyLog for Lines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = String::from(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                // Writing to a text does not fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        self.0.line(&line);
    }
}
