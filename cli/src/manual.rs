//! `kees completions` and `kees man-pages`: made from the definition of the command line.

use std::fs;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use kees_init::Exit;

use crate::{
    args::{
        Cli,
        manual::{CompletionsArgs, ManPagesArgs},
    },
    error::{CliError, CliErrorKind},
    terminal::CommandOutput,
};

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> CommandOutput {
    let CompletionsArgs { shell } = args;
    CommandOutput {
        stdout: script(*shell),
        ..CommandOutput::default()
    }
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kees", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes a page for each command, named as `man` looks for it: `kees-run.1`.
pub(crate) fn man_pages(args: &ManPagesArgs) -> CommandOutput {
    let ManPagesArgs { folder } = args;
    let written = fs::create_dir_all(folder);
    match written.and_then(|()| clap_mangen::generate_to(definition(), folder)) {
        Ok(()) => CommandOutput::default(),
        Err(source) => {
            let path = folder.clone();
            CommandOutput {
                messages: vec![CliError::from(CliErrorKind::Create { path, source }).to_string()],
                exit: Some(Exit::CannotWrite),
                ..CommandOutput::default()
            }
        }
    }
}

/// The definition without the values of the environment in which the pages are made.
fn definition() -> Command {
    hide_environment(Cli::command())
}

fn hide_environment(command: Command) -> Command {
    let hidden = command.mut_args(|argument| argument.hide_env_values(true));
    hidden.mut_subcommands(hide_environment)
}
