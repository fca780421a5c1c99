//! The verdicts on a list of objects: first those of the provider, in its order, then those that it lacks.

use kees_common::Service;

use crate::{
    arn::{self, Arn},
    entries::{Entry, Fields, PathFields, Text},
    error::{ClassErrorKind, FileError, TextPosition},
    expression,
    mount::{Extract, File, Mode, Object, Selector},
    translation::{Translation, check_in_volume, has_dot_dot},
    unique::Names,
};

/// What objects are checked against.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) translation: Translation,
    /// `None` if it is not known.
    pub(crate) region: Option<&'a str>,
    pub(crate) failover_region: Option<&'a str>,
}

/// The most errors of a list that are reported.
const MAX_ERRORS: usize = 100;

/// An error within the list.
pub(crate) type EntryError = (TextPosition, ClassErrorKind);

/// An object, and where it and its files are in the list.
struct Checked {
    object: Object,
    positions: Vec<TextPosition>,
}

/// Makes objects of the entries, or finds all errors. The first error is the one that the provider reports, if it
/// refuses the list.
pub(crate) fn objects(
    entries: &[Entry],
    rules: &Rules<'_>,
) -> Result<Vec<Object>, Vec<EntryError>> {
    let mut errors = Errors::default();
    let mut own = Errors::default();
    let mut names = Names::default();
    let mut checked = Vec::new();
    for entry in entries {
        let Some(fields) = &entry.fields else {
            errors.add((entry.position, ClassErrorKind::EmptyEntry));
            continue;
        };
        let object = object(entry.position, fields, rules);
        let object = object.and_then(|object| {
            let added = names.add(fields);
            added.map_err(|(text, kind)| (at(text, entry.position), kind))?;
            Ok(object)
        });
        match object {
            Ok(object) => {
                own_errors(entry.position, fields, &object, &mut own);
                let positions = positions(entry.position, fields);
                checked.push(Checked { object, positions });
            }
            Err(error) => errors.add(error),
        }
    }
    file_conflicts(&checked, &mut own);
    let errors = errors.with(own);
    if errors.is_empty() {
        Ok(checked.into_iter().map(|checked| checked.object).collect())
    } else {
        Err(errors)
    }
}

/// The first errors, and how many others there are. A list of a megabyte can have half a million.
#[derive(Default)]
struct Errors {
    errors: Vec<EntryError>,
    /// Where the first of the others is, and their number.
    others: Option<(TextPosition, usize)>,
}

impl Errors {
    fn add(&mut self, error: EntryError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        } else {
            self.others.get_or_insert((error.0, 0)).1 += 1;
        }
    }

    /// These errors, then those of `more`.
    fn with(mut self, more: Self) -> Vec<EntryError> {
        for error in more.errors {
            self.add(error);
        }
        let count = [self.others, more.others].into_iter().flatten();
        let count = count.reduce(|(position, a), (_, b)| (position, a + b));
        let others = count.map(|(position, count)| (position, ClassErrorKind::Others(count)));
        self.errors.extend(others);
        self.errors
    }
}

fn at(text: &Text, entry: TextPosition) -> TextPosition {
    text.position.unwrap_or(entry)
}

