//! Puts into a store in which each value has a name of its own.

use kees_common::{Field, Generated, Generation, Spec};

use super::PutRequest;
use crate::{CreateRequest, CreateStore, Creation, NewGeneration, ReadStore, StoreError};

/// Stores the value of `request` as a generation with one field, unless there is a value. A flat store
/// keeps no type, so the one of this generation is not stored.
pub(crate) async fn create_alone<S: ReadStore + CreateStore>(
    store: &S,
    request: &PutRequest<'_>,
) -> Result<Creation, StoreError> {
    let generation = Generation {
        store: store.name(),
        path: request.path.clone(),
        spec: Spec::Random { bits: 8 },
        fields: vec![(Field::Whole, request.path.clone())],
        entries: Vec::new(),
    };
    let values = Generated::new(vec![(Field::Whole, request.value.clone())]);
    let new = NewGeneration {
        generation: &generation,
        values: &values,
        namespace: None,
    };
    let request = CreateRequest {
        generations: &[new],
        token: request.token,
    };
    store.create(&request).await
}
