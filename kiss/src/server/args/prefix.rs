//! Prefixes with which no call could work. They are refused at the start, with the reason.

use crate::server::names::{NameError, Naming, SecretId};

/// What the names of secrets and of policies may have, apart from letters and digits (`CreateSecret` and
/// `CreatePolicy`, API references). The slashes of a policy's name are replaced.
const SECRET: &str = "/_+=.@-";
/// What the names of roles may have, apart from letters and digits (`CreateRole`, API reference).
const ROLE: &str = "_+=,.@-";
/// What a segment of a path may have as it is, apart from letters and digits (RFC 3986, section 3.3).
const SEGMENT: &str = "-._~!$&'()*+,;=:@";

/// A prefix that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PrefixError {
    /// A name in AWS or Kubernetes cannot have the character.
    #[error(
        "{flag} '{prefix}' has the character {character:?}, but {names} have only letters and digits of ASCII, and \
         {allowed}"
    )]
    Character {
        /// The flag.
        flag: &'static str,
        /// Its value.
        prefix: String,
        /// The character.
        character: char,
        /// What is named with the prefix.
        names: &'static str,
        /// The other characters that are possible.
        allowed: &'static str,
    },
    /// Even the shortest name would be too long.
    #[error("{flag} is too long")]
    Long {
        /// The flag.
        flag: &'static str,
        /// Which name would be too long.
        source: NameError,
    },
}

/// Checks the prefixes of names in AWS.
///
/// # Errors
/// One of them cannot work.
pub(super) fn check_naming(naming: &Naming) -> Result<(), PrefixError> {
    let secrets = "names of secrets and policies";
    let (secret, role) = ("--secret-prefix", "--service-account-role-prefix");
    check_characters(secret, &naming.secret_prefix, secrets, SECRET)?;
    check_characters(role, &naming.role_prefix, "names of roles", ROLE)?;
    // The shortest names that there are.
    let Ok(id) = SecretId::new("a", "a") else {
        return Ok(());
    };
    let long = |flag| move |source| PrefixError::Long { flag, source };
    naming.secret(&id).map_err(long(secret))?;
    naming.role(&id, "a").map_err(long(role))?;
    Ok(())
}

/// Checks the prefix of RoleBindings, whose names are a segment of a path of the Kubernetes API.
///
/// # Errors
/// It cannot work.
pub(super) fn check_binding(prefix: &str) -> Result<(), PrefixError> {
    let names = "names of RoleBindings, which are a part of a URL,";
    check_characters("--rolebinding-prefix", prefix, names, SEGMENT)
}

fn check_characters(
    flag: &'static str,
    prefix: &str,
    names: &'static str,
    allowed: &'static str,
) -> Result<(), PrefixError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
    match prefix.chars().find(|&c| !is_allowed(c)) {
        None => Ok(()),
        Some(character) => Err(PrefixError::Character {
            flag,
            prefix: prefix.escape_debug().to_string(),
            character,
            names,
            allowed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "", "")]
    #[case("k8s-secret", "k8s-sa", "k-")]
    #[case("/Prod/a_b+c=d.e@f", "A_b+c=d,e.f@g", "oidc:team=A_")]
    fn a_prefix_that_works_is_taken(
        #[case] secret: &str,
        #[case] role: &str,
        #[case] binding: &str,
    ) {
        let naming = Naming {
            secret_prefix: secret.to_owned(),
            role_prefix: role.to_owned(),
            ..Naming::default()
        };
        check_naming(&naming).unwrap();
        check_binding(binding).unwrap();
    }

    #[rstest]
    #[case(
        "a*b",
        "",
        "--secret-prefix 'a*b' has the character '*', but names of secrets and policies have only letters and digits of ASCII, and /_+=.@-"
    )]
    #[case(
        "a,b",
        "",
        "--secret-prefix 'a,b' has the character ',', but names of secrets and policies have only letters and digits of ASCII, and /_+=.@-"
    )]
    #[case(
        "",
        "a/b",
        "--service-account-role-prefix 'a/b' has the character '/', but names of roles have only letters and digits of ASCII, and _+=,.@-"
    )]
    #[case(&"p".repeat(509), "", "--secret-prefix is too long")]
    #[case("", &"p".repeat(61), "--service-account-role-prefix is too long")]
    fn a_prefix_of_names_that_aws_does_not_have_is_refused(
        #[case] secret: &str,
        #[case] role: &str,
        #[case] message: &str,
    ) {
        let naming = Naming {
            secret_prefix: secret.to_owned(),
            role_prefix: role.to_owned(),
            ..Naming::default()
        };
        assert_eq!(check_naming(&naming).unwrap_err().to_string(), message);
    }

    #[test]
    fn the_longest_prefixes_are_taken() {
        let naming = Naming {
            secret_prefix: "p".repeat(508),
            role_prefix: "p".repeat(60),
            ..Naming::default()
        };
        check_naming(&naming).unwrap();
    }

    #[rstest]
    #[case("A/b", '/')]
    #[case("a%b", '%')]
    #[case("a b", ' ')]
    #[case("a?b", '?')]
    #[case("é", 'é')]
    fn a_prefix_that_is_no_part_of_a_path_is_refused(
        #[case] prefix: &str,
        #[case] character: char,
    ) {
        let message = check_binding(prefix).unwrap_err().to_string();
        let expected = format!(
            "--rolebinding-prefix '{prefix}' has the character {character:?}, but names of RoleBindings"
        );
        assert!(message.starts_with(&expected), "{message}");
    }
}
