//! Reads the body of a request within a size limit, a deadline, and a memory budget that all
//! requests share.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

use crate::memory::{Deadline, MemoryBudget, Reserved};

/// The most bytes of a review. The API server accepts requests of up to 3 MiB and stores objects of
/// up to 1.5 MiB. The review of a pod's creation contains the pod once.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// The longest body that shares its memory with others. Longer ones take turns.
const SHORT_BODY: usize = 64 * 1024;

/// The most bytes of a body that is too long that are read and dropped. A client that is still
/// sending when the connection closes may not see the response.
const DISCARD_LIMIT: usize = 4 * BODY_LIMIT;

/// How many bytes are kept of a body that is too long.
const BEGINNING: usize = 4096;

/// Reads the bodies of all requests.
#[derive(Debug)]
pub(crate) struct BodyReader {
    memory: MemoryBudget,
}

/// A complete body, and the memory that is reserved for it.
#[derive(Debug)]
pub(crate) struct CompleteBody {
    pub(crate) bytes: Bytes,
    _memory: Option<Reserved>,
}

/// A body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadBodyError {
    #[error("the body ended before it was complete")]
    Incomplete,
    #[error("the body did not arrive within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error(
        "the webhook had no memory for the body for {} s, because it was busy with other requests",
        .0.as_secs_f64()
    )]
    NoMemory(Duration),
    #[error("the body is longer than the limit of {BODY_LIMIT} bytes")]
    TooLong {
        /// The first bytes of the body, where the uid of the request may be.
        beginning: Bytes,
    },
}

impl BodyReader {
    /// Bodies that arrive in several frames take their memory from `memory`.
    pub(crate) fn new(memory: MemoryBudget) -> Self {
        Self { memory }
    }

    /// Reads the whole body. It must arrive before `deadline`, including the wait for memory.
    pub(crate) async fn read(
        &self,
        mut body: Body,
        deadline: Deadline,
    ) -> Result<CompleteBody, ReadBodyError> {
        let result = self.collect(&mut body, deadline).await;
        if let Err(ReadBodyError::TooLong { .. }) = result {
            // The response is the same when the deadline passes first.
            let _ = timeout_at(deadline.at, discard(&mut body)).await;
        }
        result
    }

    async fn collect(
        &self,
        body: &mut Body,
        deadline: Deadline,
    ) -> Result<CompleteBody, ReadBodyError> {
        let announced = body.size_hint().upper();
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let first = frame_before(deadline, body).await?.unwrap_or_default();
        if announced.unwrap_or_default().max(first.len()) > BODY_LIMIT {
            return Err(ReadBodyError::too_long(&first, &[]));
        }
        // Most bodies are a single frame, which is used without a copy.
        if body.is_end_stream() {
            return Ok(CompleteBody {
                bytes: first,
                _memory: None,
            });
        }
        let mut buffer = Buffer::new(&self.memory, announced.unwrap_or(BODY_LIMIT), deadline);
        buffer.append(&first).await?;
        drop(first);
        while let Some(frame) = frame_before(deadline, body).await? {
            buffer.append(&frame).await?;
        }
        Ok(buffer.complete())
    }
}

/// The next frame of the body, or `None` at its end.
async fn frame_before(deadline: Deadline, body: &mut Body) -> Result<Option<Bytes>, ReadBodyError> {
    timeout_at(deadline.at, next_frame(body))
        .await
        .unwrap_or(Err(ReadBodyError::Timeout(deadline.timeout)))
}

/// The part of a body that has arrived. Its memory is reserved as it arrives and not when it is
/// announced: announcing a long body costs a client nothing.
///
/// Many short bodies can wait for memory that the others hold. The oldest one reaches its deadline
/// first and releases its memory.
struct Buffer<'a> {
    bytes: Vec<u8>,
    /// The most bytes that the body can have.
    max_length: usize,
    deadline: Deadline,
    memory: &'a MemoryBudget,
    reserved: Option<Reserved>,
    /// Whether memory for the longest body is reserved.
    is_long: bool,
}

impl<'a> Buffer<'a> {
    fn new(memory: &'a MemoryBudget, max_length: usize, deadline: Deadline) -> Self {
        Self {
            bytes: Vec::new(),
            max_length,
            deadline,
            memory,
            reserved: None,
            is_long: false,
        }
    }

    async fn append(&mut self, frame: &[u8]) -> Result<(), ReadBodyError> {
        let length = self.bytes.len() + frame.len();
        if length > BODY_LIMIT {
            return Err(ReadBodyError::too_long(&self.bytes, frame));
        }
        if length > self.bytes.capacity() {
            let capacity = (2 * length).min(self.max_length).max(length);
            self.reserve(capacity).await?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(frame);
        Ok(())
    }

    /// Waits until memory for `bytes` in total is reserved.
    async fn reserve(&mut self, bytes: usize) -> Result<(), ReadBodyError> {
        let no_memory = ReadBodyError::NoMemory(self.deadline.timeout);
        if self.is_long {
            return Ok(());
        }
        if bytes > SHORT_BODY {
            let acquired = self.memory.reserve_long_body(self.deadline).await;
            self.reserved = Some(acquired.ok_or(no_memory)?);
            self.is_long = true;
            return Ok(());
        }
        let reserved = self.reserved.as_ref().map_or(0, Reserved::kib);
        let missing = MemoryBudget::kib(bytes).saturating_sub(reserved);
        let acquired = self.memory.reserve(missing, self.deadline).await;
        let acquired = acquired.ok_or(no_memory)?;
        match &mut self.reserved {
            Some(reserved) => reserved.merge(acquired),
            None => self.reserved = Some(acquired),
        }
        Ok(())
    }

    fn complete(self) -> CompleteBody {
        CompleteBody {
            bytes: Bytes::from(self.bytes),
            _memory: self.reserved,
        }
    }
}

impl ReadBodyError {
    /// For a body that begins with `first` and then `second`.
    fn too_long(first: &[u8], second: &[u8]) -> Self {
        Self::TooLong {
            // A copy, so that the frames are freed.
            beginning: first
                .iter()
                .chain(second)
                .take(BEGINNING)
                .copied()
                .collect(),
        }
    }

    /// The first bytes of the body, if some were kept.
    pub(crate) fn beginning(&self) -> &[u8] {
        match self {
            Self::TooLong { beginning } => beginning,
            Self::Incomplete | Self::Timeout(_) | Self::NoMemory(_) => &[],
        }
    }
}

/// The next data frame of the body, or `None` at its end. Trailers are skipped.
async fn next_frame(body: &mut Body) -> Result<Option<Bytes>, ReadBodyError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(ReadBodyError::Incomplete),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The first bytes of a body, where the uid of the request usually is.
pub(crate) fn beginning(body: &[u8]) -> &[u8] {
    body.get(..BEGINNING).unwrap_or(body)
}

/// Reads and drops the rest of a body, up to the limit.
async fn discard(body: &mut Body) {
    let mut left = DISCARD_LIMIT;
    if body.size_hint().lower() > left as u64 {
        return;
    }
    while let Ok(Some(frame)) = next_frame(body).await {
        match left.checked_sub(frame.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
