//! The terminal: what a command prints, its exit status, and its log. No other file writes to the
//! terminal, except the progress bar of `kees run`.

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

/// What a command prints when it ends, and its exit status.
#[derive(Debug, Default)]
pub(crate) struct CommandOutput {
    /// The result, for standard output.
    pub(crate) stdout: String,
    /// Errors and warnings for standard error, one a line.
    pub(crate) messages: Vec<String>,
    /// The exit status of a command that failed.
    pub(crate) exit: Option<Exit>,
}

/// Prints the output of a command. Returns `status`, unless the output cannot be written.
pub(crate) fn print(output: &CommandOutput, status: u8) -> ExitCode {
    let CommandOutput {
        stdout,
        messages,
        exit: _,
    } = output;
    let status = ExitCode::from(status);
    let written = io::stdout().lock().write_all(stdout.as_bytes());
    for message in messages {
        print_error(message);
    }
    match written.and_then(|()| io::stdout().flush()) {
        Ok(()) => status,
        // The reader of a pipe may close it before it has read everything, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => status,
        Err(error) => {
            print_error(&format!("standard output cannot be written: {error}"));
            ExitCode::from(Exit::CannotWrite.code())
        }
    }
}

/// Prints the help, the version, or what is wrong with the arguments.
pub(crate) fn print_usage(error: &clap::Error) -> ExitCode {
    if error.print().is_err() || error.use_stderr() {
        ExitCode::from(Exit::Usage.code())
    } else {
        ExitCode::SUCCESS
    }
}

fn print_error(message: &str) {
    // If standard error cannot be written, nothing is left to report it to.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Starts logging to standard error. Events of libraries are left out at every level, because the
/// AWS SDK logs whole responses, which contain secret values.
pub(crate) fn start_log(level: LogLevel) {
    let level = LevelFilter::from(level);
    let crates = [
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
        .with_ansi(io::stderr().is_terminal() && !is_no_color())
        .without_time();
    tracing_subscriber::registry()
        .with(Targets::new().with_targets(crates.map(|name| (name, level))))
        .with(layer)
        .init();
}

/// Whether standard output may be coloured: it is a terminal, and `NO_COLOR` is not set.
pub(crate) fn is_colored() -> bool {
    io::stdout().is_terminal() && !is_no_color()
}

fn is_no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// How many columns a table may have: `COLUMNS`, else the width of the terminal; `None` if standard
/// output is no terminal.
pub(crate) fn columns() -> Option<usize> {
    let given = std::env::var("COLUMNS").ok();
    let given = given.and_then(|columns| columns.parse().ok());
    let is_terminal = io::stdout().is_terminal();
    let size = || rustix::termios::tcgetwinsize(io::stdout()).ok();
    let width = || size().map(|size| usize::from(size.ws_col));
    given
        .or_else(|| is_terminal.then(width).flatten())
        .filter(|columns| *columns > 0)
}

/// A number with its noun: `1 error`, `2 errors`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
