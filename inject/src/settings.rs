//! What the operator has settled: everything that the decision needs beside the pod.

use std::{collections::BTreeMap, fmt, str::FromStr};

use kees_common::{Domain, StoreName, names::env};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::{Policy, Quantity, patch::env::DECIDED};

/// The operator's settings. [`InjectSettings::new`] has the defaults; the fields are set one by one.
#[derive(Debug, Clone)]
pub struct InjectSettings {
    /// What `init.DOMAIN/injected` says: the version of the program that injects.
    pub version: String,
    /// The domain of the annotations.
    pub domain: Domain,
    /// The image of the init container.
    pub init_image: String,
    /// `imagePullPolicy` of the init container; absent: Kubernetes's own default.
    pub image_pull_policy: Option<PullPolicy>,
    /// What other images than `kees-init` count as wired by hand.
    pub wired_image: WiredImage,
    /// The cluster's name, for `{cluster}` in the policy.
    pub cluster: Option<String>,
    /// The store of a pod that names none.
    pub store: StoreName,
    /// The stores that a pod may name beside [`InjectSettings::store`].
    pub stores: Vec<StoreName>,
    /// Environment of the init container: `ENV_LABEL`, `AWS_REGION`, `AWS_ENDPOINT`,
    /// `AWS_STS_ENDPOINT`, `KMS_KEY_ID`, the proxies, and whatever else the operator gives. An
    /// empty value counts as absent. What the decision itself sets ([`SettingsError::Decided`])
    /// cannot be given here.
    pub init_env: BTreeMap<String, String>,
    /// `sizeLimit` of the volume that holds the files.
    pub volume_size: Quantity,
    /// The uid of the init container where no container's own can be taken.
    pub run_as: RunAs,
    /// Requests and limits of the init container, where no policy rule has others.
    pub resources: Resources,
    /// Which namespaces get which prefix.
    pub policy: Policy,
}

impl InjectSettings {
    /// The defaults, for an init container of `init_image`.
    pub fn new(init_image: impl Into<String>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            domain: Domain::default(),
            init_image: init_image.into(),
            image_pull_policy: None,
            wired_image: WiredImage::default(),
            cluster: None,
            store: StoreName::DynamoDb,
            stores: Vec::new(),
            init_env: BTreeMap::new(),
            volume_size: Quantity::mebi(4),
            run_as: RunAs::default(),
            resources: Resources::default(),
            policy: Policy::absent(),
        }
    }

    /// Everything that is wrong with the settings together, to be said at start.
    pub fn problems(&self) -> Vec<SettingsError> {
        let mut problems = Vec::new();
        let stores = || std::iter::once(self.store).chain(self.stores.iter().copied());
        if self.init_image.trim().is_empty() {
            problems.push(SettingsError::NoImage);
        }
        if stores().any(|store| store == StoreName::DynamoDb) && !self.gives(env::ENV_LABEL) {
            problems.push(SettingsError::NoEnvLabel);
        }
        if stores().any(|store| store == StoreName::Memory) {
            problems.push(SettingsError::MemoryStore);
        }
        for name in self.init_env.keys() {
            if DECIDED.contains(&name.as_str()) {
                problems.push(SettingsError::Decided(name.clone()));
            } else if !is_variable(name) {
                problems.push(SettingsError::NotAVariable(name.escape_debug().to_string()));
            }
        }
        if self.policy.uses_cluster() && self.cluster.is_none() {
            problems.push(SettingsError::NoCluster);
        }
        for store in self.policy.stores() {
            if !stores().any(|known| known == store) {
                problems.push(SettingsError::ParseStoreNameError(store));
            }
        }
        let resources = self.policy.resources().chain([&self.resources]);
        if resources.into_iter().any(Resources::request_too_much) {
            problems.push(SettingsError::RequestAboveLimit);
        }
        problems
    }

    /// Whether the operator gives this variable to the init container.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.init_env
            .get(name)
            .is_some_and(|value| !value.is_empty())
    }
}

/// A name that a container's environment may have here: a POSIX name.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What is wrong with the settings as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is nothing to inject.
    #[error("the image of the init container is empty; give --init-image")]
    NoImage,
    /// The table's name cannot be made.
    #[error("the store dynamodb needs --env-label, which names its table ENV_LABEL-kube-secret")]
    NoEnvLabel,
    /// A store for tests.
    #[error("the store memory ends with each init container; use dynamodb or secretsmanager")]
    MemoryStore,
    /// The policy's templates cannot be filled in.
    #[error("the policy uses {{cluster}}, and the cluster has no name; give --cluster")]
    NoCluster,
    /// The policy allows what the operator has not set up.
    #[error("the policy allows the store {0}, which is not among --store and --stores")]
    ParseStoreNameError(StoreName),
    /// Kubernetes would refuse every pod.
    #[error("the init container requests more than its limit; raise the limit or request less")]
    RequestAboveLimit,
    /// A variable that is not the operator's to set.
    #[error("--init-env cannot set {0}, which is decided for each pod; use the flag or the policy")]
    Decided(String),
    /// A name that no variable has.
    #[error("--init-env '{0}' is not the name of a variable; use letters, digits and '_'")]
    NotAVariable(String),
}

