//! `init.DOMAIN/env` and `init.DOMAIN/env.CONTAINER`: the entries that become environment variables.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{collector::Collector, name::EntryName, names::init, output::variable_name};

/// The entries that become environment variables of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// `false`: none of them.
    None,
    /// `true`: all of them.
    All,
    /// Those of a list, at least one.
    Listed(Vec<EnvironmentVariable>),
}

impl Environment {
    /// Whether any entry becomes a variable.
    pub fn is_some(&self) -> bool {
        *self != Self::None
    }

    /// Whether `entry` becomes a variable.
    pub fn selects(&self, entry: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Listed(list) => list.iter().any(|variable| variable.entry.as_str() == entry),
        }
    }

    /// The variables of `entries`, each with its entry, in the order of the list, or of `entries`.
    pub fn variables<'a>(
        &'a self,
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Vec<(String, &'a str)> {
        match self {
            Self::None => Vec::new(),
            Self::All => entries
                .into_iter()
                .map(|entry| (variable_name(entry), entry))
                .collect(),
            Self::Listed(list) => list
                .iter()
                .map(|variable| (variable.name(), variable.entry.as_str()))
                .collect(),
        }
    }
}

impl FromStr for Environment {
    type Err = ParseEnvironmentError;

    fn from_str(text: &str) -> Result<Self, ParseEnvironmentError> {
        match text {
            "false" => Ok(Self::None),
            "true" => Ok(Self::All),
            list => {
                let variables = list.split(',').map(|one| one.trim().parse());
                variables.collect::<Result<_, _>>().map(Self::Listed)
            }
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("false"),
            Self::All => f.write_str("true"),
            Self::Listed(list) => {
                let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                f.write_str(&list.join(","))
            }
        }
    }
}

/// One variable: `ENTRY`, or `VARIABLE=ENTRY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentVariable {
    name: Option<String>,
    entry: EntryName,
}

impl EnvironmentVariable {
    /// The name of the variable: the one that was given, or else the entry's, with `_` for each
    /// character that a variable cannot have.
    pub fn name(&self) -> String {
        let name = self.name.clone();
        name.unwrap_or_else(|| variable_name(self.entry.as_str()))
    }

    /// The entry.
    pub fn entry(&self) -> &EntryName {
        &self.entry
    }
}

impl FromStr for EnvironmentVariable {
    type Err = ParseEnvironmentError;

    fn from_str(text: &str) -> Result<Self, ParseEnvironmentError> {
        let (name, entry) = match text.split_once('=') {
            None => (None, text),
            Some((name, entry)) if is_variable(name) => (Some(name.to_owned()), entry),
            Some(_) => return Err(ParseEnvironmentError),
        };
        let entry = entry.parse().map_err(|_| ParseEnvironmentError)?;
        Ok(Self { name, entry })
    }
}

impl fmt::Display for EnvironmentVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        self.entry.fmt(f)
    }
}

/// Whether `name` is a variable as POSIX has them: letters, digits and `_`, no digit first.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name == variable_name(name)
}

/// A text that does not say which entries become variables. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "use \"true\", \"false\", or the names of entries, separated by commas, such as \
     db-password or DB_PASSWORD=db-password"
)]
pub struct ParseEnvironmentError;

/// What a pod says about environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environments {
    /// `env`
    pub of_pod: Option<Environment>,
    /// `env.CONTAINER`, by the name of the container.
    pub of_containers: BTreeMap<String, Environment>,
}

impl Environments {
    /// Reads the annotation `init.DOMAIN/env.CONTAINER`, if it is one.
    pub(super) fn read(
        &mut self,
        option: &str,
        value: &str,
        collect: &mut Collector<'_>,
    ) -> Option<()> {
        let container = option.strip_prefix(init::ENV)?.strip_prefix('.')?;
        let environment = collect.parse(init::ENV, value);
        let own = environment.map(|environment| (container.to_owned(), environment));
        self.of_containers.extend(own);
        Some(())
    }

    /// Whether a container could get a variable.
    pub fn is_some(&self) -> bool {
        self.iter().any(Environment::is_some)
    }

    /// Whether some container gets `entry` as a variable. If the pod says nothing, a container gets
    /// every entry: its command says that it wants variables.
    pub fn selects(&self, entry: &str) -> bool {
        let is_silent = self.iter().next().is_none();
        is_silent || self.iter().any(|environment| environment.selects(entry))
    }

    fn iter(&self) -> impl Iterator<Item = &Environment> {
        self.of_pod.iter().chain(self.of_containers.values())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("")]
    #[case("True")]
    #[case("a,,b")]
    #[case("a b")]
    #[case("1A=a")]
    #[case("A-B=a")]
    #[case("=a")]
    #[case("A=")]
    #[case("A=a=b")]
    fn a_text_that_names_no_entries_is_invalid(#[case] text: &str) {
        // `True` is the name of an entry; that it does not exist is found out later.
        let parsed = text.parse::<Environment>();
        assert_eq!(parsed.is_err(), text != "True", "{parsed:?}");
    }

    #[test]
    fn a_variable_has_the_name_that_was_given_or_that_of_its_entry() {
        let environment: Environment = "DB_PASSWORD=db.password, tls-key_private".parse().unwrap();
        let variables: Vec<_> = environment
            .variables([])
            .into_iter()
            .map(|(name, entry)| format!("{name} {entry}"))
            .collect();
        assert_eq!(
            variables,
            ["DB_PASSWORD db.password", "tls_key_private tls-key_private"]
        );
    }

    #[test]
    fn a_pod_that_says_nothing_selects_every_entry() {
        let entry = "a";
        let mut environments = Environments::default();
        assert!(environments.selects(entry) && !environments.is_some());
        environments.of_pod = Some(Environment::None);
        assert!(!environments.selects(entry) && !environments.is_some());
        let listed = "b,a".parse().unwrap();
        environments.of_containers.insert("app".to_owned(), listed);
        assert!(environments.selects(entry) && environments.is_some());
        assert!(!environments.selects("c"));
    }

    proptest! {
        #[test]
        fn an_environment_prints_as_it_was_written(
            text in "(true|false|([A-Z_][A-Z0-9_]{0,5}=)?[a-z0-9]{1,5}(,([A-Z_][A-Z0-9_]{0,5}=)?[a-z0-9]{1,5}){0,4})"
        ) {
            prop_assert_eq!(text.parse::<Environment>().unwrap().to_string(), text);
        }
    }
}
