//! Asks on the terminal whether to go on.

use std::io::{self, IsTerminal as _, Write as _};

use super::error::ValueError;

/// Asks whether to go on. Only `y` and `yes` mean that.
///
/// # Errors
/// [`ValueError::NotConfirmed`], or [`ValueError::CannotAsk`] if there is no terminal.
pub(super) fn confirm(question: &str) -> Result<(), ValueError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(ValueError::CannotAsk);
    }
    let mut answer = String::new();
    write!(io::stderr(), "{question} [y/N] ").map_err(ValueError::Terminal)?;
    io::stdin()
        .read_line(&mut answer)
        .map_err(ValueError::Terminal)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(ValueError::NotConfirmed),
    }
}
