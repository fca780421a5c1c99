//! Classes and expressions that are large, deep, or grow.

use std::fmt::Write as _;

use kees_common::SecretValue;
use kees_secret_provider_class::{ClassErrorKind, ExtractError, FilesError, files};
use proptest::prelude::*;
use rstest::rstest;

use crate::{class, parse_class, parse_objects};

#[test]
fn two_thousand_objects_are_read() {
    let objects = (0..2000).fold(String::new(), |mut text, index| {
        let _ = writeln!(
            text,
            "- {{objectName: s/{index}, objectType: secretsmanager}}"
        );
        text
    });
    let mount = parse_objects(&objects).unwrap();
    assert_eq!(mount.objects.len(), 2000);
    assert_eq!(mount.objects[1999].file.path, "s_1999");
}

#[rstest]
#[case::objects("- {objectName: a, objectType: secretsmanager}\n")]
#[case::text("aaaaaaaa")]
#[case::maps("{a: ")]
#[case::lists("[")]
#[case::empty("-\n")]
#[case::slashes("- {objectName: a/b/c/d/e/f/g, objectType: secretsmanager}\n")]
#[case::aliases("- &a {objectName: a, <<: {}}\n- *a\n")]
fn a_class_of_a_megabyte_has_errors_and_nothing_else(#[case] part: &str) {
    let objects = part.repeat((1 << 20) / part.len());
    let class = class(&[("objects", &objects), ("pathTranslation", "False")]);
    let errors = parse_class(&class).unwrap_err();
    assert!((1..=101).contains(&errors.len()), "{}", errors.len());
}

#[rstest]
#[case::objects(&"- a\n".repeat(10_001), "objects", 10_000)]
#[case::values(&format!("- {{x: [{}]}}", "a,".repeat(100_000)), "values", 100_000)]
#[case::text(
    &format!("- {{objectName: &a {}}}\n{}", "x".repeat(600_000), "- {objectName: *a}\n".repeat(4)),
    "bytes in its aliases",
    1 << 20
)]
fn a_list_that_would_take_too_much_memory_is_an_error(
    #[case] objects: &str,
    #[case] what: &'static str,
    #[case] limit: usize,
) {
    let errors = parse_objects(objects).unwrap_err();
    let kinds: Vec<_> = errors.into_iter().map(|error| error.kind).collect();
    assert_eq!(kinds, [ClassErrorKind::TooLarge { what, limit }]);
}

#[test]
fn aliases_of_long_names_are_read_up_to_a_megabyte() {
    let objects = format!(
        "- {{objectName: &a {}, objectType: secretsmanager, objectAlias: a}}\n\
         - {{objectName: *a, objectType: secretsmanager, objectAlias: b}}\n",
        "x".repeat(600_000)
    );
    assert_eq!(parse_objects(&objects).unwrap().objects.len(), 2);
}

#[test]
fn what_is_not_listed_is_counted() {
    let errors = parse_objects(&"-\n".repeat(250)).unwrap_err();
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100].kind, ClassErrorKind::Others(150));
}

#[test]
fn aliases_that_stand_for_too_much_are_an_error() {
    let keys = (0..3000).fold(String::new(), |mut text, index| {
        let _ = write!(text, "k{index}: v, ");
        text
    });
    let objects = format!("- &a {{{keys}objectName: a}}\n{}", "- *a\n".repeat(3000));
    let errors = parse_objects(&objects).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        matches!(errors[0].kind, ClassErrorKind::Aliases(_)),
        "{errors:?}"
    );
    let itself = parse_objects("- &a {objectName: a, failoverObject: *a}\n").unwrap_err();
    assert_eq!(itself[0].kind, ClassErrorKind::AliasOfItself);
}

#[rstest]
#[case::lists("[@,@]|", 19)]
#[case::flattened("[@,@][]|", 14)]
#[case::maps("{a:@,b:@}|", 14)]
#[case::joined("join('',[@,@])|", 10)]
#[case::joined_with_itself("join(@,[@,@,@])|", 9)]
#[case::mapped("map(&[@,@],@)|", 10)]
#[case::printed("to_string([@])|", 19)]
#[case::projected("[*].[@,@][]|", 9)]
#[case::products("[@,@,@,@]|", 11)]
fn an_expression_that_explodes_is_an_error(#[case] part: &str, #[case] count: usize) {
    let expression = format!("{}@", part.repeat(count));
    assert_eq!(
        expression_error(&expression),
        "its result could become too large; make the expression simpler"
    );
    // Two of them are within the bounds.
    let expression = format!("{}@", part.repeat(2));
    let found = extract("\"a\"", &expression).map_err(|error| error.to_string());
    assert!(!found.is_err_and(|error| error.contains("too large")));
}