/// The provider's verdicts on one object.
fn object(entry: TextPosition, fields: &Fields, rules: &Rules<'_>) -> Result<Object, EntryError> {
    let Fields {
        name,
        alias,
        version,
        label,
        object_type,
        mode,
        paths,
        failover,
    } = fields;
    if name.is_empty() {
        return Err((at(name, entry), ClassErrorKind::NoName));
    }
    let of_object = service(entry, name, object_type, rules.region)?;
    let is_parameter = of_object == Service::ParameterStore;
    let both =
        |version: &Text, label: &Text| is_parameter && !version.is_empty() && !label.is_empty();
    let version_and_label = || ClassErrorKind::VersionAndLabel(name.value.clone());
    if both(version, label) {
        return Err((at(label, entry), version_and_label()));
    }
    let shown = if alias.is_empty() { name } else { alias };
    let path = rules.translation.path(&shown.value);
    if has_dot_dot(&path) {
        let kind = ClassErrorKind::DotDot(name.value.clone());
        return Err((at(shown, entry), kind));
    }
    let mode = read_mode(mode, Mode::DEFAULT)?;
    let extracts = paths.iter().map(|path| extract(path, mode, rules));
    let extracts: Vec<_> = extracts.collect::<Result<_, _>>()?;
    if !failover.name.is_empty() {
        let of_failover = |kind| (at(&failover.name, entry), kind);
        if alias.is_empty() {
            let kind = ClassErrorKind::FailoverAlias(name.value.clone());
            return Err(of_failover(kind));
        }
        let Some(region) = rules.failover_region else {
            let kind = ClassErrorKind::FailoverRegion(name.value.clone());
            return Err(of_failover(kind));
        };
        service(entry, &failover.name, object_type, Some(region))?;
        if both(&failover.version, &failover.label) {
            return Err((at(&failover.label, entry), version_and_label()));
        }
        if failover.version.value != version.value {
            let kind = ClassErrorKind::FailoverVersion(name.value.clone());
            return Err((at(&failover.version, entry), kind));
        }
    }
    let selector = selector(name, version, label);
    Ok(Object {
        service: of_object,
        failover: failover_selector(fields, &selector, rules),
        selector,
        file: File { path, mode },
        extracts,
    })
}

/// What is read in the failover Region: what `failoverObject` names, else what the object names.
fn failover_selector(fields: &Fields, primary: &Selector, rules: &Rules<'_>) -> Option<Selector> {
    rules.failover_region?;
    let failover = &fields.failover;
    let selector = Selector {
        name: failover.name.some().unwrap_or(primary.name.clone()),
        version: failover.version.some().or(primary.version.clone()),
        label: failover.label.some().or(primary.label.clone()),
    };
    Some(selector).filter(|selector| selector != primary)
}

fn selector(name: &Text, version: &Text, label: &Text) -> Selector {
    Selector {
        name: name.value.clone(),
        version: version.some(),
        label: label.some(),
    }
}

/// The service of an object, after the checks of its name. An ARN must be of `region`, if that is known.
fn service(
    entry: TextPosition,
    name: &Text,
    object_type: &Text,
    region: Option<&str>,
) -> Result<Service, EntryError> {
    let of_name = |kind| (at(name, entry), kind);
    let of_type = |kind| (at(object_type, entry), kind);
    let text = || name.value.clone();
    let arn = if arn::is_arn(&name.value) {
        let arn = Arn::read(&name.value);
        Some(arn.ok_or_else(|| of_name(ClassErrorKind::Arn(text())))?)
    } else {
        None
    };
    let elsewhere = |arn: &Arn<'_>| region.filter(|region| arn.region != *region);
    if let Some(region) = arn.as_ref().and_then(elsewhere) {
        let (name, region) = (text(), region.to_owned());
        return Err(of_name(ClassErrorKind::ArnRegion { name, region }));
    }
    let of_arn = arn.as_ref().and_then(Arn::service);
    if object_type.is_empty() {
        let Some(arn) = arn else {
            return Err(of_name(ClassErrorKind::NoType(text())));
        };
        let unknown = || of_name(ClassErrorKind::ArnService(arn.service.to_owned()));
        return of_arn.ok_or_else(unknown);
    }
    let service = arn::service_of_type(&object_type.value);
    let service =
        service.ok_or_else(|| of_type(ClassErrorKind::Type(object_type.value.clone())))?;
    // To the provider, a service that it does not know is Parameter Store.
    let is_of_arn = service == of_arn.unwrap_or(Service::ParameterStore);
    if arn.is_some() && !is_of_arn {
        return Err(of_type(ClassErrorKind::TypeOfArn(text())));
    }
    Ok(service)
}

fn read_mode(text: &Text, default: Mode) -> Result<Mode, EntryError> {
    if text.is_empty() {
        return Ok(default);
    }
    let position = text.position.unwrap_or(TextPosition { line: 1, column: 1 });
    Mode::read(&text.value).ok_or_else(|| (position, ClassErrorKind::Mode(text.value.clone())))
}

