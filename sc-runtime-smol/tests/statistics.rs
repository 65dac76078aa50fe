//! What the workers tell: the scenarios of `sc-runtime-mio/tests/statistics.rs`, for this runtime.

// Both have the same names with the same meaning, so the scenarios need not know.
extern crate sc_runtime_smol as sc_runtime_mio;

#[path = "../../sc-runtime-mio/tests/statistics.rs"]
mod statistics;
