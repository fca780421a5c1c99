//! Where the keys and values of a YAML text are. JSON is YAML too.

use std::{collections::BTreeMap, ops::Range};

use granit_parser::{Event, Options, Parser, Span};

/// The most merge keys that are followed, one inside the other. A merge key may name its own map.
const MAX_MERGES: usize = 8;

/// The nodes of all documents of a text, with their positions.
#[derive(Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The nodes with anchors.
    anchors: BTreeMap<usize, usize>,
    /// The line at which each document begins, and its node.
    documents: Vec<(u64, usize)>,
}

struct Node {
    range: Range<usize>,
    content: Content,
}

enum Content {
    Scalar(String),
    Map(Vec<Entry>),
    Sequence(Vec<usize>),
    /// A reference to a node with an anchor.
    Alias(usize),
}

struct Entry {
    key: String,
    /// Where the key is.
    at: Range<usize>,
    value: usize,
}

/// The positions of what a path leads to, as bytes of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The key, if the last step of the path is one.
    pub(crate) key: Option<Range<usize>>,
    pub(crate) value: Range<usize>,
    /// Whether the value is text or a number.
    pub(crate) is_scalar: bool,
    /// Whether the whole path exists. Otherwise this is its last step that exists.
    pub(crate) is_whole: bool,
    /// Whether this is the document itself.
    pub(crate) is_document: bool,
}

impl Tree {
    /// Reads all documents. A document that is not valid YAML is left out.
    pub(crate) fn read(text: &str) -> Self {
        let mut tree = Self::default();
        let mut open = Vec::new();
        let mut options = Options::default();
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(text, options);
        loop {
            match parser.next_event() {
                Some(Ok((event, span))) => tree.event(&event, span, &mut open),
                Some(Err(_)) => {
                    open.clear();
                    if !parser.proceed_next_document().unwrap_or(false) {
                        return tree;
                    }
                }
                None => return tree,
            }
        }
    }

    fn event(&mut self, event: &Event<'_>, span: Span, open: &mut Vec<Open>) {
        let content = match event {
            Event::DocumentStart(..) => return open.clear(),
            Event::MappingEnd | Event::SequenceEnd => {
                if let (Some(closed), Some(end)) = (open.pop(), span.end.byte_offset()) {
                    let range = &mut self.nodes[closed.node].range;
                    range.end = end.max(range.end);
                }
                return;
            }
            Event::Scalar(text, ..) => Content::Scalar(text.to_string()),
            Event::MappingStart(..) => Content::Map(Vec::new()),
            Event::SequenceStart(..) => Content::Sequence(Vec::new()),
            Event::Alias(anchor) => Content::Alias(*anchor),
            _ => return,
        };
        let is_collection = matches!(content, Content::Map(_) | Content::Sequence(_));
        let range = span.byte_range().unwrap_or_default();
        let node = self.nodes.len();
        self.nodes.push(Node {
            range: range.clone(),
            content,
        });
        if let Some(anchor) = event.anchor_id() {
            self.anchors.insert(anchor, node);
        }
        match open.last_mut() {
            None => self.documents.push((line(span), node)),
            Some(parent) => match &mut self.nodes[parent.node].content {
                Content::Sequence(items) => items.push(node),
                Content::Map(entries) => {
                    if let Some((key, at)) = parent.key.take() {
                        let value = node;
                        entries.push(Entry { key, at, value });
                    } else {
                        let key = event.scalar().map_or("", |(text, _)| text);
                        parent.key = Some((key.to_owned(), range));
                    }
                }
                Content::Scalar(_) | Content::Alias(_) => {}
            },
        }
        if is_collection {
            open.push(Open { node, key: None });
        }
    }

    /// Follows `path` in the document that begins at `line`, as far as it exists. The steps are the keys
    /// of maps, and the indexes of sequences or the `name` of an item.
    pub(crate) fn find<'p>(
        &self,
        line: u64,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Option<Found> {
        // The documents are in the order of their lines.
        let index = self.documents.partition_point(|(begin, _)| *begin < line);
        let (_, root) = self
            .documents
            .get(index)
            .filter(|(begin, _)| *begin == line)?;
        let mut node = *root;
        let mut key = None;
        let mut is_whole = true;
        for step in path {
            let Some((at, next)) = self.step(node, step, MAX_MERGES) else {
                is_whole = false;
                break;
            };
            (key, node) = (at, next);
        }
        let found = &self.nodes[node];
        Some(Found {
            key,
            value: self.beginning(node),
            is_scalar: matches!(found.content, Content::Scalar(_)),
            is_whole,
            is_document: node == *root,
        })
    }

