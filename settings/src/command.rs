//! Reads a command line together with the environment.

use std::{env, ffi::OsString};

use clap::{Arg, Command, CommandFactory, FromArgMatches, builder::Resettable};

/// Parses `arguments` (the first is the program's name) and, for each flag that they do not have, the
/// environment of this process. An empty variable counts as absent.
///
/// # Errors
/// clap's error: what is wrong, or the help or version that was asked for.
pub fn parse<T: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, clap::Error> {
    let matches = without_empty_variables(T::command()).try_get_matches_from(arguments)?;
    T::from_arg_matches(&matches)
}

/// Makes `command` and its subcommands ignore empty variables: a template without a value leaves
/// such a variable in a container.
pub fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(without_empty_variable)
        .mut_subcommands(without_empty_variables)
}

fn without_empty_variable(argument: Arg) -> Arg {
    let variable = argument.get_env().and_then(env::var_os);
    if variable.is_some_and(|value| value.is_empty()) {
        argument.env(Resettable::Reset)
    } else {
        argument
    }
}
