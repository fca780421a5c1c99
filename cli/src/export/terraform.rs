//! A policy as Terraform, formatted as `terraform fmt` does it.

use std::fmt::Write as _;

use kees_store::permissions::{Condition, Pattern, Statement};

use super::variable::{ENVIRONMENT, written};

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
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{")
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
