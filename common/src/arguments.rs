//! What all programs of this project hold of their command lines.

use std::env;

use clap::{Arg, Command, builder::Resettable};

/// `command` and its subcommands, for which a variable that is empty counts as absent: it is what a
/// template without a value leaves behind.
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
