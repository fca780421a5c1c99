//! What an error of a pod is about.

use kees_common::AnnotationErrorKind;
use kees_inject::PodError;

use crate::{
    error::CliErrorKind,
    place::{Part, Place},
};

/// The place of an error in its pod.
pub(crate) fn place(error: &CliErrorKind) -> Place {
    match error {
        CliErrorKind::Denied(error) => Place::field(&error.field(), part(error)),
        CliErrorKind::AnnotationNotText { annotation } => {
            Place::annotation(annotation, Part::Value)
        }
        CliErrorKind::WrongType(field) => Place::field(field, Part::Key),
        CliErrorKind::NoContainers(field) => Place::field(field, Part::Key),
        _ => Place::field("", Part::Key),
    }
}

/// The part of an annotation that is wrong.
fn part(error: &PodError) -> Part {
    let message = || error.message();
    match error {
        PodError::Annotation(error) => match &error.kind {
            AnnotationErrorKind::Name(_)
            | AnnotationErrorKind::Field { .. }
            | AnnotationErrorKind::UnknownOption { .. }
            | AnnotationErrorKind::Conflict { .. }
            | AnnotationErrorKind::SameFile { .. }
            | AnnotationErrorKind::SameVariable { .. }
            | AnnotationErrorKind::LeaseStore { .. }
            | AnnotationErrorKind::NoEntry(_)
            | AnnotationErrorKind::SameName { .. }
            | AnnotationErrorKind::EveryMember(_) => Part::Key,
            AnnotationErrorKind::Template { line, column, .. } => Part::Line(*line, *column),
            AnnotationErrorKind::Path { .. }
            | AnnotationErrorKind::PathNotAccepted { .. }
            | AnnotationErrorKind::DeniedWarning(_) => Part::NamedOrKey(message()),
            _ => Part::NamedOrValue(message()),
        },
        PodError::Pod { .. } => Part::NamedOrValue(message()),
    }
}
