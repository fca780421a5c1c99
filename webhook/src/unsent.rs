//! Responses that are not completely sent yet. A client that does not read its responses makes the
//! webhook keep them, so each connection knows how long its oldest one has been waiting.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// The responses of one connection that are not completely sent yet.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    /// When each was ready to be sent, by its number.
    ready: Mutex<BTreeMap<u64, Instant>>,
}

impl Unsent {
    /// Watches a response until all of its bytes are handed to the TLS connection or dropped.
    pub(crate) fn watch(self: &Arc<Self>, body: Body) -> WatchedBody {
        let mut ready = self.lock();
        let number = ready.last_key_value().map_or(0, |(number, _)| number + 1);
        ready.insert(number, Instant::now());
        WatchedBody {
            body,
            guard: Arc::new(Guard {
                number,
                unsent: Arc::clone(self),
            }),
        }
    }

    /// Resolves when a response has not been sent for `timeout`. That takes up to one and a half
    /// timeouts to notice.
    pub(crate) async fn stalled(&self, timeout: Duration) {
        while self.oldest().is_none_or(|age| age < timeout) {
            sleep(timeout / 2).await;
        }
    }

    fn oldest(&self) -> Option<Duration> {
        let ready = self.lock();
        ready.first_key_value().map(|(_, ready)| ready.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a response in the list until this is dropped.
#[derive(Debug)]
struct Guard {
    number: u64,
    unsent: Arc<Unsent>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.unsent.lock().remove(&self.number);
    }
}

/// The body of a response that is watched until it is sent.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    body: Body,
    guard: Arc<Guard>,
}

/// The bytes of a frame. They keep the response in the list until they are dropped.
struct WatchedBytes {
    bytes: Bytes,
    _guard: Arc<Guard>,
}

impl AsRef<[u8]> for WatchedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let guard = Arc::clone(&self.guard);
        Pin::new(&mut self.body).poll_frame(cx).map_ok(|frame| {
            frame.map_data(|bytes| {
                Bytes::from_owner(WatchedBytes {
                    bytes,
                    _guard: guard,
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