#[rstest]
#[case::parentheses(&"(".repeat(4000), "it has more than 120 signs of punctuation")]
#[case::negations(&format!("{}a", "!".repeat(4000)), "it has more than 120 signs of punctuation")]
#[case::fields(&format!("a{}", ".a".repeat(2000)), "it has more than 120 signs of punctuation")]
#[case::json(&format!("`{}`", "[".repeat(4000)), "it has more than 120 signs of punctuation")]
#[case::long(&"a".repeat(5000), "it has more than 4096 bytes")]
#[case::expressions(
    "map([&a][0], @)",
    "'&' is possible in the arguments of functions alone"
)]
fn an_expression_that_is_too_long_or_deep_is_an_error(
    #[case] expression: &str,
    #[case] expected: &str,
) {
    assert_eq!(expression_error(expression), expected);
}

/// Why a class with this expression is refused.
fn expression_error(expression: &str) -> String {
    let objects = format!(
        "- {{objectName: a, objectType: secretsmanager, jmesPath: [{{path: {expression:?}, \
         objectAlias: b}}]}}"
    );
    let errors = parse_objects(&objects).unwrap_err();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    match &error.kind {
        ClassErrorKind::Expression { reason, .. } => reason.clone(),
        other => panic!("{other}"),
    }
}

/// The deepest expressions that are accepted do not overflow the stack of a test's thread.
#[rstest]
#[case(&format!("{}a", "!".repeat(120)))]
#[case(&format!("{}a{}", "(".repeat(60), ")".repeat(60)))]
#[case(&format!("a{}", ".a".repeat(120)))]
#[case(&format!("a{}", "||a".repeat(60)))]
#[case(&format!("{}a{}", "[".repeat(60), "]".repeat(60)))]
#[case(&format!("{}a{}", "to_array(".repeat(60), ")".repeat(60)))]
#[case(&format!("a{}", "[*]".repeat(40)))]
#[case(&format!("{}a{}", "[?".repeat(40), "]".repeat(40)))]
fn a_deep_expression_is_evaluated(#[case] expression: &str) {
    let _ = extract("{\"a\": [[1]]}", expression);
}

#[rstest]
#[case(
    "users[?contains(name, 'b')] | [].roles[?enabled].name | [0] | [0]",
    "admin"
)]
#[case("join(', ', sort_by(users, &name)[].roles[].name)", "admin, reader")]
#[case("to_string(map(&length(roles), users))", "[1,1]")]
#[case(
    "to_string(users[].{n: name, r: roles[].name} | [0])",
    "{\"n\":\"a\",\"r\":[\"reader\"]}"
)]
fn a_useful_expression_is_within_the_bounds(#[case] expression: &str, #[case] expected: &str) {
    let json = r#"{"users": [
        {"name": "a", "roles": [{"name": "reader", "enabled": true}]},
        {"name": "b", "roles": [{"name": "admin", "enabled": true}]}
    ]}"#;
    let found = extract(json, expression).unwrap();
    let sorted = |text: &str| {
        let mut words: Vec<_> = text.split(", ").map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(sorted(&found), sorted(expected));
}

fn extract(value: &str, expression: &str) -> Result<String, ExtractError> {
    let objects = "- {objectName: a, objectType: secretsmanager, \
                   jmesPath: [{path: x, objectAlias: b}]}";
    let mut mount = parse_objects(objects).unwrap();
    expression.clone_into(&mut mount.objects[0].extracts[0].expression);
    let value = SecretValue::new(value.as_bytes().to_vec());
    match files(&mount, |_| Some(&value)) {
        Ok(files) => Ok(files[1].content.expose_text().unwrap().to_owned()),
        Err(errors) => match errors.into_iter().next() {
            Some(FilesError::Extract { error, .. }) => Err(error),
            other => panic!("{other:?}"),
        },
    }
}

/// No message has a part of the value.
#[rstest]
#[case("marker", "a")]
#[case("{\"a\": \"marker\"}", "length(a, a)")]
#[case("{\"a\": \"marker\"}", "abs(a)")]
#[case("{\"a\": {\"marker\": 1}}", "a")]
#[case("{\"a\": [\"marker\"]}", "join(a, a)")]
#[case("{\"a\": [\"marker\", 1]}", "sort(a)")]
#[case("{\"a\": [{\"b\": [\"marker\"]}]}", "sort_by(a, &b)")]
fn an_error_of_an_expression_has_no_value(#[case] value: &str, #[case] expression: &str) {
    let error = extract(value, expression).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("marker"), "{error}");
}

proptest! {
    #[test]
    fn whatever_the_text_is_it_has_a_verdict(objects in "[-{}\\[\\]:,&*!|>'\"# a-e\n]{0,60}") {
        let _ = parse_objects(&objects);
    }

    /// The bounds hold: what is accepted is evaluated at once.
    #[test]
    fn whatever_the_expression_is_it_has_a_result(
        expression in "(@|a|\\[@,a\\]|\\.|\\[\\]|\\[\\*\\]|\\||\\(|\\)|join\\('',|to_string\\(|map\\(&|,|!){1,12}",
    ) {
        let _ = extract("{\"a\": [\"x\", [\"y\"]]}", &expression);
    }
}
