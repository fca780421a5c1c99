//! Which file each entry is written to, and which entries would have the same file or variable.

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    path::{Path, PathBuf},
};

use crate::{
    entry::{Entry, Source},
    error::{AnnotationError, AnnotationErrorKind},
    name::EntryName,
    options::{FileOptions, FilePath, MountPath},
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

    /// The folder of all files that the pod's options name.
    pub fn folder(&self) -> &Path {
        self.secrets.parent().unwrap_or(Path::new(""))
    }

    /// The file with the raw bytes of `entry`. Each resource and lease has one, with
    /// [`Format::Files`] each secret, and each entry that an option places. `None` for an entry with
    /// a value for each member ([`Layout::member_file`]).
    pub fn own_file(&self, entry: &Entry, files: &FileOptions) -> Option<PathBuf> {
        if entry.has_every_member() {
            return None;
        }
        let name = entry.name.as_str();
        match files.placing(entry) {
            Some(placed) => {
                let path = placed.path.as_ref().map_or(name, FilePath::as_str);
                Some(self.folder().join(path))
            }
            None => Some(self.own_folder(entry)?.join(name)),
        }
    }

    /// The file of the value `name`, a member of `entry`.
    pub fn member_file(&self, entry: &Entry, name: &str) -> Option<PathBuf> {
        Some(self.own_folder(entry)?.join(name))
    }

    /// The folder of the entry's own files, if it has any without an option.
    fn own_folder(&self, entry: &Entry) -> Option<&Path> {
        match entry.source {
            Source::Resource(_) => Some(&self.resources_folder),
            Source::Lease(_) => Some(&self.leases_folder),
            Source::Secret(_) if self.format == Format::Files => Some(self.folder()),
            Source::Secret(_) => None,
        }
    }

    /// The errors of entries and options that have the same file, or the file of a list, of entries
    /// that have the same shell variable in one list, and of options that name no entry.
    pub fn check(&self, entries: &[Entry], files: &FileOptions) -> Vec<AnnotationError> {
        let mut errors = self.shared_files(entries, files);
        if self.format.has_variables() {
            errors.extend(shared_variables(entries));
        }
        errors.extend(misnamed(entries, files));
        errors
    }

    fn shared_files(&self, entries: &[Entry], files: &FileOptions) -> Vec<AnnotationError> {
        let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
        if self.format != Format::Files {
            taken.insert(self.secrets.clone(), "the list of secrets");
            taken.insert(self.resources.clone(), "the list of resources");
            taken.insert(self.leases.clone(), "the list of leases");
        }
        let own = entries.iter().filter_map(|entry| {
            let placed = files.placing(entry);
            let annotation = placed.map_or(&entry.annotation, |placed| &placed.annotation);
            Some((self.own_file(entry, files)?, annotation.as_str()))
        });
        let rendered = files.templates.iter();
        let rendered = rendered.map(|template| {
            let file = self.folder().join(template.name.as_str());
            (file, template.annotation.as_str())
        });
        let keystores = files.keystores.iter();
        let keystores = keystores.map(|keystore| {
            let file = self.folder().join(keystore.name.as_str());
            (file, keystore.annotation.as_str())
        });
        let mut errors = Vec::new();
        for (file, annotation) in own.chain(rendered).chain(keystores) {
            match taken.entry(file) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(annotation);
                }
                btree_map::Entry::Occupied(other) => {
                    let kind = AnnotationErrorKind::SameFile {
                        file: other.key().display().to_string(),
                        by: (*other.get()).to_owned(),
                    };
                    errors.push(kind.at(annotation));
                }
            }
        }
        errors.extend(folders_of_others(&taken));
        errors
    }
}

/// The errors of files whose folder is the file of another.
fn folders_of_others(taken: &BTreeMap<PathBuf, &str>) -> Vec<AnnotationError> {
    let error = |(file, annotation): (&PathBuf, &&str)| {
        let mut folders = file.ancestors().skip(1);
        let (folder, by) = folders.find_map(|folder| taken.get_key_value(folder))?;
        let kind = AnnotationErrorKind::FolderIsFile {
            folder: folder.display().to_string(),
            by: (*by).to_owned(),
        };
        Some(kind.at(*annotation))
    };
    taken.iter().filter_map(error).collect()
}

