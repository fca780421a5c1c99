//! The templates of a pod.

use kees_common::{AnnotationError, AnnotationErrorKind, Parsed};

use crate::{
    check::{Entries, check},
    error::TemplateError,
};

/// The most errors of the templates of a pod. The search for the name that is meant is slow.
const MAX_ERRORS: usize = 16;

/// The errors of all templates of a pod that are known before there is a value.
pub fn check_annotations(parsed: &Parsed) -> Vec<AnnotationError> {
    // An entry with an error is not among the entries, but templates may name it.
    let entries = Entries::new(&parsed.entries);
    let entries = parsed.has_all_entries().then_some(&entries);
    let templates = parsed.options.files.templates.iter();
    templates
        .flat_map(|template| {
            let errors = check(&template.source, entries);
            errors.map(|error| annotation_error(&error, &template.annotation))
        })
        .take(MAX_ERRORS)
        .collect()
}

fn annotation_error(error: &TemplateError, annotation: &str) -> AnnotationError {
    let kind = AnnotationErrorKind::Template {
        line: error.position.line,
        column: error.position.column,
        reason: error.kind.to_string(),
    };
    kind.at(annotation)
}
