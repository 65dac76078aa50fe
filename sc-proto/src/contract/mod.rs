//! What a driver, an embedder and the core say to one another.
//!
//! Plain data only: no method here does anything. The verbs are on [`Core`](crate::Core).

mod access;
mod action;
mod command;
mod event;
mod guard;
mod id;
mod reason;
mod request_id;
mod spread;
mod target;

pub use access::{Access, AccessRefused, Door, InvalidVisitor, MAX_NAMED, TunnelName, Visitor};
pub(crate) use action::HandedOver;
pub use action::{Action, CloseMode, HandOver, Read, SocketClass, Write};
pub use command::{Command, Connect, ListenerRole, Stop};
pub use event::{Event, TunnelEnd};
pub use guard::AddressGuard;
pub use id::{
    ClientId, ConnectionNumber, ListenerId, ParseHexError, ResumeSecret, SecretMismatch, SessionId,
    SocketId, TunnelId, TunnelSecret, WorkerId,
};
pub use reason::{ConnectFailure, DialFailure, Refusal, ResetReason, TransportLoss};
pub use request_id::RequestId;
pub(crate) use spread::{News, Seated, Standing};
pub use spread::{Note, Spread};
pub use target::{Host, InvalidTarget, StreamKind, Target};
