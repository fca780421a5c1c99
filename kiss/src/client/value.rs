//! The value of a secret, from standard input, a file, the terminal, or a flag.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use zeroize::Zeroizing;

use super::{args::ValueArgs, error::ClientError};
use crate::prompt::read_hidden;

/// The largest value of a secret.
const LARGEST: usize = 65_536;

/// A value.
pub(super) type Value = Zeroizing<String>;

/// The value that the flags name, and whether it was on the command line.
pub(super) fn read(args: ValueArgs) -> Result<(Value, bool), ClientError> {
    let ValueArgs { value, value_file } = args;
    if let Some(value) = value {
        return Ok((checked(Zeroizing::new(value))?, true));
    }
    let value = match value_file.as_deref() {
        Some(path) if path != Path::new("-") => of_file(path)?,
        None if io::stdin().is_terminal() => {
            let typed = read_hidden("Enter secret value:")
                .map_err(|source| cannot_read("the terminal", source))?
                .ok_or(ClientError::Interrupted)?;
            let typed = std::str::from_utf8(&typed).map_err(|_| ClientError::NotText)?;
            // It is trimmed, as kiss 0.1 does it.
            Zeroizing::new(typed.trim().to_owned())
        }
        _ => without_line_break(read_all(io::stdin().lock(), "standard input")?),
    };
    Ok((checked(value)?, false))
}

/// The content of a file, as it is.
pub(super) fn of_file(path: &Path) -> Result<Value, ClientError> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(|source| cannot_read(&place, source))?;
    checked(read_all(file, &place)?)
}

fn checked(value: Value) -> Result<Value, ClientError> {
    match value.len() {
        0 => Err(ClientError::Empty),
        1..=LARGEST => Ok(value),
        _ => Err(ClientError::Large(LARGEST)),
    }
}

fn read_all(from: impl Read, place: &str) -> Result<Value, ClientError> {
    // It has its final size from the start, because growing leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 2));
    let most = u64::try_from(LARGEST + 2).unwrap_or(u64::MAX);
    from.take(most)
        .read_to_end(&mut bytes)
        .map_err(|source| cannot_read(place, source))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| match bytes.len() {
        // The limit may be in the middle of a character.
        length if length > LARGEST => ClientError::Large(LARGEST),
        _ => ClientError::NotText,
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// `value` without one line break at its end, which `echo` adds.
fn without_line_break(value: Value) -> Value {
    match value.strip_suffix('\n') {
        None => value,
        Some(text) => Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()),
    }
}

fn cannot_read(place: &str, source: io::Error) -> ClientError {
    ClientError::Read {
        path: place.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn one_line_break_at_the_end_is_removed() {
        for (text, expected) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a ", " a "),
        ] {
            assert_eq!(*without_line_break(value(text)), expected);
        }
    }

    #[test]
    fn a_file_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        for (content, expected) in [
            (b"x\n".to_vec(), Ok("x\n".to_owned())),
            (vec![b'x'; LARGEST], Ok("x".repeat(LARGEST))),
            (
                vec![b'x'; LARGEST + 1],
                Err("the value has more than 65536 bytes, which no secret holds"),
            ),
            (
                vec![b'x'; LARGEST + 9],
                Err("the value has more than 65536 bytes, which no secret holds"),
            ),
            (
                vec![0xff],
                Err(
                    "the value is not UTF-8 text: kiss stores text; encode it, for example with base64",
                ),
            ),
            (vec![], Err("the value is empty")),
        ] {
            std::fs::write(&path, content).unwrap();
            let read = of_file(&path).map(|value| value.to_string());
            assert_eq!(
                read.map_err(|error| error.to_string()),
                expected.map_err(str::to_owned)
            );
        }
    }

    #[test]
    fn a_value_of_the_command_line_is_told() {
        let args = ValueArgs {
            value: Some("-x".to_owned()),
            value_file: None,
        };
        let (value, is_visible) = read(args).unwrap();
        assert_eq!((value.as_str(), is_visible), ("-x", true));
    }
}
