//! The containers of kees that a pod already has.

/// Where the containers of kees are among the init containers of a pod that is already injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Injected {
    /// The index of the init container.
    pub(crate) init: usize,
    /// The index of the sidecar, if the pod has one.
    pub(crate) sidecar: Option<usize>,
}

impl Injected {
    /// Whether the init container at that index is one of kees.
    pub(crate) fn contains(self, index: usize) -> bool {
        self.init == index || self.sidecar == Some(index)
    }
}
