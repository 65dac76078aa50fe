//! many_streams
