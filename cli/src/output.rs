//! The only place that writes to the terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use kees_init::Exit;
use kees_settings::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// What a command has to say when it is done.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// What was asked for, for standard output.
    pub(crate) output: String,
    /// What is wrong or without effect, for standard error, a line each.
    pub(crate) messages: Vec<String>,
    /// Why it failed, if it did.
    pub(crate) exit: Option<Exit>,
}

/// Prints an answer and gives its exit status.
pub(crate) fn give(answer: &Answer) -> ExitCode {
    let Answer {
        output,
        messages,
        exit,
    } = answer;
    let status = exit.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit.code()));
    let written = io::stdout().lock().write_all(output.as_bytes());
    for message in messages {
        say(message);
    }
    match written.and_then(|()| io::stdout().flush()) {
        Ok(()) => status,
        // A reader that has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => status,
        Err(error) => {
            say(&format!("standard output cannot be written: {error}"));
            ExitCode::from(Exit::CannotWrite.code())
        }
    }
}

/// Prints what clap has to say: help, the version, or what is wrong with the arguments.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.print().is_err() || error.use_stderr() {
        ExitCode::from(Exit::Usage.code())
    } else {
        ExitCode::SUCCESS
    }
}

fn say(message: &str) {
    // Standard error is the last place where anything can be said.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Sends events of this project to standard error. Those of libraries are left out, whatever the
/// level: the AWS SDK writes whole answers into its own, values included.
pub(crate) fn start_log(level: LogLevel) {
    let level = LevelFilter::from(level);
    let ours = [
        "kees",
        "kees_common",
        "kees_generate",
        "kees_init",
        "kees_inject",
        "kees_store",
    ];
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .without_time();
    tracing_subscriber::registry()
        .with(Targets::new().with_targets(ours.map(|name| (name, level))))
        .with(layer)
        .init();
}
