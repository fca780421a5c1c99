//! Questions on the terminal: whether to go on, and a value that is not shown while it is typed.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use kees_common::SecretValue;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use super::error::ValueError;

/// What Ctrl-C sends.
const INTERRUPT: u8 = 3;

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

/// Reads one line from the terminal without showing it.
pub(super) fn read_hidden(question: &str) -> Result<SecretValue, ValueError> {
    write!(io::stderr(), "{question}: ").map_err(ValueError::Terminal)?;
    let mut line = Vec::with_capacity(4096);
    let read = {
        let _hidden = Hidden::new().map_err(ValueError::Terminal)?;
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.fill_buf() {
                Ok([]) => break Ok(()),
                Ok(typed) => {
                    let end = typed
                        .iter()
                        .position(|byte| [b'\n', INTERRUPT].contains(byte));
                    let taken = end.map_or(typed.len(), |end| end + 1);
                    line.extend_from_slice(&typed[..taken]);
                    stdin.consume(taken);
                    if end.is_some() {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        }
    };
    // The line break that was typed was not shown either.
    let _ = writeln!(io::stderr());
    read.map_err(ValueError::Terminal)?;
    match line.pop() {
        Some(INTERRUPT) => Err(ValueError::NotConfirmed),
        Some(b'\n') | None => Ok(SecretValue::new(line)),
        Some(other) => {
            line.push(other);
            Ok(SecretValue::new(line))
        }
    }
}

/// A terminal that does not show what is typed, until this is dropped. Ctrl-C ends the line instead of
/// the program, because a program that it ends leaves the terminal like this.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
