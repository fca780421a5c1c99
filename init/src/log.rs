//! What standard error tells.

use std::{
    io::{self, IsTerminal as _},
    sync::atomic::{AtomicBool, Ordering},
};

use kees_common::Spec;
use kees_init::Progress;
use kees_settings::{LogFlags, LogFormat};
use kees_store::StoreError;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Writes the events of this project to standard error. Events of libraries are left out at every
/// level: those of the AWS SDK hold whole responses of DynamoDB, with the values.
pub(crate) fn start(flags: LogFlags) {
    let LogFlags {
        log_level,
        log_format,
    } = flags;
    let level = LevelFilter::from(log_level);
    let own = ["kees_common", "kees_generate", "kees_init", "kees_store"].map(|name| (name, level));
    let filter = Targets::new().with_targets(own);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    match log_format {
        LogFormat::Text => registry.with(layer.without_time()).init(),
        LogFormat::Json => registry.with(layer.json()).init(),
    }
}

/// The steps of a run, as events.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    waiting: AtomicBool,
}

impl Progress for Steps {
    fn generating(&self, count: usize) {
        tracing::debug!(count, "generating what is absent");
    }

    fn generated(&self, spec: &Spec) {
        tracing::debug!(%spec, "generated");
    }

    fn waiting(&self, annotations: &[&str]) {
        // Once: the reads that follow wait for the same entries, or fewer.
        if !self.waiting.swap(true, Ordering::Relaxed) {
            tracing::info!(
                entries = annotations.join(" "),
                "waiting for values that are absent"
            );
        }
    }

    fn creation_denied(&self, annotations: &[&str], error: &StoreError) {
        let entries = annotations.join(" ");
        tracing::warn!(
            entries,
            %error,
            "creating is denied; waiting for another writer to create it"
        );
    }

    fn store_unavailable(&self, error: &StoreError) {
        tracing::warn!(store = %error.store, "the store cannot be used yet: {error}");
    }
}
