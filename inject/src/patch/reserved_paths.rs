//! Where the files cannot appear, whatever the pod mounts: what `kees-init` itself runs and reads,
//! and what the container runtime fills.
//!
//! The volume of the files is writable in our container, and what is written there outlives a
//! restart of it. Mounted at `/.aws`, an entry could become a profile that names another endpoint.

use std::{borrow::Cow, iter::once};

use kees_common::MountPath;

use crate::{
    InjectSettings,
    error::{PodErrorKind, shown},
    patch::env::DECIDED,
    pod::path::{is_at_or_below, overlap},
};

/// Folders that the container runtime fills.
const FILLED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What the init container needs at fixed places. Its image has nothing but the program, and the
/// root certificates are in that; the runtime adds the three files. There are no libraries, but
/// glibc looks for some while it resolves a name, also where it is linked statically.
const NEEDED: [(&str, &str); 8] = [
    ("/kees-init", "the program of kees-init"),
    ("/lib", "where libraries are loaded from"),
    ("/lib64", "where libraries are loaded from"),
    ("/usr/lib", "where libraries are loaded from"),
    ("/usr/lib64", "where libraries are loaded from"),
    ("/etc/hosts", "a file of the container runtime's"),
    ("/etc/hostname", "a file of the container runtime's"),
    ("/etc/resolv.conf", "a file of the container runtime's"),
];

/// Why the files cannot appear at `path`, if they cannot.
pub(crate) fn problem(path: &MountPath, settings: &InjectSettings) -> Option<PodErrorKind> {
    let path = path.as_str();
    if FILLED.iter().any(|folder| is_at_or_below(path, folder)) {
        return Some(PodErrorKind::PathReserved { path: shown(path) });
    }
    let needed = NEEDED
        .into_iter()
        .map(|(at, what)| (Cow::Borrowed(at), what));
    let (at, what) = once((profiles(settings), "where the AWS SDK looks for a profile"))
        .chain(needed)
        .find(|(at, _)| overlap(path, at))
        .or_else(|| hidden(path, settings))?;
    Some(PodErrorKind::PathNeeded {
        path: shown(path),
        at: shown(&at),
        what: what.to_owned(),
    })
}

/// The folder of the SDK's profiles. The image lists no users, so that the home folder is `/`
/// unless the operator names another.
fn profiles(settings: &InjectSettings) -> Cow<'_, str> {
    let home = settings.init_env.get("HOME").map_or("", String::as_str);
    Cow::Owned([home.trim_end_matches('/'), "/.aws"].concat())
}

/// A file or folder that the operator names in a variable, such as root certificates in
/// `AWS_CA_BUNDLE`, and that a mount at `path` would hide.
fn hidden<'a>(path: &str, settings: &'a InjectSettings) -> Option<(Cow<'a, str>, &'a str)> {
    settings
        .init_env
        .iter()
        .filter(|(name, _)| !DECIDED.contains(&name.as_str()))
        .find(|(_, value)| value.starts_with('/') && is_at_or_below(value, path))
        .map(|(name, value)| (Cow::Borrowed(value.as_str()), name.as_str()))
}
