//! Environment variables that the operator adds to the init container.

use std::{fmt, str::FromStr};

use clap::Args;

/// Variables of the init container that have no flag of their own.
#[derive(Debug, Clone, Default, Args)]
pub struct InitEnvFlags {
    /// Another variable of the init container. Repeatable; in the environment, one on each line
    #[arg(long, env, value_name = "NAME=VALUE", value_parser = lines)]
    #[arg(hide_env_values = true)]
    pub init_env: Vec<Lines>,
}

/// The variables of one flag, or of the whole environment variable. An alias, because clap reads
/// `Vec<Vec<_>>` as something else.
type Lines = Vec<Variable>;

/// Parses one variable from each line. Empty lines have no variable: editors end a file with a line
/// break.
fn lines(text: &str) -> Result<Lines, ParseVariableError> {
    let written = text.lines().filter(|line| !line.trim().is_empty());
    written.map(str::parse).collect()
}

/// An environment variable, written `NAME=VALUE`.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The text before the first `=`.
    pub name: String,
    /// The text after the first `=`. It may hold a password, so `Debug` does not print it.
    pub value: String,
}

impl FromStr for Variable {
    type Err = ParseVariableError;

    fn from_str(text: &str) -> Result<Self, ParseVariableError> {
        let (name, value) = text.split_once('=').ok_or(ParseVariableError)?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A text without `=`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no '=' in it; use NAME=VALUE")]
pub struct ParseVariableError;

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        env: InitEnvFlags,
    }

    #[rstest]
    #[case::no_line_break("A=1")]
    #[case::as_editors_write_it("A=1\n")]
    #[case::empty_lines("\nA=1\n\n")]
    #[case::windows("A=1\r\n")]
    fn a_file_of_variables_may_end_in_a_line_break(#[case] text: &str) {
        let program = Program::try_parse_from(["program", "--init-env", text]).unwrap();
        let read = program.env.init_env.concat();
        assert_eq!(read, ["A=1".parse().unwrap()]);
    }

    #[test]
    fn a_line_without_an_equals_sign_is_an_error() {
        let error = Program::try_parse_from(["program", "--init-env", "A=1\nB\n"]).unwrap_err();
        assert!(error.to_string().contains("use NAME=VALUE"), "{error}");
    }

    #[test]
    fn a_variable_is_split_at_the_first_equals_sign() {
        let variable: Variable = "OPTIONS=a=b".parse().unwrap();
        assert_eq!((&*variable.name, &*variable.value), ("OPTIONS", "a=b"));
        assert_eq!("OPTIONS".parse::<Variable>(), Err(ParseVariableError));
    }

    #[test]
    fn debug_does_not_print_the_value() {
        let variable: Variable = "HTTPS_PROXY=http://user:canary@proxy".parse().unwrap();
        let printed = format!("{variable:?}");
        assert!(
            printed.contains("HTTPS_PROXY") && !printed.contains("canary"),
            "{printed}"
        );
    }
}
