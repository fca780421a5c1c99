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

/// The name and value of a flag that is `NAME=VALUE`.
///
/// # Errors
/// What is missing, and what would be right.
pub fn variable(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("no '=' in it; use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
