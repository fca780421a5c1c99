//! The errors for which a pod is denied.

use std::fmt;

use kees_common::{AnnotationError, AnnotationErrorKind, RefreshPeriod, escaped_beginning};

use crate::{class::error::ClassVolumeError, policy::template::FillTemplateError};

/// An error for which a pod is denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PodError {
    /// An annotation is invalid in itself.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// The pod, or the policy for it, does not fit its annotations.
    #[error("{place}: {kind}")]
    Pod {
        /// The annotation or field.
        place: Place,
        /// What is wrong and what would be right.
        kind: PodErrorKind,
    },
}

impl PodError {
    /// Whether the policy denies what the pod asks for. Otherwise the pod cannot work.
    pub(crate) fn is_of_policy(&self) -> bool {
        match self {
            Self::Annotation(error) => matches!(
                error.kind,
                AnnotationErrorKind::StoreNotAllowed { .. }
                    | AnnotationErrorKind::ReferenceNotAllowed(_)
                    | AnnotationErrorKind::LocalModeDenied
            ),
            Self::Pod {
                kind: PodErrorKind::Class(error),
                ..
            } => matches!(**error, ClassVolumeError::Denied { .. }),
            Self::Pod { kind, .. } => matches!(
                kind,
                PodErrorKind::NoRule { .. }
                    | PodErrorKind::NoPrefix { .. }
                    | PodErrorKind::PrefixDenied { .. }
                    | PodErrorKind::PrefixMissing { .. }
                    | PodErrorKind::Template(_)
                    | PodErrorKind::TooManyEntries { .. }
                    | PodErrorKind::TooManyKeys { .. }
                    | PodErrorKind::LeaseNever
                    | PodErrorKind::OptOutDenied
            ),
        }
    }

    /// The annotation or field.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Annotation(error) => Place::annotation(&error.annotation),
            Self::Pod { place, .. } => place.clone(),
        }
    }

    /// The field of the pod, as in `status.details.causes`.
    pub fn field(&self) -> String {
        match self {
            Self::Annotation(error) => format!("metadata.annotations[{}]", error.annotation),
            Self::Pod {
                place: Place::Annotation(key),
                ..
            } => format!("metadata.annotations[{key}]"),
            Self::Pod {
                place: Place::Field(field),
                ..
            } => field.clone(),
        }
    }

    /// The message without the place.
    pub fn message(&self) -> String {
        match self {
            Self::Annotation(error) => error.kind.to_string(),
            Self::Pod { kind, .. } => kind.to_string(),
        }
    }
}

/// The place of an error or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole key of an annotation.
    Annotation(String),
    /// A field of the pod, such as `spec.containers[app]`.
    Field(String),
}

impl Place {
    /// An annotation of the pod. Its key is shortened if Kubernetes would not accept its length,
    /// which it checks only after admission.
    pub(crate) fn annotation(key: &str) -> Self {
        const MAX_KEY_LENGTH: usize = 253 + 1 + 63;
        Self::Annotation(if key.len() > MAX_KEY_LENGTH {
            excerpt(key)
        } else {
            key.to_owned()
        })
    }

    pub(crate) fn field(field: impl Into<String>) -> Self {
        Self::Field(field.into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Annotation(text) | Self::Field(text) => f.write_str(text),
        }
    }
}

