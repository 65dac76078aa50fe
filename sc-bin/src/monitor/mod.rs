//! What a running client or server shows of itself by HTTP: the parts that both use.
//!
//! `address` says where to listen, `socket` listens there, `serve` holds the connections, within
//! limits, `exchange` speaks HTTP on one of them, `request` and `answer` are what is said, `ask` asks another
//! process,
//! `basic_auth` who may ask, `exposition` how metrics are written, `process` what the operating
//! system says of this process, `worker` how the data plane stands, `build` what this binary is,
//! `notify` what a service manager is told.
//!
//! It is plain blocking HTTP/1.1 on threads that sleep while nobody asks, apart from all data
//! workers: a client needs no asynchronous runtime for a page of status.

mod address;
mod answer;
mod ask;
mod basic_auth;
pub(crate) mod build;
mod exchange;
pub(crate) mod exposition;
mod notify;
pub(crate) mod process;
mod request;
mod serve;
mod socket;
#[cfg(test)]
mod tests;
pub(crate) mod worker;

pub(crate) use address::{InvalidListenAddress, ListenAddress};
pub(crate) use answer::{Answer, Status};
pub(crate) use ask::ask;
pub(crate) use basic_auth::{BasicAuth, InvalidBasicAuth};
pub(crate) use notify::{Notice, ServiceManager};
pub(crate) use serve::{Handler, Monitor, Options};
pub(crate) use socket::Listener;
