//! What a run says while it goes on, for those who show it.

use kees_common::Spec;

/// Told how far a run is. Every method does nothing unless it is overridden.
pub trait Progress: Sync {
    /// `count` generations are absent and will be made now.
    fn generating(&self, count: usize) {
        let _ = count;
    }

    /// One of them has been made; it is stored next.
    fn generated(&self, spec: &Spec) {
        let _ = spec;
    }

    /// `count` values are absent, and somebody else has to store them.
    fn waiting(&self, count: usize) {
        let _ = count;
    }
}

/// Tells nobody.
impl Progress for () {}
