//! Log lines on standard error, as text or JSON.

use kees_settings::{LogFlags, LogFormat};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, prelude::*};

/// Starts to write log lines to standard error. Libraries log only warnings and errors, and those of AWS nothing:
/// their events hold whole responses, with the values.
pub fn start(flags: LogFlags) {
    let LogFlags {
        log_level,
        log_format,
    } = flags;
    let level = LevelFilter::from(log_level);
    let own = [
        "kees_common",
        "kees_controller",
        "kees_generate",
        "kees_init",
        "kees_inject",
        "kees_server",
        "kees_store",
    ];
    let targets = Targets::new()
        .with_targets(own.map(|name| (name, level)))
        .with_targets(
            ["kube_client", "kube_runtime"].map(|name| (name, level.min(LevelFilter::WARN))),
        );
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    match log_format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}
