//! What is wrong with the arguments or the environment, in the words of the variable.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Arguments or environment that cannot be understood, or a request for help.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong, naming the flag and its variable; or the help that was asked for.
    pub message: String,
    /// Whether it is no mistake but `--help` or `--version`.
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

/// A value that a parser refused, with the variable it most likely came from.
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
        value.escape_debug()
    ))
}