/// The errors of options that name no entry, or not exactly one value.
fn misnamed(entries: &[Entry], files: &FileOptions) -> Vec<AnnotationError> {
    let mut by_name: HashMap<_, Vec<&Entry>> = HashMap::new();
    for entry in entries {
        by_name.entry(&entry.name).or_default().push(entry);
    }
    let error = |(annotation, name): (&String, &EntryName)| {
        let kind = match by_name.get(name).map(Vec::as_slice) {
            Some([entry]) if entry.has_every_member() => {
                AnnotationErrorKind::EveryMember(entry.name.to_string())
            }
            Some([_]) => return None,
            Some([one, other, ..]) => AnnotationErrorKind::SameName {
                one: one.annotation.clone(),
                other: other.annotation.clone(),
            },
            Some([]) | None => AnnotationErrorKind::NoEntry(name.to_string()),
        };
        Some(kind.at(annotation))
    };
    let placed = files.placed.values();
    let placed = placed.map(|file| (&file.annotation, &file.entry));
    let of_keystores = files.keystores.iter().flat_map(|keystore| {
        let names = keystore.entries().into_iter();
        names.map(|name| (&keystore.annotation, name))
    });
    placed.chain(of_keystores).filter_map(error).collect()
}

fn shared_variables(entries: &[Entry]) -> Vec<AnnotationError> {
    let mut taken = BTreeMap::new();
    let mut errors = Vec::new();
    // The variables of members are known when the value is read.
    for entry in entries.iter().filter(|entry| !entry.has_every_member()) {
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
            .check(&parsed.entries, &parsed.options.files)
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

    /// Each annotation at error and the message, for options that place files.
    fn messages(format: Format, annotations: &[(&str, &str)]) -> Vec<String> {
        let domain: Domain = "d".parse().unwrap();
        let parsed = Parsed::from_annotations(&domain, annotations.iter().copied());
        assert_eq!((parsed.errors, parsed.warnings), (vec![], vec![]));
        let layout = Layout::under(&MountPath::default(), format);
        let errors = layout.check(&parsed.entries, &parsed.options.files);
        errors.iter().map(ToString::to_string).collect()
    }

    const SECRET: (&str, &str) = ("secret.d/a", "kind=REFERENCE");

    #[rstest]
    #[case(&[SECRET, ("init.d/file.a", "path=tls/a,mode=0400")], None)]
    #[case(&[SECRET, ("init.d/file.a", "")], None)]
    #[case(
        &[SECRET, ("init.d/file.b", "")],
        Some("init.d/file.b: the pod has no entry b; use the names of its entries, with their fields")
    )]
    #[case(
        &[SECRET, ("resource.d/a", ""), ("init.d/file.a", "path=x")],
        Some("init.d/file.a: resource.d/a and secret.d/a have this name; rename one of them")
    )]
    #[case(
        &[("secret.d/a", "kind=REFERENCE,property=*"), ("init.d/file.a", "path=x")],
        Some("init.d/file.a: the entry a has a value for each member (property=*); name one member with property=")
    )]
    #[case(
        &[SECRET, ("init.d/file.a", "path=secrets.properties")],
        Some("init.d/file.a: its file /bsycorp-init/secrets.properties is also that of the list of secrets; rename one of them")
    )]
    #[case(
        &[SECRET, ("resource.d/b", ""), ("init.d/file.a", "path=b/c")],
        Some("init.d/file.a: its folder /bsycorp-init/b is also the file of resource.d/b; rename one of them")
    )]
    #[case(&[SECRET, ("init.d/template.app.conf", "{{ secret.a }}")], None)]
    #[case(
        &[SECRET, ("init.d/file.a", "path=app.conf"), ("init.d/template.app.conf", "")],
        Some("init.d/template.app.conf: its file /bsycorp-init/app.conf is also that of init.d/file.a; rename one of them")
    )]
    #[case(
        &[SECRET, ("init.d/file.a", "path=leases.properties/c")],
        Some("init.d/file.a: its folder /bsycorp-init/leases.properties is also the file of the list of leases; rename one of them")
    )]
    fn a_placed_entry_has_a_name_and_a_file_that_are_its_own(
        #[case] annotations: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        let messages = messages(Format::Properties, annotations);
        let both_have_the_file = usize::from(annotations.contains(&("resource.d/a", "")));
        assert_eq!(messages.last().map(String::as_str), expected);
        assert_eq!(
            messages.len(),
            usize::from(expected.is_some()) + both_have_the_file
        );
    }

    #[test]
    fn a_placed_entry_has_no_second_file_of_its_own() {
        let domain: Domain = "d".parse().unwrap();
        let annotations = [("resource.d/a", ""), ("init.d/file.a", "path=x/y")];
        let parsed = Parsed::from_annotations(&domain, annotations);
        let layout = Layout::under(&MountPath::default(), Format::Files);
        let file = layout.own_file(&parsed.entries[0], &parsed.options.files);
        assert_eq!(file, Some("/bsycorp-init/x/y".into()));
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
            layout.check(&parsed.entries, &parsed.options.files)[0].to_string(),
            "resource.d/a: its file /bsycorp-init/a is also that of lease.d/a; rename one of them"
        );
    }
}
