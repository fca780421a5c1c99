//! Places in manifests, for messages.

use std::{cmp::Ordering, fmt, rc::Rc};

use crate::{
    place::{Part, Place, in_block, named},
    source::{Mark, Source},
    tree::Found,
};

/// A place in a manifest. It prints as the beginning of a message:
/// `web.yaml:12:5: Deployment team-a/web: `, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Location {
    /// The file's path, or `standard input`. `None` for an error of the command line.
    pub(crate) file: Option<String>,
    /// The line, counted from 1. For a document or an object it is the line at which it begins.
    pub(crate) line: Option<u64>,
    /// The column, counted from 1 in characters.
    pub(crate) column: Option<u64>,
    pub(crate) workload: Option<ObjectName>,
    /// What is underlined.
    pub(crate) mark: Option<Box<Mark>>,
}

impl Location {
    /// The file, the line and the column, without the workload.
    pub(crate) fn position(&self) -> String {
        let mut text = self.file.clone().unwrap_or_default();
        for number in [self.line, self.column].into_iter().flatten() {
            text = format!("{text}:{number}");
        }
        text
    }

    /// The order of the manifests. What belongs to no manifest comes first.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let key = |location: &Self| (location.line, location.column);
        let files = self.file.cmp(&other.file);
        files.then_with(|| key(self).cmp(&key(other)))
    }

    /// The location of `place` in the object to which `pointer` leads, in the document that begins
    /// at the line `document`. Where the place does not exist, it is the location of what would contain
    /// it.
    pub(crate) fn of_place(
        &self,
        source: &Rc<Source>,
        document: Option<u64>,
        pointer: &str,
        place: &Place,
    ) -> Self {
        let steps = pointer.split('/').skip(1);
        let steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
        let steps: Vec<_> = steps.chain(place.path.iter().cloned()).collect();
        let steps = steps.iter().map(String::as_str);
        let Some(found) = document.and_then(|line| source.find(line, steps)) else {
            return self.clone();
        };
        if found.is_document {
            return self.clone();
        }
        let mark = mark(source, &found, &place.part);
        let start = mark
            .as_ref()
            .map_or(found.value.start, |mark| mark.range.start);
        let (line, column) = source.position(start);
        Self {
            line: Some(line),
            column: Some(column),
            mark: mark.map(Box::new),
            ..self.clone()
        }
    }
}

/// What is underlined; nothing of an item of a sequence.
fn mark(source: &Rc<Source>, found: &Found, part: &Part) -> Option<Mark> {
    let Found {
        key,
        value,
        is_scalar,
        is_whole,
        is_document: _,
    } = found;
    let key = key.clone()?;
    let named = |message: &str| {
        let range = named(message, source.text().get(value.clone())?)?;
        Some(value.start + range.start..value.start + range.end)
    };
    let line_of = |line: usize, column: usize| {
        let start = block_start(source.text(), value.start)?;
        let range = in_block(source.text().get(start..value.end)?, line, column)?;
        Some(start + range.start..start + range.end)
    };
    let range = match part {
        _ if !is_whole || !is_scalar => key.clone(),
        Part::Key => key.clone(),
        Part::Value => value.clone(),
        Part::NamedOrKey(message) => named(message).unwrap_or_else(|| key.clone()),
        Part::NamedOrValue(message) => named(message).unwrap_or_else(|| value.clone()),
        Part::Line(line, column) => line_of(*line, *column).unwrap_or_else(|| value.clone()),
        Part::TextLine(line, column) => {
            let range = line_of(*line, *column).unwrap_or_else(|| value.clone());
            return Some(Mark {
                source: Rc::clone(source),
                shown: range.clone(),
                range,
                value: None,
            });
        }
    };
    // The value may stand elsewhere, before the key: behind an alias.
    let is_after = key.end <= value.start;
    let (shown, value) = if range == key {
        (key, None)
    } else if is_after {
        (key.start..value.end, Some(value.clone()))
    } else {
        (value.clone(), Some(value.clone()))
    };
    Some(Mark {
        source: Rc::clone(source),
        range,
        shown,
        value,
    })
}

/// The sign `|` of the block scalar whose content begins at a byte of `text`.
fn block_start(text: &str, content: usize) -> Option<usize> {
    let before = text.get(..content)?.trim_end();
    let sign = before.trim_end_matches(['-', '+']);
    sign.ends_with('|').then(|| sign.len() - 1)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_some() {
            write!(f, "{}: ", self.position())?;
        }
        match &self.workload {
            Some(workload) => write!(f, "{workload}: "),
            None => Ok(()),
        }
    }
}

/// The name of a Kubernetes object. It prints as `Deployment team-a/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
