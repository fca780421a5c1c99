//! What a user sees when the volumes of classes cannot be filled.

use std::time::{Duration, Instant};

use kees_secret_provider_class::ClassVolumes;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    class_volume::Pod,
    cloud::{Call, Instead, error_response},
    container::run,
};

const SECRETS: &str = "\
- {objectName: first, objectType: secretsmanager}
- {objectName: second, objectType: secretsmanager}
";

/// The message of IAM.
fn denial(action: &str, name: &str) -> String {
    format!(
        "User: arn:aws:sts::123456789012:assumed-role/pod/team-a.web-0 is not authorized to perform: \
         {action} on resource: {name} because no identity-based policy allows the {action} action"
    )
}

/// Denies what is not in a batch and is about `name`, and every batch.
fn denying(name: &'static str) -> impl Fn(&Call) -> Option<Instead> {
    move |call| {
        let is_about = |of: &Value| of.as_str() == Some(name);
        match call.operation.as_str() {
            "BatchGetSecretValue" => Some(error_response(
                "AccessDeniedException",
                &denial("secretsmanager:BatchGetSecretValue", "*"),
            )),
            "GetSecretValue" if is_about(&call.body["SecretId"]) => Some(error_response(
                "AccessDeniedException",
                &denial("secretsmanager:GetSecretValue", name),
            )),
            "GetParameters" if call.body["Names"].as_array()?.iter().any(is_about) => {
                let arn = format!("arn:aws:ssm:eu-west-1:123456789012:parameter{name}");
                let message = denial("ssm:GetParameters", &arn);
                Some(error_response("AccessDeniedException", &message))
            }
            _ => None,
        }
    }
}

#[test]
fn a_denied_secret_names_itself_its_region_and_the_action() {
    let mut pod = Pod::scripted(&[], denying("second"));
    pod.add("db", SECRETS, &[]);
    pod.secret("first", "1");
    pod.secret("second", "2");
    let (status, message) = pod.fails();
    assert_eq!(status, 77, "{message}");
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "nothing was written: 1 error, exit 77, denied");
    let expected = "the volume db (SecretProviderClass class-of-db): secretsmanager second in eu-west-1: \
                    AccessDeniedException: ";
    assert!(lines[1].starts_with(expected), "{message}");
    let remedy = "; allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:*:secret:second-??????";
    assert!(lines[1].contains(remedy), "{message}");
    assert_eq!(lines.len(), 2, "{message}");
}

#[test]
fn a_denied_parameter_names_itself_its_region_and_the_action() {
    let mut pod = Pod::scripted(&[], denying("/second"));
    let objects = "- {objectName: /first, objectType: ssmparameter}\n\
                   - {objectName: /second, objectType: ssmparameter}";
    pod.add("db", objects, &[]);
    pod.parameter("/first", "1");
    pod.parameter("/second", "2");
    let (status, message) = pod.fails();
    assert_eq!(status, 77, "{message}");
    let expected = "ssmparameter /second in eu-west-1: AccessDeniedException: ";
    assert!(message.contains(expected), "{message}");
    let remedy = "; allow ssm:GetParameters on arn:aws:ssm:eu-west-1:123456789012:parameter/second";
    assert!(message.contains(remedy), "{message}");
    assert!(!message.contains("/first"), "{message}");
}

#[test]
fn nothing_is_written_unless_everything_was_read_and_all_errors_are_told() {
    let mut pod = Pod::scripted(&[("secret/token", "kind=REFERENCE")], denying("second"));
    pod.add("db", SECRETS, &[]);
    pod.add(
        "whole",
        "- {objectName: first, objectType: secretsmanager}",
        &[],
    );
    pod.add(
        "other",
        "- {objectName: /gone, objectType: ssmparameter}",
        &[],
    );
    pod.secret("first", "1");
    let (status, message) = pod.fails();
    assert_eq!(status, 77, "{message}");
    assert!(
        message.starts_with("nothing was written: 3 errors, exit 77"),
        "{message}"
    );
    assert!(
        message.contains("secretsmanager second in eu-west-1: AccessDenied"),
        "{message}"
    );
    assert!(
        message.contains("ssmparameter /gone in eu-west-1: it does not exist"),
        "{message}"
    );
    assert!(message.contains("secret.bsycorp.com/token"), "{message}");
    assert!(pod.container.volume().is_empty());

    // The annotation alone.
    let mut pod = Pod::new(&[("secret/token", "kind=REFERENCE")]);
    pod.add(
        "db",
        "- {objectName: first, objectType: secretsmanager}",
        &[],
    );
    pod.secret("first", "1");
    let (status, message) = pod.fails();
    assert_eq!(status, 75, "{message}");
}

