//! What a run reports while it goes on.

use kees_common::Spec;
use kees_store::StoreError;

/// Receives the progress of a run. The default of every method does nothing.
///
/// Entries are named by their annotations. The order of calls is `generating`, then `generated` for
/// each; the other methods are called at any time, also between those.
pub trait Progress: Sync {
    /// `count` generations are absent and will be generated now.
    fn generating(&self, count: usize) {
        let _ = count;
    }

    /// One of these generations has been generated and is stored next, or generating it has failed.
    fn generated(&self, spec: &Spec) {
        let _ = spec;
    }

    /// These entries are absent, and another writer has to store them. Called before each pause
    /// between two reads, so several times while a run waits. There is one call for each store.
    fn waiting(&self, annotations: &[&str]) {
        let _ = annotations;
    }

    /// These entries belong to a generation of which some fields are stored and others are not, so
    /// another writer may be storing it. Called before each pause between two reads.
    fn incomplete(&self, annotations: &[&str]) {
        let _ = annotations;
    }

    /// Creating the generation of these entries is denied, so the run waits for another writer.
    /// Called once for each generation.
    fn creation_denied(&self, annotations: &[&str], error: &StoreError) {
        let _ = (annotations, error);
    }

    /// These objects of a `SecretProviderClass` are now read in its failover Region, because of what happened in the first
    /// one. Each reason has a call.
    fn failing_over(&self, objects: &[&str], reason: &str) {
        let _ = (objects, reason);
    }

    /// A call of a store failed and will be tried again until the deadline. Called once for each
    /// store, when its first such error arrives: within the first seconds, not at the deadline.
    /// [`StoreError::store`] says which store.
    fn store_unavailable(&self, error: &StoreError) {
        let _ = error;
    }
}

/// Reports nothing.
impl Progress for () {}
