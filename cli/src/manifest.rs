//! Manifests: reading YAML documents and printing them.
//!
//! Documents are read as `kubectl` reads them: octal numbers as in YAML 1.1 (`defaultMode: 0400`),
//! `yes` and `no` as booleans. JSON is read too, because it is YAML.

use std::{
    fs,
    io::{self, Read as _},
    mem,
    path::{Path, PathBuf},
    rc::Rc,
};

use serde_json::Value;
use serde_saphyr::{Budget, Options, SerializerOptions, Spanned, UserMessageFormatter};

use crate::{
    error::{CliError, CliErrorKind},
    files,
    location::Location,
    place::Place,
    source::Source,
};

/// The most bytes of a file. The API server accepts 3 MiB in a request.
const MAX_BYTES: usize = 16 << 20;

/// The most parser events that aliases (`*x`) of a file may stand for.
const MAX_ALIAS_EVENTS: usize = 100_000;

/// One document that is not empty.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) location: Location,
    /// The text of its file.
    pub(crate) source: Rc<Source>,
    pub(crate) value: Value,
}

impl Document {
    /// The location of `place` in the object to which `pointer` leads. `object` is the location of the
    /// object.
    pub(crate) fn locate(&self, object: &Location, pointer: &str, place: &Place) -> Location {
        object.of_place(&self.source, self.location.line, pointer, place)
    }
}

/// All documents of all files.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    pub(crate) documents: Vec<Document>,
    /// The files that were read, in their order.
    pub(crate) files: Vec<String>,
    /// What is wrong with the files.
    pub(crate) errors: Vec<CliError>,
}

/// Reads all documents of the files that `arguments` name, and finds everything that is wrong with
/// them.
pub(crate) fn read(arguments: &[PathBuf]) -> Manifests {
    let (files, errors) = files::find(arguments);
    let mut manifests = Manifests {
        errors,
        ..Manifests::default()
    };
    for path in files {
        let file = files::file(&path);
        match read_text(&path) {
            Ok(text) => {
                let (documents, errors) = parse_file(&file, text);
                manifests.documents.extend(documents);
                manifests.errors.extend(errors);
            }
            Err(error) => manifests.errors.push(error.at(&file)),
        }
        manifests.files.extend(file.file);
    }
    manifests
}

/// Reads a file as text. A file that is too large is not read to its end.
fn read_text(path: &Path) -> Result<String, CliErrorKind> {
    let is_standard_input = files::is_standard_input(path);
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES + 1).unwrap_or(u64::MAX);
    let read = if is_standard_input {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    if read.map_err(CliErrorKind::ReadFile)? > MAX_BYTES {
        return Err(CliErrorKind::TooLarge(MAX_BYTES));
    }
    if is_standard_input && bytes.trim_ascii().is_empty() {
        return Err(CliErrorKind::EmptyInput);
    }
    String::from_utf8(bytes).map_err(|_| CliErrorKind::NotUtf8)
}

