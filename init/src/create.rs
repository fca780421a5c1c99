//! Creates what a pod asks for and writes no files: the first half of a run, for a program that
//! creates the secrets of many pods.

use kees_store::protocol::StoreSet;

use crate::{
    Origin, Progress, Request, RunError,
    error::InitError,
    generator::Generator,
    local::Derivation,
    obtain::{failed, obtain, unanswered},
    slots::Slot,
};

/// What a call of [`create`] did. It may have created some entries although others have errors.
#[derive(Debug, Default)]
pub struct CreatedEntries {
    /// The annotations whose values this call created.
    pub created: Vec<String>,
    /// How many values were in the store, or were created by another writer meanwhile.
    pub found: usize,
    /// Every error, if there is any.
    pub error: Option<RunError>,
}

/// Creates each DYNAMIC entry of `request` whose generation is absent. The values themselves are
/// dropped. Several programs may create for the same pod at the same time: the protocol of the
/// stores keeps one generation.
pub async fn create(
    request: &Request,
    stores: &impl StoreSet,
    generator: &Generator,
    progress: &dyn Progress,
) -> CreatedEntries {
    let mut outcome = CreatedEntries::default();
    let mut derivation = Derivation::default();
    let slots = match obtain(request, stores, generator, &mut derivation, progress).await {
        Ok(slots) => slots,
        Err(error) => {
            outcome.error = Some(error);
            return outcome;
        }
    };
    let mut errors = Vec::new();
    let mut open = Vec::new();
    for (item, slot) in request.plan.items.iter().zip(slots.into_inner()) {
        let Some(entry) = request.entries.get(item.entry) else {
            continue;
        };
        match slot {
            Slot::Found {
                origin: Origin::Created,
                ..
            } => outcome.created.push(entry.annotation.clone()),
            Slot::Found { .. } => outcome.found += 1,
            Slot::NoPrevious => {}
            Slot::Failed(error) => errors.push(InitError::entry(failed(entry, item), error)),
            // Not created, because something else failed.
            Slot::Open => open.push(failed(entry, item)),
        }
    }
    if errors.is_empty() {
        errors.extend(open.into_iter().map(unanswered));
    }
    outcome.error = RunError::check(errors).err();
    outcome
}
