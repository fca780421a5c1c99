//! A policy as IAM takes it: JSON.

use kees_store::permissions::{Condition, Pattern, Statement};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::variable;

/// The version of the policy language that has variables.
pub(crate) const VERSION: &str = "2012-10-17";

/// What a policy is for, and so the most characters that it may have, white space not counted (IAM User
/// Guide, "IAM and AWS STS quotas").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A policy of its own.
    Managed,
    /// A part of a role, whose other inline policies count too.
    Inline,
    /// The trust policy of a role. The account can ask AWS for more.
    Trust,
}

impl Kind {
    /// The most characters.
    pub(crate) fn limit(self) -> usize {
        match self {
            Self::Managed => 6144,
            Self::Inline => 10_240,
            Self::Trust => 2048,
        }
    }
}

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

    /// How many characters of its limit a document uses.
    pub(crate) fn length(&self) -> usize {
        length(&json!(self))
    }
}

/// How many characters of its limit a document uses.
pub(crate) fn length(document: &Value) -> usize {
    let text = document.to_string();
    text.chars().filter(|c| !c.is_whitespace()).count()
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
