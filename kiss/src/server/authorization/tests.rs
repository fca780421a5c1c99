//! Who may use which namespace: tables, and a property of the decision.

use proptest::{collection::vec, option, prelude::*, sample::select};
use rstest::rstest;

use super::*;

fn rules(expression: Option<&str>, admin: Option<&str>, prefix: &str) -> Rules {
    Rules {
        expression: expression.map(|expression| GroupExpression::new(expression).unwrap()),
        admin_namespace: admin.map(str::to_owned),
        binding_prefix: prefix.to_owned(),
    }
}

fn claims(groups: &[&str]) -> Claims {
    Claims {
        user: "ada@example.com".to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    }
}

fn binding(namespace: &str, name: &str, subjects: &[&str]) -> Binding {
    Binding {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subjects: subjects.iter().map(|&subject| subject.to_owned()).collect(),
    }
}

#[test]
fn a_subject_of_the_namespaces_binding_is_allowed() {
    let rules = rules(None, None, "");
    let payments = binding("payments", "payments", &["other", "team-a"]);
    assert_eq!(
        rules.decide(&claims(&["team-a"]), "payments", Some(&payments)),
        Ok(Allowed::Binding)
    );
    assert_eq!(
        rules.decide(&claims(&["team-b"]), "payments", Some(&payments)),
        Err(Denied::NoSubject)
    );
    assert_eq!(
        rules.decide(&claims(&["payments"]), "payments", None),
        Err(Denied::NoBinding)
    );
}

#[test]
fn an_empty_prefix_compares_whole_names() {
    // kiss 0.1 compares the last letter alone.
    let rules = rules(None, None, "");
    let payments = binding("payments", "payments", &["team-a"]);
    for group in ["a", "", "eam-a", "team-aa"] {
        let denied = rules.decide(&claims(&[group]), "payments", Some(&payments));
        assert_eq!(denied, Err(Denied::NoSubject), "{group}");
    }
}

#[test]
fn the_prefix_is_trimmed_once() {
    let rules = rules(None, None, "k-");
    let payments = binding("payments", "k-payments", &["k-k-team", "bare"]);
    let decide = |group| rules.decide(&claims(&[group]), "payments", Some(&payments));
    assert_eq!(decide("k-team"), Ok(Allowed::Binding));
    assert_eq!(decide("bare"), Ok(Allowed::Binding));
    assert_eq!(decide("team"), Err(Denied::NoSubject));
}

#[test]
fn the_expression_matches_whole_groups_and_skips_foreign_ones() {
    let rules = rules(Some("kaluza:([a-z]+)"), None, "");
    let team = binding("ns", "ns", &["kaluza:team", "system:masters"]);
    let decide = |group| rules.decide(&claims(&["foreign", group]), "ns", Some(&team));
    assert_eq!(decide("kaluza:team"), Ok(Allowed::Binding));
    for group in [
        "kaluza:team0",
        "xkaluza:team",
        "kaluza:team\n",
        "team",
        "system:masters",
    ] {
        assert_eq!(decide(group), Err(Denied::NoSubject), "{group}");
    }
}

#[test]
fn an_administrator_needs_no_binding() {
    let rules = rules(Some("kaluza:([a-z]*)"), Some("admins"), "");
    assert_eq!(
        rules.decide(&claims(&["kaluza:admins"]), "ns", None),
        Ok(Allowed::Admin)
    );
    assert_eq!(
        rules.decide(&claims(&["admins", "kaluza:"]), "ns", None),
        Err(Denied::NoBinding)
    );
}

#[test]
fn an_empty_admin_namespace_names_nobody() {
    let rules = rules(None, Some(""), "");
    assert_eq!(
        rules.decide(&claims(&[""]), "ns", None),
        Err(Denied::NoBinding)
    );
}

#[rstest]
#[case("(", "not a regular expression")]
#[case("a)|(b", "not a regular expression")]
#[case(
    "a",
    "the expression must have one capture group, for the namespace, and has 0"
)]
#[case(
    "(a)(b)",
    "the expression must have one capture group, for the namespace, and has 2"
)]
fn an_expression_needs_one_group(#[case] expression: &str, #[case] message: &str) {
    let error = GroupExpression::new(expression).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn each_branch_of_an_expression_is_anchored() {
    let rules = rules(Some("a:(x)|b:y"), None, "");
    let ns = binding("ns", "ns", &["a:x"]);
    assert_eq!(
        rules.decide(&claims(&["a:x and b:y"]), "ns", Some(&ns)),
        Err(Denied::NoSubject)
    );
    assert_eq!(
        rules.decide(&claims(&["b:y"]), "ns", Some(&ns)),
        Err(Denied::NoSubject)
    );
}

/// Names that are parts and prefixes of each other, of any length and script.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ab0-]{0,4}",
        4 => select(vec!["a", "b", "a-b", "b-a", "ab", "a-", "-a", "", "k-", "k-a", "k-k-a", "g:a", "g:a-b", "g:k-a"])
            .prop_map(str::to_owned),
        1 => Just("a".repeat(253)),
        1 => Just("a".repeat(254)),
        1 => "\\PC{0,3}",
    ]
}

fn any_binding() -> impl Strategy<Value = Binding> {
    (text(), text(), vec(text(), 0..4)).prop_map(|(namespace, name, subjects)| Binding {
        namespace,
        name,
        subjects,
    })
}

/// What a group or a subject names, written without regular expressions.
fn oracle(text: &str, with_expression: bool) -> Option<String> {
    let rest = if with_expression {
        let rest = text.strip_prefix("g:")?;
        let allowed = |c: char| "ab0k-".contains(c);
        rest.chars().all(allowed).then_some(rest)?
    } else {
        text
    };
    Some(rest.to_owned()).filter(|rest| !rest.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Nobody is allowed but administrators and those whose group is a subject of the RoleBinding that
    /// lies in the very namespace, and has the very name.
    #[test]
    fn nobody_else_is_allowed(
        groups in vec(text(), 0..4),
        requested in text(),
        found in option::of(any_binding()),
        is_right_namespace in any::<bool>(),
        is_right_name in any::<bool>(),
        prefix in select(vec!["", "k-", "-"]),
        admin in option::of(text()),
        with_expression in any::<bool>(),
    ) {
        let rules = rules(with_expression.then_some("g:([ab0k-]*)"), admin.as_deref(), prefix);
        let claims = Claims { user: String::new(), groups };
        let found = found.map(|mut binding| {
            if is_right_namespace {
                binding.namespace.clone_from(&requested);
            }
            if is_right_name {
                binding.name = format!("{prefix}{requested}");
            }
            binding
        });
        let named: Vec<_> =
            claims.groups.iter().filter_map(|group| oracle(group, with_expression)).collect();
        let is_admin = admin.as_ref().is_some_and(|admin| named.contains(admin));
        let is_subject = found.as_ref().is_some_and(|binding| {
            binding.namespace == requested
                && binding.name == format!("{prefix}{requested}")
                && binding.subjects.iter().any(|subject| {
                    let trimmed = subject.strip_prefix(prefix).unwrap_or(subject);
                    oracle(trimmed, with_expression).is_some_and(|team| named.contains(&team))
                })
        });
        let decision = rules.decide(&claims, &requested, found.as_ref());
        prop_assert_eq!(decision.is_ok(), is_admin || is_subject);
    }
}
