//! Which file each entry is written to, and which entries would have the same file or variable.

use std::{
    collections::{BTreeMap, btree_map},
    path::{Path, PathBuf},
};

use crate::{
    entry::{Entry, Source},
    error::{AnnotationError, AnnotationErrorKind},
    options::MountPath,
    output::{Format, variable_name},
};

/// The files of a pod: three lists, and files with the value of one entry each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The format of the lists; [`Format::Files`] has no lists.
    pub format: Format,
    /// The list of secrets. With [`Format::Files`], each secret has a file in its folder.
    pub secrets: PathBuf,
    /// The list of resources.
    pub resources: PathBuf,
    /// The list of leases.
    pub leases: PathBuf,
    /// The folder for each resource's own file.
    pub resources_folder: PathBuf,
    /// The folder for each lease's own file.
    pub leases_folder: PathBuf,
}

impl Layout {
    /// All files in one folder, with the names that the original uses.
    pub fn under(folder: &MountPath, format: Format) -> Self {
        let folder = Path::new(folder.as_str());
        Self {
            format,
            secrets: folder.join("secrets.properties"),
            resources: folder.join("resources.properties"),
            leases: folder.join("leases.properties"),
            resources_folder: folder.to_owned(),
            leases_folder: folder.to_owned(),
        }
    }

    /// The file with the raw bytes of `entry`. Each resource and lease has one, and with
    /// [`Format::Files`] each secret.
    pub fn own_file(&self, entry: &Entry) -> Option<PathBuf> {
        let folder = match entry.source {
            Source::Resource(_) => &self.resources_folder,
            Source::Lease(_) => &self.leases_folder,
            Source::Secret(_) if self.format == Format::Files => {
                self.secrets.parent().unwrap_or(Path::new(""))
            }
            Source::Secret(_) => return None,
        };
        Some(folder.join(entry.name.as_str()))
    }

    /// The errors of entries that have the same file, or the file of a list, and of entries that
    /// have the same shell variable in one list.
    pub fn check(&self, entries: &[Entry]) -> Vec<AnnotationError> {
        let mut errors = self.shared_files(entries);
        if self.format.has_variables() {
            errors.extend(shared_variables(entries));
        }
        errors
    }

    fn shared_files(&self, entries: &[Entry]) -> Vec<AnnotationError> {
        let mut taken = BTreeMap::new();
        if self.format != Format::Files {
            taken.insert(self.secrets.clone(), "the list of secrets");
            taken.insert(self.resources.clone(), "the list of resources");
            taken.insert(self.leases.clone(), "the list of leases");
        }
        let mut errors = Vec::new();
        for entry in entries {
            let Some(file) = self.own_file(entry) else {
                continue;
            };
            match taken.entry(file) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(&entry.annotation);
                }
                btree_map::Entry::Occupied(other) => {
                    let kind = AnnotationErrorKind::SameFile {
                        file: other.key().display().to_string(),
                        by: (*other.get()).to_owned(),
                    };
                    errors.push(kind.at(&entry.annotation));
                }
            }
        }
        errors
    }
}

fn shared_variables(entries: &[Entry]) -> Vec<AnnotationError> {
    let mut taken = BTreeMap::new();
    let mut errors = Vec::new();
    for entry in entries {
        match taken.entry((entry.word(), variable_name(entry.name.as_str()))) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(&entry.annotation);
            }
            btree_map::Entry::Occupied(other) => {
                let kind = AnnotationErrorKind::SameVariable {
                    variable: other.key().1.clone(),
                    by: (*other.get()).clone(),
                };
                errors.push(kind.at(&entry.annotation));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{Domain, Parsed};

    /// Each annotation at error and the other that its message names.
    fn errors(layout: &Layout, annotations: &[&str]) -> Vec<(String, String)> {
        let domain: Domain = "d".parse().unwrap();
        let value = |key: &str| match key.split('.').next() {
            Some("secret") => "kind=REFERENCE",
            Some("lease") => "kind=INDEX,rangeStart=0,rangeEnd=9",
            _ => "",
        };
        let parsed =
            Parsed::from_annotations(&domain, annotations.iter().map(|key| (*key, value(key))));
        assert_eq!(
            (parsed.entries.len(), parsed.errors),
            (annotations.len(), vec![])
        );
        layout
            .check(&parsed.entries)
            .into_iter()
            .map(|error| match error.kind {
                AnnotationErrorKind::SameFile { by, .. }
                | AnnotationErrorKind::SameVariable { by, .. } => (error.annotation, by),
                other => panic!("{other}"),
            })
            .collect()
    }

    #[rstest]
    #[case(Format::Properties, &["lease.d/a", "resource.d/a"], Some(("resource.d/a", "lease.d/a")))]
    #[case(Format::Properties, &["resource.d/a", "secret.d/a"], None)]
    #[case(Format::Files, &["resource.d/a", "secret.d/a"], Some(("secret.d/a", "resource.d/a")))]
    #[case(Format::Files, &["lease.d/a", "secret.d/a"], Some(("secret.d/a", "lease.d/a")))]
    #[case(
        Format::Json,
        &["resource.d/secrets.properties"],
        Some(("resource.d/secrets.properties", "the list of secrets"))
    )]
    #[case(
        Format::Properties,
        &["lease.d/resources.properties"],
        Some(("lease.d/resources.properties", "the list of resources"))
    )]
    #[case(
        Format::Env,
        &["resource.d/leases.properties"],
        Some(("resource.d/leases.properties", "the list of leases"))
    )]
    #[case(Format::Files, &["secret.d/secrets.properties"], None)]
    #[case(Format::Properties, &["secret.d/secrets.properties"], None)]
    #[case(Format::Env, &["secret.d/a-b", "secret.d/a.b"], Some(("secret.d/a.b", "secret.d/a-b")))]
    #[case(Format::Env, &["resource.d/a-b", "secret.d/a.b"], None)]
    #[case(Format::Json, &["secret.d/a-b", "secret.d/a.b"], None)]
    fn entries_with_one_file_or_variable_are_an_error(
        #[case] format: Format,
        #[case] annotations: &[&str],
        #[case] error: Option<(&str, &str)>,
    ) {
        let layout = Layout::under(&MountPath::default(), format);
        let expected: Vec<_> = error
            .into_iter()
            .map(|(at, by)| (at.to_owned(), by.to_owned()))
            .collect();
        assert_eq!(errors(&layout, annotations), expected);
    }

    #[test]
    fn folders_apart_keep_one_name_apart() {
        let layout = Layout {
            resources_folder: "/r/".into(),
            leases_folder: "/l".into(),
            ..Layout::under(&MountPath::default(), Format::Properties)
        };
        assert_eq!(errors(&layout, &["lease.d/a", "resource.d/a"]), []);
        let layout = Layout {
            leases_folder: "/r".into(),
            ..layout
        };
        assert_eq!(errors(&layout, &["lease.d/a", "resource.d/a"]).len(), 1);
    }

    #[test]
    fn a_message_names_the_file_and_the_other() {
        let domain: Domain = "d".parse().unwrap();
        let lease = "kind=INDEX,rangeStart=0,rangeEnd=9";
        let parsed =
            Parsed::from_annotations(&domain, [("resource.d/a", ""), ("lease.d/a", lease)]);
        let layout = Layout::under(&MountPath::default(), Format::Properties);
        assert_eq!(
            layout.check(&parsed.entries)[0].to_string(),
            "resource.d/a: its file /bsycorp-init/a is also that of lease.d/a; rename one of them"
        );
    }
}
