//! Files that are loaded again when they change.
//!
//! The files are read at an interval and compared by content. A kubelet replaces a mounted Secret
//! by renaming a symbolic link in a parent folder, which a watch on the file does not report. If
//! the new content is invalid, the error is logged and counted, and the previous content stays in
//! use.

use std::{path::Path, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use zeroize::Zeroizing;

use crate::{
    WebhookError,
    metrics::{Metrics, ReloadResult, Watched},
};

/// The contents of the files of a [`Source`], in the order of its paths. They are zeroized because
/// one of them may be a private key.
pub(crate) type Contents = Vec<Zeroizing<Vec<u8>>>;

/// Something that is loaded from files.
pub(crate) trait Source: Send + 'static {
    /// What the files are loaded into.
    type Loaded: Send + 'static;

    /// The name in metrics and log lines.
    const WATCHED: Watched;

    /// The files. Their number does not change.
    fn paths(&self) -> Vec<&Path>;

    /// Loads the contents of the files.
    fn load(&self, contents: &Contents) -> Result<Self::Loaded, WebhookError>;
}

/// A source that was loaded once and is loaded again when its files change.
#[derive(Debug)]
pub(crate) struct Reload<S> {
    source: S,
    /// The contents that are in use.
    loaded: Contents,
    /// The error that was logged last.
    logged: Option<String>,
}

impl<S: Source> Reload<S> {
    /// Loads the files for the first time.
    pub(crate) fn first(source: S) -> Result<(Self, S::Loaded), WebhookError> {
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

    /// Reads the files every `period`, forever, and passes each valid change to `publish`.
    pub(crate) async fn watch(
        mut self,
        period: Duration,
        metrics: Metrics,
        publish: impl Fn(S::Loaded),
    ) {
        let mut ticks = interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A policy with thousands of rules takes long to load, and reviews must not wait for it.
            let loading = spawn_blocking(move || {
                let changes = self.load_changes();
                (self, changes)
            });
            let changes;
            (self, changes) = match loading.await {
                Ok(loaded) => loaded,
                Err(error) => {
                    tracing::error!(file = S::WATCHED.as_str(), %error, "not watched any more");
                    return;
                }
            };
            match changes {
                Ok(None) => self.logged = None,
                Ok(Some(loaded)) => {
                    self.logged = None;
                    publish(loaded);
                    metrics.reloaded(S::WATCHED, ReloadResult::Success);
                    tracing::info!(file = S::WATCHED.as_str(), "reloaded");
                }
                Err(error) => {
                    metrics.reloaded(S::WATCHED, ReloadResult::Error);
                    self.log(&error);
                }
            }
        }
    }

    /// Loads the files if their contents differ from those in use.
    fn load_changes(&mut self) -> Result<Option<S::Loaded>, WebhookError> {
        let contents = read(&self.source)?;
        if contents == self.loaded {
            return Ok(None);
        }
        let loaded = self.source.load(&contents)?;
        self.loaded = contents;
        Ok(Some(loaded))
    }

    /// Logs an error once, however often it repeats.
    fn log(&mut self, error: &WebhookError) {
        let message = kees_common::error_chain::describe(error);
        if self.logged.as_ref() != Some(&message) {
            let file = S::WATCHED.as_str();
            tracing::warn!(
                file,
                "not reloaded, the previous content stays in use: {message}"
            );
            self.logged = Some(message);
        }
    }
}

fn read(source: &impl Source) -> Result<Contents, WebhookError> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|source| WebhookError::Read {
                path: path.to_owned(),
                source,
            })
    };
    source.paths().into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A file with text in lower case.
    struct Lower(PathBuf);

    impl Source for Lower {
        type Loaded = String;

        const WATCHED: Watched = Watched::Policy;

        fn paths(&self) -> Vec<&Path> {
            vec![&self.0]
        }

        fn load(&self, contents: &Contents) -> Result<String, WebhookError> {
            let text = String::from_utf8_lossy(&contents[0]).into_owned();
            if text.to_lowercase() == text {
                Ok(text)
            } else {
                Err(WebhookError::Settings(vec![]))
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

        const WATCHED: Watched = Watched::Policy;

        fn paths(&self) -> Vec<&Path> {
            vec![&self.path]
        }

        fn load(&self, _: &Contents) -> Result<(), WebhookError> {
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
        let publish = move |()| loaded.send(()).unwrap();
        tokio::spawn(reload.watch(Duration::from_millis(10), Metrics::new(), publish));
        // This task and the watch share a thread.
        begin.recv().await.unwrap();
        end_load.send(()).unwrap();
        is_loaded.recv().await.unwrap();
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