fn extract(fields: &PathFields, mode: Mode, rules: &Rules<'_>) -> Result<Extract, EntryError> {
    if fields.path.is_empty() {
        return Err((at(&fields.path, fields.position), ClassErrorKind::NoPath));
    }
    if fields.alias.is_empty() {
        let position = at(&fields.alias, fields.position);
        return Err((position, ClassErrorKind::NoPathAlias));
    }
    let mode = read_mode(&fields.mode, mode)?;
    let path = rules.translation.path(&fields.alias.value);
    Ok(Extract {
        expression: fields.path.value.clone(),
        file: File { path, mode },
    })
}

/// Where the files of an object come from.
fn positions(entry: TextPosition, fields: &Fields) -> Vec<TextPosition> {
    let file = if fields.alias.is_empty() {
        &fields.name
    } else {
        &fields.alias
    };
    let extracts = fields.paths.iter();
    let extracts = extracts.map(|path| at(&path.alias, path.position));
    std::iter::once(at(file, entry)).chain(extracts).collect()
}

/// What the provider accepts although it cannot work.
fn own_errors(entry: TextPosition, fields: &Fields, object: &Object, errors: &mut Errors) {
    for (file, position) in object.files().zip(positions(entry, fields)) {
        if let Err(reason) = check_in_volume(file) {
            errors.add((position, file_error(file, reason)));
        }
    }
    let names = [&fields.name, &fields.failover.name];
    let names = names.into_iter().filter(|name| !name.is_empty());
    for name in names.filter(|_| object.service == Service::ParameterStore) {
        let resource = Arn::read(&name.value).filter(|_| arn::is_arn(&name.value));
        let resource = resource.map_or(name.value.as_str(), |arn| arn.resource);
        if resource.contains(':') {
            let kind = ClassErrorKind::ParameterSelector(name.value.clone());
            errors.add((at(name, entry), kind));
        }
    }
    let failover = &fields.failover.name;
    let of_failover = Arn::read(&failover.value).filter(|_| arn::is_arn(&failover.value));
    let of_failover = of_failover.and_then(|arn| arn.service());
    if let Some(of_failover) = of_failover.filter(|service| *service != object.service) {
        let kind = ClassErrorKind::FailoverService {
            primary: object.service,
            failover: of_failover,
        };
        errors.add((at(failover, entry), kind));
    }
    for fields in &fields.paths {
        if let Err(reason) = expression::check(&fields.path.value) {
            let kind = ClassErrorKind::Expression {
                path: fields.path.value.clone(),
                reason,
            };
            errors.add((at(&fields.path, fields.position), kind));
        }
    }
}

fn file_error(file: &File, reason: FileError) -> ClassErrorKind {
    let file = file.path.clone();
    ClassErrorKind::File { file, reason }
}

/// Files of two objects at one path, and files where another object needs a folder.
fn file_conflicts(checked: &[Checked], own: &mut Errors) {
    let files = checked.iter().flat_map(|checked| {
        let positions = checked.positions.iter().copied();
        checked.object.files().zip(positions)
    });
    let mut files: Vec<_> = files.map(|(file, at)| (file.path.as_str(), at)).collect();
    // A file is followed by what is in the folder of its name. Equal paths stay in the order of the list.
    files.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    let mut errors = Vec::new();
    let mut first: Option<(&str, TextPosition)> = None;
    for (path, position) in files {
        let Some((before, before_position)) = first else {
            first = Some((path, position));
            continue;
        };
        let file = before.to_owned();
        let (line, later) = (
            before_position.min(position).line,
            before_position.max(position),
        );
        if path == before {
            errors.push((later, ClassErrorKind::SameFile { file, line }));
            continue;
        }
        let rest = path.strip_prefix(before);
        if rest.is_some_and(|rest| rest.starts_with('/')) {
            errors.push((later, ClassErrorKind::FileIsFolder { file, line }));
        }
        first = Some((path, position));
    }
    errors.sort_by_key(|(position, _)| *position);
    for error in errors {
        own.add(error);
    }
}