#[test]
fn one_reason_for_many_objects_is_told_once() {
    let mut pod = Pod::scripted(&[], |_| Some(Instead::Answer(503, "<html>".to_owned())));
    pod.add("db", SECRETS, &[]);
    let (status, message) = pod.fails();
    assert_eq!(status, 69, "{message}");
    assert!(
        message.starts_with("nothing was written: 1 error,"),
        "{message}"
    );
    assert!(message.contains("2 objects in eu-west-1: "), "{message}");
    let names = "the objects are secretsmanager first, secretsmanager second";
    assert!(message.ends_with(names), "{message}");
    assert!(pod.calls().len() > 2, "{:?}", pod.calls());
}

#[test]
fn a_failure_that_passes_is_logged_and_waited_for() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let mut pod = Pod::scripted(&[], move |_| {
        let number = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (number < 2).then(|| error_response("ThrottlingException", "Rate exceeded"))
    });
    pod.add(
        "db",
        "- {objectName: first, objectType: secretsmanager}",
        &[],
    );
    pod.secret("first", "1");
    let log = pod.run();
    assert!(log.contains("trying again until the deadline"), "{log}");
    assert_eq!(pod.files("db").len(), 1);
}

const JSON: &str = "- {objectName: first, objectType: secretsmanager, jmesPath: [{path: PATH, objectAlias: part}]}";

#[rstest]
#[case::text("canary", "user", "the value is not JSON")]
#[case::half_of_json("{\"user\": \"canary", "user", "the value is not JSON")]
#[case::absent("{\"name\": \"canary\"}", "user", "the JMESPath user finds nothing")]
#[case::number(
    "{\"user\": 17, \"name\": \"canary\"}",
    "user",
    "use to_string() for numbers"
)]
fn a_value_that_is_not_what_the_class_says_is_named(
    #[case] value: &str,
    #[case] path: &str,
    #[case] what: &str,
) {
    let mut pod = Pod::new(&[]);
    pod.add("db", &JSON.replace("PATH", path), &[]);
    pod.secret("first", value);
    let (status, message) = pod.fails();
    assert_eq!(status, 65, "{message}");
    assert!(
        message.contains("secretsmanager first in eu-west-1: "),
        "{message}"
    );
    assert!(message.contains(what), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

#[test]
fn bytes_in_which_something_is_looked_for_are_no_json() {
    let mut pod = Pod::new(&[]);
    pod.add("db", &JSON.replace("PATH", "user"), &[]);
    pod.cloud.put("first", json!({"SecretBinary": "AP8="}));
    let (status, message) = pod.fails();
    assert_eq!(status, 65, "{message}");
    assert!(message.contains("the value is not JSON"), "{message}");
}

/// The webhook denies such a class. Here the text comes from somebody else.
#[test]
fn an_expression_that_explodes_is_an_error_at_once() {
    let mut pod = Pod::new(&[]);
    pod.add("db", &JSON.replace("PATH", "user"), &[]);
    pod.secret("first", &json!({"user": "x".repeat(60_000)}).to_string());
    let double = "join('', [user, user])";

    let mut expression = double.to_owned();
    for _ in 0..18 {
        expression.push_str(" | join('', [@, @])");
    }
    let text = pod.variable();
    let mut volumes: ClassVolumes = text.parse().unwrap();
    volumes.0[0].mount.objects[0].extracts[0].expression = expression;
    let begin = Instant::now();
    let (status, stderr) = run(pod.command().env("CLASS_VOLUMES", volumes.to_string()));
    assert_eq!(status, 65, "{stderr}");
    assert!(begin.elapsed() < Duration::from_secs(3));
    assert!(stderr.contains("the JMESPath join("), "{stderr}");
    assert!(pod.files("db").is_empty());
}

#[rstest]
#[case::no_json("nonsense", "not the volumes that the webhook writes")]
#[case::unknown_service(
    r#"[{"name":"v","class":"c","path":"/v","identity":"serviceAccountRole","objects":[{"service":"vault","name":"n","file":{"path":"f","mode":"0644"}}]}]"#,
    "unknown variant `vault`"
)]
#[case::mode(
    r#"[{"name":"v","class":"c","path":"/v","identity":"serviceAccountRole","objects":[{"service":"ssmparameter","name":"n","file":{"path":"f","mode":"9"}}]}]"#,
    "four octal digits"
)]
#[case::root(
    r#"[{"name":"v","class":"c","path":"/","identity":"serviceAccountRole","objects":[]}]"#,
    "has the path '/' for the volume v"
)]
#[case::relative(
    r#"[{"name":"v","class":"c","path":"v","identity":"serviceAccountRole","objects":[]}]"#,
    "has the path 'v' for the volume v"
)]
#[case::within(
    r#"[{"name":"v","class":"c","path":"/v","identity":"serviceAccountRole","objects":[]},{"name":"w","class":"c","path":"/v/w","identity":"serviceAccountRole","objects":[]}]"#,
    "has the path /v/w for the volume w and /v for v"
)]
fn a_wrong_variable_is_wrong_environment(#[case] text: &str, #[case] what: &str) {
    let pod = Pod::new(&[]);
    let (status, stderr) = run(pod.command().env("CLASS_VOLUMES", text));
    assert_eq!(status, 64, "{stderr}");
    assert!(stderr.contains("CLASS_VOLUMES"), "{stderr}");
    assert!(stderr.contains(what), "{stderr}");
}

