//! `kees-init exec`: replaces this process by another program.

use std::{
    env,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

/// The first argument.
pub(crate) const NAME: &str = "exec";

/// The exit status of a shell for a command that cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

/// Returns only if there is an error.
pub(crate) fn main() -> ExitCode {
    let mut arguments = env::args_os()
        .skip(2)
        .skip_while(|argument| argument == "--");
    let Some(command) = arguments.next() else {
        return ExitCode::from(NOT_EXECUTABLE);
    };
    let error = Command::new(&command).args(arguments).exec();
    let _ = writeln!(io::stderr(), "kees-init: {}: {error}", command.display());
    ExitCode::from(NOT_EXECUTABLE)
}
