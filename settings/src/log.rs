//! What a program logs, and in which form.

use clap::{Args, ValueEnum};
use kees_common::names::env::{LOG_FORMAT, LOG_LEVEL};
use tracing::level_filters::LevelFilter;

/// The log lines that a server or an init container writes to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct LogFlags {
    /// The lowest level of the lines that are logged
    #[arg(long, env = LOG_LEVEL, value_enum, default_value_t, value_name = "LEVEL")]
    pub log_level: LogLevel,
    /// The form of a log line
    #[arg(long, env = LOG_FORMAT, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// The lowest level of the lines that are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogLevel {
    /// Errors only
    Error,
    /// Warnings too
    Warn,
    /// Starts, stops and results too
    #[default]
    Info,
    /// Each step or request too
    Debug,
    /// Each call or connection too
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}
