//! Drives [`sc_proto::Core`] with smol: the runtime for where the footprint must be small.
//!
//! Its place in the house is beside `sc-runtime-mio`: it will own sockets, timers and name
//! resolution, and know nothing of HTTP, KGP or TLS. It is empty; until it is filled use
//! `sc-runtime-mio`, which has the same job.
//!
//! # The contract it will meet
//!
//! The one in the documentation of [`sc_proto`], unchanged: the core gives
//! [`Action`](sc_proto::Action)s, the driver carries them out and reports. For an executor this
//! means:
//!
//! - One `LocalExecutor` thread owns one [`Core`](sc_proto::Core) and all its sockets; the core is
//!   never borrowed across an `.await`.
//! - A socket's task waits for readiness, says [`Core::readable`](sc_proto::Core::readable) or
//!   [`Core::writable`](sc_proto::Core::writable), and wakes the one task that runs
//!   [`Core::poll_action`](sc_proto::Core::poll_action) within a budget. That task tries the read or
//!   write at once; only after [`Read::WouldBlock`](sc_proto::Read::WouldBlock),
//!   [`Read::Drained`](sc_proto::Read::Drained) or a short write does the socket's task wait again,
//!   since every wait of async-io costs a system call.
//! - [`Core::next_deadline`](sc_proto::Core::next_deadline) is one timer, armed anew after every
//!   turn.
//! - Names are resolved by smol's thread pool with a bound on what waits; dialling answers with a
//!   typed [`DialFailure`](sc_proto::contract::DialFailure), accepting pauses at the descriptor
//!   limit, and commands, events and hand-overs pass bounded channels, as in `sc-runtime-mio`.
//!
//! The tests that drive a whole tunnel run over every runtime, so both meet the same cases.
#![forbid(unsafe_code)]
