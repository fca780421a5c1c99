//! Parameter Store's documented answers, played at HTTP level (Systems Manager API Reference,
//! `GetParameters`, `PutParameter`).

use kees_common::{Field, Generated, Generation, SecretValue, Spec};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    ErrorKind, IdempotencyToken, NewGeneration,
    aws::stub::{Answer, Stub},
};

fn whole(path: &str) -> Locator {
    Locator {
        path: path.parse().unwrap(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    }
}

fn parameter(name: &str, value: &str) -> Value {
    json!({"Name": name, "Value": value, "Type": "SecureString", "Version": 1})
}

fn generation(spec: Spec) -> Generation {
    let path: StoragePath = "/dev/k".parse().unwrap();
    let fields = spec.fields().iter().map(|field| match field {
        Field::Whole => (*field, path.clone()),
        named => (*named, format!("/dev/k_{named}").parse().unwrap()),
    });
    Generation {
        store: StoreName::Ssm,
        fields: fields.collect(),
        path,
        spec,
        entries: vec![0],
    }
}

async fn create(stub: &Stub, spec: Spec, value: &[u8]) -> Result<Creation, StoreError> {
    let fields = spec.fields().iter();
    let values = fields.map(|field| (*field, SecretValue::new(value.to_vec())));
    let values = Generated::new(values.collect());
    let generation = generation(spec);
    let new = NewGeneration {
        generation: &generation,
        values: &values,
        namespace: Some("team-a"),
    };
    let request = CreateRequest {
        generations: &[new],
        token: &IdempotencyToken::random().unwrap(),
    };
    let key = Some("alias/kees".to_owned());
    Ssm::new(&Aws::from_config(stub.config()), key)
        .create(&request)
        .await
}

#[rstest]
#[case(Spec::Password { bits: 64 }, "hunter22")]
#[case(Spec::Random { bits: 64 }, "aHVudGVyMjI=")]
#[case(Spec::Rsa { bits: 2048 }, r#"{"public":"aHVudGVyMjI=","private":"aHVudGVyMjI="}"#)]
#[tokio::test]
async fn a_generation_is_one_secure_string_that_replaces_nothing(
    #[case] spec: Spec,
    #[case] value: &str,
) {
    let stub = Stub::new(|_| Answer::ok(&json!({"Version": 1})));
    let secret_type = spec.secret_type().as_str();
    let created = create(&stub, spec, b"hunter22").await.unwrap();
    assert_eq!(created, Creation::Created);
    let expected = json!({
        "Name": "/dev/k",
        "Value": value,
        "Type": "SecureString",
        "Overwrite": false,
        "KeyId": "alias/kees",
        "Tags": [
            {"Key": "kees/managed-by", "Value": "kees"},
            {"Key": "kees/namespace", "Value": "team-a"},
            {"Key": "kees/type", "Value": secret_type},
        ],
    });
    assert_eq!(stub.asked()[0].body, expected);
}

/// There is no client token: the answer to a write that was lost is told by what is stored.
#[rstest]
#[case::own("hunter22", Creation::Created)]
#[case::of_another_writer("other", Creation::Exists)]
#[tokio::test]
async fn a_parameter_that_exists_is_compared(#[case] stored: &'static str, #[case] end: Creation) {
    let stub = Stub::new(move |asked| match asked.operation.as_str() {
        "PutParameter" => Answer::error_response(400, "ParameterAlreadyExists", "it exists"),
        _ => Answer::ok(&json!({"Parameters": [parameter("/dev/k", stored)]})),
    });
    let created = create(&stub, Spec::Password { bits: 64 }, b"hunter22").await;
    assert_eq!(created.unwrap(), end);
}

#[tokio::test]
async fn a_value_that_a_standard_parameter_does_not_hold_is_not_sent() {
    let stub = Stub::new(|_| Answer::ok(&json!({"Version": 1})));
    let error = create(&stub, Spec::Random { bits: 64 }, &[7; 3073]).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert!(error.message.contains("4096"), "{error}");
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn parameters_are_read_by_ten() {
    let stub = Stub::new(|asked| {
        let names = asked.body["Names"].as_array().unwrap().iter();
        let values: Vec<_> = names
            .map(|name| parameter(name.as_str().unwrap(), "x"))
            .collect();
        Answer::ok(&json!({"Parameters": values, "InvalidParameters": []}))
    });
    let locators: Vec<_> = (0..25).map(|n| whole(&format!("/dev/{n}"))).collect();
    let found = Ssm::new(&Aws::from_config(stub.config()), None)
        .read(&locators)
        .await;
    assert!(found.iter().all(|found| found.as_ref().unwrap().is_some()));
    let size = |asked: &crate::aws::stub::Asked| asked.body["Names"].as_array().unwrap().len();
    let mut sizes: Vec<_> = stub.asked().iter().map(size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 10, 10]);
}

/// AWS refuses a request that names a parameter twice.
#[tokio::test]
async fn versions_of_one_parameter_are_in_different_requests() {
    let stub = Stub::new(|asked| {
        let names = asked.body["Names"].as_array().unwrap().iter();
        let values = names.map(|name| {
            let name = name.as_str().unwrap();
            parameter(name.split(':').next().unwrap(), name)
        });
        Answer::ok(&json!({"Parameters": values.collect::<Vec<_>>()}))
    });
    let numbered = |path: &str| Locator {
        version_id: Some("3".to_owned()),
        ..whole(path)
    };
    let locators = [whole("/a"), numbered("/a"), whole("/b"), numbered("/c")];
    let found = Ssm::new(&Aws::from_config(stub.config()), None)
        .read(&locators)
        .await;
    let found: Vec<_> = found
        .into_iter()
        .map(|found| found.unwrap().unwrap())
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|value| value.expose_text().unwrap())
        .collect();
    assert_eq!(found, ["/a", "/a:3", "/b", "/c:3"]);
    let mut names: Vec<_> = stub
        .asked()
        .iter()
        .map(|asked| asked.body["Names"].to_string())
        .collect();
    names.sort();
    assert_eq!(names, [r#"["/a","/b","/c:3"]"#, r#"["/a:3"]"#]);
}

#[tokio::test]
async fn a_parameter_is_found_again_by_its_arn() {
    const ARN: &str = "arn:aws:ssm:eu-west-1:111122223333:parameter/dev/a";
    let stub = Stub::new(|_| {
        let mut parameter = parameter("/dev/a", "x");
        parameter["ARN"] = ARN.into();
        Answer::ok(&json!({"Parameters": [parameter]}))
    });
    let found = Ssm::new(&Aws::from_config(stub.config()), None)
        .read(&[whole(ARN)])
        .await;
    assert!(found[0].as_ref().unwrap().is_some());
}

#[rstest]
#[case::version(Some("3"), None, "/dev/a:3")]
#[case::label(None, Some("blue"), "/dev/a:blue")]
#[tokio::test]
async fn a_version_and_a_label_are_part_of_the_name(
    #[case] id: Option<&str>,
    #[case] label: Option<&str>,
    #[case] name: &str,
) {
    let stub = Stub::new(|_| Answer::ok(&json!({"Parameters": [parameter("/dev/a", "x")]})));
    let locator = Locator {
        version_id: id.map(str::to_owned),
        is_previous: false,
        version_stage: label.map(str::to_owned),
        ..whole("/dev/a")
    };
    let found = Ssm::new(&Aws::from_config(stub.config()), None)
        .read(&[locator])
        .await;
    assert!(found[0].as_ref().unwrap().is_some());
    assert_eq!(stub.asked()[0].body["Names"], json!([name]));
}

#[rstest]
#[case("ThrottlingException", "Rate exceeded", ErrorKind::Throttled)]
#[case("InternalServerError", "failed", ErrorKind::Server)]
#[case("InvalidKeyId", "the key is disabled", ErrorKind::Setup)]
#[case("ParameterLimitExceeded", "10000", ErrorKind::Setup)]
#[tokio::test]
async fn each_error_has_its_kind(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
) {
    let stub = Stub::new(move |_| Answer::error_response(400, code, message));
    let error = create(&stub, Spec::Password { bits: 64 }, b"hunter22").await;
    let error = error.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
}

#[tokio::test]
async fn a_denial_names_the_parameter_as_a_policy_does() {
    let stub = Stub::new(|_| Answer::error_response(400, "AccessDeniedException", "denied"));
    let error = create(&stub, Spec::Password { bits: 64 }, b"hunter22").await;
    assert_eq!(
        error.unwrap_err().remedy,
        "allow ssm:PutParameter and ssm:AddTagsToResource on \
         arn:aws:ssm:eu-west-1:*:parameter/dev/k in the policy of the role in use"
    );
}
