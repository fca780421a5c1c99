//! The calls that volumes of classes cost, and the Regions that are asked.

use std::time::{Duration, Instant};

use rstest::rstest;

use crate::{
    class_volume::{Pod, files},
    cloud::{Call, Instead, error_response},
    container::run,
};

const FIRST: &str = "eu-west-1";
const SECOND: &str = "eu-west-2";
const FAILOVER: (&str, &str) = ("failoverRegion", SECOND);

const OBJECT: &str = "- {objectName: first, objectType: secretsmanager}";

fn objects(count: usize, kind: &str, prefix: &str) -> String {
    let object = |index| format!("- {{objectName: {prefix}{index}, objectType: {kind}}}\n");
    (0..count).map(object).collect()
}

/// The operations and Regions, without the key.
fn calls(pod: &Pod) -> Vec<String> {
    let calls = pod.calls().into_iter();
    calls
        .map(|call| call.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

#[test]
fn ten_secrets_are_one_call_and_ten_parameters_another() {
    let mut pod = Pod::new(&[]);
    let both = objects(10, "secretsmanager", "s") + &objects(10, "ssmparameter", "/p");
    pod.add("db", &both, &[]);
    for index in 0..10 {
        pod.secret(&format!("s{index}"), "x");
        pod.parameter(&format!("/p{index}"), "x");
    }
    pod.run();
    let mut calls = calls(&pod);
    calls.sort();
    assert_eq!(
        calls,
        ["BatchGetSecretValue eu-west-1", "GetParameters eu-west-1"]
    );
    assert_eq!(pod.files("db").len(), 20);
}

#[test]
fn eleven_parameters_are_two_calls() {
    let mut pod = Pod::new(&[]);
    pod.add("db", &objects(11, "ssmparameter", "/p"), &[]);
    (0..11).for_each(|index| pod.parameter(&format!("/p{index}"), "x"));
    pod.run();
    assert_eq!(calls(&pod), ["GetParameters eu-west-1"; 2]);
}

#[test]
fn each_version_is_read_as_the_class_names_it() {
    let mut pod = Pod::new(&[]);
    let objects = "- {objectName: /p, objectType: ssmparameter, objectVersion: 3, objectAlias: third}\n\
                   - {objectName: /p, objectType: ssmparameter, objectVersionLabel: good, objectAlias: good}\n\
                   - {objectName: /p, objectType: ssmparameter, objectAlias: current}\n";
    pod.add("db", objects, &[]);
    pod.parameter("/p", "now");
    pod.parameter("/p:3", "old");
    pod.parameter("/p:good", "tested");
    pod.run();
    let expected = [
        ("third", "0644", "old"),
        ("good", "0644", "tested"),
        ("current", "0644", "now"),
    ];
    assert_eq!(pod.files("db"), files(expected));
}

#[test]
fn a_version_that_a_parameter_has_not_is_named() {
    let mut pod = Pod::new(&[]);
    let objects = "- {objectName: /p, objectType: ssmparameter, objectVersion: 3}\n\
                   - {objectName: /q, objectType: ssmparameter, objectVersionLabel: good}";
    pod.add("db", objects, &[]);
    pod.parameter("/p", "now");
    let (status, message) = pod.fails();
    assert_eq!(status, 75, "{message}");
    for name in ["/p:3", "/q:good"] {
        let expected = format!("ssmparameter {name} in eu-west-1: it does not exist");
        assert!(message.contains(&expected), "{message}");
    }
}

#[rstest]
#[case::of_the_class(&[("region", "us-east-1")], &[], "us-east-1")]
#[case::of_the_pod(&[], &[("AWS_REGION", "us-east-2")], "us-east-2")]
#[case::default(&[], &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-west-1")], "us-west-1")]
fn the_region_is_that_of_the_class_else_of_the_pod(
    #[case] parameters: &[(&str, &str)],
    #[case] variables: &[(&str, &str)],
    #[case] region: &str,
) {
    let mut pod = Pod::new(&[]);
    pod.add("db", OBJECT, parameters);
    pod.secret("first", "1");
    let (status, stderr) = run(pod.command().envs(variables.iter().copied()));
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(calls(&pod), [format!("GetSecretValue {region}")]);
}

#[test]
fn a_pod_without_a_region_is_told_the_parameter_of_the_class() {
    let mut pod = Pod::new(&[]);
    pod.add("db", OBJECT, &[]);
    pod.add("located", OBJECT, &[("region", FIRST)]);
    pod.add("other", OBJECT, &[]);
    // The label of the node's Region may be absent.
    let (status, stderr) = run(pod.command().env("AWS_REGION", ""));
    assert_eq!(status, 64, "{stderr}");
    let message = pod.container.read("termination-log");
    for volume in ["db", "other"] {
        let expected = format!(
            "the volume {volume} (SecretProviderClass class-of-{volume}): the AWS Region is not known; \
             set the parameter region of the class, or AWS_REGION"
        );
        assert!(message.contains(&expected), "{message}");
    }
    assert!(!message.contains("the volume located"), "{message}");
    // A pod has no profile and no flags.
    assert!(!message.contains("--aws-region"), "{message}");
    assert!(calls(&pod).is_empty());
}

/// The webhook cannot check this if it does not know the Region.
#[rstest]
#[case::arn(
    "- {objectName: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:s'}",
    &[],
    "secret:s is not in the Region eu-west-1; use an ARN of that Region, or set region"
)]
#[case::failover(
    OBJECT,
    &[("failoverRegion", FIRST)],
    "failoverRegion is eu-west-1, as is the Region of the pod"
)]
fn a_region_that_does_not_fit_the_class_is_an_error(
    #[case] objects: &str,
    #[case] parameters: &[(&str, &str)],
    #[case] what: &str,
) {
    let mut pod = Pod::new(&[]);
    pod.add("db", objects, parameters);
    let (status, message) = pod.fails();
    assert_eq!(status, 65, "{message}");
    assert!(
        message.contains("the volume db (SecretProviderClass class-of-db)"),
        "{message}"
    );
    assert!(message.contains(what), "{message}");
    assert!(calls(&pod).is_empty());
}

