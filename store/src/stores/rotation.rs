//! Rotation in any backend.

use kees_common::Generation;

use super::Store;
use crate::{
    StoreError,
    rotation::{Current, RotateRequest, RotateStore, Rotation},
};

impl RotateStore for Store {
    async fn current(&self, generation: &Generation) -> Result<Option<Current>, StoreError> {
        each!(self, backend => backend.current(generation).await)
    }

    async fn rotate(&self, request: &RotateRequest<'_>) -> Result<Rotation, StoreError> {
        each!(self, backend => backend.rotate(request).await)
    }

    async fn retire(&self, generation: &Generation, current: &Current) -> Result<bool, StoreError> {
        each!(self, backend => backend.retire(generation, current).await)
    }

    async fn remember_since(
        &self,
        generation: &Generation,
        current: &Current,
        now: u64,
    ) -> Result<bool, StoreError> {
        each!(self, backend => backend.remember_since(generation, current, now).await)
    }
}