/// An error of a pod that is not in one annotation alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PodErrorKind {
    /// Kubernetes checks this limit only after admission.
    #[error("the annotations have {bytes} bytes together; Kubernetes allows 262144")]
    AnnotationsTooLarge {
        /// Keys and values together.
        bytes: usize,
    },
    /// A list with more elements than a stored pod can have.
    #[error("the list has {count} elements; use at most {limit}")]
    ListTooLong {
        /// The number of elements.
        count: usize,
        /// The largest number that is allowed.
        limit: usize,
    },
    /// More mounts than a stored pod can have.
    #[error("the containers have more than {limit} volume mounts together; use fewer")]
    TooManyMounts {
        /// The largest number that is allowed.
        limit: usize,
    },
    /// A name that is longer than a name in Kubernetes can be.
    #[error("the name has {length} bytes; use at most {limit}")]
    NameTooLong {
        /// The length of the name in bytes.
        length: usize,
        /// The largest length that is allowed.
        limit: usize,
    },
    /// No rule of the policy matches.
    #[error(
        "the policy has no rule for ServiceAccount {service_account} in namespace {namespace}; ask \
         the operator for one"
    )]
    NoRule {
        /// The pod's namespace.
        namespace: String,
        /// The pod's ServiceAccount.
        service_account: String,
    },
    /// The rule allows no prefix, and the pod uses a store.
    #[error(
        "the policy allows no storage prefix for ServiceAccount {service_account} in namespace \
         {namespace}; ask the operator for one"
    )]
    NoPrefix {
        /// The pod's namespace.
        namespace: String,
        /// The pod's ServiceAccount.
        service_account: String,
    },
    /// The rule allows another prefix than the pod's.
    #[error(
        "{requested} is not at or below {allowed}, which the policy allows for this pod; use \
         {allowed} or a prefix below it"
    )]
    PrefixDenied {
        /// The prefix that the pod names.
        requested: String,
        /// The prefix of the rule.
        allowed: String,
    },
    /// A pod that is wired by hand names no prefix.
    #[error(
        "it is missing, and the pod's own init container would use /; set {allowed} or a prefix \
         below it"
    )]
    PrefixMissing {
        /// The prefix of the rule.
        allowed: String,
    },
    /// The template of the rule cannot be filled in for the pod.
    #[error(transparent)]
    Template(#[from] FillTemplateError),
    /// More entries than the rule allows.
    #[error(
        "the pod asks for {count} values, and the policy allows {limit}; use several pods, or ask the \
         operator to raise maxEntries"
    )]
    TooManyEntries {
        /// The entries of the pod.
        count: usize,
        /// `maxEntries` of the rule.
        limit: usize,
    },
    /// More RSA and GPG keys than the rule allows.
    #[error(
        "the pod asks for {count} RSA and GPG keys, and the policy allows {limit}; use type=EC or \
         type=ED25519, or ask the operator to raise maxKeys"
    )]
    TooManyKeys {
        /// The keys of the pod.
        count: usize,
        /// `maxKeys` of the rule.
        limit: usize,
    },
    /// A lease, and the rule has `create: never`.
    #[error(
        "the policy has create: never for this pod, so kees-controller gives it no number; remove the \
         lease, or ask the operator for create: creator"
    )]
    LeaseNever,
    /// The rule does not allow that a pod opts out.
    #[error(
        "the policy does not allow a pod to opt out; remove this annotation, or those that ask for \
         values"
    )]
    OptOutDenied,
    /// A volume waits for a Secret with a value that only kees-init creates, after all volumes are mounted.
    #[error(
        "the kubelet mounts it before kees-init creates {created}, so the Secret {secret} ({option}) would never \
         exist; let kees-controller create it (create: creator in the policy), use env with secretKeyRef, or set \
         optional: true"
    )]
    SyncedVolume {
        /// The Secret.
        secret: String,
        /// The annotation that asks for the Secret.
        option: String,
        /// The annotation of the value.
        created: String,
    },
    /// An init container waits for a Secret with a value that only kees-init creates, which runs after it.
    #[error(
        "it runs before kees-init creates {created}, and its environment needs the Secret {secret} ({option}), so the pod \
         would never start; let kees-init run before it ({order}), let kees-controller create the value (create: creator \
         in the policy), or set optional: true"
    )]
    SyncedEnvironment {
        /// The Secret.
        secret: String,
        /// The annotation that asks for the Secret.
        option: String,
        /// The annotation of the value.
        created: String,
        /// The annotation that says where kees-init runs.
        order: String,
    },
    /// Another pod wants other contents in the same Secret.
    #[error(transparent)]
    SecretConflict(Box<SecretConflict>),
    /// A period of refresh below the operator's minimum.
    #[error(
        "{period} is shorter than {minimum}, the shortest period here, because every pod that reads so \
         often uses up the store's limit of calls, which all pods share; use {minimum} or more"
    )]
    RefreshTooOften {
        /// The period that the pod names.
        period: RefreshPeriod,
        /// The operator's minimum.
        minimum: RefreshPeriod,
    },
    /// A signal to a process that the sidecar cannot see.
    #[error(
        "a signal needs spec.shareProcessNamespace: true, because the sidecar sees no process of another \
         container without it; set it, or use http://127.0.0.1:PORT/PATH"
    )]
    ProcessesNotShared,
    /// A signal to one of several containers.
    #[error(
        "the pod has {count} containers besides those of kees, so the process must be named; use \
         {example}"
    )]
    ProcessNotNamed {
        /// The number of containers that run beside the sidecar.
        count: usize,
        /// What would be right.
        example: String,
    },
    /// A signal that the kernel does not allow.
    #[error(
        "the sidecar runs as uid {uid}, and may signal only processes of that uid, but no container that \
         gets the files runs as it; give all of them the same runAsUser, which is not 0"
    )]
    SignalNotAllowed {
        /// The uid of the sidecar.
        uid: i64,
    },
    /// A container or volume has a name that the injection needs.
    #[error("the name {name} is reserved for kees; rename it")]
    NameReserved {
        /// The name.
        name: String,
    },
    /// A container mounts a volume of the injection.
    #[error(
        "it mounts {volume}, which is reserved for kees; remove the mount, because kees adds its own"
    )]
    MountReserved {
        /// The volume.
        volume: String,
    },
    /// The volume of an AWS identity is mounted where it could hide what the init container reads.
    #[error(
        "{at} is not allowed for it; mount it in a folder of its own below /var/run/secrets, such as \
         {expected} (kees-init uses {volume} only in the form that EKS gives it)"
    )]
    IdentityPath {
        /// The volume of the token.
        volume: &'static str,
        /// Where it is mounted.
        at: String,
        /// Where EKS mounts it.
        expected: &'static str,
    },
    /// The volume of an AWS identity would hide another mount of the init container.
    #[error(
        "{at} overlaps with {path}, where kees-init mounts {other}; use another path (kees-init uses \
         {volume} only in the form that EKS gives it)"
    )]
    IdentityOverlap {
        /// The volume of the token.
        volume: &'static str,
        /// Where it is mounted.
        at: String,
        /// The other volume.
        other: String,
        /// Where the other volume is mounted.
        path: String,
    },
    /// The volume of an AWS identity is mounted with `subPath` or `subPathExpr`.
    #[error(
        "only a part of it is mounted; mount the whole volume, without subPath (kees-init uses \
         {volume} only in the form that EKS gives it)"
    )]
    IdentitySubPath {
        /// The volume of the token.
        volume: &'static str,
    },
    /// The volume of an AWS identity is not a projected volume.
    #[error(
        "it is not a projected volume; make it one, or rename it (kees-init uses {volume} only in \
         the form that EKS gives it)"
    )]
    IdentityVolume {
        /// The volume of the token.
        volume: &'static str,
    },
    /// The token would be sent to an address that is not EKS's.
    #[error(
        "it is not an address of EKS Pod Identity; use http://169.254.170.23/v1/credentials or, with \
         IPv6, http://[fd00:ec2::23]/v1/credentials (kees-init uses {volume} only in the form that \
         EKS gives it)"
    )]
    IdentityAddress {
        /// The volume of the token.
        volume: &'static str,
    },
    /// The token of an AWS identity is not a file in its volume.
    #[error(
        "the token must be a file below {at}; name one, without '..' and '$' (kees-init uses \
         {volume} only in the form that EKS gives it)"
    )]
    IdentityTokenFile {
        /// The volume of the token.
        volume: &'static str,
        /// Where the volume is mounted.
        at: String,
    },
    /// The JSON of an injected pod cannot be decoded a second time.
    #[error(
        "the existing kees-init container cannot be read; remove it, because kees adds its own"
    )]
    ExistingUnreadable,
    /// A container mounts something at the mount path or below it.
    #[error("{container} already mounts {volume} at {at}; use another path than {path}")]
    PathMounted {
        /// The mount path.
        path: String,
        /// The container.
        container: String,
        /// The volume that is mounted there.
        volume: String,
        /// Where it is mounted.
        at: String,
    },
    /// The mount path is inside a volume in which no folder can be created.
    #[error(
        "{path} is inside {volume}, which {container} mounts at {at}; only the kubelet writes that \
         volume, so no folder can be created in it; use a path outside of it"
    )]
    PathInVolume {
        /// The mount path.
        path: String,
        /// The container.
        container: String,
        /// The volume.
        volume: String,
        /// Where it is mounted.
        at: String,
    },
    /// The mount path is in a folder of the container runtime.
    #[error("{path} is in a folder that the container runtime fills; use another path")]
    PathOfRuntime {
        /// The mount path.
        path: String,
    },
    /// The mount path would hide what the init container runs or reads.
    #[error("{path} overlaps with {at} ({purpose}), which kees-init needs; use another path")]
    PathNeeded {
        /// The mount path.
        path: String,
        /// The path that the init container needs.
        at: String,
        /// What it needs the path for.
        purpose: String,
    },
    /// The pod has no such container.
    #[error("the pod has no container {name}; use the names of its containers")]
    NoContainer {
        /// The name.
        name: String,
    },
    /// The pod has no such init container.
    #[error("the pod has no init container {name}; use the name of one, first or last")]
    NoInitContainer {
        /// The name.
        name: String,
    },
    /// The container would find an empty folder.
    #[error(
        "{name} runs before kees-init and would find no files; remove it from the list, or change \
         {order}"
    )]
    RunsBefore {
        /// The name.
        name: String,
        /// The key of the annotation that decides the place of the init container.
        order: String,
    },
    /// A container gets variables, and it has no command to which they can be given.
    #[error(
        "it has no command, and {option} needs one: kees-init starts the command with the variables. \
         Write the command and the args of the image into the container (kees asks no registry for \
         them), or leave the container out"
    )]
    NoCommand {
        /// The annotation that asks for variables.
        option: String,
    },
    /// A container has a variable that it would get from kees.
    #[error(
        "it has the variable {variable}, and {option} asks for it too; remove one of them, or give \
         the entry another name there, as in OTHER=ENTRY"
    )]
    VariableDefined {
        /// The variable.
        variable: String,
        /// The annotation that asks for variables.
        option: String,
    },
    /// A container gets variables, and not the files that they are read from.
    #[error(
        "{name} does not get the files that the variables are read from; add it to {containers}, or \
         change {order} if it runs before kees-init"
    )]
    NotMounted {
        /// The container.
        name: String,
        /// The annotation that names the containers.
        containers: String,
        /// The annotation that decides the place of the init container.
        order: String,
    },
    /// Variables are asked for in a pod of Windows.
    #[error("kees starts no command on Windows; remove it, or run the pod on Linux nodes")]
    WindowsVariables,
    /// A volume of a `SecretProviderClass`.
    #[error(transparent)]
    Class(Box<ClassVolumeError>),
    /// A warning of a pod whose policy is strict.
    #[error("{0}; in strict mode, this warning is an error")]
    DeniedWarning(String),
    /// The patch cannot be written as JSON.
    #[error("the patch cannot be written: {0}")]
    Patch(String),
}

/// Two pods that ask for one Secret with different contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pod} and {other} ask for one Secret, {secret}, with different contents: {difference}; give each of them a Secret \
     of its own, let both ask for the same, or create the pod when {other} has ended"
)]
pub struct SecretConflict {
    /// The Secret.
    pub secret: String,
    /// The pod that is denied, with its workload.
    pub pod: String,
    /// The live pod, with its workload.
    pub other: String,
    /// How the contents differ.
    pub difference: String,
}

/// A name or path of the pod for a message: shortened and escaped, because it is not checked yet,
/// and a long name could be in a thousand messages.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 256;
    escaped_beginning(text, MAX_CHARS)
}
