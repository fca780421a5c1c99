//! Whether the command fits with its environment.

use super::{command::Command, error::ExecError, limits::total_limit, variables::Variable};

/// How many of the largest variables a message names.
const NAMED: usize = 3;

/// Checks that the command can be executed with `variables`.
pub(super) fn check(command: &Command, variables: &[Variable]) -> Result<(), ExecError> {
    let arguments = command.arguments.iter();
    let texts = arguments.chain(variables.iter().map(|variable| &variable.text));
    // Each text has a pointer. The path of the file that is executed is there too.
    let strings: usize = texts
        .map(|text| text.as_bytes_with_nul().len() + size_of::<usize>())
        .sum();
    let paths = command.candidates.iter();
    let path = paths.map(|path| path.as_bytes_with_nul().len()).max();
    let bytes = strings + path.unwrap_or_default();
    let limit = total_limit();
    if bytes <= limit {
        return Ok(());
    }
    Err(ExecError::TooLarge {
        command: command.name().to_owned(),
        bytes,
        limit,
        largest: largest(variables),
    })
}

fn largest(variables: &[Variable]) -> String {
    let mut sizes: Vec<_> = variables
        .iter()
        .map(|variable| (variable.text.as_bytes_with_nul().len(), &variable.name))
        .collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let named = sizes.iter().take(NAMED);
    let named: Vec<_> = named
        .map(|(bytes, name)| format!("{name} ({bytes} bytes)"))
        .collect();
    named.join(", ")
}
