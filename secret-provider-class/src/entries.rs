//! The list of objects as its author wrote it: YAML into fields of text.
//!
//! The provider's decoder makes JSON of the YAML, with the keys of a map in the order of their bytes, and decodes that.
//! So keys are compared without case, the last of several spellings counts, and null changes nothing.

use std::{cell::Cell, collections::BTreeMap};

use crate::{
    error::{ClassErrorKind, TextPosition},
    yaml::{Content, Document, MAX_ALIAS_STEPS, YamlError},
};

/// The most merge keys that are followed, one inside the other.
const MAX_MERGES: usize = 16;

/// The most objects of a list. Those of a pod must fit into one variable, which holds a tenth of them.
const MAX_OBJECTS: usize = 10_000;

/// The bytes of text that aliases may copy, besides those of the list itself.
const MAX_ALIAS_BYTES: usize = 1 << 20;

/// A field of text. It is empty if it is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) position: Option<TextPosition>,
}

impl Text {
    pub(crate) fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// The text, if there is one.
    pub(crate) fn some(&self) -> Option<String> {
        Some(self.value.clone()).filter(|value| !value.is_empty())
    }
}

/// An item of the list.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) position: TextPosition,
    /// `None` for an empty item.
    pub(crate) fields: Option<Fields>,
}

/// The fields of an object.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) name: Text,
    pub(crate) alias: Text,
    pub(crate) version: Text,
    pub(crate) label: Text,
    pub(crate) object_type: Text,
    pub(crate) mode: Text,
    pub(crate) paths: Vec<PathFields>,
    pub(crate) failover: FailoverFields,
}

/// The fields of an item of `jmesPath`.
#[derive(Debug)]
pub(crate) struct PathFields {
    pub(crate) position: TextPosition,
    pub(crate) path: Text,
    pub(crate) alias: Text,
    pub(crate) mode: Text,
}

/// The fields of `failoverObject`.
#[derive(Debug, Default)]
pub(crate) struct FailoverFields {
    pub(crate) name: Text,
    pub(crate) version: Text,
    pub(crate) label: Text,
}

/// Reads the list. A text without a list has no items.
pub(crate) fn read(text: &str) -> Result<Vec<Entry>, YamlError> {
    let document = Document::read(text)?;
    let Some(root) = document.root else {
        return Ok(Vec::new());
    };
    let budget = document.nodes.len().saturating_add(MAX_ALIAS_STEPS);
    let reader = Reader {
        document: &document,
        steps: Cell::new(budget),
        bytes: Cell::new(text.len().saturating_add(MAX_ALIAS_BYTES)),
    };
    let items = reader.list(root, "the list of objects")?.iter();
    if items.len() > MAX_OBJECTS {
        let what = "objects";
        let limit = MAX_OBJECTS;
        return Err((
            reader.position(root),
            ClassErrorKind::TooLarge { what, limit },
        ));
    }
    items.map(|item| reader.entry(*item)).collect()
}

struct Reader<'d> {
    document: &'d Document,
    /// How many nodes may still be read.
    steps: Cell<usize>,
    /// How many bytes of text may still be copied.
    bytes: Cell<usize>,
}

impl<'d> Reader<'d> {
    fn entry(&self, node: usize) -> Result<Entry, YamlError> {
        let position = self.position(node);
        let Some(map) = self.fields(node, "an object")? else {
            let fields = None;
            return Ok(Entry { position, fields });
        };
        let mut fields = Fields::default();
        for (key, value) in map {
            match key.to_ascii_lowercase().as_str() {
                "objectname" => self.text(value, "objectName", &mut fields.name)?,
                "objectalias" => self.text(value, "objectAlias", &mut fields.alias)?,
                "objectversion" => self.text(value, "objectVersion", &mut fields.version)?,
                "objectversionlabel" => {
                    self.text(value, "objectVersionLabel", &mut fields.label)?;
                }
                "objecttype" => self.text(value, "objectType", &mut fields.object_type)?,
                "filepermission" => self.text(value, "filePermission", &mut fields.mode)?,
                "jmespath" => {
                    let items = self.list(value, "jmesPath")?.iter();
                    let paths = items.map(|item| self.path(*item));
                    fields.paths = paths.collect::<Result<_, _>>()?;
                }
                "failoverobject" => self.failover(value, &mut fields.failover)?,
                _ => {}
            }
        }
        let fields = Some(fields);
        Ok(Entry { position, fields })
    }

    fn path(&self, node: usize) -> Result<PathFields, YamlError> {
        let mut fields = PathFields {
            position: self.position(node),
            path: Text::default(),
            alias: Text::default(),
            mode: Text::default(),
        };
        let map = self.fields(node, "an item of jmesPath")?;
        for (key, value) in map.into_iter().flatten() {
            match key.to_ascii_lowercase().as_str() {
                "path" => self.text(value, "path", &mut fields.path)?,
                "objectalias" => self.text(value, "objectAlias", &mut fields.alias)?,
                "filepermission" => self.text(value, "filePermission", &mut fields.mode)?,
                _ => {}
            }
        }
        Ok(fields)
    }

