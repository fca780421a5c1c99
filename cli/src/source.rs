//! The text of a manifest, and places in it.

use std::{cell::OnceCell, fmt, iter, ops::Range, rc::Rc};

use crate::tree::{Found, Tree};

/// The text of one manifest.
pub(crate) struct Source {
    text: String,
    /// Read only if there is something to report.
    tree: OnceCell<Tree>,
    /// The bytes at which the lines begin, also only then.
    lines: OnceCell<Vec<usize>>,
}

impl fmt::Debug for Source {
    /// Without the text, which may contain values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    pub(crate) fn new(text: String) -> Self {
        Self {
            text,
            tree: OnceCell::new(),
            lines: OnceCell::new(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Follows `path` in the document that begins at `line`.
    pub(crate) fn find<'p>(
        &self,
        line: u64,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Option<Found> {
        let tree = self.tree.get_or_init(|| Tree::read(&self.text));
        tree.find(line, path)
    }

    /// The line and the column of a byte, both counted from 1. Columns are characters.
    pub(crate) fn position(&self, byte: usize) -> (u64, u64) {
        let lines = self.lines.get_or_init(|| line_starts(&self.text));
        let line = lines.partition_point(|start| *start <= byte);
        let start = line.checked_sub(1).and_then(|line| lines.get(line));
        let before = self.text.get(start.copied().unwrap_or_default()..byte);
        let column = before.map_or(0, |before| before.chars().count());
        (number(line), number(column + 1))
    }
}

/// A part of a manifest that a message is about.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) source: Rc<Source>,
    /// The part, as bytes of the text.
    pub(crate) range: Range<usize>,
    /// What is shown of the text. It is a key, or an annotation with its value: the rest of the line may
    /// contain values that are secret.
    pub(crate) shown: Range<usize>,
    /// The value of the annotation, if it is shown.
    pub(crate) value: Option<Range<usize>>,
}

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.source, &other.source) && self.range == other.range
    }
}

impl Eq for Mark {}

fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    iter::once(0).chain(breaks).collect()
}

fn number(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", 0, (1, 1))]
    #[case("a\nb", 1, (1, 2))]
    #[case("a\nb", 2, (2, 1))]
    #[case("a\n", 2, (2, 1))]
    #[case("\n\né x", 5, (3, 3))]
    fn a_byte_has_a_line_and_a_column(
        #[case] text: &str,
        #[case] byte: usize,
        #[case] expected: (u64, u64),
    ) {
        assert_eq!(Source::new(text.to_owned()).position(byte), expected);
    }
}
