//! The filters of templates. Each counts the bytes that it gets and gives, because filters of filters
//! could otherwise grow a value without end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    Environment, Error, ErrorKind,
    value::{Value, ValueKind},
};

use crate::{
    details::{self, error},
    language::MAX_WORK,
};

/// The most blanks of `indent`.
const MAX_INDENT: usize = 64;

/// The bytes that filters may still process.
#[derive(Clone)]
struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn spend(&self, bytes: usize) -> Result<(), Error> {
        let left = self.0.load(Ordering::Relaxed);
        let left = left
            .checked_sub(bytes)
            .ok_or_else(|| error(details::TOO_MUCH_WORK))?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// The text of a value. The result of a filter has at most `growth` times its bytes.
    fn text<'v>(&self, value: &'v Value, growth: usize) -> Result<&'v str, Error> {
        let text = match value.kind() {
            ValueKind::String => value.as_str().ok_or_else(|| error(details::NOT_TEXT))?,
            ValueKind::Bytes => return Err(error(details::NOT_TEXT)),
            ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
            _ => return Err(error(details::NOT_ONE_VALUE)),
        };
        self.spend(text.len().saturating_mul(growth))?;
        Ok(text)
    }
}

/// Adds every filter.
pub(crate) fn add(environment: &mut Environment<'_>) {
    let budget = Budget(Arc::new(AtomicUsize::new(MAX_WORK)));
    let own = budget.clone();
    environment.add_filter("base64", move |value: &Value| {
        let bytes = match value.as_bytes() {
            Some(bytes) => bytes,
            None => own.text(value, 1)?.as_bytes(),
        };
        own.spend(bytes.len().saturating_mul(2))?;
        Ok::<_, Error>(STANDARD.encode(bytes))
    });
    environment.add_filter("default", |value: &Value, other: &Value| {
        if value.is_undefined() {
            other.clone()
        } else {
            value.clone()
        }
    });
    let own = budget.clone();
    environment.add_filter("indent", move |value: &Value, width: usize| {
        let text = own.text(value, 1)?;
        if width > MAX_INDENT {
            return Err(error(details::NOT_ONE_VALUE));
        }
        let blanks = " ".repeat(width);
        own.spend(text.matches('\n').count().saturating_mul(width))?;
        Ok(text.replace('\n', &["\n", &blanks].concat()))
    });
    environment.add_filter("items", |value: &Value| {
        let object = value
            .as_object()
            .ok_or_else(|| error(details::NOT_ONE_VALUE))?;
        let pairs = object
            .try_iter_pairs()
            .ok_or_else(|| error(details::NOT_ONE_VALUE))?;
        let pairs = pairs.map(|(name, value)| Value::from(vec![name, value]));
        Ok::<_, Error>(pairs.collect::<Vec<_>>())
    });
    let own = budget.clone();
    environment.add_filter("tojson", move |value: &Value| {
        let text = own.text(value, 6)?;
        serde_json::to_string(text).map_err(|_| error(details::NOT_TEXT))
    });
    let own = budget.clone();
    environment.add_filter("trim", move |value: &Value| {
        Ok::<_, Error>(own.text(value, 1)?.trim().to_owned())
    });
    environment.add_filter("urlencode", move |value: &Value| {
        let text = budget.text(value, 3)?;
        let mut encoded = String::with_capacity(text.len() * 3);
        for byte in text.bytes() {
            percent(byte, &mut encoded);
        }
        Ok::<_, Error>(encoded)
    });
}

/// A byte as a part of a URL (RFC 3986): unreserved, or percent-encoded.
fn percent(byte: u8, encoded: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        encoded.push(char::from(byte));
        return;
    }
    encoded.push('%');
    for digit in [byte >> 4, byte & 0xf] {
        encoded.push(char::from(DIGITS[usize::from(digit)]));
    }
}
