//! Files that are read again when they change.
//!
//! They are polled, and compared by what they contain: a kubelet swaps a mounted Secret by
//! renaming a symbolic link above the file, which watching the file does not show. What cannot be
//! used is reported and counted, and what was loaded last stays.

use std::{path::Path, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use zeroize::Zeroizing;

use crate::{
    WebhookError,
    metrics::{Metrics, Watched},
};

/// What the files of a [`Source`] contain, in the order of its paths; wiped, since one may be a
/// private key.
pub(crate) type Contents = Vec<Zeroizing<Vec<u8>>>;

/// One thing that is made of files.
pub(crate) trait Source {
    /// What the files are made into.
    type Loaded;

    /// What metrics and log lines call it.
    const WATCHED: Watched;

    /// The files, always as many.
    fn paths(&self) -> Vec<&Path>;

    /// Makes the thing of what the files contain.
    fn load(&self, contents: &Contents) -> Result<Self::Loaded, WebhookError>;
}

/// A source whose files have been loaded, and will be again.
#[derive(Debug)]
pub(crate) struct Reload<S> {
    source: S,
    /// What is in use was made of this.
    loaded: Contents,
    /// The failure that was reported last.
    reported: Option<String>,
}

impl<S: Source> Reload<S> {
    /// Reads and loads for the first time.
    pub(crate) fn first(source: S) -> Result<(Self, S::Loaded), WebhookError> {
        let contents = read(&source)?;
        let loaded = source.load(&contents)?;
        Ok((
            Self {
                source,
                loaded: contents,
                reported: None,
            },
            loaded,
        ))
    }

    /// Looks every `period`, for ever, and hands what is new and good to `publish`.
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
            match self.look() {
                Ok(None) => self.reported = None,
                Ok(Some(loaded)) => {
                    self.reported = None;
                    publish(loaded);
                    metrics.reloaded(S::WATCHED, true);
                    tracing::info!(file = S::WATCHED.as_str(), "reloaded");
                }
                Err(error) => {
                    metrics.reloaded(S::WATCHED, false);
                    self.report(&error);
                }
            }
        }
    }

    /// What the files make now, where they are not those that are in use.
    fn look(&mut self) -> Result<Option<S::Loaded>, WebhookError> {
        let contents = read(&self.source)?;
        if contents == self.loaded {
            return Ok(None);
        }
        let loaded = self.source.load(&contents)?;
        self.loaded = contents;
        Ok(Some(loaded))
    }

    /// One line for a failure, however often it repeats.
    fn report(&mut self, error: &WebhookError) {
        let message = chain(error);
        if self.reported.as_ref() != Some(&message) {
            let file = S::WATCHED.as_str();
            tracing::warn!(file, "not reloaded, the last good one stays: {message}");
            self.reported = Some(message);
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

/// An error with its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message.push_str(": ");
        message.push_str(&error.to_string());
        source = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A file of lower-case text.
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

    #[test]
    fn what_changed_is_loaded_once_and_what_is_wrong_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let write = |text: &str| std::fs::write(&path, text).unwrap();

        write("one");
        let (mut reload, first) = Reload::first(Lower(path.clone())).unwrap();
        assert_eq!(first, "one");
        assert_eq!(reload.look().unwrap(), None);

        write("two");
        assert_eq!(reload.look().unwrap().as_deref(), Some("two"));
        assert_eq!(reload.look().unwrap(), None);

        write("WRONG");
        assert!(reload.look().is_err());
        assert!(reload.look().is_err());

        // Back to what is in use: nothing to load.
        write("two");
        assert_eq!(reload.look().unwrap(), None);
    }
}
