//! The environment of the init container. It contains everything that the webhook decided, so that
//! an annotation cannot change it later.

use kees_common::{FileMode, MountPath, Options, names::env as variables};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    decode::object::optional,
    names,
    patch::{exec::WrappedCommand, field_ref::FieldRef, identity::Identity},
    pod::text::Text,
    policy::effective::EffectivePolicy,
    settings::InjectSettings,
};

/// A variable of the init container.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Variable<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(
        borrow,
        default,
        deserialize_with = "not_empty",
        skip_serializing_if = "Option::is_none"
    )]
    value: Option<Text<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    value_from: Option<VariableSource<'a>>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VariableSource<'a> {
    #[serde(borrow)]
    field_ref: FieldRef<'a>,
}

impl<'a> Variable<'a> {
    /// A variable whose value may contain references such as `$(NAME)`.
    fn new(name: impl Into<Text<'a>>, value: impl Into<Text<'a>>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
            value_from: None,
        }
    }

    /// A variable with a value that the pod author may have written. Kubernetes would replace
    /// `$(NAME)` in it by another variable, which could change what was admitted; `$$` is a plain
    /// `$`.
    pub(crate) fn literal(name: &'static str, value: impl Into<Text<'a>>) -> Self {
        let value = value.into();
        if value.contains('$') {
            Self::new(name, value.replace('$', "$$"))
        } else {
            Self::new(name, value)
        }
    }

    /// A variable with the value of a field of the pod.
    pub(crate) fn field(name: &'static str, path: &'static str) -> Self {
        Self {
            name: name.into(),
            value: None,
            value_from: Some(VariableSource {
                field_ref: FieldRef::new(path),
            }),
        }
    }
}

/// `AWS_EC2_METADATA_DISABLED` keeps the SDK from using the node's AWS identity.
const METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";

/// The variables of the init container.
pub(crate) fn env<'a>(
    settings: &'a InjectSettings,
    options: &Options,
    policy: &EffectivePolicy<'_>,
    mount_path: &MountPath,
    file_mode: FileMode,
    commands: &[WrappedCommand<'_>],
    identity: Identity<'a>,
) -> Vec<Variable<'a>> {
    let mut env = Vec::with_capacity(32);
    env.extend([
        Variable::field(variables::POD_NAME, "metadata.name"),
        Variable::field(variables::POD_NAMESPACE, "metadata.namespace"),
        Variable::field(variables::POD_UID, "metadata.uid"),
        Variable::literal(variables::ANNOTATION_DOMAIN, settings.domain.as_str()),
    ]);
    env.extend(files(options, mount_path, file_mode));
    let folder = || Variable::literal(variables::EXEC_FOLDER, mount_path.as_str().to_owned());
    env.extend((!commands.is_empty()).then(folder));
    env.extend(refresh(options));
    env.extend(allowed(policy));
    env.extend(configured(settings, policy));
    let of_identity = identity.variables.into_iter();
    env.extend(of_identity.map(|(name, value)| Variable::new(name, value)));
    env
}

/// Where the files are, and how they are written.
fn files<'a>(options: &Options, path: &MountPath, mode: FileMode) -> [Variable<'a>; 8] {
    let format = options.format.unwrap_or_default();
    let path_text = || path.as_str().to_owned();
    [
        Variable::literal(variables::ANNOTATIONS_FILE, names::PODINFO_FILE),
        Variable::literal(variables::SECRETS_FILE, path.file("secrets.properties")),
        Variable::literal(variables::RESOURCES_FILE, path.file("resources.properties")),
        Variable::literal(variables::LEASES_FILE, path.file("leases.properties")),
        Variable::literal(variables::RESOURCES_FILE_PATH, path_text()),
        Variable::literal(variables::LEASES_FILE_PATH, path_text()),
        Variable::literal(variables::FORMAT, format.as_str()),
        Variable::literal(variables::FILE_MODE, mode.to_string()),
    ]
}

/// What the sidecar does, and that the files are replaced together.
fn refresh<'a>(options: &Options) -> impl Iterator<Item = Variable<'a>> {
    let period = options.refresh.map(|period| period.to_string());
    let port = options.refresh_metrics_port.filter(|_| period.is_some());
    let port = port.map(|port| port.to_string());
    let on_change = options.on_change.as_ref().filter(|_| period.is_some());
    let on_change = on_change.map(ToString::to_string);
    [
        period.map(|period| Variable::literal(variables::REFRESH, period)),
        on_change.map(|action| Variable::literal(variables::ON_CHANGE, action)),
        port.map(|port| Variable::literal(variables::REFRESH_METRICS_PORT, port)),
    ]
    .into_iter()
    .flatten()
}

/// What the policy allows.
fn allowed<'a>(policy: &EffectivePolicy<'_>) -> impl Iterator<Item = Variable<'a>> {
    let stores: Vec<_> = policy.stores.iter().map(|store| store.as_str()).collect();
    let local_mode = if policy.local_mode { "allow" } else { "deny" };
    let prefix = policy.prefix.as_ref().map(|prefix| {
        let prefix = prefix.as_str().to_owned();
        Variable::literal(variables::STORAGE_PREFIX, prefix)
    });
    [
        Some(Variable::literal(variables::STORE, policy.store.as_str())),
        Some(Variable::literal(variables::STORES, stores.join(","))),
        Some(Variable::literal(
            variables::REFERENCES,
            policy.references.to_string(),
        )),
        Some(Variable::literal(variables::CREATE, policy.create.as_str())),
        prefix,
        Some(Variable::literal(variables::LOCAL_MODE, local_mode)),
    ]
    .into_iter()
    .flatten()
}

/// What the operator configures.
fn configured<'a>(
    settings: &'a InjectSettings,
    policy: &EffectivePolicy<'_>,
) -> impl Iterator<Item = Variable<'a>> {
    let no_metadata = !policy.instance_metadata && !settings.sets(METADATA_DISABLED);
    let metadata = no_metadata.then(|| Variable::new(METADATA_DISABLED, "true"));
    let own = settings.init_env.iter().filter(|(name, value)| {
        !value.is_empty() && !names::DECIDED_VARIABLES.contains(&name.as_str())
    });
    let own = own.map(|(name, value)| Variable::new(&**name, &**value));
    metadata.into_iter().chain(own)
}

/// An empty value is the same as none.
fn not_empty<'de: 'a, 'a, D: Deserializer<'de>>(d: D) -> Result<Option<Text<'a>>, D::Error> {
    Ok(Option::<Text<'a>>::deserialize(d)?.filter(|value| !value.is_empty()))
}
