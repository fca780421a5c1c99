//! One effect of a [`Group`](super::group::Group), ready to be executed, and its result.

use std::{sync::Arc, time::Duration};

use kees_common::{Generated, Generation, Locator};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{
    group::RequestId,
    wanted::{Generator, StoreSet},
};
use crate::{
    CreateRequest, CreateStore as _, Creation, Found, IdempotencyToken, NewGeneration,
    ReadStore as _, StoreError,
};

/// Work of the driver that takes time.
pub(super) enum Call<'a, S: StoreSet, G> {
    Read {
        store: &'a S::Store,
        members: Vec<usize>,
        locators: Vec<Locator>,
        is_together: bool,
    },
    Generate {
        generator: &'a G,
        member: usize,
        generation: &'a Generation,
    },
    Write(Write<'a, S>),
    Pause {
        members: Vec<usize>,
        length: Duration,
    },
}

/// A write request. It keeps its permit until its result is known, also during pauses, so that a
/// store that throttles does not get all requests at once.
pub(super) struct Write<'a, S: StoreSet> {
    pub(super) store: &'a S::Store,
    pub(super) request: RequestId,
    pub(super) generations: Vec<(&'a Generation, Arc<Generated>)>,
    pub(super) namespace: Option<&'a str>,
    pub(super) token: IdempotencyToken,
    pub(super) places: Arc<Semaphore>,
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// The result of a call.
pub(super) enum Done<E> {
    Read {
        members: Vec<usize>,
        found: Vec<Found>,
    },
    Generated {
        member: usize,
        generated: Result<Generated, E>,
    },
    Wrote {
        request: RequestId,
        creation: Result<Creation, StoreError>,
        place: Option<OwnedSemaphorePermit>,
    },
    PauseEnded(Vec<usize>),
}

pub(super) async fn execute<S: StoreSet, G: Generator>(call: Call<'_, S, G>) -> Done<G::Error> {
    match call {
        Call::Read {
            store,
            members,
            locators,
            is_together,
        } => {
            let found = if is_together {
                store.read_together(&locators).await
            } else {
                store.read(&locators).await
            };
            Done::Read { members, found }
        }
        Call::Generate {
            generator,
            member,
            generation,
        } => Done::Generated {
            member,
            generated: generator.generate(generation).await,
        },
        Call::Write(write) => write.send().await,
        Call::Pause { members, length } => {
            sleep(length).await;
            Done::PauseEnded(members)
        }
    }
}

impl<S: StoreSet> Write<'_, S> {
    async fn send<E>(mut self) -> Done<E> {
        if self.place.is_none() {
            // The semaphore is never closed, so this always gets a permit in the end.
            self.place = Arc::clone(&self.places).acquire_owned().await.ok();
        }
        let generations: Vec<NewGeneration<'_>> = self
            .generations
            .iter()
            .map(|(generation, values)| NewGeneration {
                generation,
                values,
                namespace: self.namespace,
            })
            .collect();
        let request = CreateRequest {
            generations: &generations,
            token: &self.token,
        };
        Done::Wrote {
            request: self.request,
            creation: self.store.create(&request).await,
            place: self.place,
        }
    }
}
