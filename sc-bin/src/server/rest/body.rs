//! The bodies of requests: read as JSON, or left unread by their handlers.
//!
//! A connection that is closed with unread bytes is reset, and the caller does not see why it was
//! refused. So the rest of a body is taken and thrown away before the answer goes out.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::extract::rejection::BytesRejection;
use axum::http::header;
use hyper::body::{Frame, SizeHint};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::error::RestError;

/// Most that is read only to be thrown away, in bytes.
const MAX_DISCARDED: u64 = 4 * 1024 * 1024;
/// And for how long.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads a JSON object, whatever its `Content-Type` says.
pub(super) fn parse<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
) -> Result<T, RestError> {
    let body = body.map_err(|rejection| RestError::Body {
        status: rejection.status(),
        text: rejection.body_text(),
    })?;
    // An array would be read as the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(RestError::BadRequest("the body is not a JSON object".to_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| {
        RestError::BadRequest(format!("the body is not what this call takes: {error}"))
    })
}

/// A body that comes back when it is dropped.
struct Lent {
    body: Body,
    asked: Asked,
    back: Option<oneshot::Sender<(Body, Asked)>>,
}

/// Whether somebody asked for the body. Only then a caller who expects `100 Continue` sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Yes,
    No,
}

/// The body of a request that was given to a handler.
pub(in crate::server) struct Remainder {
    back: oneshot::Receiver<(Body, Asked)>,
    announced: Option<u64>,
    sent_when_asked: bool,
}

/// Lends a request's body to its handler.
pub(in crate::server) fn lend(request: Request) -> (Request, Remainder) {
    let (back, receiver) = oneshot::channel();
    let remainder = Remainder {
        back: receiver,
        announced: announced_length(&request),
        sent_when_asked: request.headers().contains_key(header::EXPECT),
    };
    let lend = |body| Body::new(Lent { body, asked: Asked::No, back: Some(back) });
    (request.map(lend), remainder)
}

/// The length that a request's head says its body has.
pub(super) fn announced_length(request: &Request) -> Option<u64> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

impl Remainder {
    /// Takes what is left and throws it away, within limits. To be called when the handler is done.
    pub(in crate::server) async fn discard(mut self) {
        let Ok((mut body, asked)) = self.back.try_recv() else {
            return;
        };
        let will_not_come = self.sent_when_asked && asked == Asked::No;
        if will_not_come || self.announced.is_some_and(|length| length > MAX_DISCARDED) {
            return;
        }
        let read = async {
            let mut discarded = 0;
            while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                discarded += frame.data_ref().map_or(0, |data| data.len() as u64);
                if discarded > MAX_DISCARDED {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, read).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.asked = Asked::Yes;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            // Nobody wants it when the connection is gone.
            let _ = back.send((std::mem::take(&mut self.body), self.asked));
        }
    }
}
