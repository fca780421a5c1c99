//! The log on standard error.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use kees_common::Spec;
use kees_init::Progress;
use kees_settings::{LogFlags, LogFormat};
use kees_store::StoreError;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::cadence::Cadence;

/// The most names in one line.
const NAMES: usize = 20;

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

/// Logs the steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    waiting: Mutex<Cadence>,
    incomplete: Mutex<Cadence>,
}

impl Progress for Steps {
    fn generating(&self, count: usize) {
        tracing::debug!(count, "generating absent values");
    }

    fn generated(&self, spec: &Spec) {
        tracing::debug!(%spec, "generated");
    }

    fn waiting(&self, annotations: &[&str]) {
        if let Some(names) = due(&self.waiting, annotations) {
            tracing::info!("waiting for values that are absent: {names}");
        }
    }

    fn incomplete(&self, annotations: &[&str]) {
        if let Some(names) = due(&self.incomplete, annotations) {
            tracing::info!("waiting for the missing fields of a stored generation: {names}");
        }
    }

    fn creation_denied(&self, annotations: &[&str], error: &StoreError) {
        tracing::warn!(
            %error,
            "creating is denied; waiting for another writer to create {}",
            list(annotations)
        );
    }

    fn failing_over(&self, objects: &[&str], reason: &str) {
        tracing::warn!("asking the failover Region for {}: {reason}", list(objects));
    }

    fn store_unavailable(&self, error: &StoreError) {
        tracing::warn!(
            "the store {} cannot be used; trying again until the deadline: {error}",
            error.store
        );
    }
}

/// The annotations to log now, if any.
fn due(cadence: &Mutex<Cadence>, annotations: &[&str]) -> Option<String> {
    let mut cadence = cadence.lock().unwrap_or_else(PoisonError::into_inner);
    let due = cadence.due(annotations, Instant::now());
    (!due.is_empty()).then(|| list(&due))
}

/// The first names, and the number of the others.
pub(crate) fn list(annotations: &[&str]) -> String {
    let (shown, others) = annotations.split_at(annotations.len().min(NAMES));
    let mut list = shown.join(", ");
    if !others.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(list, " and {} more", others.len());
    }
    list
}
