//! What a Kubernetes Secret would have in it, as far as it is known without a value: its type, and where the value of each
//! key comes from.

use std::collections::BTreeMap;

use kees_common::{Encoding, Entry, Locator, StoreName};

use crate::error::excerpt;

/// The most differences that a message names.
const MOST: usize = 3;

/// What a Secret would have in it. It has no `Debug`: an entry of local mode has its value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) secret_type: String,
    /// Labels and annotations that a class asks for. `None`: annotations of the pod ask for the Secret.
    pub(crate) metadata: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    pub(crate) keys: BTreeMap<String, KeySource>,
}

/// Where the value of a key comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// An entry.
    Entry(Box<EntrySource>),
    /// A template, and the entries that it uses.
    Template(String, Vec<(String, EntrySource)>),
    /// A file of a class.
    File(Box<FileSource>),
}

/// Where the value of an entry comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EntrySource {
    /// The store, and the place in it. `None` in local mode.
    pub(crate) stored: Option<(StoreName, Locator)>,
    /// The entry, if its own value may be used.
    pub(crate) local: Option<Entry>,
    pub(crate) encoding: Encoding,
}

/// Where the content of a file of a class comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct FileSource {
    /// The Region and the failover Region.
    pub(crate) regions: (Option<String>, Option<String>),
    /// The service, the name with its version, and those of the failover Region.
    pub(crate) object: String,
    /// The JMESPath expression, if the file is a part of the value.
    pub(crate) expression: Option<String>,
}

impl Content {
    /// How this content (`here`) differs from another one (`there`). `None` if it is the same. It has no value and no
    /// template in it.
    pub(crate) fn difference(&self, there: &Self) -> Option<String> {
        if self == there {
            return None;
        }
        let mut all = Vec::new();
        if self.secret_type != there.secret_type {
            let (here, there) = (excerpt(&self.secret_type), excerpt(&there.secret_type));
            all.push(format!("the type is {here} here and {there} there"));
        }
        for (key, source) in &self.keys {
            let key = excerpt(key);
            match there.keys.get(key.as_str()) {
                None => all.push(format!("only this pod wants the key {key}")),
                Some(other) if other != source => {
                    all.push(format!("the key {key} is {}", source.difference(other)));
                }
                Some(_) => {}
            }
        }
        let only_there = there
            .keys
            .keys()
            .filter(|key| !self.keys.contains_key(*key));
        all.extend(
            only_there.map(|key| format!("only the other pod wants the key {}", excerpt(key))),
        );
        if all.is_empty() {
            let differs = match (&self.metadata, &there.metadata) {
                (Some(_), Some(_)) => "the classes give it other labels or annotations",
                _ => "a class asks for it in one pod, and annotations in the other",
            };
            all.push(differs.to_owned());
        }
        let more = all.len().saturating_sub(MOST);
        all.truncate(MOST);
        if more > 0 {
            all.push(format!("{more} more"));
        }
        Some(all.join(", "))
    }
}

impl KeySource {
    fn difference(&self, there: &Self) -> String {
        match (self, there) {
            (Self::Template(one, _), Self::Template(other, _)) if one != other => {
                "another template".to_owned()
            }
            (Self::Template(_, entries), Self::Template(_, others)) => {
                let mut pairs = entries.iter().zip(others);
                let differs = pairs.find(|(one, other)| one != other);
                match differs {
                    Some(((name, one), (_, other))) => {
                        format!(
                            "a template with {}: {}",
                            excerpt(name),
                            two(&one.shown(), &other.shown())
                        )
                    }
                    None => "a template with other entries".to_owned(),
                }
            }
            _ => two(&self.shown(), &there.shown()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Entry(entry) => entry.shown(),
            Self::Template(..) => "a template".to_owned(),
            Self::File(file) => file.shown(),
        }
    }
}

/// Both places. If they read alike, something else of them differs.
fn two(here: &str, there: &str) -> String {
    if here == there {
        format!("{here}, but not in the same version, Region or encoding")
    } else {
        format!("{here} here and {there} there")
    }
}

impl EntrySource {
    fn shown(&self) -> String {
        let Some((store, locator)) = &self.stored else {
            return "a value of local mode".to_owned();
        };
        let path = excerpt(locator.name_in(*store).as_str());
        let member = locator.member.as_ref().filter(|_| store.has_members());
        let part = member.map(|member| member.field.to_string());
        match locator
            .property
            .clone()
            .or(part)
            .filter(|part| !part.is_empty())
        {
            Some(part) => format!("{} of {path} ({store})", excerpt(&part)),
            None => format!("{path} ({store})"),
        }
    }
}

impl FileSource {
    fn shown(&self) -> String {
        let object = excerpt(&self.object);
        match &self.expression {
            Some(expression) => format!("{} of {object}", excerpt(expression)),
            None => object,
        }
    }
}
