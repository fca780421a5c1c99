//! Errors in the arguments or the environment, which name the variable.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use kees_common::escaped_beginning;

/// The most characters of a wrong value in a message.
const VALUE_CHARS: usize = 200;

/// Arguments or an environment that cannot be understood, or a request for help.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// The error, with the flag and its variable; or the help that was asked for.
    pub message: String,
    /// Whether this is not an error but `--help` or `--version`.
    pub is_help: bool,
}

impl UsageError {
    pub(crate) fn new(error: &clap::Error, command: &clap::Command) -> Self {
        let is_help = matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        );
        let message = wrong_value(error, command).unwrap_or_else(|| {
            error
                .render()
                .to_string()
                .trim_end()
                .trim_start_matches("error: ")
                .to_owned()
        });
        Self { message, is_help }
    }
}

/// The message for an invalid value: it names the variable, because a pod sets variables and not flags.
fn wrong_value(error: &clap::Error, command: &clap::Command) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    };
    let (flag, value) = (
        text(ContextKind::InvalidArg)?,
        text(ContextKind::InvalidValue)?,
    );
    let argument = command
        .get_arguments()
        .find(|argument| argument.to_string() == *flag)?;
    let variable = argument.get_env()?.to_string_lossy();
    let long = argument.get_long()?;
    let right = match (
        error.get(ContextKind::ValidValue),
        std::error::Error::source(error),
    ) {
        (Some(ContextValue::Strings(words)), _) => format!("use {}", words.join(", ")),
        (_, Some(source)) => source.to_string(),
        _ => return None,
    };
    Some(format!(
        "{variable} (--{long}) is '{}': {right}",
        escaped_beginning(value, VALUE_CHARS)
    ))
}
