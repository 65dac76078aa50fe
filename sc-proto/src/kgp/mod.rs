//! KGP: frames, the handshake, sessions and their streams. `docs/kgp.md` is the specification.

mod settings;

pub use settings::Settings;

/// The peer sent something KGP does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A frame type this version does not have.
    #[error("unknown frame type")]
    UnknownFrame,
}
