//! The frame codec.

use sc_proto::bench::{encode, stream_id};
use sc_proto::contract::StreamKind;
use sc_proto::kgp::frame::{Frame, Open};

/// How many frames a batch has.
pub const FRAMES: usize = 1000;

/// Frames as a busy session has them: payload of `payload` bytes, and now and then an OPEN, a
/// CREDIT, an ACK.
///
/// # Panics
/// If a frame cannot be made.
pub fn batch(payload: &[u8]) -> Vec<Frame<'_>> {
    let frame = |index: usize| {
        let stream = stream_id(2 + 2 * (index % 64) as u64).expect("a small number");
        match index % 10 {
            0 => {
                let target = "app.test:443".parse().expect("a target");
                Frame::Open {
                    stream,
                    open: Open { kind: StreamKind::Connect, window: 4096, target },
                }
            }
            1 => Frame::Credit { stream, limit: 1 << 20 },
            2 => Frame::Ack { received: 1 << 30 },
            _ => Frame::Data { stream, payload },
        }
    };
    (0..FRAMES).map(frame).collect()
}

/// The frames as bytes.
pub fn bytes(frames: &[Frame<'_>], out: &mut Vec<u8>) {
    out.clear();
    for frame in frames {
        encode(frame, out);
    }
}

/// Decodes all; says how many there were.
///
/// # Panics
/// If the bytes are no frames.
pub fn decode(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((frame, length)) = Frame::decode(bytes).expect("whole frames") {
        std::hint::black_box(&frame);
        bytes = &bytes[length..];
        count += 1;
    }
    count
}
