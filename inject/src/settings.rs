//! The operator's settings: everything that the decision needs besides the pod.

mod image;
mod init_image;
mod run_as;
mod skip_containers;

use std::collections::BTreeMap;

use kees_common::{Domain, RefreshPeriod, StoreName, names::env};

pub use self::{
    image::{ParseImageExpressionError, ParsePullPolicyError, PullPolicy, WiredImage},
    init_image::{ImageRepository, ParseImageRepositoryError},
    run_as::{ParseRunAsError, RunAs},
    skip_containers::{ParseSkipContainersError, SkipContainers},
};
use crate::{
    names::DECIDED_VARIABLES,
    pod::{quantity::Quantity, resources::Resources},
    policy::{file::Policy, template::is_subdomain},
};

/// The operator's settings. [`InjectSettings::new`] returns the defaults.
#[derive(Debug, Clone)]
pub struct InjectSettings {
    /// The version of the webhook, which is the value of `init.DOMAIN/injected`.
    pub version: String,
    /// The domain of the annotations.
    pub domain: Domain,
    /// The image of the init container.
    pub init_image: String,
    /// The repositories to which another webhook may change the image of the init container.
    pub init_image_mirrors: Vec<ImageRepository>,
    /// `imagePullPolicy` of the init container. If absent, Kubernetes uses its default.
    pub image_pull_policy: Option<PullPolicy>,
    /// The images, other than `kees-init`, of init containers that are wired by hand.
    pub wired_image: WiredImage,
    /// The containers that read no files unless the pod names them.
    pub skip_containers: SkipContainers,
    /// The cluster's name, for `{cluster}` in the policy.
    pub cluster: Option<String>,
    /// The store of a pod that names none.
    pub store: StoreName,
    /// The stores that a pod may name, in addition to [`InjectSettings::store`].
    pub stores: Vec<StoreName>,
    /// Environment of the init container: `ENV_LABEL`, `AWS_REGION`, `AWS_ENDPOINT`,
    /// `AWS_STS_ENDPOINT`, `KMS_KEY_ID`, the proxies, and all other variables that the operator
    /// sets. An empty value counts as absent. A variable that is decided for each pod
    /// ([`SettingsError::DecidedVariable`]) is an error here.
    pub init_env: BTreeMap<String, String>,
    /// `sizeLimit` of the volume that holds the files.
    pub volume_size: Quantity,
    /// The uid of the init container if the containers of the pod do not decide it.
    pub run_as: RunAs,
    /// Requests and limits of the init container, unless a policy rule sets others.
    pub resources: Resources,
    /// The shortest period of `init.DOMAIN/refresh`.
    pub refresh_minimum: RefreshPeriod,
    /// The memory of the sidecar of a refreshed pod: its request and its limit.
    pub refresh_memory: Quantity,
    /// Whether kees-controller writes the Secrets that classes and pods ask for.
    pub secret_sync: bool,
    /// What the pods of each namespace may do.
    pub policy: Policy,
}

impl InjectSettings {
    /// The defaults, for an init container of `init_image`.
    pub fn new(init_image: impl Into<String>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            domain: Domain::default(),
            init_image: init_image.into(),
            init_image_mirrors: Vec::new(),
            image_pull_policy: None,
            wired_image: WiredImage::default(),
            skip_containers: SkipContainers::default(),
            cluster: None,
            store: StoreName::default(),
            stores: Vec::new(),
            init_env: BTreeMap::new(),
            volume_size: Quantity::mebi(4),
            run_as: RunAs::default(),
            resources: Resources::default(),
            refresh_minimum: RefreshPeriod::DEFAULT_MINIMUM,
            refresh_memory: Quantity::mebi(16),
            secret_sync: false,
            policy: Policy::absent(),
        }
    }

    /// All errors of the settings. A program checks them at start.
    pub fn errors(&self) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        let stores = || std::iter::once(self.store).chain(self.stores.iter().copied());
        if self.init_image.trim().is_empty() {
            errors.push(SettingsError::NoImage);
        }
        if let Some(store) = stores().find(|store| store.needs_env_label())
            && !self.sets(env::ENV_LABEL)
        {
            errors.push(SettingsError::NoEnvLabel(store));
        }
        if let Some(store) = stores().find(|store| !store.is_persistent()) {
            errors.push(SettingsError::NotPersistent(store));
        }
        for name in self.init_env.keys() {
            if DECIDED_VARIABLES.contains(&name.as_str()) {
                errors.push(SettingsError::DecidedVariable(name.clone()));
            } else if !is_variable_name(name) {
                let name = name.escape_debug().to_string();
                errors.push(SettingsError::VariableName(name));
            }
        }
        errors.extend(self.policy_errors());
        let mut resources = self.policy.resources().chain([&self.resources]);
        if resources.any(Resources::request_exceeds_limit) {
            errors.push(SettingsError::RequestAboveLimit);
        }
        errors
    }

    /// The errors of the policy together with the other settings, without those of the init container.
    pub fn policy_errors(&self) -> Vec<SettingsError> {
        let mut errors = Vec::new();
        match &self.cluster {
            _ if !self.policy.uses_cluster() => {}
            None => errors.push(SettingsError::NoCluster),
            Some(name) if !is_subdomain(name) => {
                let name = name.escape_debug().to_string();
                errors.push(SettingsError::ClusterName(name));
            }
            Some(_) => {}
        }
        for store in self.policy.stores() {
            if !self.enables(store) {
                errors.push(SettingsError::StoreNotEnabled(store));
            }
        }
        errors
    }

    /// Whether an image is the init container's, as it is or as another webhook changed it.
    pub(crate) fn is_init_image(&self, image: &str) -> bool {
        init_image::is_same_image(&self.init_image, &self.init_image_mirrors, image)
    }

    /// Whether the flags allow this store.
    fn enables(&self, store: StoreName) -> bool {
        self.store == store || self.stores.contains(&store)
    }

    /// Whether the operator sets this variable of the init container.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.init_env
            .get(name)
            .is_some_and(|value| !value.is_empty())
    }
}

/// Whether a variable may have that name: letters, digits and `_`, as in POSIX.
fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// An error of the operator's settings as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The init container has no image.
    #[error("the image of the init container is empty; give --init-image")]
    NoImage,
    /// The name of the DynamoDB table is unknown.
    #[error("the store {0} needs --env-label, which names its table ENV_LABEL-kube-secret")]
    NoEnvLabel(StoreName),
    /// The store loses its values when the init container ends.
    #[error("the store {0} loses its values when the init container ends; use one that keeps them")]
    NotPersistent(StoreName),
    /// A template of the policy cannot be filled in.
    #[error("the policy uses {{cluster}}, and the cluster has no name; give --cluster")]
    NoCluster,
    /// A template of the policy cannot be filled in with this name.
    #[error(
        "the policy uses {{cluster}}, and '{0}' cannot be part of a storage prefix; give --cluster a \
         DNS name in lower case"
    )]
    ClusterName(String),
    /// The policy allows a store that the flags do not.
    #[error("the policy allows the store {0}, which is not among --store and --stores")]
    StoreNotEnabled(StoreName),
    /// The API server would deny every pod.
    #[error("the init container requests more than its limit; raise the limit or request less")]
    RequestAboveLimit,
    /// A variable that is decided for each pod.
    #[error("--init-env cannot set {0}, which is decided for each pod; use the flag or the policy")]
    DecidedVariable(String),
    /// A name that no variable can have.
    #[error("--init-env '{0}' is not the name of a variable; use letters, digits and '_'")]
    VariableName(String),
}
