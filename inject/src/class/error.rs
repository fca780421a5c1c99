//! The errors of volumes of classes.

use kees_secret_provider_class::VolumeError;

/// An error of a volume of a `SecretProviderClass`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassVolumeError {
    /// The CSI volume itself is wrong.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The name of the volume cannot be a part of a path.
    #[error("the name of a volume is a DNS label; use lower-case letters, digits and '-'")]
    VolumeName,
    /// There is no such class.
    #[error(
        "SecretProviderClass {class} does not exist in namespace {namespace}; create it. A Deployment or \
         another controller then tries again; a pod of its own must be applied again"
    )]
    Missing {
        /// The class.
        class: String,
        /// The pod's namespace.
        namespace: String,
    },
    /// The API server did not answer.
    #[error("SecretProviderClass {class} cannot be read: {reason}; create the pod again")]
    Unknown {
        /// The class.
        class: String,
        /// Why.
        reason: String,
    },
    /// The class, or an attribute of the volume, is wrong.
    #[error("SecretProviderClass {class}: {error}")]
    Invalid {
        /// The class.
        class: String,
        /// The field, and what would be right.
        error: String,
    },
    /// The volume was replaced, and now the class belongs to another provider.
    #[error(
        "kees replaced the volume, but SecretProviderClass {class} is of the provider {provider} now; create \
         the pod from its own manifest"
    )]
    OtherProvider {
        /// The class.
        class: String,
        /// Its provider.
        provider: String,
    },
    /// The policy does not allow the name.
    #[error(
        "the policy does not allow the object {object} of SecretProviderClass {class} (rule {rule}); ask the operator \
         to add it to classObjects"
    )]
    Denied {
        /// The name or ARN.
        object: String,
        /// The class.
        class: String,
        /// The name or number of the rule.
        rule: String,
    },
    /// The text of all volumes does not fit into a variable.
    #[error(
        "what the classes ask for has {bytes} bytes as text, and the init container takes {limit}; use fewer \
         objects, or several pods"
    )]
    TooLarge {
        /// The bytes of the text.
        bytes: usize,
        /// The most bytes.
        limit: usize,
    },
    /// The attributes of all volumes do not fit into an annotation.
    #[error(
        "the volumeAttributes of the volumes of classes and the pod's annotations have {bytes} bytes together, and \
         Kubernetes allows {limit}; move the attributes into the classes"
    )]
    AttributesTooLarge {
        /// The bytes of all annotations.
        bytes: usize,
        /// The most bytes.
        limit: usize,
    },
    /// The classes are too long to be read for one pod.
    #[error(
        "the classes of the pod's volumes have more than {limit} bytes together, each counted for each volume; use \
         fewer volumes, or shorter classes"
    )]
    TooLong {
        /// The most bytes.
        limit: usize,
    },
    /// A container would find an empty folder.
    #[error(
        "{container} mounts {volume} and runs before kees-init, which writes its files; change {order}"
    )]
    RunsBefore {
        /// The init container.
        container: String,
        /// The volume.
        volume: String,
        /// The key of the annotation that decides the place of kees-init.
        order: String,
    },
    /// The role is not known.
    #[error("its role cannot be read: {reason}; create the pod again")]
    Role {
        /// Why.
        reason: String,
    },
    /// The pod waits for a Secret that nobody writes.
    #[error(
        "the Secret {secret} is one of the secretObjects of SecretProviderClass {class}, and nobody writes it before \
         the volume is mounted; let kees-controller write it (controller.secretSync of the chart, --secret-sync), \
         mount the volume of the class instead, or set optional: true"
    )]
    SecretVolume {
        /// The Secret.
        secret: String,
        /// The class.
        class: String,
    },
    /// The annotation of replaced volumes is not that of the webhook.
    #[error("the webhook sets it, and this is not its text: {0}; remove it")]
    Annotation(String),
    /// The annotation names a volume of another kind.
    #[error("{annotation} names it, but it is not a volume of kees; remove it from the annotation")]
    NotReplaced {
        /// The annotation.
        annotation: String,
    },
    /// The volume was replaced, and nobody would fill it.
    #[error(
        "kees replaced this CSI volume, but the webhook runs without --secret-provider-classes now; create the pod \
         from its own manifest"
    )]
    Off,
    /// The label has another value.
    #[error("the value '{0}' is unknown; use enabled or disabled")]
    Label(String),
}
