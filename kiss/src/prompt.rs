//! Asks for a secret value on the terminal, without showing it.

use std::io::{self, Write as _};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

/// What Ctrl-C sends.
const INTERRUPT: u8 = 3;

/// The most bytes of a line of a terminal, with its line break. Linux drops what is typed after them (`termios(3)`,
/// canonical mode).
const LONGEST_LINE: usize = 4096;

/// Asks `question` on standard error, and reads one line from the terminal that is standard input. It is returned
/// without its line break, or `None` if Ctrl-C is pressed.
///
/// # Errors
/// Standard input is no terminal, cannot be read, or the line is longer than a terminal can take.
pub fn read_hidden(question: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Its size is enough for each line: growing leaves a copy behind.
    let mut line = Zeroizing::new(Vec::with_capacity(2 * LONGEST_LINE));
    let read = {
        // Before the question, because an answer may follow at once.
        let _hidden = Hidden::new()?;
        write!(io::stderr(), "{question} ")
            .and_then(|()| read_line(&mut io::stdin().lock(), &mut line))
    };
    // The line break that was typed was not shown either.
    let _ = writeln!(io::stderr());
    read?;
    match line.last() {
        Some(&INTERRUPT) => return Ok(None),
        Some(b'\n') if line.len() >= LONGEST_LINE => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a terminal takes at most 4094 bytes in a line: pass the value in a file or on standard input",
            ));
        }
        Some(b'\n') => {
            line.pop();
        }
        _ => {}
    }
    Ok(Some(line))
}

/// Reads until a line break or Ctrl-C.
fn read_line(from: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let typed = from.fill_buf()?;
        let end = typed
            .iter()
            .position(|byte| [b'\n', INTERRUPT].contains(byte));
        let taken = end.map_or(typed.len(), |end| end + 1);
        line.extend_from_slice(&typed[..taken]);
        from.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(());
        }
    }
}

/// A terminal that does not show what is typed, until this is dropped. Ctrl-C ends the line instead of the
/// program, because a program that it ends leaves the terminal like this.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_a_line_break_or_ctrl_c() {
        for (typed, expected) in [
            (&b"one\ntwo"[..], &b"one\n"[..]),
            (b"one\x03two", b"one\x03"),
            (b"one", b"one"),
            (b"", b""),
        ] {
            let mut line = Vec::new();
            // Each read gets two bytes.
            let mut from = io::BufReader::with_capacity(2, typed);
            read_line(&mut from, &mut line).unwrap();
            assert_eq!(line, expected);
        }
    }
}
