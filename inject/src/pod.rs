//! What the decision reads of a pod.

pub(crate) mod path;
pub(crate) mod qos;
pub(crate) mod quantity;
pub(crate) mod view;
