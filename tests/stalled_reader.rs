//! stalled_reader
