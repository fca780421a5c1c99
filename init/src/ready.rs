//! Whether the files of a pod with `start: fast` are complete: an empty file beside them says so.
//!
//! The volume lives as long as the pod, so the file is there too when the sidecar starts again.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use kees_common::environment::READY_FILE;
use tokio::time::{sleep, timeout};

use crate::{error::InitError, settings::InitSettings, write::WriteError};

/// The pause between two looks for the file. A fast start is later by half of it.
const PAUSE: Duration = Duration::from_millis(10);

/// The file that is there when all files of the pod are complete.
#[derive(Debug, Clone)]
pub struct ReadyFile(PathBuf);

impl ReadyFile {
    /// The file beside the lists. A pod that has volumes of classes alone has no folder for lists, and the file is in the
    /// first volume.
    pub fn of(settings: &InitSettings) -> Self {
        let lists = &settings.output.secrets_file;
        #[cfg(feature = "classes")]
        {
            let volumes = settings.classes.class_volumes.as_ref();
            let first = volumes.and_then(|volumes| volumes.0.first());
            let has_folder = lists.parent().is_some_and(Path::exists);
            if let Some(volume) = first.filter(|_| !has_folder) {
                return Self(Path::new(&volume.path).join(READY_FILE));
            }
        }
        Self::beside(lists)
    }

    /// The file in the folder of `file`.
    pub(crate) fn beside(file: &Path) -> Self {
        Self(file.with_file_name(READY_FILE))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether the files are complete.
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// Says that the files are complete.
    ///
    /// # Errors
    /// [`InitError::Write`] if the file cannot be created.
    pub fn create(&self) -> Result<(), InitError> {
        File::create(&self.0).map_err(|source| WriteError::File {
            path: self.0.clone(),
            source,
        })?;
        Ok(())
    }

    /// Waits until the files are complete, at most as long as `longest`. Returns whether they are.
    pub async fn wait(&self, longest: Duration) -> bool {
        let exists = async {
            while !self.exists() {
                sleep(PAUSE).await;
            }
        };
        timeout(longest, exists).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_the_file_is_there_or_the_time_is_over() {
        let folder = TempDir::new().unwrap();
        let ready = ReadyFile::beside(&folder.path().join("secrets.properties"));
        assert!(!ready.wait(Duration::from_secs(5)).await);
        let (is_ready, ()) = tokio::join!(ready.wait(Duration::from_secs(5)), async {
            sleep(Duration::from_secs(4)).await;
            ready.create().unwrap();
        });
        assert!(is_ready);
        assert!(ready.wait(Duration::ZERO).await);
    }
}