#[test]
fn a_wrong_variable_is_not_printed_whole() {
    let pod = Pod::new(&[]);
    let text = "x".repeat(100_000);
    let (status, stderr) = run(pod.command().env("CLASS_VOLUMES", text));
    assert_eq!(status, 64);
    assert!(stderr.len() < 2000, "{}", stderr.len());
    let message = pod.container.read("termination-log");
    assert!(
        message.contains("not the volumes that the webhook writes"),
        "{message}"
    );
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let pod = Pod::new(&[("secret/token", "kind=REFERENCE")]);
    pod.secret("/token", "annotated");
    let (status, stderr) = run(pod.command().env("CLASS_VOLUMES", ""));
    assert_eq!(status, 0, "{stderr}");
    assert!(
        pod.container
            .volume()
            .contains(&"secrets.properties".to_owned())
    );
}

#[rstest]
#[case::up("../up")]
#[case::record(".kees")]
#[case::staged("a/.kees.new.0")]
fn a_file_name_that_cannot_be_written_is_refused(#[case] path: &str) {
    let mut pod = Pod::new(&[]);
    pod.add(
        "db",
        "- {objectName: first, objectType: secretsmanager}",
        &[],
    );
    pod.secret("first", "1");
    let mut volumes: ClassVolumes = pod.variable().parse().unwrap();
    volumes.0[0].mount.objects[0].file.path = path.to_owned();
    let (status, stderr) = run(pod.command().env("CLASS_VOLUMES", volumes.to_string()));
    assert_eq!(status, 73, "{stderr}");
    assert!(
        stderr.contains(&format!("{path} cannot be the name of a file")),
        "{stderr}"
    );
    assert!(pod.files("db").is_empty());
}

#[test]
fn no_log_shows_a_value() {
    let mut pod = Pod::new(&[]);
    pod.add("db", &JSON.replace("PATH", "user"), &[]);
    pod.add("p", "- {objectName: /p, objectType: ssmparameter}", &[]);
    pod.secret("first", r#"{"user": "canary-of-a-secret"}"#);
    pod.parameter("/p", "canary-of-a-parameter");
    for format in ["text", "json"] {
        let mut command = pod.command();
        command.env("LOG_LEVEL", "trace").env("RUST_LOG", "trace");
        let (status, stderr) = run(command.env("LOG_FORMAT", format));
        assert_eq!(status, 0, "{stderr}");
        assert!(!stderr.contains("canary"), "{stderr}");
    }
}
