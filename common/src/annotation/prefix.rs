//! Annotations that are probably meant for kees, but have a misspelled prefix.

use crate::{
    domain::{Domain, Word},
    error::Warning,
    typo,
};

/// A warning if `key` is probably a misspelled annotation of `domain`: `secrets.DOMAIN/x`,
/// `resouce.DOMAIN/x`. kees ignores such an annotation, and without any other annotation of kees the
/// whole pod.
///
/// [`crate::Parsed::from_annotations`] includes these warnings.
pub fn misspelled_prefix(domain: &Domain, key: &str) -> Option<Warning> {
    let (prefix, name) = key.split_once('/')?;
    let word = prefix.strip_suffix(domain.as_str())?.strip_suffix('.')?;
    let closest = typo::closest(word, Word::ALL.map(Word::as_str))?;
    Some(Warning {
        annotation: key.to_owned(),
        message: format!("ignored; did you mean {closest}.{domain}/{name}"),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::Parsed;

    #[rstest]
    #[case("secrets.example.com/x", Some("secret.example.com/x"))]
    #[case("secert.example.com/x", Some("secret.example.com/x"))]
    #[case("Secret.example.com/x", Some("secret.example.com/x"))]
    #[case("resources.example.com/x", Some("resource.example.com/x"))]
    #[case("resouce.example.com/x", Some("resource.example.com/x"))]
    #[case("leases.example.com/x", Some("lease.example.com/x"))]
    #[case("inits.example.com/store", Some("init.example.com/store"))]
    #[case("secret.example.com/x", None)]
    #[case("other.example.com/x", None)]
    #[case("unit.example.com/x", None)]
    #[case("secrets.example.org/x", None)]
    #[case("secrets.sub.example.com/x", None)]
    #[case("secrets.example.com", None)]
    #[case("secrets-example.com/x", None)]
    #[case("example.com/x", None)]
    #[case("", None)]
    fn a_misspelled_prefix_is_a_warning(#[case] key: &str, #[case] meant: Option<&str>) {
        let domain: Domain = "example.com".parse().unwrap();
        let expected = meant.map(|meant| format!("{key}: ignored; did you mean {meant}"));
        let warning = misspelled_prefix(&domain, key);
        assert_eq!(warning.map(|warning| warning.to_string()), expected);
        let parsed = Parsed::from_annotations(&domain, [(key, "kind=REFERENCE")]);
        assert_eq!(parsed.warnings.len(), usize::from(meant.is_some()));
    }
}