    /// What one step leads to, and the position of its key. `depth` is how many merge keys (`<<`) are
    /// followed, one inside the other.
    fn step(&self, node: usize, step: &str, depth: usize) -> Option<(Option<Range<usize>>, usize)> {
        match &self.nodes[self.target(node)?].content {
            Content::Map(entries) => {
                let entry = entries.iter().rev().find(|entry| entry.key == step);
                if let Some(Entry { at, value, .. }) = entry {
                    return Some((Some(at.clone()), *value));
                }
                let depth = depth.checked_sub(1)?;
                let merged = entries.iter().filter(|entry| entry.key == "<<");
                merged
                    .flat_map(|entry| self.maps(entry.value))
                    .find_map(|node| self.step(node, step, depth))
            }
            Content::Sequence(items) => {
                let by_index = step.parse().ok().and_then(|index: usize| items.get(index));
                let is_named = |item: &&usize| self.name(**item) == Some(step);
                let item = by_index.or_else(|| items.iter().find(is_named));
                item.map(|item| (None, *item))
            }
            Content::Scalar(_) | Content::Alias(_) => None,
        }
    }

    /// Follows an alias. Its anchor is always an earlier node, so this ends.
    fn target(&self, node: usize) -> Option<usize> {
        match self.nodes[node].content {
            Content::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied();
                let target = target.filter(|target| *target < node)?;
                self.target(target)
            }
            _ => Some(node),
        }
    }

    /// The maps that a merge key names: one, or a sequence of them.
    fn maps(&self, node: usize) -> Vec<usize> {
        let target = self.target(node).map(|target| &self.nodes[target].content);
        match target {
            Some(Content::Sequence(items)) => items.clone(),
            _ => vec![node],
        }
    }

    /// The value of the key `name` of a map.
    fn name(&self, node: usize) -> Option<&str> {
        let Content::Map(entries) = &self.nodes[self.target(node)?].content else {
            return None;
        };
        let name = entries.iter().find(|entry| entry.key == "name")?;
        match &self.nodes[self.target(name.value)?].content {
            Content::Scalar(name) => Some(name),
            _ => None,
        }
    }

    /// The position of a scalar, or of the first key of a map or of the first item of a sequence.
    fn beginning(&self, node: usize) -> Range<usize> {
        let Node { range, content } = &self.nodes[node];
        match content {
            Content::Map(entries) => entries.first().map(|entry| entry.at.clone()),
            Content::Sequence(items) => items.first().map(|item| self.beginning(*item)),
            Content::Scalar(_) | Content::Alias(_) => None,
        }
        .unwrap_or_else(|| range.clone())
    }
}

/// A map or sequence that is being read.
struct Open {
    node: usize,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
}

fn line(span: Span) -> u64 {
    u64::try_from(span.start.line()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::block("a:\n  b: 1\n", &["a", "b"], "b", "1")]
    #[case::flow("{a: {b: one two, c: 2}}", &["a", "b"], "b", "one two")]
    #[case::json(r#"{"a": {"b": "one"}}"#, &["a", "b"], r#""b""#, r#""one""#)]
    #[case::index("a: [x, {b: y}]", &["a", "1", "b"], "b", "y")]
    #[case::name("a:\n- name: one\n- name: two\n  b: x\n", &["a", "two", "b"], "b", "x")]
    #[case::slash("a: {b.c/d: 'x'}", &["a", "b.c/d"], "b.c/d", "'x'")]
    #[case::alias("x: &x {b: 1}\na: *x\n", &["a", "b"], "b", "1")]
    #[case::merge("x: &x {b: 1}\na: {<<: *x, c: 2}\n", &["a", "b"], "b", "1")]
    #[case::merges("x: &x {b: 1}\na: {<<: [*x], c: 2}\n", &["a", "b"], "b", "1")]
    #[case::not_ascii("a: é\nb: ü x\n", &["b"], "b", "ü x")]
    #[case::blanks("a: x   \n", &["a"], "a", "x")]
    #[case::the_first_key("a:\n  b: 1\n", &["a"], "a", "b")]
    fn keys_and_values_are_found_in_the_text(
        #[case] text: &str,
        #[case] path: &[&str],
        #[case] key: &str,
        #[case] value: &str,
    ) {
        let found = Tree::read(text).find(1, path.iter().copied()).unwrap();
        assert!(found.is_whole);
        assert_eq!(&text[found.key.unwrap()], key);
        assert_eq!(&text[found.value], value);
    }

    #[test]
    fn a_path_is_followed_as_far_as_it_exists() {
        let text = "a:\n  b: 1\n";
        let found = Tree::read(text).find(1, ["a", "c", "d"]).unwrap();
        assert!(!found.is_whole);
        assert_eq!(&text[found.key.unwrap()], "a");
    }

    #[test]
    fn a_map_that_merges_itself_ends_the_search() {
        let found = Tree::read("a: &a {<<: *a}").find(1, ["a", "b"]).unwrap();
        assert!(!found.is_whole);
    }

    #[rstest]
    #[case("a: [\n---\nb: 1\n", 3)]
    #[case("a: 1\n---\n# c\nb: 1\n", 4)]
    #[case("---\n---\nb: 1\n", 3)]
    fn every_valid_document_is_found_by_its_line(#[case] text: &str, #[case] line: u64) {
        let found = Tree::read(text).find(line, ["b"]).unwrap();
        assert_eq!(&text[found.key.unwrap()], "b");
    }
}
