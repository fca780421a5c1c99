//! minijinja with the part of its language that templates have, and with bounds.

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior,
    syntax::SyntaxConfig,
    value::{Value, ValueKind},
};

use crate::{
    details::{self, error},
    error::{TemplateError, TemplateErrorKind, short},
    filters,
    language::MAX_STEPS,
    position::Position,
};

/// The name of the only template of an environment.
pub(crate) const NAME: &str = "template";

/// Lines that only have a statement leave nothing behind, and the last newline stays.
pub(crate) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .unwrap_or_default()
}

/// An environment with one template. It has no loader, no function, and no filter or test but those
/// of this crate.
pub(crate) fn environment(source: &str) -> Result<Environment<'_>, TemplateError> {
    let mut environment = Environment::empty();
    environment.set_syntax(syntax());
    // In debug mode, errors contain the values of variables.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_recursion_limit(64);
    environment.set_formatter(|out, _, value| match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(write!(out, "{value}")?),
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::Bytes => Err(error(details::NOT_TEXT)),
        _ => Err(error(details::NOT_ONE_VALUE)),
    });
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    filters::add(&mut environment);
    match environment.add_template(NAME, source) {
        Ok(()) => Ok(environment),
        Err(error) => Err(syntax_error(source, &error)),
    }
}

/// An error of the parser, which has seen no value.
pub(crate) fn syntax_error(source: &str, error: &Error) -> TemplateError {
    let message = error.detail().unwrap_or("it cannot be parsed");
    TemplateErrorKind::Syntax(short(message)).at(position(source, error))
}

/// Where an error is.
pub(crate) fn position(source: &str, error: &Error) -> Position {
    match (error.range(), error.line()) {
        (Some(range), _) => Position::of(source, range.start),
        (None, line) => Position {
            line: line.unwrap_or(1),
            column: 1,
        },
    }
}
