//! The names and places that an injected pod has of ours.

/// The init container.
pub(crate) const CONTAINER: &str = "kees-init";
/// The volume that holds the annotations.
pub(crate) const PODINFO: &str = "kees-podinfo";
/// The volume that holds the files.
pub(crate) const SECRETS: &str = "kees-secrets";
/// The empty volume in place of the service account's token.
pub(crate) const NO_TOKEN: &str = "kees-no-token";
/// The three volumes, in the order in which they are added.
pub(crate) const VOLUMES: [&str; 3] = [PODINFO, SECRETS, NO_TOKEN];

/// Where the init container finds the annotations: the folder of `ANNOTATIONS_FILE`'s default.
pub(crate) const PODINFO_PATH: &str = "/podinfo";
/// The file of them there.
pub(crate) const PODINFO_FILE: &str = "/podinfo/annotations";
/// Where the ServiceAccount plugin would mount a token.
pub(crate) const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
