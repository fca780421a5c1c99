//! The first document of a YAML text, with the position of each node.
//!
//! Aliases are links to the nodes that they name, so a document never has more nodes than its text. Whoever
//! follows links counts the steps ([`MAX_ALIAS_STEPS`]).

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Tag};

use crate::{
    error::{ClassErrorKind, TextPosition},
    scalar::Plain,
};

/// The most nodes that aliases of a document may stand for.
pub(crate) const MAX_ALIAS_STEPS: usize = 100_000;

/// The most nodes of a document. The longest list that a pod can use has a third of them.
const MAX_NODES: usize = 100_000;

/// What the tags of YAML's own types begin with.
const CORE_PREFIX: &str = "tag:yaml.org,2002:";

/// An error, and where it is.
pub(crate) type YamlError = (TextPosition, ClassErrorKind);

#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) nodes: Vec<Node>,
    /// `None` for a text without a document.
    pub(crate) root: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: TextPosition,
    pub(crate) content: Content,
}

/// Numbers of nodes stand for nodes.
#[derive(Debug)]
pub(crate) enum Content {
    /// The text of a scalar in a field of text; `None` for null.
    Scalar(Option<String>),
    /// A key `<<` that is not quoted.
    MergeKey,
    /// A number or boolean. As text it is this.
    Typed(String),
    Map(Vec<(usize, usize)>),
    Sequence(Vec<usize>),
}

impl Document {
    pub(crate) fn read(text: &str) -> Result<Self, YamlError> {
        let mut reader = Reader::default();
        let mut options = Options::default();
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| scan_error(&error))?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            reader.event(&event, position(&span.start))?;
        }
        Ok(reader.document)
    }
}

fn position(marker: &Marker) -> TextPosition {
    TextPosition {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn scan_error(error: &ScanError) -> YamlError {
    let kind = ClassErrorKind::Yaml(error.info().trim().to_owned());
    (position(error.marker()), kind)
}

#[derive(Default)]
struct Reader {
    document: Document,
    anchors: BTreeMap<usize, usize>,
    open: Vec<Open>,
}

/// A map or sequence that is being read.
struct Open {
    node: usize,
    /// The key whose value comes next.
    key: Option<usize>,
}

impl Reader {
    fn event(&mut self, event: &Event<'_>, position: TextPosition) -> Result<(), YamlError> {
        let content = match event {
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
                return Ok(());
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(anchor).copied();
                let node = node.filter(|node| self.open.iter().all(|open| open.node != *node));
                let node = node.ok_or((position, ClassErrorKind::AliasOfItself))?;
                self.add(node);
                return Ok(());
            }
            Event::Scalar(text, style, _, tag) => {
                scalar(text, *style, tag.as_deref()).map_err(|kind| (position, kind))?
            }
            Event::MappingStart(..) => Content::Map(Vec::new()),
            Event::SequenceStart(..) => Content::Sequence(Vec::new()),
            _ => return Ok(()),
        };
        let is_collection = matches!(content, Content::Map(_) | Content::Sequence(_));
        let node = self.document.nodes.len();
        if node >= MAX_NODES {
            let what = "values";
            let limit = MAX_NODES;
            return Err((position, ClassErrorKind::TooLarge { what, limit }));
        }
        self.document.nodes.push(Node { position, content });
        if let Some(anchor) = event.anchor_id() {
            self.anchors.insert(anchor, node);
        }
        self.add(node);
        if is_collection {
            self.open.push(Open { node, key: None });
        }
        Ok(())
    }

    /// Adds a node to the map or sequence that is being read.
    fn add(&mut self, node: usize) {
        let Some(parent) = self.open.last_mut() else {
            self.document.root.get_or_insert(node);
            return;
        };
        let parent_node = self.document.nodes.get_mut(parent.node);
        match parent_node.map(|node| &mut node.content) {
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Map(entries)) => match parent.key.take() {
                Some(key) => entries.push((key, node)),
                None => parent.key = Some(node),
            },
            _ => {}
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Content, ClassErrorKind> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain if text == "<<" => Content::MergeKey,
            ScalarStyle::Plain => typed(Plain::read(text), text),
            _ => Content::Scalar(Some(text.to_owned())),
        });
    };
    let tag = format!("{}{}", tag.handle(), tag.suffix());
    let Some(core) = tag.strip_prefix(CORE_PREFIX) else {
        // A type of the author's own.
        return Ok(Content::Scalar(Some(text.to_owned())));
    };
    let plain = Plain::read(text);
    match (core, plain) {
        ("str", _) => Ok(Content::Scalar(Some(text.to_owned()))),
        ("merge", _) if text == "<<" => Ok(Content::MergeKey),
        ("null", Plain::Null)
        | ("bool", Plain::Bool(_))
        | ("int", Plain::Integer(_))
        | ("float", Plain::Float(_)) => Ok(typed(plain, text)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "the author asks for a floating-point number"
        )]
        ("float", Plain::Integer(number)) => Ok(typed(Plain::Float(number as f64), text)),
        _ => Err(ClassErrorKind::Tag(core.to_owned())),
    }
}

fn typed(plain: Plain, text: &str) -> Content {
    let as_text = plain.into_text(text);
    match (plain, as_text) {
        (Plain::Null | Plain::Text, text) => Content::Scalar(text),
        (_, text) => Content::Typed(text.unwrap_or_default()),
    }
}
