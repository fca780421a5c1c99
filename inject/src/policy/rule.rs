//! One rule of the policy.

use std::sync::Arc;

use kees_common::StoreName;
use serde::Deserialize;

use crate::{
    pod::resources::Resources,
    policy::{
        limits::Limits,
        objects::ObjectPatterns,
        patterns::Patterns,
        template::{PrefixTemplate, Subject},
    },
};

/// What the pods that match the rule may do.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the switches of the policy file"
)]
pub(crate) struct Rule {
    /// Where the rule comes from.
    pub(crate) origin: Origin,
    pub(crate) namespaces: Patterns,
    pub(crate) service_accounts: Option<Patterns>,
    /// The prefixes that the pods may use.
    pub(crate) prefix: AllowedPrefix,
    /// The stores that the pods may use. If absent, all stores of the operator.
    pub(crate) stores: Option<Vec<StoreName>>,
    /// Whether the pods may use `init.DOMAIN/local-mode`.
    pub(crate) local_mode: bool,
    /// Who creates absent secrets.
    pub(crate) create: Create,
    /// The ARNs that the pods may use in `storageKey=`.
    pub(crate) references: Patterns,
    /// The names and ARNs that the pods may use in a `SecretProviderClass`.
    pub(crate) class_objects: ObjectPatterns,
    /// Requests and limits of the init container. If absent, those of the operator's flags.
    pub(crate) resources: Option<Resources>,
    /// Whether the init container may use the node's AWS identity.
    pub(crate) instance_metadata: bool,
    /// How much a pod may ask for.
    pub(crate) limits: Limits,
    /// Whether a pod may set `init.DOMAIN/inject: "false"`.
    pub(crate) opt_out: bool,
    /// Whether a pod that breaks the rule is denied.
    pub(crate) mode: Mode,
    /// Whether every warning is an error.
    pub(crate) strict: bool,
}

/// Where a rule comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// From the policy file: the name of the rule, or its number.
    File(Arc<str>),
    /// There is no policy file.
    NoFile,
    /// No rule of the policy file matches the pod.
    NoMatch,
}

impl Rule {
    /// The rule without a policy file: it matches every pod and takes its prefix as it is.
    pub(crate) fn absent() -> Self {
        Self {
            origin: Origin::NoFile,
            namespaces: Patterns::any(),
            service_accounts: None,
            prefix: AllowedPrefix::Any,
            stores: None,
            local_mode: false,
            create: Create::Init,
            references: Patterns::default(),
            class_objects: ObjectPatterns::any(),
            resources: None,
            instance_metadata: false,
            limits: Limits::default(),
            opt_out: true,
            mode: Mode::Enforce,
            strict: false,
        }
    }

    /// A rule that matches every pod and allows everything.
    pub(crate) fn permissive() -> Self {
        Self {
            local_mode: true,
            references: Patterns::any(),
            limits: Limits::none(),
            ..Self::absent()
        }
    }

    /// The rule for the pods that no rule of the file matches. It allows everything, so that the
    /// errors of their annotations are found, and the pod is denied because it has no rule.
    pub(crate) fn no_match(mode: Mode, strict: bool) -> Self {
        Self {
            origin: Origin::NoMatch,
            mode,
            strict,
            ..Self::permissive()
        }
    }

    /// Whether the rule applies to the pods of `subject`.
    pub(crate) fn matches(&self, subject: Subject<'_>) -> bool {
        self.namespaces.matches(subject.namespace)
            && self
                .service_accounts
                .as_ref()
                .is_none_or(|accounts| accounts.matches(subject.service_account))
    }

    /// Whether the warnings of a pod are errors.
    pub(crate) fn denies_warnings(&self) -> bool {
        self.strict && self.mode == Mode::Enforce
    }
}

/// The prefixes that a rule allows.
#[derive(Debug, Clone)]
pub(crate) enum AllowedPrefix {
    /// Every prefix: there is no policy file.
    Any,
    /// This prefix, and all below it.
    AtOrBelow(PrefixTemplate),
    /// No prefix: the rule allows local mode only.
    None,
}

/// `create:` of a rule, which becomes `CREATE` of the init container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Create {
    /// The init container creates absent secrets.
    #[default]
    Init,
    /// The init container waits until a creator has created them.
    Creator,
    /// An absent secret is an error.
    Never,
}

impl Create {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Creator => "creator",
            Self::Never => "never",
        }
    }
}

/// `mode:` of a rule, or of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// A pod that breaks the rule is denied.
    #[default]
    Enforce,
    /// A pod that breaks the rule gets a warning, and what it asks for.
    Warn,
}
