//! Log lines on standard error, as text or JSON.

use kees_settings::{LogFlags, LogFormat};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, prelude::*};

use crate::audit;

/// Starts to write log lines to standard error. Libraries log nothing below `warn`: at `debug` they
/// print frames and headers. `audit` does not depend on the level.
pub fn start(flags: LogFlags, audit: bool) {
    let LogFlags {
        log_level,
        log_format,
    } = flags;
    let level = LevelFilter::from(log_level);
    let audit_level = if audit {
        LevelFilter::INFO
    } else {
        LevelFilter::OFF
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("kees_webhook", level)
        .with_target("kees_inject", level)
        .with_target(audit::TARGET, audit_level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    match log_format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}
