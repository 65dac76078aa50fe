//! Where the system has no bbr, nothing of it has to be looked after.

/// There is none.
#[derive(Debug)]
pub(crate) enum Pace {}
