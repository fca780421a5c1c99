//! The progress bar of `kees copy`.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error, if that is a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar that is not shown yet.
    pub(super) fn new() -> Self {
        Self(ProgressBar::new_spinner())
    }

    /// `count` names are listed so far.
    pub(super) fn listed(&self, count: usize) {
        self.0.set_message(format!("listing: {count} found"));
        self.0.tick();
    }

    /// `count` values are going to be copied.
    pub(super) fn begin(&self, count: usize) {
        self.0.set_message("");
        self.0.set_length(u64::try_from(count).unwrap_or(u64::MAX));
        // With an invalid template, indicatif's default bar is shown.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos} of {len} values") {
            self.0.set_style(style);
        }
    }

    /// `count` more values are done.
    pub(super) fn done(&self, count: usize) {
        self.0.inc(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
