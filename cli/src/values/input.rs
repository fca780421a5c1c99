//! Reads a value from standard input or a file.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use kees_common::SecretValue;
use kees_kiss::prompt::read_hidden;
use zeroize::Zeroizing;

use super::error::ValueError;

/// More than any store holds.
const MOST: usize = 1024 * 1024;

/// The value in `file`, or on standard input.
pub(super) fn read(file: Option<&Path>, keep_line_break: bool) -> Result<SecretValue, ValueError> {
    let value = match file {
        Some(file) => {
            let place = file.display().to_string();
            let opened = File::open(file).map_err(|source| ValueError::Read {
                place: place.clone(),
                source,
            })?;
            read_all(opened, place)?
        }
        None if io::stdin().is_terminal() => typed()?,
        None => read_all(io::stdin().lock(), "standard input".to_owned())?,
    };
    let value = if keep_line_break {
        value
    } else {
        without_line_break(&value)
    };
    if value.is_empty() {
        return Err(ValueError::Empty);
    }
    Ok(value)
}

/// The value that is typed on the terminal.
fn typed() -> Result<SecretValue, ValueError> {
    let typed = read_hidden("value (not shown):").map_err(ValueError::Terminal)?;
    let typed = typed.ok_or(ValueError::NotConfirmed)?;
    Ok(SecretValue::new(typed.to_vec()))
}

fn read_all(from: impl Read, place: String) -> Result<SecretValue, ValueError> {
    // It has its final size from the start, because growing leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST + 1));
    let limit = u64::try_from(MOST + 1).unwrap_or(u64::MAX);
    from.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|source| ValueError::Read { place, source })?;
    if bytes.len() > MOST {
        return Err(ValueError::TooLarge(MOST));
    }
    Ok(SecretValue::new(bytes.to_vec()))
}

/// The value without one line break at its end. What is not text stays as it is.
fn without_line_break(value: &SecretValue) -> SecretValue {
    let text = value.expose_text().and_then(|text| {
        let text = text.strip_suffix('\n')?;
        Some(text.strip_suffix('\r').unwrap_or(text))
    });
    let bytes = text.map_or(value.expose(), str::as_bytes);
    SecretValue::new(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"text\n", b"text")]
    #[case(b"text\r\n", b"text")]
    #[case(b"text\n\n", b"text\n")]
    #[case(b"text\r", b"text\r")]
    #[case(b"\n", b"")]
    #[case(b"text ", b"text ")]
    #[case::not_text(b"\xff\n", b"\xff\n")]
    fn one_line_break_at_the_end_of_a_text_is_removed(
        #[case] input: &[u8],
        #[case] expected: &[u8],
    ) {
        let value = SecretValue::new(input.to_vec());
        assert_eq!(without_line_break(&value).expose(), expected);
    }

    #[test]
    fn a_value_that_no_store_holds_is_not_read_to_its_end() {
        let error = read_all(io::repeat(7), String::new()).unwrap_err();
        assert!(matches!(error, ValueError::TooLarge(_)));
    }
}
