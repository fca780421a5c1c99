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

mod container;
mod decide;
mod difference;
mod env;
mod fault;
mod grant;
mod identity;
mod json;
mod misread;
mod names;
mod object;
mod operations;
mod owner;
mod patch;
mod path;
mod placement;
mod pod;
mod policy;
mod quality;
mod quantity;
mod reply;
mod reserved;
mod review;
mod settings;
mod template;
mod uid;

pub use decide::{Decision, SkipReason, decide};
pub use fault::{Place, PodError, PodErrorKind};
pub use identity::IdentityError;
pub use operations::Operations;
pub use pod::{ParsePodError, PodView};
pub use policy::{ParsePolicyError, Policy};
pub use quantity::{ParseQuantityError, Quantity};
pub use reply::{Outcome, ReviewResponse};
pub use review::review;
pub use settings::{
    Amounts, InjectSettings, ParseImageExpressionError, ParsePullPolicyError, ParseRunAsError,
    PullPolicy, Resources, RunAs, SettingsError, WiredImage,
};
pub use template::{ParseTemplateError, PrefixTemplate, Unfilled};

/// The name of the init container that is injected.
pub const INIT_CONTAINER: &str = names::CONTAINER;
