//! `sc dev`: the whole system on this machine.

use crate::cli::{DevArgs, Exit};

pub(crate) fn run(_args: DevArgs) -> Exit {
    Exit::Failed
}
