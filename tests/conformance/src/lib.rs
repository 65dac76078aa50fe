//! One table of scenarios that every driver of the core has to pass, on real loopback sockets.
//!
//! A driver is right when a tunnel works over it: a server's core and a client's core on the same
//! driver, browsers before it and sites behind it. All sockets that this package makes have tiny
//! buffers and small segments, so that reads and writes are short and often blocked.
//!
//! | file | idea |
//! | --- | --- |
//! | [`driver`] | the drivers; a new one is a name and a function more |
//! | [`scenario`] | what they have to pass |
//! | `table.rs` | runs each cell in a process of its own, with a time limit, and prints the table |
//! | `process.rs` | those processes, and processes that hold one end of a tunnel |
//! | `tunnel.rs` | a server and a client of one tunnel |
//! | `browser.rs`, `site.rs` | who talks through it |
//! | `link.rs` | the network between server and client, to be cut |
//! | `tiny.rs` | small buffers |
//!
//! ```sh
//! cargo test -p sc-conformance                                     # all of it
//! cargo test -p sc-conformance --test conformance -- tokio resume  # cells with both words
//! ```

pub mod driver;
pub mod scenario;

mod browser;
mod link;
mod process;
mod site;
mod table;
mod tiny;
mod tunnel;

pub use process::main;
