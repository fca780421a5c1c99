//! The names, paths and variables that kees uses in an injected pod.

use kees_common::{names::env, restart};

/// The program in the image.
pub(crate) const PROGRAM: &str = "/kees-init";

/// The init container.
pub(crate) const CONTAINER: &str = restart::INIT_CONTAINER;
/// The sidecar of a pod that is refreshed, unless [`CONTAINER`] keeps running.
pub(crate) const SIDECAR: &str = restart::SIDECAR;
/// The volume that holds the pod's annotations.
pub(crate) const PODINFO: &str = "kees-podinfo";
/// The volume that holds the files.
pub(crate) const SECRETS: &str = "kees-secrets";
/// The volume with the token for the role of the ServiceAccount. Only pods with volumes of classes have it.
pub(crate) const AWS_TOKEN: &str = "kees-aws-token";
/// The volume with the token for EKS Pod Identity. Only pods with volumes of classes have it.
pub(crate) const POD_IDENTITY_TOKEN: &str = "kees-pod-identity-token";
/// All volumes, in the order in which they are added. The last two are for classes.
pub(crate) const VOLUMES: [&str; 4] = [PODINFO, SECRETS, AWS_TOKEN, POD_IDENTITY_TOKEN];

/// The volumes whose names nothing else in the pod may have.
pub(crate) fn reserved_volumes(has_classes: bool) -> &'static [&'static str] {
    if has_classes {
        &VOLUMES
    } else {
        &[PODINFO, SECRETS]
    }
}

/// The folder in which the init container mounts the volumes of classes.
pub(crate) const CLASS_VOLUMES_PATH: &str = "/kees-volumes";
/// The folder of the tokens that are added for classes.
pub(crate) const TOKENS_PATH: &str = "/var/run/secrets/kees";
/// The folder of [`AWS_TOKEN`].
pub(crate) const AWS_TOKEN_PATH: &str = "/var/run/secrets/kees/sts";
/// The folder of [`POD_IDENTITY_TOKEN`].
pub(crate) const POD_IDENTITY_TOKEN_PATH: &str = "/var/run/secrets/kees/pod-identity";

/// What a copy of the program, and a second one that replaces it, take in the volume at most: a
/// limit in addition to that of the files, in MiB.
pub(crate) const PROGRAM_MEBI: u16 = 32;

/// The folder in which the init container finds the annotations.
pub(crate) const PODINFO_PATH: &str = "/podinfo";
/// The file of the annotations: the default of `ANNOTATIONS_FILE`.
pub(crate) const PODINFO_FILE: &str = "/podinfo/annotations";
/// The folder in which the ServiceAccount admission plugin mounts a token, unless something else
/// is mounted there.
pub(crate) const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The variables that are decided for each pod. An operator cannot set them.
pub(crate) const DECIDED_VARIABLES: &[&str] = &[
    env::POD_NAME,
    env::POD_NAMESPACE,
    env::POD_UID,
    env::ANNOTATION_DOMAIN,
    env::ANNOTATIONS_FILE,
    env::SECRETS_FILE,
    env::RESOURCES_FILE,
    env::LEASES_FILE,
    env::RESOURCES_FILE_PATH,
    env::LEASES_FILE_PATH,
    env::STORE,
    env::STORES,
    env::REFERENCES,
    env::CREATE,
    env::EXEC_FOLDER,
    env::FORMAT,
    env::FILE_MODE,
    env::REFRESH,
    env::ON_CHANGE,
    env::REFRESH_METRICS_PORT,
    env::STORAGE_PREFIX,
    env::LOCAL_MODE,
    env::TERMINATION_LOG,
    env::CLASS_VOLUMES,
];
