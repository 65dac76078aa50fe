//! Whole conversations and tables of messages, each of them in many splits.

mod answers;
mod bodies;
mod conversations;
mod endings;
mod malformed;
mod play;
mod requests;
mod splits;
