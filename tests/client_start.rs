//! client_start
