//! The text of a manifest, and places in it.

use std::{cell::OnceCell, fmt, ops::Range, rc::Rc};

use crate::tree::{Found, Tree};

/// The text of one manifest.
pub(crate) struct Source {
    text: String,
    /// Read only if there is something to report.
    tree: OnceCell<Tree>,
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
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default();
        (number(line + 1), number(column.chars().count() + 1))
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

fn number(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
