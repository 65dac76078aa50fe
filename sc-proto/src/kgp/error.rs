//! How a peer can break the rules.

/// The peer sent something KGP does not allow. Its transport is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame type this version does not have.
    #[error("the peer sent a frame of unknown type {0:#04x}")]
    UnknownFrame(u8),
    /// A payload shorter or longer than its type allows.
    #[error("the peer sent a frame of type {0:#04x} with a wrong length")]
    FrameLength(u8),
    /// A field holds a value outside its table.
    #[error("the peer sent a frame of type {0:#04x} with a wrong value")]
    FrameValue(u8),
    /// A frame that has no place in this state.
    #[error("the peer sent a frame of type {0:#04x} out of place")]
    UnexpectedFrame(u8),
    /// More data than the stream's credit.
    #[error("the peer sent more than the credit of a stream")]
    Credit,
    /// More streams than the limit.
    #[error("the peer opened more streams than agreed")]
    TooManyStreams,
    /// A stream id that was used before or belongs to the other side.
    #[error("the peer used a stream id that is not its to use")]
    StreamId,
    /// An acknowledgement of bytes never sent, or one that goes back.
    #[error("the peer acknowledged bytes it cannot have")]
    Ack,
    /// It keeps asking and never acknowledges the answers.
    #[error("the peer does not acknowledge what it is sent")]
    Unacknowledged,
}
