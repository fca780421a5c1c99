//! Places in the text of a template.

use std::fmt;

/// A line and a column, both counted from 1. Columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The position of a byte of `source`.
    pub(crate) fn of(source: &str, byte: usize) -> Self {
        let before = source.get(..byte).unwrap_or(source);
        let (lines, last) = match before.rsplit_once('\n') {
            Some((lines, last)) => (lines.matches('\n').count() + 1, last),
            None => (0, before),
        };
        Self {
            line: lines + 1,
            column: last.chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", 0, "line 1, column 1")]
    #[case("a\nb", 1, "line 1, column 2")]
    #[case("a\nb", 2, "line 2, column 1")]
    #[case("ü\n\nüb", 6, "line 3, column 2")]
    #[case("a", 9, "line 1, column 2")]
    fn a_byte_has_a_line_and_a_column(
        #[case] source: &str,
        #[case] byte: usize,
        #[case] expected: &str,
    ) {
        assert_eq!(Position::of(source, byte).to_string(), expected);
    }
}
