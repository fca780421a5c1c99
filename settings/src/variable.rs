//! Environment variables that the operator adds to the init container.

use std::{fmt, str::FromStr};

use clap::Args;

/// Variables of the init container that have no flag of their own.
#[derive(Debug, Clone, Default, Args)]
pub struct InitEnvFlags {
    /// Another variable of the init container. Repeatable; in the environment, one on each line
    #[arg(long, env, value_name = "NAME=VALUE", value_delimiter = '\n')]
    #[arg(hide_env_values = true)]
    pub init_env: Vec<Variable>,
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
    use super::*;

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
