//! Collects the errors and warnings of one annotation while it is parsed.

use std::{fmt, str::FromStr};

use crate::error::{AnnotationError, AnnotationErrorKind, Warning};

/// Where the parser of one annotation reports errors and warnings.
pub(crate) struct Collector<'a> {
    annotation: &'a str,
    errors: &'a mut Vec<AnnotationError>,
    warnings: &'a mut Vec<Warning>,
}

impl<'a> Collector<'a> {
    /// A collector for `annotation` that appends to both lists.
    pub(crate) fn new(
        annotation: &'a str,
        errors: &'a mut Vec<AnnotationError>,
        warnings: &'a mut Vec<Warning>,
    ) -> Self {
        Self {
            annotation,
            errors,
            warnings,
        }
    }

    /// The whole key of the annotation.
    pub(crate) fn annotation(&self) -> &str {
        self.annotation
    }

    /// How many errors there are so far, those of other annotations included.
    pub(crate) fn error_count(&self) -> usize {
        self.errors.len()
    }

    pub(crate) fn error(&mut self, kind: impl Into<AnnotationErrorKind>) {
        self.errors.push(kind.into().at(self.annotation));
    }

    pub(crate) fn warn(&mut self, message: String) {
        self.warnings.push(Warning {
            annotation: self.annotation.to_owned(),
            message,
        });
    }

    /// The value in `result`; an error is collected.
    pub(crate) fn ok<T, E: Into<AnnotationErrorKind>>(
        &mut self,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.error(error)).ok()
    }

    /// Parses the value of `key`. The message of the parse error says what would be right.
    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &'static str,
        value: &str,
    ) -> Option<T> {
        let parsed = value.parse();
        self.ok(parsed
            .map_err(|right: T::Err| AnnotationErrorKind::invalid(key, value, right.to_string())))
    }
}
