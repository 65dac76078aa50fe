//! The end of the process when a thread of the runtime cannot go on.
//!
//! A worker carries tunnels of several users; one that is gone would leave them hanging while the
//! process looks alive. Release builds abort on any panic (`panic = "abort"`); this does the same
//! for builds that unwind, so that all builds behave alike and a supervisor sees the end.
//!
//! Both runtimes are built with this file.

use std::thread;

/// Aborts the process when dropped by a panic, after the panic's message was printed.
pub(crate) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            abort("a thread of the runtime panicked");
        }
    }
}

/// Logs why and aborts the process.
pub(crate) fn abort(why: &str) -> ! {
    log::error!("{why}; the process ends");
    log::logger().flush();
    std::process::abort()
}
