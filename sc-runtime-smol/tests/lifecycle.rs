//! Starting and stopping: the scenarios of `sc-runtime-mio/tests/lifecycle.rs`, for this runtime.

// Both have the same names with the same meaning, so the scenarios need not know.
extern crate sc_runtime_smol as sc_runtime_mio;

#[path = "../../sc-runtime-mio/tests/lifecycle.rs"]
mod lifecycle;
