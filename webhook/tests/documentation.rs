//! `docs/webhook.md` lists every flag, and `docs/metrics.md` every metric with its labels.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use clap::CommandFactory as _;
use kees_server::documentation::{compare, flags, metrics};
use kees_webhook::{Args, metrics::Metrics};

#[test]
fn documentation_lists_every_flag() {
    let flags = flags(&Args::command());
    compare("kees-webhook", "webhook.md", "flags", &flags);
}

#[test]
fn documentation_lists_every_metric_with_its_labels() {
    let metrics = metrics(&Metrics::new().render().unwrap());
    compare("kees-webhook", "metrics.md", "metrics", &metrics);
}
