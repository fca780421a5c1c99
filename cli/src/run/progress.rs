//! A progress bar on standard error, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kees_common::Spec;
use kees_init::Progress;

/// The bar of one workload. It is hidden until init generates values or waits for them.
#[derive(Debug)]
pub(crate) struct Bar {
    name: String,
    bar: ProgressBar,
}

impl Bar {
    /// A hidden bar for the workload `name`.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            bar: ProgressBar::hidden(),
        }
    }

    fn show(&self, template: &str) {
        // With an invalid template, indicatif's default bar is shown.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(self.name.clone());
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }
}

impl Progress for Bar {
    fn generating(&self, count: usize) {
        if count > 0 {
            self.bar
                .set_length(u64::try_from(count).unwrap_or(u64::MAX));
            self.show("{prefix}: {bar:24} {pos} of {len} generated");
        }
    }

    fn generated(&self, _: &Spec) {
        self.bar.inc(1);
    }

    fn waiting(&self, annotations: &[&str]) {
        let count = annotations.len();
        let values = if count == 1 { "value" } else { "values" };
        self.bar
            .set_message(format!("waiting for {count} {values} to be stored"));
        self.show("{prefix}: {spinner} {wide_msg}");
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
