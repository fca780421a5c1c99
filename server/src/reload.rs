//! Files that are loaded again when they change.
//!
//! The files are read at an interval and compared by content. A kubelet replaces a mounted Secret
//! by renaming a symbolic link in a parent folder, which a watch on the file does not report. If
//! the new content is invalid, the error is logged and reported, and the previous content stays in
//! use.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use kees_common::error_chain;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use zeroize::Zeroizing;

/// The contents of the files of a [`Source`], in the order of its paths. They are zeroized because
/// one of them may be a private key.
pub type Contents = Vec<Zeroizing<Vec<u8>>>;

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The error of the system.
    pub source: io::Error,
}

/// Something that is loaded from files.
pub trait Source: Send + 'static {
    /// What the files are loaded into.
    type Loaded: Send + 'static;

    /// Why the files cannot be loaded.
    type Error: Error + From<ReadError> + Send + 'static;

    /// The name in log lines.
    fn name(&self) -> &'static str;

    /// The files. Their number does not change.
    fn paths(&self) -> Vec<&Path>;

    /// Loads the contents of the files.
    ///
    /// # Errors
    /// The contents are invalid.
    fn load(&self, contents: &Contents) -> Result<Self::Loaded, Self::Error>;
}

/// A source that was loaded once and is loaded again when its files change.
pub struct Reload<S> {
    source: S,
    /// The contents that are in use.
    loaded: Contents,
    /// The error that was logged last.
    logged: Option<String>,
}

impl<S: Source> Reload<S> {
    /// Loads the files for the first time.
    ///
    /// # Errors
    /// A file cannot be read, or its content is invalid.
    pub fn first(source: S) -> Result<(Self, S::Loaded), S::Error> {
        let contents = read(&source)?;
        let loaded = source.load(&contents)?;
        Ok((
            Self {
                source,
                loaded: contents,
                logged: None,
            },
            loaded,
        ))
    }

    /// Reads the files every `period`, forever, and passes what each change is loaded into to `on`.
    /// While an error lasts, `on` gets it after each period.
    pub async fn watch(
        mut self,
        period: Duration,
        mut on: impl FnMut(Result<S::Loaded, &S::Error>),
    ) {
        let name = self.source.name();
        let mut ticks = interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A policy with thousands of rules takes long to load, and no other task must wait for it.
            let loading = spawn_blocking(move || {
                let changes = self.load_changes();
                (self, changes)
            });
            let changes;
            (self, changes) = match loading.await {
                Ok(loaded) => loaded,
                Err(error) => {
                    tracing::error!(file = name, %error, "not watched any more");
                    return;
                }
            };
            match changes {
                Ok(None) => self.logged = None,
                Ok(Some(loaded)) => {
                    self.logged = None;
                    on(Ok(loaded));
                    tracing::info!(file = name, "reloaded");
                }
                Err(error) => {
                    self.log(&error);
                    on(Err(&error));
                }
            }
        }
    }

    /// Loads the files if their contents differ from those in use.
    fn load_changes(&mut self) -> Result<Option<S::Loaded>, S::Error> {
        let contents = read(&self.source)?;
        if contents == self.loaded {
            return Ok(None);
        }
        let loaded = self.source.load(&contents)?;
        self.loaded = contents;
        Ok(Some(loaded))
    }

    /// Logs an error once, however often it repeats.
    fn log(&mut self, error: &S::Error) {
        let message = error_chain::describe(error);
        if self.logged.as_ref() != Some(&message) {
            tracing::warn!(
                file = self.source.name(),
                "not reloaded, the previous content stays in use: {message}"
            );
            self.logged = Some(message);
        }
    }
}

/// Without the contents: one of them may be a private key.
impl<S: fmt::Debug> fmt::Debug for Reload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

fn read(source: &impl Source) -> Result<Contents, ReadError> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|source| ReadError {
                path: path.to_owned(),
                source,
            })
    };
    source.paths().into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum LoadError {
        #[error(transparent)]
        Read(#[from] ReadError),
        #[error("a letter is in upper case")]
        Upper,
    }

    /// A file with text in lower case.
    struct Lower(PathBuf);

    impl Source for Lower {
        type Loaded = String;
        type Error = LoadError;

        fn name(&self) -> &'static str {
            "policy"
        }

        fn paths(&self) -> Vec<&Path> {
            vec![&self.0]
        }

        fn load(&self, contents: &Contents) -> Result<String, LoadError> {
            let text = String::from_utf8_lossy(&contents[0]).into_owned();
            if text.to_lowercase() == text {
                Ok(text)
            } else {
                Err(LoadError::Upper)
            }
        }
    }

    /// A file whose load tells that it begins, and ends when something is received.
    struct Slow {
        path: PathBuf,
        begins: tokio::sync::mpsc::UnboundedSender<()>,
        end: std::sync::mpsc::Receiver<()>,
    }

    impl Source for Slow {
        type Loaded = ();
        type Error = LoadError;

        fn name(&self) -> &'static str {
            "policy"
        }

        fn paths(&self) -> Vec<&Path> {
            vec![&self.path]
        }

        fn load(&self, _: &Contents) -> Result<(), LoadError> {
            self.begins.send(()).unwrap();
            self.end.recv_timeout(Duration::from_secs(20)).unwrap();
            Ok(())
        }
    }

    #[tokio::test]
    async fn other_tasks_go_on_while_a_file_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let (begins, mut begin) = tokio::sync::mpsc::unbounded_channel();
        let (end_load, end) = std::sync::mpsc::channel();
        end_load.send(()).unwrap();
        let slow = Slow {
            path: path.clone(),
            begins,
            end,
        };
        let (reload, ()) = Reload::first(slow).unwrap();
        begin.recv().await.unwrap();

        std::fs::write(&path, "two").unwrap();
        let (loaded, mut is_loaded) = tokio::sync::mpsc::unbounded_channel();
        let on = move |result: Result<(), &LoadError>| loaded.send(result.is_ok()).unwrap();
        tokio::spawn(reload.watch(Duration::from_millis(10), on));
        // This task and the watch share a thread.
        begin.recv().await.unwrap();
        end_load.send(()).unwrap();
        assert!(is_loaded.recv().await.unwrap());
    }

    #[test]
    fn a_change_is_loaded_once_and_invalid_content_is_tried_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let write = |text: &str| std::fs::write(&path, text).unwrap();

        write("one");
        let (mut reload, first) = Reload::first(Lower(path.clone())).unwrap();
        assert_eq!(first, "one");
        assert_eq!(reload.load_changes().unwrap(), None);

        write("two");
        assert_eq!(reload.load_changes().unwrap().as_deref(), Some("two"));
        assert_eq!(reload.load_changes().unwrap(), None);

        write("WRONG");
        assert!(reload.load_changes().is_err());
        assert!(reload.load_changes().is_err());

        // This content is in use already.
        write("two");
        assert_eq!(reload.load_changes().unwrap(), None);
    }
}
