//! The decision of kees's webhook. The input is a pod and the operator's settings; the output is a
//! patch, a denial, or neither. It is a pure function: nothing here reads a file, a clock or a
//! socket.
//!
//! [`review()`] goes from the bytes of an `AdmissionReview` to the bytes of the response.
//! [`decide()`] makes the same decision about a pod alone. `docs/injection.md` is the contract.
//!
//! ```text
//! review::request -> pod::view -> policy::effective -> patch::injection -> patch::operations
//!                                                                        -> review::response
//! ```
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
//!     panic!("the pod is annotated and has no errors");
//! };
//! assert!(operations.as_json().contains("kees-init:0.1.0"));
//! # Ok::<(), kees_inject::ParsePodError>(())
//! ```

mod audit;
mod class;
mod classes;
mod cluster;
mod creation;
mod decide;
mod decode;
mod denial;
mod error;
mod findings;
mod late_secret;
mod names;
mod patch;
mod pod;
mod policy;
mod review;
mod secret_sync;
mod settings;
mod sharing;
mod workload;

pub use audit::Audit;
pub use class::{error::ClassVolumeError, permission::class_errors};
pub use classes::{ClassAccess, Classes, Lookup, ROLE_ANNOTATION};
pub use cluster::ClusterView;
pub use creation::{Creation, CreatorPod, NoCreation, creation};
pub use decide::{Decision, SkipReason, decide, decide_with_classes};
pub use denial::DenialReason;
pub use error::{Place, PodError, PodErrorKind, SecretConflict};
pub use patch::operations::Operations;
pub use pod::{
    quantity::{ParseQuantityError, Quantity},
    resources::{Amounts, Resources},
    view::{ParsePodError, PodView},
};
pub use policy::{
    allowance::{Allowance, AllowanceError},
    file::{ParsePolicyError, Policy},
    result::{PolicyOutcome, PolicyResult},
    template::{FillTemplateError, ParseTemplateError, PrefixTemplate},
};
pub use review::{
    response::{Outcome, ReviewResponse},
    review, review_with_classes,
};
pub use secret_sync::{SecretSync, secret_sync};
pub use settings::{
    ImageRepository, InjectSettings, ParseImageExpressionError, ParseImageRepositoryError,
    ParsePullPolicyError, ParseRunAsError, ParseSkipContainersError, PullPolicy, RunAs,
    SettingsError, SkipContainers, WiredImage,
};

pub use sharing::live_pods::{LivePod, LivePods, NamespacePods, OtherPods};
pub use workload::workload;

/// The name of the init container that is injected.
pub const INIT_CONTAINER: &str = names::CONTAINER;

/// The name of the sidecar that is injected into a pod that is refreshed.
pub const REFRESH_CONTAINER: &str = names::SIDECAR;
