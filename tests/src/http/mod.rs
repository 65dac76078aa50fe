//! HTTP/1.1 as a test speaks it: by hand, so that every byte is the test's own choice.
//!
//! [`Connection`] is a user's side; [`crate::site`] uses [`head`] and [`body`] for the other.

pub mod body;
pub mod connection;
pub mod head;

pub use connection::{Answer, Connection, get};
pub use head::Head;
