//! A policy as IAM takes it: JSON.

use kees_store::permissions::{Condition, Pattern, Statement};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::variable;
use crate::export_error::ExportError;

/// The version of the policy language that has variables.
pub(crate) const VERSION: &str = "2012-10-17";

/// The most characters of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS
/// quotas").
const LARGEST: usize = 6144;

/// A policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Document {
    version: &'static str,
    statement: Vec<Value>,
}

impl Document {
    /// The document with these statements, and with an example for each variable.
    pub(crate) fn new(statements: &[Statement]) -> Self {
        let statements = statements.iter().map(|one| statement(one, text));
        Self {
            version: VERSION,
            statement: statements.collect(),
        }
    }

    /// # Errors
    /// If IAM does not accept a policy of this length.
    pub(crate) fn check_size(&self) -> Result<(), ExportError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let length = text.chars().filter(|c| !c.is_whitespace()).count();
        if length > LARGEST {
            let limit = LARGEST;
            return Err(ExportError::TooLong { length, limit });
        }
        Ok(())
    }
}

/// A text of a statement, with an example for each variable.
pub(crate) fn text(pattern: &Pattern) -> Value {
    pattern.render(variable::example, str::to_owned).into()
}

/// A statement as JSON. `text` prints each text that may contain variables.
pub(crate) fn statement(statement: &Statement, text: impl Fn(&Pattern) -> Value) -> Value {
    let Statement {
        sid,
        actions,
        resources,
        conditions,
    } = statement;
    let mut printed = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Action": one_or_list(actions.iter().map(|action| json!(action))),
        "Resource": one_or_list(resources.iter().map(&text)),
    });
    if !conditions.is_empty() {
        let mut operators = Map::new();
        for condition in conditions {
            let Condition {
                operator,
                key,
                values,
            } = condition;
            let values = one_or_list(values.iter().map(&text));
            operators.insert((*operator).to_owned(), json!({ *key: values }));
        }
        printed["Condition"] = Value::Object(operators);
    }
    printed
}

/// A list of one is written as the one.
pub(crate) fn one_or_list(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    match values.pop() {
        Some(one) if values.is_empty() => one,
        last => {
            values.extend(last);
            Value::Array(values)
        }
    }
}
