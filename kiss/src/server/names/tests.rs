//! Names as the original makes them, and which names clash.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn naming(separator: Separator) -> Naming {
    Naming {
        secret_prefix: "k8s-secret".to_owned(),
        role_prefix: "k8s-sa".to_owned(),
        separator,
    }
}

#[test]
fn names_are_those_of_the_original() {
    let id = SecretId::new("security", "db-0").unwrap();
    let naming = naming(Separator::Dash);
    assert_eq!(naming.secret(&id).unwrap(), "k8s-secret-security-db-0");
    assert_eq!(naming.policy(&id).unwrap(), "k8s-secret_security_db-0");
    assert_eq!(
        naming.role(&id, "default").unwrap(),
        "k8s-sa_security_default"
    );
    let unprefixed = Naming::default();
    assert_eq!(unprefixed.secret(&id).unwrap(), "security-db-0");
    assert_eq!(unprefixed.policy(&id).unwrap(), "security_db-0");
    assert_eq!(unprefixed.role(&id, "a.b").unwrap(), "security_a.b");
}

#[test]
fn a_prefix_can_be_a_path() {
    let id = SecretId::new("security", "db").unwrap();
    let naming = Naming {
        secret_prefix: "/prod/kiss".to_owned(),
        separator: Separator::Slash,
        ..Naming::default()
    };
    assert_eq!(naming.secret(&id).unwrap(), "/prod/kiss/security/db");
    assert_eq!(naming.policy(&id).unwrap(), "prod_kiss_security_db");
}

#[rstest]
#[case("", "a")]
#[case("a", "")]
#[case("A", "a")]
#[case("a", "b_c")]
#[case("a", "b/c")]
#[case("a", "b.c")]
#[case("a", "-b")]
#[case("a", "b-")]
#[case("a", "ä")]
#[case("a", "b\n")]
#[case("аb", "c")]
#[case("a", "b c")]
fn a_text_that_is_no_name_is_refused(#[case] namespace: &str, #[case] name: &str) {
    SecretId::new(namespace, name).unwrap_err();
}

#[test]
fn a_name_is_limited_by_what_aws_takes() {
    let longest = "n".repeat(253);
    SecretId::new(&"a".repeat(64), "n").unwrap_err();
    SecretId::new("a", &format!("{longest}n")).unwrap_err();
    let id = SecretId::new(&"a".repeat(63), &longest).unwrap();
    naming(Separator::Dash).secret(&id).unwrap();
    let error = naming(Separator::Dash).policy(&id).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the name of the policy in AWS would have 328 characters, and at most 128 are possible"
    );
    naming(Separator::Dash)
        .role(&id, "default")
        .map(|_| ())
        .unwrap_err();
}

#[rstest]
#[case("a_b")]
#[case("a/b")]
#[case("a..b")]
#[case("")]
#[case("../x")]
fn a_role_is_named_after_a_service_account(#[case] account: &str) {
    let id = SecretId::new("a", "b").unwrap();
    naming(Separator::Dash).role(&id, account).unwrap_err();
}

#[test]
fn with_the_originals_separator_two_secrets_have_one_name_and_different_tags() {
    let one = SecretId::new("a", "b-c").unwrap();
    let other = SecretId::new("a-b", "c").unwrap();
    let naming = naming(Separator::Dash);
    assert_eq!(naming.secret(&one), naming.secret(&other));
    assert!(!one.owns(&owned(&other)));
}

#[test]
fn a_missing_or_different_tag_is_not_owned() {
    let id = SecretId::new("a", "b").unwrap();
    assert!(id.owns(&owned(&id)));
    for index in 0..3 {
        let mut tags = owned(&id);
        tags[index].1.push('b');
        assert!(!id.owns(&tags), "{tags:?}");
        tags.remove(index);
        assert!(!id.owns(&tags), "{tags:?}");
    }
}

#[test]
fn a_secret_is_listed_by_its_tags_and_its_name_in_aws() {
    let id = SecretId::new("a", "b").unwrap();
    let (tags, name) = (owned(&id), "k8s-secret-a-b");
    let naming = naming(Separator::Dash);
    assert_eq!(naming.listed("a", name, &tags), Some("b"));
    assert_eq!(naming.listed("ab", name, &tags), None);
    assert_eq!(naming.listed("a", name, &tags[1..]), None);
    assert_eq!(naming.listed("a", "k8s-secret/a/b", &tags), None);
    assert_eq!(naming.listed("a", "other-cluster-a-b", &tags), None);
}

fn owned(id: &SecretId) -> Vec<(String, String)> {
    id.tags()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[test]
fn a_separator_is_read_as_it_is_written() {
    for text in ["-", "_", "/"] {
        assert_eq!(text.parse::<Separator>().unwrap().to_string(), text);
    }
    "--".parse::<Separator>().unwrap_err();
}

proptest! {
    #[test]
    fn other_separators_give_each_secret_its_own_name(
        one in ("[a-c-]{1,4}", "[a-c-]{1,4}"),
        other in ("[a-c-]{1,4}", "[a-c-]{1,4}"),
        slash in any::<bool>(),
    ) {
        let (Ok(one), Ok(other)) =
            (SecretId::new(&one.0, &one.1), SecretId::new(&other.0, &other.1))
        else {
            return Ok(());
        };
        let naming = naming(if slash { Separator::Slash } else { Separator::Underscore });
        prop_assert_eq!(one == other, naming.secret(&one) == naming.secret(&other));
        prop_assert_eq!(one == other, naming.policy(&one) == naming.policy(&other));
    }
}
