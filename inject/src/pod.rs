//! The parts of a pod that the decision reads, and the rules of Kubernetes about them.

pub(crate) mod affinity;
pub(crate) mod annotations;
pub(crate) mod container;
pub(crate) mod env;
pub(crate) mod injected;
pub(crate) mod labels;
pub(crate) mod limits;
pub(crate) mod owner;
pub(crate) mod path;
pub(crate) mod qos;
pub(crate) mod quantity;
pub(crate) mod resources;
pub(crate) mod secret_names;
pub(crate) mod text;
pub(crate) mod view;
