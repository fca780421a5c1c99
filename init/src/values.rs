//! The value of every entry of a pod: those that are stored and the numbers of leases, side by side.

use futures_util::future::join;
use kees_common::{Entry, LocalMode, SecretValue, Source};
use kees_store::{leases::LeaseStore, protocol::StoreSet};
use tokio::sync::oneshot;

use crate::{
    InitError, Origin, Progress, Request, RunError,
    generator::Generator,
    leases::{self, Number},
    local::Derivation,
    obtain::{finish, obtain, whole_budget},
    verify,
};

/// A value and where it comes from. `None`: there is no previous value.
pub(crate) type Valued = Option<(SecretValue, Origin)>;

/// The value of every entry, in their order.
pub(crate) async fn values(
    request: &Request,
    stores: &impl StoreSet<Store: LeaseStore>,
    progress: &dyn Progress,
) -> Result<Vec<Valued>, RunError> {
    let mut derivation = Derivation::default();
    if request.local_mode == LocalMode::On {
        return local(request, &mut derivation);
    }
    // The numbers are waited for until this end is dropped.
    let (go_on, stop) = oneshot::channel::<()>();
    let of_items = async {
        let values = stored(request, stores, &mut derivation, progress).await;
        let go_on = values.is_ok().then_some(go_on);
        (values, go_on)
    };
    // Boxed, because the compiler limits how deep futures may be nested.
    let of_leases = Box::pin(numbers(request, stores, progress, stop));
    let ((values, _go_on), numbers) = join(of_items, of_leases).await;
    joined(request, values, numbers, &mut derivation)
}

/// The value of every entry of a running pod, in their order. `number` gives that of a lease.
pub(crate) async fn stored_again(
    request: &Request,
    stores: &impl StoreSet,
    progress: &dyn Progress,
    number: impl Fn(&Entry) -> Result<Valued, InitError>,
) -> Result<Vec<Valued>, RunError> {
    let mut derivation = Derivation::default();
    if request.local_mode == LocalMode::On {
        return local(request, &mut derivation);
    }
    let values = stored(request, stores, &mut derivation, progress).await?;
    let mut values = values.into_iter();
    all_or_errors(
        request
            .entries
            .iter()
            .filter_map(|entry| match entry.source {
                Source::Lease(_) => Some(number(entry)),
                Source::Secret(_) | Source::Resource(_) => values.next().map(Ok),
            }),
    )
}

/// The value of every entry in local mode.
fn local(request: &Request, derivation: &mut Derivation) -> Result<Vec<Valued>, RunError> {
    all_or_errors(request.entries.iter().map(|entry| {
        // Local mode has no previous values.
        if entry.is_previous {
            return Ok(None);
        }
        let value = derivation.value(entry, request)?;
        let value = value.map(|value| (value, Origin::Local));
        value.map(Some).ok_or_else(|| no_value(entry))
    }))
}

/// The value of every secret and resource, in their order.
async fn stored(
    request: &Request,
    stores: &impl StoreSet,
    derivation: &mut Derivation,
    progress: &dyn Progress,
) -> Result<Vec<Valued>, RunError> {
    let generator = Generator::default();
    let mut slots = obtain(request, stores, &generator, derivation, progress).await?;
    verify::verify(request, &mut slots);
    finish(request, slots)
}

/// The number of every lease, in their order.
async fn numbers(
    request: &Request,
    stores: &impl StoreSet<Store: LeaseStore>,
    progress: &dyn Progress,
    stop: oneshot::Receiver<()>,
) -> Vec<Number> {
    // All leases of a pod are in one store.
    let store = request.plan.leases.first().map(|lease| lease.store);
    let Some(store) = store.and_then(|store| stores.get(store)) else {
        return Vec::new();
    };
    let timeout = whole_budget(request.timeout, request.retry_delay);
    leases::numbers(request, store, progress, timeout, stop).await
}

/// The values of all entries, in their order, or every error.
fn joined(
    request: &Request,
    stored: Result<Vec<Valued>, RunError>,
    numbers: Vec<Number>,
    derivation: &mut Derivation,
) -> Result<Vec<Valued>, RunError> {
    let mut errors = Vec::new();
    let stored = stored.unwrap_or_else(|error| {
        errors.extend(error.into_errors());
        Vec::new()
    });
    let (mut stored, mut numbers) = (stored.into_iter(), numbers.into_iter());
    let mut values = Vec::new();
    for entry in &request.entries {
        if !matches!(entry.source, Source::Lease(_)) {
            values.extend(stored.next());
            continue;
        }
        match numbers.next() {
            Some(Number::Held { number, is_new }) => {
                let value = SecretValue::new(number.to_string().into_bytes());
                let origin = if is_new {
                    Origin::Created
                } else {
                    Origin::Found
                };
                values.push(Some((value, origin)));
            }
            Some(Number::Local) => match derivation.value(entry, request) {
                Ok(value) => values.extend(value.map(|value| Some((value, Origin::Local)))),
                Err(error) => errors.push(error),
            },
            Some(Number::Failed(error)) => errors.push(error),
            Some(Number::Open) | None => {}
        }
    }
    RunError::check(errors)?;
    Ok(values)
}

fn no_value(entry: &Entry) -> InitError {
    kees_common::AnnotationErrorKind::NoLocalValue
        .at(&entry.annotation)
        .into()
}

/// Every value, or every error.
fn all_or_errors(
    results: impl Iterator<Item = Result<Valued, InitError>>,
) -> Result<Vec<Valued>, RunError> {
    let mut causes = Vec::new();
    let values = results
        .filter_map(|result| result.map_err(|cause| causes.push(cause)).ok())
        .collect();
    RunError::check(causes)?;
    Ok(values)
}
