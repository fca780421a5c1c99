//! Rendering: a template and values in, the bytes of a file out.

use std::io;

use minijinja::{Error, ErrorKind};
use zeroize::Zeroizing;

use crate::{
    check::parse,
    details,
    engine::{self, environment},
    error::{TemplateError, TemplateErrorKind},
    language::{MAX_BYTES, MAX_STEPS, MAX_WORK},
    values::TemplateValues,
};

/// The bytes that the template `source` gives with `values`.
///
/// # Errors
/// [`TemplateError`], which has nothing of a value.
pub fn render(source: &str, values: &TemplateValues) -> Result<Zeroizing<Vec<u8>>, TemplateError> {
    parse(source)?;
    let environment = environment(source)?;
    let mut output = Bounded::default();
    let rendered = environment
        .get_template(engine::NAME)
        .and_then(|template| template.render_captured_to(values.context(), &mut output));
    match rendered {
        Ok(_) => Ok(output.bytes),
        Err(error) => {
            let kind = if output.is_full {
                TemplateErrorKind::TooLarge(MAX_BYTES)
            } else {
                kind(&error)
            };
            Err(kind.at(engine::position(source, &error)))
        }
    }
}

/// What went wrong, in words of this crate: the engine's own may contain values.
fn kind(error: &Error) -> TemplateErrorKind {
    match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, _) => TemplateErrorKind::Undefined,
        (ErrorKind::OutOfFuel, _) => TemplateErrorKind::TooManySteps(MAX_STEPS),
        (ErrorKind::InvalidOperation, Some(details::NOT_TEXT)) => TemplateErrorKind::NotText,
        (ErrorKind::InvalidOperation, Some(details::NOT_BASE64)) => TemplateErrorKind::NotBase64,
        (ErrorKind::InvalidOperation, Some(details::NOT_ONE_VALUE)) => {
            TemplateErrorKind::NotOneValue
        }
        (ErrorKind::InvalidOperation, Some(details::TOO_MUCH_WORK)) => {
            TemplateErrorKind::TooMuchWork(MAX_WORK)
        }
        _ => TemplateErrorKind::Value,
    }
}

/// A buffer that does not grow beyond [`MAX_BYTES`]. Growing copies it into a new one, and the old one is
/// wiped.
#[derive(Default)]
struct Bounded {
    bytes: Zeroizing<Vec<u8>>,
    is_full: bool,
}

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.bytes.len() + bytes.len();
        if needed > MAX_BYTES {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if needed > self.bytes.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed * 2));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