    fn failover(&self, node: usize, fields: &mut FailoverFields) -> Result<(), YamlError> {
        let map = self.fields(node, "failoverObject")?;
        for (key, value) in map.into_iter().flatten() {
            match key.to_ascii_lowercase().as_str() {
                "objectname" => self.text(value, "objectName", &mut fields.name)?,
                "objectversion" => self.text(value, "objectVersion", &mut fields.version)?,
                "objectversionlabel" => {
                    self.text(value, "objectVersionLabel", &mut fields.label)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn position(&self, node: usize) -> TextPosition {
        let node = self.document.nodes.get(node);
        node.map_or(TextPosition { line: 1, column: 1 }, |node| node.position)
    }

    fn content(&self, node: usize) -> Result<&'d Content, YamlError> {
        let null = &Content::Scalar(None);
        let steps = self.steps.get().checked_sub(1);
        let steps = steps.ok_or((
            self.position(node),
            ClassErrorKind::Aliases(MAX_ALIAS_STEPS),
        ))?;
        self.steps.set(steps);
        let node = self.document.nodes.get(node);
        Ok(node.map_or(null, |node| &node.content))
    }

    fn text(&self, node: usize, name: &'static str, field: &mut Text) -> Result<(), YamlError> {
        match self.content(node)? {
            Content::Scalar(None) => return Ok(()),
            Content::Scalar(Some(text)) | Content::Typed(text) => {
                let bytes = self.bytes.get().checked_sub(text.len());
                let too_large = || {
                    let what = "bytes in its aliases";
                    let limit = MAX_ALIAS_BYTES;
                    (
                        self.position(node),
                        ClassErrorKind::TooLarge { what, limit },
                    )
                };
                self.bytes.set(bytes.ok_or_else(too_large)?);
                field.value.clone_from(text);
            }
            Content::MergeKey => "<<".clone_into(&mut field.value),
            Content::Map(_) | Content::Sequence(_) => {
                return Err((self.position(node), ClassErrorKind::NotText(name)));
            }
        }
        field.position = Some(self.position(node));
        Ok(())
    }

    /// The items of a list; none of null.
    fn list(&self, node: usize, name: &'static str) -> Result<&'d [usize], YamlError> {
        match self.content(node)? {
            Content::Sequence(items) => Ok(items),
            Content::Scalar(None) => Ok(&[]),
            _ => Err((self.position(node), ClassErrorKind::NotList(name))),
        }
    }

    /// The keys and values of a map, in the order of the keys; `None` for null.
    fn fields(
        &self,
        node: usize,
        name: &'static str,
    ) -> Result<Option<BTreeMap<&'d str, usize>>, YamlError> {
        match self.content(node)? {
            Content::Map(entries) => {
                let mut fields = BTreeMap::new();
                self.add_fields(entries, &mut fields, MAX_MERGES)?;
                Ok(Some(fields))
            }
            Content::Scalar(None) => Ok(None),
            _ => Err((self.position(node), ClassErrorKind::NotMap(name))),
        }
    }

    /// Adds keys and values in their order. What comes later replaces what came before, that of merge keys too.
    fn add_fields(
        &self,
        entries: &'d [(usize, usize)],
        fields: &mut BTreeMap<&'d str, usize>,
        depth: usize,
    ) -> Result<(), YamlError> {
        for (key, value) in entries {
            match self.content(*key)? {
                Content::Scalar(Some(text)) => {
                    fields.insert(text.as_str(), *value);
                }
                // No field has such a name.
                Content::Typed(_) => {}
                Content::MergeKey => self.merge(*value, fields, depth)?,
                Content::Scalar(None) | Content::Map(_) | Content::Sequence(_) => {
                    return Err((self.position(*key), ClassErrorKind::NotKey));
                }
            }
        }
        Ok(())
    }

    fn merge(
        &self,
        node: usize,
        fields: &mut BTreeMap<&'d str, usize>,
        depth: usize,
    ) -> Result<(), YamlError> {
        let wrong = || (self.position(node), ClassErrorKind::Merge);
        let depth = depth.checked_sub(1).ok_or_else(wrong)?;
        let maps = match self.content(node)? {
            Content::Map(entries) => return self.add_fields(entries, fields, depth),
            Content::Sequence(maps) => maps,
            _ => return Err(wrong()),
        };
        // The first map counts most.
        for map in maps.iter().rev() {
            match self.content(*map)? {
                Content::Map(entries) => self.add_fields(entries, fields, depth)?,
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }
}