/// Parses the documents of one file. The YAML parser stops at the first error; the documents are then
/// parsed one by one, so that every document with an error is reported.
fn parse_file(file: &Location, text: String) -> (Vec<Document>, Vec<CliError>) {
    let source = Rc::new(Source::new(text));
    let text = source.text();
    let error = match parse(file, &source, text, 0) {
        Ok(documents) => return (documents, Vec::new()),
        Err(error) => error,
    };
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for (line, document) in split_documents(text) {
        match parse(file, &source, document, line) {
            Ok(parsed) => documents.extend(parsed),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        // The error concerns the file as a whole, for example its size.
        (Vec::new(), vec![error])
    } else {
        (documents, errors)
    }
}

/// Splits a file before each `---`, as `kubectl` does. Each document has the number of lines before it.
fn split_documents(text: &str) -> Vec<(u64, &str)> {
    let mut documents = Vec::new();
    let mut start = (0, 0);
    let mut end = 0;
    // Comments and directives (`%YAML`) belong to the document that follows them.
    let mut has_content = false;
    for (index, line) in (0..).zip(text.split_inclusive('\n')) {
        if has_content && is_separator(line) {
            let (lines, byte) = mem::replace(&mut start, (index, end));
            documents.push((lines, &text[byte..end]));
        }
        has_content |= !line.trim_end().is_empty() && !line.starts_with(['#', '%']);
        end += line.len();
    }
    let (lines, byte) = start;
    documents.push((lines, &text[byte..]));
    documents
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Parses `text`, which is that of `source` or a part of it after `before` lines.
fn parse(
    file: &Location,
    source: &Rc<Source>,
    text: &str,
    before: u64,
) -> Result<Vec<Document>, CliError> {
    let at_line = |line: u64| Location {
        line: Some(before + line),
        ..file.clone()
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Value>>(text, options());
    let documents = documents.map_err(|error| {
        let error = error.without_snippet();
        if let Some(aliases) = too_many_aliases(error) {
            return aliases.at(&at_line(
                error.location().map_or(1, |location| location.line()),
            ));
        }
        let message = error.render_with_formatter(&UserMessageFormatter);
        let Some(location) = error.location() else {
            return CliErrorKind::Yaml(message).at(file);
        };
        let (line, column) = (location.line(), location.column());
        // The position is at the beginning of the line that is printed.
        let position = format!(" at line {line}, column {column}");
        let message = message.strip_suffix(&position).unwrap_or(&message);
        let location = Location {
            column: Some(column),
            ..at_line(line)
        };
        // A template that is not rendered: `name: {{ .Release.Name }}`.
        if text.contains("{{") {
            return CliErrorKind::Template(message.to_owned()).at(&location);
        }
        CliErrorKind::Yaml(message.to_owned()).at(&location)
    })?;
    Ok(documents
        .into_iter()
        .map(|document| Document {
            location: at_line(document.referenced.line()),
            source: Rc::clone(source),
            value: document.value,
        })
        .collect())
}

/// The error about a document whose aliases stand for too much.
fn too_many_aliases(error: &serde_saphyr::Error) -> Option<CliErrorKind> {
    match error {
        serde_saphyr::Error::AliasError { error, .. } => too_many_aliases(error),
        serde_saphyr::Error::AliasReplayLimitExceeded { .. } => {
            Some(CliErrorKind::Aliases(MAX_ALIAS_EVENTS))
        }
        _ => None,
    }
}

/// The limits are for files of up to [`MAX_BYTES`]: a node has two bytes or more. Only anchors can
/// make a document larger than its text.
fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_documents = MAX_BYTES;
    budget.max_nodes = MAX_BYTES;
    budget.max_events = MAX_BYTES;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = MAX_ALIAS_EVENTS;
    options.legacy_octal_numbers = true;
    options.with_snippet = false;
    options.emit_comments = false;
    options
}

/// Prints documents as YAML, with `---` between them.
///
/// # Errors
/// The error of the YAML library.
pub(crate) fn print(documents: &[Document]) -> Result<String, CliErrorKind> {
    let mut options = SerializerOptions::default();
    // Long lines are not folded.
    options.folded_wrap_chars = usize::MAX;
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    serde_saphyr::to_string_multiple_with_options(&values, options)
        .map_err(|error| CliErrorKind::Yaml(error.to_string()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn documents(text: &str) -> Vec<Document> {
        parsed(text).unwrap()
    }

    fn parsed(text: &str) -> Result<Vec<Document>, CliError> {
        let source = Rc::new(Source::new(text.to_owned()));
        parse(&Location::default(), &source, text, 0)
    }

    fn printed(text: &str) -> String {
        print(&documents(text)).unwrap()
    }

    #[test]
    fn empty_documents_are_skipped_and_lines_are_kept() {
        let lines: Vec<_> = documents("# one\n---\nkind: A\n---\n---\n# b\n---\nkind: B\n")
            .into_iter()
            .map(|document| (document.location.line.unwrap(), document.value))
            .collect();
        assert_eq!(
            lines,
            [(3, json!({"kind": "A"})), (8, json!({"kind": "B"}))]
        );
    }

    #[rstest]
    #[case("mode: 0400", "mode: 256\n")]
    #[case(
        "b: \"yes\"\na: \"0400\"\nc: '1e3'",
        "b: \"yes\"\na: \"0400\"\nc: \"1e3\"\n"
    )]
    #[case("a: &x {k: 1}\nb: *x", "a:\n  k: 1\nb:\n  k: 1\n")]
    #[case(
        "{\"kind\": \"A\", \"big\": 12345678901234567890}",
        "kind: A\nbig: 12345678901234567890\n"
    )]
    #[case("a: |\n  one\n  two\n", "a: |\n  one\n  two\n")]
    #[case("a: 1\n---\nb: 2\n", "a: 1\n---\nb: 2\n")]
    fn printed_documents_mean_the_same_as_the_documents_that_were_read(
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(printed(text), expected);
        assert_eq!(
            documents(expected)[0].value,
            documents(text)[0].value,
            "{expected}"
        );
    }

    #[test]
    fn a_long_line_stays_one_line() {
        let long = format!("a: {}\n", "word ".repeat(40).trim());
        assert_eq!(printed(&long), long);
    }

    #[rstest]
    #[case("kind: A\nb: [1,\nc: d\n", 2)]
    #[case("a: 1\na: 2\n", 2)]
    #[case("a: *nothing\n", 1)]
    #[case("a: \"open", 1)]
    #[case("ok: 1\n---\na: b: c\n", 3)]
    fn text_that_is_not_yaml_is_an_error_with_its_line(#[case] text: &str, #[case] line: u64) {
        let error = parsed(text).unwrap_err();
        assert_eq!(error.location.line, Some(line), "{error}");
        assert!(matches!(error.kind, CliErrorKind::Yaml(_)));
    }

    #[rstest]
    #[case::two("a: [\n---\nok: 1\n---\nb: [\n", &[3], &[1, 5])]
    #[case::open_quote("a: \"open\n---\nok: 1\n", &[3], &[2])]
    #[case::comment("# a\n---\nok: 1\n---\nb: *x\n", &[3], &[5])]
    #[case::directive("%YAML 1.2\n---\nok: 1\n---\na: 1\na: 2\n", &[3], &[6])]
    #[case::not_a_separator("a: |\n  ---\n  x\n---x: 1\n---\nb: [\n", &[1], &[6])]
    fn an_error_in_one_document_does_not_hide_the_other_documents(
        #[case] text: &str,
        #[case] read: &[u64],
        #[case] wrong: &[u64],
    ) {
        let (documents, errors) = parse_file(&Location::default(), text.to_owned());
        let lines = |locations: Vec<&Location>| -> Vec<u64> {
            locations.iter().filter_map(|l| l.line).collect()
        };
        let found = lines(errors.iter().map(|error| &*error.location).collect());
        assert_eq!(found, wrong, "{errors:?}");
        let found = lines(
            documents
                .iter()
                .map(|document| &document.location)
                .collect(),
        );
        assert_eq!(found, read);
    }
}
