//! JMESPath expressions: which are possible, and what they find.
//!
//! The crate `jmespath` parses and evaluates them. What the provider's library does differently, and a result
//! can depend on, is replaced here.

use jmespath::{
    Context, ErrorReason, JmespathError, Rcvar, Runtime, Variable,
    functions::{ArgumentType, CustomFunction, Signature},
};
use kees_common::SecretValue;
use zeroize::Zeroizing;

use crate::{bounds, excerpt::excerpt, json};

/// The most bytes of an expression.
const MAX_BYTES: usize = 4096;
/// The most signs of punctuation of an expression. Each may nest what follows, and the parser recurses.
const MAX_SIGNS: usize = 120;
/// The bytes of the largest value of Secrets Manager.
#[cfg(feature = "parse")]
const LARGEST_VALUE: u64 = 65_536;

/// Why an expression finds no text. No message has a part of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The value is not JSON.
    #[error("the value is not JSON; remove jmesPath, or store JSON")]
    NotJson,
    /// The expression is wrong for any value, or for this one.
    #[error("the JMESPath {} is wrong: {reason}", excerpt(path))]
    Expression {
        /// The expression.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing at the path.
    #[error("the JMESPath {} finds nothing in the value", excerpt(.0))]
    Nothing(String),
    /// What the path leads to is not text.
    #[error("the JMESPath {} finds no text; use to_string() for numbers", excerpt(.0))]
    NotText(String),
}

/// Checks an expression without a value.
#[cfg(feature = "parse")]
pub(crate) fn check(expression: &str) -> Result<(), String> {
    let ast = parse(expression)?;
    bounds::check(&ast, LARGEST_VALUE)
}

/// A value that is read as JSON.
pub(crate) struct JsonValue {
    data: Rcvar,
    size: u64,
}

impl JsonValue {
    /// Reads a value as the provider does: bytes that are not UTF-8 are replaced.
    pub(crate) fn read(value: &SecretValue) -> Result<Self, ExtractError> {
        let text = Zeroizing::new(String::from_utf8_lossy(value.expose()).into_owned());
        let data = Variable::from_json(&text).map_err(|_| ExtractError::NotJson)?;
        let size = json::size(&data);
        let data = Rcvar::new(data);
        Ok(Self { data, size })
    }

    /// The text that an expression finds.
    pub(crate) fn extract(&self, expression: &str) -> Result<SecretValue, ExtractError> {
        let path = || expression.to_owned();
        let wrong = |reason| {
            let path = path();
            ExtractError::Expression { path, reason }
        };
        let ast = parse(expression).map_err(wrong)?;
        bounds::check(&ast, self.size).map_err(wrong)?;
        let runtime = runtime();
        let mut context = Context::new(expression, &runtime);
        let found = jmespath::interpret(&self.data, &ast, &mut context);
        let found = found.map_err(|error| wrong(reason(&error)))?;
        match &*found {
            Variable::String(text) => Ok(SecretValue::new(text.clone().into_bytes())),
            Variable::Null => Err(ExtractError::Nothing(path())),
            _ => Err(ExtractError::NotText(path())),
        }
    }
}

fn parse(expression: &str) -> Result<jmespath::ast::Ast, String> {
    if expression.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    let is_sign = |b: &u8| b.is_ascii_punctuation() && *b != b'_';
    if expression.bytes().filter(is_sign).count() > MAX_SIGNS {
        return Err(format!("it has more than {MAX_SIGNS} signs of punctuation"));
    }
    jmespath::parse(expression).map_err(|error| {
        let has_hyphen = expression.contains('-') && !expression.contains('"');
        let hint = "; put names with '-' in double quotes";
        reason(&error) + if has_hyphen { hint } else { "" }
    })
}

/// What the library says, without the expression.
fn reason(error: &JmespathError) -> String {
    match &error.reason {
        ErrorReason::Parse(reason) => format!("{reason}, at its column {}", error.column + 1),
        ErrorReason::Runtime(reason) => reason.to_string(),
    }
}

/// The functions of the language.
fn runtime() -> Runtime {
    let mut runtime = Runtime::new();
    runtime.register_builtin_functions();
    let any = || Signature::new(vec![ArgumentType::Any], None);
    let to_string = CustomFunction::new(
        any(),
        Box::new(|arguments, _| {
            let Some(argument) = arguments.first() else {
                return Ok(Rcvar::new(Variable::Null));
            };
            Ok(match &**argument {
                Variable::String(_) => argument.clone(),
                other => Rcvar::new(Variable::String(json::print(other))),
            })
        }),
    );
    runtime.register_function("to_string", Box::new(to_string));
    runtime
}
