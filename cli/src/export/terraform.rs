//! A policy and a role as Terraform, formatted as `terraform fmt` does it.

use std::fmt::Write as _;

use kees_store::permissions::{Condition, Pattern, Statement};

use serde_json::Value;

use super::variable::{ENVIRONMENT, written};
use crate::json;

/// The policy document, the policy, and its attachment to a role. `role` is an expression.
pub(crate) fn print(module: &str, role: Option<&str>, statements: &[Statement]) -> String {
    let mut text = format!("data \"aws_iam_policy_document\" \"{module}_kees\" {{\n");
    for (index, one) in statements.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        statement(&mut text, one);
    }
    text.push_str("}\n");
    let default = format!("aws_iam_role.{module}.name");
    let role = role.unwrap_or(&default);
    let environment = written(ENVIRONMENT);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        r#"
resource "aws_iam_policy" "{module}_kees" {{
  name   = "{environment}-{module}-kees"
  policy = data.aws_iam_policy_document.{module}_kees.json
}}

resource "aws_iam_role_policy_attachment" "{module}_kees" {{
  role       = {role}
  policy_arn = aws_iam_policy.{module}_kees.arn
}}
"#
    );
    text
}

/// A role with this trust policy. `name` needs no escapes.
pub(crate) fn role(module: &str, name: &str, trust: &Value) -> String {
    let trust = escape_template(&json::print(trust));
    let mut text = format!(
        "resource \"aws_iam_role\" \"{module}\" {{\n  name = \"{name}\"\n\n  assume_role_policy = <<-JSON\n"
    );
    for line in trust.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text.push_str("  JSON\n}\n");
    text
}

/// The attachment of a policy that exists to the role. `secret` and `policy` need no escapes.
pub(crate) fn binding(module: &str, secret: &str, policy: &str) -> String {
    format!(
        r#"
data "aws_iam_policy" "{module}_kiss_{secret}" {{
  name = "{policy}"
}}

resource "aws_iam_role_policy_attachment" "{module}_kiss_{secret}" {{
  role       = aws_iam_role.{module}.name
  policy_arn = data.aws_iam_policy.{module}_kiss_{secret}.arn
}}
"#
    )
}

fn statement(text: &mut String, statement: &Statement) {
    let Statement {
        sid,
        actions,
        resources,
        conditions,
    } = statement;
    let actions: Vec<Pattern> = actions
        .iter()
        .map(|action| Pattern::from(*action))
        .collect();
    let _ = writeln!(
        text,
        "  statement {{\n    sid    = \"{sid}\"\n    effect = \"Allow\"\n"
    );
    list(text, "    ", "actions", &actions);
    text.push('\n');
    list(text, "    ", "resources", resources);
    for condition in conditions {
        let Condition {
            operator,
            key,
            values,
        } = condition;
        let _ = writeln!(
            text,
            "\n    condition {{\n      test     = \"{operator}\"\n      variable = \"{key}\"\n"
        );
        list(text, "      ", "values", values);
        text.push_str("    }\n");
    }
    text.push_str("  }\n");
}

fn list(text: &mut String, indent: &str, name: &str, values: &[Pattern]) {
    let _ = writeln!(text, "{indent}{name} = [");
    for value in values {
        let _ = writeln!(text, "{indent}  {},", quoted(value));
    }
    let _ = writeln!(text, "{indent}]");
}

/// A quoted template of Terraform.
fn quoted(pattern: &Pattern) -> String {
    let text = pattern.render(written, escape);
    format!("\"{text}\"")
}

/// Escapes what means something else in a quoted template (Terraform, "Strings and templates").
fn escape(text: &str) -> String {
    escape_template(&text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Escapes what means something else in every template.
fn escape_template(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/a", r#""/dev/a""#)]
    #[case("a\"b\\c", r#""a\"b\\c""#)]
    #[case("a${b}", r#""a$${$}{b}""#)]
    #[case("a%{b}", r#""a%%{b}""#)]
    #[case("a*", r#""a$${*}""#)]
    fn names_are_escaped_for_iam_and_for_terraform(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(quoted(&Pattern::from(name)), expected);
    }

    #[test]
    fn a_variable_stays_one() {
        let path = Pattern::from("/").then(ENVIRONMENT).then("/db$");
        assert_eq!(quoted(&path), r#""/${var.environment_name}/db$${$}""#);
    }
}
