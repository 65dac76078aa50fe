//! `sc`: stands in for the real command line, which lives on another branch.
mod api;
fn main() {}
