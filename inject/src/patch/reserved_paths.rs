//! Paths at which the files cannot be, because `kees-init` runs or reads something there, or
//! because the container runtime fills them.
//!
//! The init container can write the volume of the files, and the content survives a restart of the
//! container. If it were mounted at `/.aws`, an entry could become a profile that names another
//! endpoint.

use std::{borrow::Cow, iter::once};

use kees_common::MountPath;

use crate::{
    error::{PodErrorKind, excerpt},
    names::DECIDED_VARIABLES,
    pod::path::{is_at_or_below, overlap},
    settings::InjectSettings,
};

/// Folders that the container runtime fills.
const RUNTIME_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What the init container needs at fixed paths. Its image contains only the program, which
/// contains the root certificates. The container runtime adds the three files. There are no
/// libraries, but glibc looks for some when it resolves a name, even if it is linked statically.
const NEEDED_PATHS: [(&str, &str); 8] = [
    ("/kees-init", "the program of kees-init"),
    ("/lib", "where libraries are loaded from"),
    ("/lib64", "where libraries are loaded from"),
    ("/usr/lib", "where libraries are loaded from"),
    ("/usr/lib64", "where libraries are loaded from"),
    ("/etc/hosts", "a file of the container runtime"),
    ("/etc/hostname", "a file of the container runtime"),
    ("/etc/resolv.conf", "a file of the container runtime"),
];

/// The reason why the files cannot be at `path`, if there is one.
pub(crate) fn error(path: &MountPath, settings: &InjectSettings) -> Option<PodErrorKind> {
    let path = path.as_str();
    let is_in = |folder: &&str| is_at_or_below(path, folder);
    if RUNTIME_FOLDERS.iter().any(is_in) {
        let path = excerpt(path);
        return Some(PodErrorKind::PathOfRuntime { path });
    }
    let needed = NEEDED_PATHS
        .into_iter()
        .map(|(at, purpose)| (Cow::Borrowed(at), purpose));
    let profiles = (profiles(settings), "where the AWS SDK looks for a profile");
    let (at, purpose) = once(profiles)
        .chain(needed)
        .find(|(at, _)| overlap(path, at))
        .or_else(|| hidden(path, settings))?;
    Some(PodErrorKind::PathNeeded {
        path: excerpt(path),
        at: excerpt(&at),
        purpose: purpose.to_owned(),
    })
}

/// The folder of the AWS SDK's profiles. The image has no users, so the home folder is `/` unless
/// the operator sets `HOME`.
fn profiles(settings: &InjectSettings) -> Cow<'_, str> {
    let home = settings.init_env.get("HOME").map_or("", String::as_str);
    Cow::Owned([home.trim_end_matches('/'), "/.aws"].concat())
}

/// A path that the operator sets in a variable, such as root certificates in `AWS_CA_BUNDLE`, and
/// that a mount at `path` would hide.
fn hidden<'a>(path: &str, settings: &'a InjectSettings) -> Option<(Cow<'a, str>, &'a str)> {
    settings
        .init_env
        .iter()
        .filter(|(name, _)| !DECIDED_VARIABLES.contains(&name.as_str()))
        .find(|(_, value)| value.starts_with('/') && is_at_or_below(value, path))
        .map(|(name, value)| (Cow::Borrowed(value.as_str()), name.as_str()))
}