fn in_first(call: &Call, instead: &Instead) -> Option<Instead> {
    (call.region == FIRST).then(|| instead.clone())
}

#[test]
fn the_failover_region_is_not_asked_while_the_first_one_answers() {
    let mut pod = Pod::new(&[]);
    let objects = OBJECT.to_owned() + "\n- {objectName: /p, objectType: ssmparameter}";
    pod.add("db", &objects, &[FAILOVER]);
    pod.secret("first", "1");
    pod.parameter("/p", "2");
    pod.run();
    assert!(
        calls(&pod).iter().all(|call| call.ends_with(FIRST)),
        "{:?}",
        calls(&pod)
    );
}

#[rstest]
#[case::failing(Instead::Answer(503, String::new()))]
#[case::hanging(Instead::Silence)]
#[case::closed(Instead::HangUp)]
#[case::denied(error_response("AccessDeniedException", "not authorized"))]
fn the_failover_region_has_what_the_first_one_does_not_give(#[case] instead: Instead) {
    let mut pod = Pod::scripted(&[], move |call| in_first(call, &instead));
    let objects = "- {objectName: a, objectType: secretsmanager, objectAlias: s, \
                      failoverObject: {objectName: b}}\n\
                   - {objectName: /p, objectType: ssmparameter}";
    pod.add("db", objects, &[FAILOVER]);
    pod.secret("b", "of the second");
    pod.parameter("/p", "2");
    let begin = Instant::now();
    let log = pod.run();
    let warning = "asking the failover Region for a: in eu-west-1: ";
    assert!(log.contains(warning), "{log}");
    assert!(begin.elapsed() < Duration::from_secs(3));
    let expected = [("s", "0644", "of the second"), ("_p", "0644", "2")];
    assert_eq!(pod.files("db"), files(expected));
    let calls = calls(&pod);
    assert!(
        calls.contains(&format!("GetSecretValue {FIRST}")),
        "{calls:?}"
    );
    assert!(
        calls.contains(&format!("GetSecretValue {SECOND}")),
        "{calls:?}"
    );
}

#[test]
fn only_what_the_first_region_does_not_give_is_asked_for_in_the_second() {
    let mut pod = Pod::scripted(&[], |call| {
        let denied = error_response("AccessDeniedException", "not authorized");
        (call.region == FIRST && call.operation == "GetParameters").then_some(denied)
    });
    let objects = OBJECT.to_owned() + "\n- {objectName: /p, objectType: ssmparameter}";
    pod.add("db", &objects, &[FAILOVER]);
    pod.secret("first", "1");
    pod.parameter("/p", "2");
    pod.run();
    let mut calls = calls(&pod);
    calls.sort();
    let expected = [
        "GetParameters eu-west-1",
        "GetParameters eu-west-2",
        "GetSecretValue eu-west-1",
    ];
    assert_eq!(calls, expected);
}

#[rstest]
#[case::absent(None, 75, "secretsmanager first in eu-west-1: it does not exist")]
#[case::deleted(
    Some(("InvalidRequestException", "the secret because it was marked for deletion.")),
    75,
    "the secret first is scheduled for deletion"
)]
#[case::key(Some(("DecryptionFailure", "the key is disabled")), 69, "the key is disabled")]
fn what_the_first_region_knows_to_be_wrong_is_final(
    #[case] error: Option<(&'static str, &'static str)>,
    #[case] expected: i32,
    #[case] what: &str,
) {
    let mut pod = Pod::scripted(&[], move |call| {
        if call.region != FIRST || call.operation != "GetSecretValue" {
            return None;
        }
        let (code, message) = error.unwrap_or((
            "ResourceNotFoundException",
            "can't find the specified secret.",
        ));
        Some(error_response(code, message))
    });
    pod.add("db", OBJECT, &[FAILOVER]);
    pod.secret("first", "1");
    let (status, message) = pod.fails();
    assert_eq!(status, expected, "{message}");
    assert!(message.contains(what), "{message}");
    assert!(
        calls(&pod).iter().all(|call| call.ends_with(FIRST)),
        "{:?}",
        calls(&pod)
    );
}

#[test]
fn the_causes_of_both_regions_are_told() {
    let mut pod = Pod::scripted(&[], |call| {
        let instead = Instead::Answer(503, String::new());
        in_first(call, &instead)
    });
    pod.add("db", OBJECT, &[FAILOVER]);
    let (status, message) = pod.fails();
    // The first Region was not reached, so nobody knows whether the secret exists there.
    assert_eq!(status, 69, "{message}");
    assert!(
        message.contains("secretsmanager first in eu-west-1: "),
        "{message}"
    );
    assert!(
        message.contains("; secretsmanager first in eu-west-2: it does not exist"),
        "{message}"
    );
}

#[test]
fn volumes_in_two_regions_are_filled_at_the_same_time() {
    let mut pod = Pod::new(&[]);
    pod.add("one", OBJECT, &[("region", FIRST)]);
    pod.add("two", OBJECT, &[("region", SECOND)]);
    pod.secret("first", "1");
    pod.run();
    let mut calls = calls(&pod);
    calls.sort();
    assert_eq!(
        calls,
        ["GetSecretValue eu-west-1", "GetSecretValue eu-west-2"]
    );
    assert_eq!(pod.files("one"), pod.files("two"));
}
