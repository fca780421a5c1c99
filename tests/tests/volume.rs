//! Runs `kees-init` on a memory volume that is full: a `tmpfs` of a known size. Only root may mount
//! it, in the mount namespace that `tests/run` creates.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::kees_init;
use tempfile::TempDir;

/// The size of the volume.
const SIZE: usize = 256 * 1024;
/// A value that fits into the volume beside another one. Each value is written twice: as it is, and
/// in base64 in the list.
const SMALL: usize = 30 * 1024;
/// A value that fits alone, but not beside the small one.
const LARGE: usize = 100 * 1024;
/// A value that does not fit.
const TOO_LARGE: usize = 300 * 1024;

/// A pod with a volume of [`SIZE`] bytes.
struct Pod(TempDir);

impl Pod {
    fn new() -> Self {
        let pod = Self(TempDir::new().unwrap());
        fs::create_dir(pod.volume()).unwrap();
        fs::write(pod.path("termination-log"), "").unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "volume"]);
        assert!(mount.arg(pod.volume()).status().unwrap().success());
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn volume(&self) -> PathBuf {
        self.path("volume")
    }

    /// Runs `kees-init` with a resource of `size` bytes. Returns its exit status and termination
    /// message.
    fn run(&self, size: usize) -> (Option<i32>, String) {
        let value = BASE64_STANDARD.encode(vec![b'x'; size]);
        let annotations = format!(
            "init.bsycorp.com/local-mode=\"true\"\n\
             resource.bsycorp.com/page=\"localModeValue={value}\""
        );
        fs::write(self.path("annotations"), annotations).unwrap();
        let volume = self.volume();
        let output = Command::new(kees_init().unwrap())
            .env("ANNOTATIONS_FILE", self.path("annotations"))
            .env("TERMINATION_LOG", self.path("termination-log"))
            .env("SECRETS_FILE", volume.join("secrets.properties"))
            .env("RESOURCES_FILE", volume.join("resources.properties"))
            .env("LEASES_FILE", volume.join("leases.properties"))
            .env("RESOURCES_FILE_PATH", &volume)
            .env("LEASES_FILE_PATH", &volume)
            .output()
            .unwrap();
        let message = fs::read_to_string(self.path("termination-log")).unwrap();
        (output.status.code(), message)
    }

    /// Asserts that the files for a resource of `size` bytes do not fit.
    fn assert_full_for(&self, size: usize) {
        let (status, message) = self.run(size);
        assert_eq!(status, Some(73), "{message}");
        let file = format!(
            "the file {}/",
            fs::canonicalize(self.volume()).unwrap().display()
        );
        let hint = "cannot be written (old and new files must fit side by side: raise the \
                    sizeLimit of the volume): No space left on device";
        for part in ["exit 73, a file could not be written", &file, hint] {
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // An error has no effect: the mount namespace ends with the tests. This only frees memory.
        let _ = Command::new("umount").arg(self.volume()).status();
    }
}

/// All files of a folder, including hidden files.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_volume_that_is_too_small_holds_nothing_at_all() {
    let pod = Pod::new();
    pod.assert_full_for(TOO_LARGE);
    assert_eq!(content(&pod.volume()).keys().next(), None);
}

#[test]
fn a_volume_that_is_too_small_for_old_and_new_keeps_the_old() {
    let pod = Pod::new();
    assert_eq!(pod.run(SMALL).0, Some(0));
    let before = content(&pod.volume());
    pod.assert_full_for(LARGE);
    assert!(
        content(&pod.volume()) == before,
        "{:?}",
        content(&pod.volume()).keys()
    );

    let other = Pod::new();
    assert_eq!(other.run(LARGE).0, Some(0), "it does not fit alone");
}
