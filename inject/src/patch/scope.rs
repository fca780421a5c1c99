//! What a pod gets: the files of annotations, volumes of classes, or both.

use crate::{class::plan::ClassPlan, pod::injected::Injected};

/// What a pod gets.
pub(crate) struct Scope {
    /// The containers of kees, if the pod is already injected.
    pub(crate) injected: Option<Injected>,
    /// Whether it asks for values with annotations, and so gets their files.
    pub(crate) has_files: bool,
    /// Its volumes of classes.
    pub(crate) classes: Option<ClassPlan>,
}
