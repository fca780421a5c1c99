//! The ARNs that the operator allows a pod to name.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::excerpt::excerpt;

/// The ARNs that a pod may name in `storageKey=`, as `REFERENCES` lists them: separated by commas, or
/// `none`.
///
/// ```
/// use kees_common::References;
///
/// let none: References = "none".parse()?;
/// assert!(!none.allow("arn:aws:secretsmanager:eu-west-1:111122223333:secret:a"));
/// # Ok::<(), kees_common::ParseReferencesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References(BTreeSet<String>);

const NONE: &str = "none";

impl References {
    /// Whether the pod may name this ARN.
    pub fn allow(&self, arn: &str) -> bool {
        self.0.contains(arn)
    }
}

impl<'a> FromIterator<&'a str> for References {
    fn from_iter<I: IntoIterator<Item = &'a str>>(arns: I) -> Self {
        Self(arns.into_iter().map(str::to_owned).collect())
    }
}

impl FromStr for References {
    type Err = ParseReferencesError;

    fn from_str(text: &str) -> Result<Self, ParseReferencesError> {
        if text == NONE {
            return Ok(Self::default());
        }
        match text.split(',').find(|arn| !arn.starts_with("arn:")) {
            Some(other) => Err(ParseReferencesError(excerpt(other))),
            None => Ok(text.split(',').collect()),
        }
    }
}

impl fmt::Display for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        let mut separator = "";
        for arn in &self.0 {
            write!(f, "{separator}{arn}")?;
            separator = ",";
        }
        Ok(())
    }
}

/// Text that is not a list of ARNs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an ARN; list ARNs by comma, or use none")]
pub struct ParseReferencesError(String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_listed_arns_are_allowed() {
        let references: References = "arn:aws:b,arn:aws:a".parse().unwrap();
        assert!(references.allow("arn:aws:a") && references.allow("arn:aws:b"));
        assert!(!references.allow("arn:aws:a,arn:aws:b") && !references.allow("arn:aws"));
        assert_eq!(references.to_string(), "arn:aws:a,arn:aws:b");
    }

    #[test]
    fn a_name_that_is_no_arn_is_invalid() {
        let error = "arn:aws:a,b".parse::<References>().unwrap_err();
        let expected = "'b' is not an ARN; list ARNs by comma, or use none";
        assert_eq!(error.to_string(), expected);
        assert!("".parse::<References>().is_err());
        assert!("None".parse::<References>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(arns in prop::collection::vec("arn:[^,]{0,20}", 0..4)) {
            let references: References = arns.iter().map(String::as_str).collect();
            prop_assert_eq!(references.to_string().parse(), Ok(references));
        }
    }
}