/// `imagePullPolicy` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Pull at every start.
    Always,
    /// Pull what the node lacks.
    IfNotPresent,
    /// Never pull.
    Never,
}

impl PullPolicy {
    /// The word that Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl FromStr for PullPolicy {
    type Err = ParsePullPolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePullPolicyError> {
        [Self::Always, Self::IfNotPresent, Self::Never]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| ParsePullPolicyError(text.to_owned()))
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no pull policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a pull policy; use Always, IfNotPresent or Never")]
pub struct ParsePullPolicyError(String);

/// Which images a pod's author may have wired by hand: `(^|/)kees-init([:@]|$)`, and what the
/// operator's expression matches.
#[derive(Debug, Clone, Default)]
pub struct WiredImage(Option<Regex>);

impl WiredImage {
    /// Whether an init container of this image is kees's own.
    pub fn matches(&self, image: &str) -> bool {
        is_kees_init(image) || self.0.as_ref().is_some_and(|regex| regex.is_match(image))
    }
}

impl FromStr for WiredImage {
    type Err = ParseImageExpressionError;

    fn from_str(text: &str) -> Result<Self, ParseImageExpressionError> {
        if text.is_empty() {
            return Err(ParseImageExpressionError::Empty);
        }
        let regex = Regex::new(text).map_err(|error| ParseImageExpressionError::syntax(&error))?;
        Ok(Self(Some(regex)))
    }
}

/// What is no expression for images.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ParseImageExpressionError {
    /// It would match the init containers of every pod, which would then have no secrets.
    #[error("it is empty and would match every image; use one such as my-init[:@]")]
    Empty,
    /// It cannot be compiled, for this reason.
    #[error("not a regular expression: {0}")]
    Syntax(String),
}

impl ParseImageExpressionError {
    /// The reason alone: the regex crate draws a picture of several lines above it.
    fn syntax(error: &regex::Error) -> Self {
        let told = error.to_string();
        let reason = told.lines().last().unwrap_or_default();
        Self::Syntax(reason.trim_start_matches("error: ").to_owned())
    }
}

/// Exactly `(^|/)kees-init([:@]|$)`, which is also what the `ValidatingAdmissionPolicy` looks for.
fn is_kees_init(image: &str) -> bool {
    const NAME: &str = "kees-init";
    image.match_indices(NAME).any(|(at, _)| {
        let (before, rest) = image.split_at(at);
        let after = &rest[NAME.len()..];
        (before.is_empty() || before.ends_with('/'))
            && (after.is_empty() || after.starts_with([':', '@']))
    })
}

/// Who the init container runs as where no container's own uid can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// This uid and gid; never 0.
    Uid(u32),
    /// None is named: the namespace's own rules choose (`OpenShift`).
    Unset,
}

impl Default for RunAs {
    fn default() -> Self {
        Self::Uid(65532)
    }
}

impl FromStr for RunAs {
    type Err = ParseRunAsError;

    fn from_str(text: &str) -> Result<Self, ParseRunAsError> {
        match text.parse() {
            _ if text == "none" => Ok(Self::Unset),
            // Kubernetes takes uids up to 2^31 - 1.
            Ok(uid @ 1..=0x7fff_ffff) => Ok(Self::Uid(uid)),
            _ => Err(ParseRunAsError(text.to_owned())),
        }
    }
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => uid.fmt(f),
            Self::Unset => f.write_str("none"),
        }
    }
}

/// A text that names no uid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a uid to run as; use 1 to 2147483647, or none")]
pub struct ParseRunAsError(String);

/// Requests and limits of the init container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler sets aside.
    #[serde(default)]
    pub requests: Amounts,
    /// What the node enforces.
    #[serde(default)]
    pub limits: Amounts,
}

impl Default for Resources {
    /// Requests 10m CPU and 16Mi, limit 64Mi, no CPU limit.
    fn default() -> Self {
        Self {
            requests: Amounts {
                cpu: Some(Quantity::milli(10)),
                memory: Some(Quantity::mebi(16)),
            },
            limits: Amounts {
                cpu: None,
                memory: Some(Quantity::mebi(64)),
            },
        }
    }
}

impl Resources {
    /// Whether more is requested than the limit allows.
    fn request_too_much(&self) -> bool {
        let Self { requests, limits } = self;
        [
            (&requests.cpu, &limits.cpu),
            (&requests.memory, &limits.memory),
        ]
        .into_iter()
        .any(|(request, limit)| limit.is_some() && request > limit)
    }
}

/// CPU and memory, each if there is any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// In cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

impl Amounts {
    pub(crate) fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }
}
