//! The values of format `dotenv`. Readers of dotenv files differ in escapes and in the expansion of
//! variables, so a value is written only in a notation that all of them read alike.

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Without quotes. Readers that know no quotes, such as `docker run --env-file`, read it as well.
    None,
    /// In single quotes: nothing is expanded, and lines are kept.
    Single,
    /// In double quotes, for a text with a single quote and without anything that a reader expands.
    Double,
}

impl Quotes {
    /// The notation of `text`.
    ///
    /// # Errors
    /// What the text has that readers of dotenv files read in different ways.
    pub(super) fn of(text: &str) -> Result<Self, &'static str> {
        if text.bytes().all(is_plain) {
            return Ok(Self::None);
        }
        if text.contains('\r') {
            return Err("a carriage return");
        }
        if text.contains("${") {
            return Err("the characters ${");
        }
        if text.contains("\\\\") {
            return Err("two backslashes side by side");
        }
        if text.ends_with('\\') {
            return Err("a backslash at its end");
        }
        if !text.contains('\'') {
            return Ok(Self::Single);
        }
        if text.contains(['"', '\\', '$', '`']) {
            return Err("a single quote beside a double quote, a backtick, a backslash or a $");
        }
        Ok(Self::Double)
    }

    /// The character at both ends of the value.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Single => "'",
            Self::Double => "\"",
        }
    }
}

/// Whether a byte has no meaning to a reader or a shell, and is no blank.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", Ok(Quotes::None))]
    #[case("postgres://db:5432/a?b=c", Ok(Quotes::Single))]
    #[case("aGVsbG8+/w==", Ok(Quotes::None))]
    #[case("two words", Ok(Quotes::Single))]
    #[case("a\nb\n", Ok(Quotes::Single))]
    #[case("a#b $HOME \"q\" `c` \\n ü", Ok(Quotes::Single))]
    #[case("it's\nme", Ok(Quotes::Double))]
    #[case("it's \"me\"", Err("a single quote beside"))]
    #[case("it's $me", Err("a single quote beside"))]
    #[case("a\\\\b", Err("two backslashes"))]
    #[case("a\\", Err("a backslash at its end"))]
    #[case("a\r\nb", Err("a carriage return"))]
    #[case("${HOME}", Err("the characters ${"))]
    fn a_value_has_a_notation_that_all_readers_share_or_none(
        #[case] text: &str,
        #[case] expected: Result<Quotes, &str>,
    ) {
        match (Quotes::of(text), expected) {
            (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{found}"),
            (found, expected) => assert_eq!(found, expected),
        }
    }
}
