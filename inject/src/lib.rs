//! The decision of kees's webhook: a pod and the operator's settings in; a patch, a denial or
//! neither out. Nothing here reads a file, a clock or a socket.
//!
//! [`review()`] goes from the bytes of an `AdmissionReview` to the bytes of the one that answers it.
//! [`decide()`] is the same decision on a pod alone. `docs/injection.md` is the contract.
//!
//! ```
//! use kees_inject::{Decision, PodView, InjectSettings, decide};
//!
//! let pod = PodView::from_json(
//!     r#"{"metadata": {"annotations": {
//!             "secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256"}},
//!         "spec": {"containers": [{"name": "app", "image": "app:1"}]}}"#,
//! )?;
//! let settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
//! let Decision::Patch { operations, .. } = decide(&pod, "team-a", &settings) else {
//!     panic!("the pod is annotated and sound");
//! };
//! assert!(operations.as_json().contains("kees-init:0.1.0"));
//! # Ok::<(), kees_inject::ParsePodError>(())
//! ```

mod decide;
mod decode;
mod error;
mod names;
mod patch;
mod pod;
mod policy;
mod review;
mod settings;

pub use decide::{Decision, SkipReason, decide};
pub use error::{Place, PodError, PodErrorKind};
pub use patch::{identity::IdentityError, operations::Operations};
pub use pod::{
    quantity::{ParseQuantityError, Quantity},
    view::{ParsePodError, PodView},
};
pub use policy::{
    file::{ParsePolicyError, Policy},
    template::{ParseTemplateError, PrefixTemplate, Unfilled},
};
pub use review::{
    response::{Outcome, ReviewResponse},
    review,
};
pub use settings::{
    Amounts, InjectSettings, ParseImageExpressionError, ParsePullPolicyError, ParseRunAsError,
    PullPolicy, Resources, RunAs, SettingsError, WiredImage,
};

/// The name of the init container that is injected.
pub const INIT_CONTAINER: &str = names::CONTAINER;
