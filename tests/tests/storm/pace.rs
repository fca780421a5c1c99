//! Limits processes to a tenth of a core.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context as _;

/// A control group that limits its processes together to a tenth of one core.
#[derive(Debug)]
pub(crate) struct TenthOfACore(PathBuf);

impl TenthOfACore {
    pub(crate) fn new() -> anyhow::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!(
            "kees-test-storm-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let (root, limits): (_, &[(&str, &str)]) = if Path::new("/sys/fs/cgroup/cpu").is_dir() {
            (
                "/sys/fs/cgroup/cpu",
                &[
                    ("cpu.cfs_period_us", "100000"),
                    ("cpu.cfs_quota_us", "10000"),
                ],
            )
        } else {
            ("/sys/fs/cgroup", &[("cpu.max", "10000 100000")])
        };
        let group = Self(Path::new(root).join(unique));
        fs::create_dir(&group.0).with_context(|| {
            format!(
                "cannot create the control group {}: run as root",
                group.0.display()
            )
        })?;
        for (file, value) in limits {
            fs::write(group.0.join(file), value)
                .with_context(|| format!("cannot set {file} of {}", group.0.display()))?;
        }
        Ok(group)
    }

    /// Adds a process to the group.
    pub(crate) fn add(&self, process: u32) -> anyhow::Result<()> {
        match fs::write(self.0.join("cgroup.procs"), process.to_string()) {
            // The process has already ended.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Ok(())
            }
            other => other.with_context(|| format!("cannot add a process to {}", self.0.display())),
        }
    }
}

impl Drop for TenthOfACore {
    fn drop(&mut self) {
        // This fails while a process of the group is still ending. Then `isolate` removes the group.
        let _ = fs::remove_dir(&self.0);
    }
}
