//! Scenes for measuring parts of the core without sockets: made once, then run over and over.
//!
//! `benches/parts.rs` measures time and allocations of all of them; `src/bin/counted.rs` runs three
//! under callgrind, whose counts of instructions `.ci/run callgrind` compares with a budget.

pub mod frames;
pub mod http;
pub mod resign;
pub mod rules;
pub mod tls;

pub use sc_proto::bench::SessionPair;
