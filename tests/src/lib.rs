//! The harness for tests of the `sc` binary from outside, against real programs.
//!
//! The tests are the files beside this crate's `Cargo.toml`, one scenario a file. They start
//! the real binary ([`binary`]) as real processes ([`process`]), put together as a person would
//! ([`deployment`]), and use its tunnel as browsers do ([`http`], [`curl`], [`chromium`]) to reach
//! a site ([`site`] is ours and keeps what it received, [`nginx`] is everybody's).
//!
//! Nothing here waits by sleeping a while and hoping: a wait is for a line, a byte, an event or a
//! measured condition, and every wait has a deadline ([`wait`]) after which the test fails and
//! says what it waited for.

pub mod binary;
pub mod certificate;
#[cfg(target_os = "linux")]
pub mod cgroup;
pub mod chromedriver;
pub mod chromium;
pub mod curl;
pub mod deployment;
pub mod devtools;
pub mod dnsmasq;
pub mod exposition;
pub mod fault;
pub mod figures;
pub mod http;
pub mod interruptions;
pub mod latency;
pub mod limits;
pub mod link;
pub mod linked;
#[cfg(target_os = "linux")]
pub mod namespaces;
pub mod nginx;
pub mod office;
pub mod outcome;
#[cfg(target_os = "linux")]
pub mod packet_link;
pub mod payload;
pub mod ports;
#[cfg(unix)]
pub mod postgres;
pub mod process;
pub mod resigned;
pub mod rest;
pub mod scale;
pub mod shared;
pub mod site;
pub mod tls;
pub mod traffic;
pub mod upstream;
pub mod usage;
pub mod wait;
pub mod websocket;
