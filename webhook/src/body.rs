//! The bodies of requests: put together within a limit, a time and a budget of memory.

use std::{pin::Pin, time::Duration};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

/// The most bytes that a review may have: what the API server takes of an object, and room for
/// the envelope.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// The most bytes of a body that is too long to be read and dropped, so that the sender gets to
/// see the answer.
const DROPPED_LIMIT: usize = 4 * BODY_LIMIT;

/// The bytes that are kept of a body that is too long.
const BEGINNING: usize = 4096;

/// The memory for bodies that are being put together from several pieces, in KiB; more wait.
const BUDGET: u32 = 24 * 1024;

/// Reads bodies, with one budget for all.
#[derive(Debug)]
pub(crate) struct Bodies {
    timeout: Duration,
    budget: Semaphore,
}

impl Bodies {
    /// A body may take `timeout` to arrive, the wait for memory included.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            budget: Semaphore::new(BUDGET as usize),
        }
    }

    /// The whole body.
    pub(crate) async fn read<B>(&self, body: B) -> Result<Whole<'_>, Unreadable>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = std::pin::pin!(body);
        let deadline = Deadline {
            at: Instant::now() + self.timeout,
            timeout: self.timeout,
        };
        match self.collect(body.as_mut(), deadline).await {
            Err(Unreadable::TooLong { beginning }) => {
                // However far this gets: the body is too long.
                let _ = timeout_at(deadline.at, pass_over(body)).await;
                Err(Unreadable::TooLong { beginning })
            }
            other => other,
        }
    }

    /// Most reviews come as one piece, which is used where it lies.
    async fn collect<B>(
        &self,
        mut body: Pin<&mut B>,
        deadline: Deadline,
    ) -> Result<Whole<'_>, Unreadable>
    where
        B: Body<Data = Bytes>,
    {
        let announced = body.size_hint().upper();
        let first = deadline.piece(&mut body).await?.unwrap_or_default();
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
        if announced.unwrap_or_default().max(first.len()) > BODY_LIMIT {
            return Err(Unreadable::too_long(&first, &[]));
        }
        if body.is_end_stream() {
            return Ok(Whole {
                bytes: first,
                _permit: None,
            });
        }
        let most = announced.unwrap_or(BODY_LIMIT);
        let mut pieces = Pieces::new(&self.budget, most, deadline);
        pieces.append(&first).await?;
        drop(first);
        while let Some(piece) = deadline.piece(&mut body).await? {
            pieces.append(&piece).await?;
        }
        Ok(pieces.whole())
    }
}

/// When a body has to be here, and what is said where it is not.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    /// The next piece of the body; `None` at its end.
    async fn piece<B>(self, body: &mut Pin<&mut B>) -> Result<Option<Bytes>, Unreadable>
    where
        B: Body<Data = Bytes>,
    {
        let next = timeout_at(self.at, piece(body)).await;
        next.unwrap_or(Err(Unreadable::Late(self.timeout)))
    }

    /// So many permits of `budget`.
    async fn permits(
        self,
        budget: &Semaphore,
        permits: u32,
    ) -> Result<SemaphorePermit<'_>, Unreadable> {
        let acquired = timeout_at(self.at, budget.acquire_many(permits)).await;
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = acquired.ok().and_then(Result::ok);
        permit.ok_or(Unreadable::NoMemory(self.timeout))
    }
}

/// Pieces that are put together. The memory for them is reserved as they come, since what is
/// announced costs a sender nothing.
///
/// Those that hold some may wait for each other's; the one that came first runs out of time first.
struct Pieces<'a> {
    bytes: Vec<u8>,
    /// The bytes that they will be at most.
    most: usize,
    deadline: Deadline,
    budget: &'a Semaphore,
    permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Pieces<'a> {
    fn new(budget: &'a Semaphore, most: usize, deadline: Deadline) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            deadline,
            budget,
            permit: None,
        }
    }

    async fn append(&mut self, piece: &[u8]) -> Result<(), Unreadable> {
        let length = self.bytes.len() + piece.len();
        if length > BODY_LIMIT {
            return Err(Unreadable::too_long(&self.bytes, piece));
        }
        if length > self.bytes.capacity() {
            let capacity = (2 * length).min(self.most).max(length);
            self.reserve(capacity).await?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Waits until there is memory for so many bytes in all.
    async fn reserve(&mut self, bytes: usize) -> Result<(), Unreadable> {
        let needed = u32::try_from(bytes.div_ceil(1024)).unwrap_or(BUDGET);
        let held = self.permit.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = needed.saturating_sub(u32::try_from(held).unwrap_or(BUDGET));
        let more = self.deadline.permits(self.budget, more).await?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }

    fn whole(self) -> Whole<'a> {
        Whole {
            bytes: Bytes::from(self.bytes),
            _permit: self.permit,
        }
    }
}

/// A body as a whole, with the memory that was reserved for it.
pub(crate) struct Whole<'a> {
    pub(crate) bytes: Bytes,
    _permit: Option<SemaphorePermit<'a>>,
}

/// A body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the body broke off")]
    BrokeOff,
    #[error("the body did not arrive in {} s", .0.as_secs_f64())]
    Late(Duration),
    #[error("the webhook had no memory for the body for {} s; other bodies took it", .0.as_secs_f64())]
    NoMemory(Duration),
    #[error("the body is longer than {BODY_LIMIT} bytes, the most that is taken")]
    TooLong {
        /// Enough of it to look for the request's uid.
        beginning: Bytes,
    },
}

impl Unreadable {
    /// Of a body that came so far as `first` and, after it, `rest`.
    fn too_long(first: &[u8], rest: &[u8]) -> Self {
        Self::TooLong {
            // A copy, so that the rest is freed.
            beginning: first.iter().chain(rest).take(BEGINNING).copied().collect(),
        }
    }

    /// What came of the body, as far as it was kept.
    pub(crate) fn beginning(&self) -> &[u8] {
        match self {
            Self::TooLong { beginning } => beginning,
            Self::BrokeOff | Self::Late(_) | Self::NoMemory(_) => &[],
        }
    }
}

/// The next piece of the body; `None` at its end.
async fn piece<B>(body: &mut Pin<&mut B>) -> Result<Option<Bytes>, Unreadable>
where
    B: Body<Data = Bytes>,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unreadable::BrokeOff),
            // Trailers say nothing here.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Reads the rest of a body, within reason, and drops it.
async fn pass_over<B>(mut body: Pin<&mut B>)
where
    B: Body<Data = Bytes>,
{
    let mut room = DROPPED_LIMIT;
    if body.size_hint().lower() > room as u64 {
        return;
    }
    while let Ok(Some(piece)) = piece(&mut body).await {
        let Some(left) = room.checked_sub(piece.len()) else {
            return;
        };
        room = left;
    }
}
