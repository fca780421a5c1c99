//! Tests of errors and warnings of several annotations together.

use rstest::rstest;

use super::*;

#[test]
fn every_error_of_every_annotation_is_found() {
    let parsed = Parsed::from_annotations(
        &"d".parse().unwrap(),
        [
            ("secret.d/-", "kind=DYNAMIC,\\u"),
            (
                "secret.d/b",
                "kind=DYNAMIC,type=GPG,size=0,userId=x,storageKey=y,localModeValue=!",
            ),
            ("secret.d/c", "kind=DYNAMIC,type=PASSWORD,size=64"),
            ("lease.d/d", ""),
            ("init.d/order", "middle"),
            ("secret.other/e", "garbage"),
        ],
    );
    let at: Vec<_> = parsed
        .errors
        .iter()
        .map(|error| error.annotation.as_str())
        .collect();
    let expected = [
        vec!["init.d/order"],
        vec!["lease.d/d"; 3],
        vec!["secret.d/-"; 3],
        vec!["secret.d/b"; 5],
    ]
    .concat();
    assert_eq!(at, expected);
    assert_eq!(parsed.entries.len(), 1);
    assert_eq!(parsed.warnings, []);
}

#[rstest]
#[case("secret.d/a", "kind=REFERENCE,foo=bar", &["the key 'foo' is unknown, ignored"])]
#[case("secret.d/a", "kind=reference,foo=bar,size=8", &["the key 'foo' is unknown, ignored"])]
#[case("secret.d/a", "kind=REFERENCE,rangeEnd=1", &["the key 'rangeEnd' has no effect here, ignored"])]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=PASSWORD,size=64,userId=a<b>,property=x",
    &["the key 'userId' has no effect here, ignored", "the key 'property' has no effect here, ignored"]
)]
#[case(
    "lease.d/a",
    "kind=INDEX,rangeStart=0,rangeEnd=1,store=memory,localModeValue=YQ==",
    &["the key 'store' has no effect here, ignored", "the key 'localModeValue' has no effect here, ignored"]
)]
#[case(
    "secret.d/a",
    "kind=REFERENCE,type=PASSWORD,size=7",
    &["size= is ignored, local mode uses size=256; a PASSWORD has a size of 8 to 8192 bits, a character for each 8"]
)]
#[case("resource.d/a", "\\u001b\\n=x", &["the key '\\u{1b}\\n' is unknown, ignored"])]
#[case("init.d/colour", "x", &["unknown, ignored"])]
fn what_has_no_effect_is_a_warning(
    #[case] key: &str,
    #[case] value: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(warnings(key, value), expected);
}

#[rstest]
#[case("secret.d/a", "kind=DYNAMIC,type=PASSWORD,Size=64", &["the key 'Size' is unknown; did you mean size="])]
#[case(
    "secret.d/a",
    "Kind=DYNAMIC,type=PASSWORD,size=64,storagekey=x,foo=bar",
    &["the key 'Kind' is unknown; did you mean kind=", "the key 'storagekey' is unknown; did you mean storageKey="]
)]
#[case(
    "secret.d/a",
    "kind=REFERENCE,stores=s3",
    &["the key 'stores' is unknown; did you mean store=", "'s3' is not a store; use dynamodb, secretsmanager, ssm or embedded"]
)]
#[case("resource.d/a", "storageky=x", &["the key 'storageky' is unknown; did you mean storageKey="])]
#[case("init.d/storage-prefx", "x", &["unknown; did you mean init.d/storage-prefix"])]
#[case("init.d/Format", "json", &["unknown; did you mean init.d/format"])]
fn a_misspelled_key_or_option_is_an_error(
    #[case] key: &str,
    #[case] value: &str,
    #[case] expected: &[&str],
) {
    let parsed = parse(key, value);
    let messages: Vec<_> = parsed.errors.iter().map(|e| e.kind.to_string()).collect();
    assert_eq!(messages, expected);
    assert_eq!(parsed.entries, []);
}

#[test]
fn a_limited_number_of_unknown_keys_is_compared_with_the_known_ones() {
    let parsed = parse("resource.d/a", &"sizex=1,".repeat(1000));
    assert_eq!(parsed.errors.len(), 64);
}

#[test]
fn denied_warnings_are_errors() {
    let annotations = [
        ("secret.d/b", "kind=REFERENCE,foo=bar"),
        ("secret.d/a", "kind=nothing"),
        ("secrets.d/c", ""),
    ];
    let mut parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
    assert_eq!((parsed.errors.len(), parsed.warnings.len()), (1, 2));
    parsed.deny_warnings();
    let messages: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages[1..],
        [
            "secret.d/b: the key 'foo' is unknown, ignored; in strict mode, this warning is an error",
            "secrets.d/c: ignored; did you mean secret.d/c; in strict mode, this warning is an error",
        ]
    );
    assert_eq!(parsed.warnings, []);
}

#[test]
fn a_message_stays_one_short_line() {
    let key = format!("secret.d/{}", "x\n".repeat(1000));
    let value = format!("kind={}\u{1b}", "y".repeat(100_000));
    let parsed = parse(&key, &value);
    for error in parsed
        .errors
        .iter()
        .chain(&parse("secret.d/a", &value).errors)
    {
        let message = error.to_string();
        assert!(
            message.len() < 500 && !message.contains(char::is_control),
            "{message}"
        );
    }
    let parsed = parse("init.d/storage-prefix", &format!("/{}", "z".repeat(10_000)));
    assert!(parsed.errors[0].to_string().len() < 300);
}

#[test]
fn no_message_repeats_a_local_value() {
    for key in ["secret.d/a", "resource.d/a", "lease.d/a"] {
        let parsed = parse(key, "kind=REFERENCE,localModeValue=canary_,foo");
        assert!(!format!("{:?} {:?}", parsed.errors, parsed.warnings).contains("canary"));
    }
    let entry = valid("resource.d/a", "localModeValue=Y2FuYXJ5");
    let debug = format!("{entry:?}");
    assert!(
        !debug.contains("canary") && !debug.contains("Y2FuYXJ5"),
        "{debug}"
    );
}

#[test]
fn many_unknown_keys_have_few_warnings() {
    let value = "x,".repeat(1000);
    let parsed = Parsed::from_annotations(
        &Domain::default(),
        [("resource.bsycorp.com/a", value.as_str())],
    );
    assert_eq!(parsed.warnings.len(), 17);
    assert_eq!(
        parsed.warnings[16].message,
        "984 more keys are unknown or have no effect, ignored"
    );
}
