//! The environment of the init container.

use kees_common::names::env;

/// What the decision sets for each pod, and an operator cannot.
pub(crate) const DECIDED: &[&str] = &[
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
    env::CREATE,
    env::FORMAT,
    env::FILE_MODE,
    env::STORAGE_PREFIX,
    env::LOCAL_MODE,
    env::TERMINATION_LOG,
];
