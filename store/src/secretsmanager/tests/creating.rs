//! Creations, and what is created.

use super::*;

const PASSWORD: Spec = Spec::Password { bits: 128 };
const RANDOM: Spec = Spec::Random { bits: 128 };

fn gpg() -> Spec {
    Spec::Gpg {
        bits: 2048,
        user_id: "A <a@b.c>".parse().unwrap(),
    }
}

fn generation(spec: Spec) -> Generation {
    let path: StoragePath = "/dev/k".parse().unwrap();
    let fields = spec.fields().iter().map(|field| match field {
        Field::Whole => (*field, path.clone()),
        named => (*named, format!("/dev/k_{named}").parse().unwrap()),
    });
    let fields = fields.collect();
    Generation {
        store: StoreName::SecretsManager,
        path,
        spec,
        fields,
        entries: vec![0],
    }
}

/// One value for each field: its name.
fn values(spec: &Spec) -> Generated {
    let fields = spec.fields().iter();
    Generated::new(
        fields
            .map(|f| (*f, SecretValue::new(format!("<{f}>").into_bytes())))
            .collect(),
    )
}

async fn create_with(
    store: &SecretsManager,
    spec: Spec,
    values: &Generated,
) -> Result<Creation, StoreError> {
    let generation = generation(spec);
    let token = IdempotencyToken::random().unwrap();
    let namespace = Some("team-a");
    let new = NewGeneration {
        generation: &generation,
        values,
        namespace,
    };
    let request = CreateRequest {
        generations: &[new],
        token: &token,
    };
    store.create(&request).await
}

async fn create(stub: &Stub, spec: Spec) -> Result<Creation, StoreError> {
    let values = values(&spec);
    create_with(&store(stub), spec, &values).await
}

#[rstest]
#[case(
    Spec::Rsa { bits: 2048 },
    json!({"SecretString": r#"{"public":"PHB1YmxpYz4=","private":"PHByaXZhdGU+"}"#}),
    "RSA"
)]
#[case(
    gpg(),
    json!({"SecretString": r#"{"public":"<public>","private":"<private>","password":"<password>"}"#}),
    "GPG"
)]
#[case(
    Spec::ApiKey { bits: 128 },
    json!({"SecretString": r#"{"consumer":"PGNvbnN1bWVyPg==","provider":"PHByb3ZpZGVyPg=="}"#}),
    "RANDOM"
)]
#[case(PASSWORD, json!({"SecretString": "<>"}), "PASSWORD")]
#[case(RANDOM, json!({"SecretBinary": "PD4="}), "RANDOM")]
#[tokio::test]
async fn a_generation_is_one_secret(
    #[case] spec: Spec,
    #[case] content: Value,
    #[case] secret_type: &str,
) {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    assert_eq!(create(&stub, spec).await.unwrap(), Creation::Created);
    let mut expected = content;
    let body = stub.asked()[0].body.clone();
    expected["Name"] = json!("/dev/k");
    expected["ClientRequestToken"] = body["ClientRequestToken"].clone();
    expected["Tags"] = json!([
        {"Key": "kees/managed-by", "Value": "kees"},
        {"Key": "kees/namespace", "Value": "team-a"},
        {"Key": "kees/type", "Value": secret_type},
    ]);
    assert_eq!(body, expected);
    assert_eq!(body["ClientRequestToken"].as_str().unwrap().len(), 32);
}

/// A request that is sent again under the same token must be the same request, or Secrets Manager
/// takes it for another one.
#[tokio::test]
async fn the_order_of_the_members_is_that_of_the_fields_however_they_were_generated() {
    let ordered = values(&gpg());
    let mut reversed: Vec<_> = ordered.iter().map(|(f, v)| (f, v.clone())).collect();
    reversed.reverse();
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    for values in [ordered, Generated::new(reversed)] {
        create_with(&store(&stub), gpg(), &values).await.unwrap();
    }
    let [first, second] = &stub.asked()[..] else {
        panic!("{:?}", stub.asked())
    };
    assert_eq!(first.body["SecretString"], second.body["SecretString"]);
}

#[tokio::test]
async fn what_is_created_is_read_again_value_by_value() {
    let armor = "-----BEGIN\n\n\"\\\u{e9}\u{1}\n-----END\n";
    let simple = values(&gpg());
    let values = simple.iter().map(|(field, value)| match field {
        Field::Private => (field, SecretValue::new(armor.as_bytes().to_vec())),
        _ => (field, value.clone()),
    });
    let values = Generated::new(values.collect());
    let created = Stub::new(|_| Answer::ok(&json!({})));
    create_with(&store(&created), gpg(), &values).await.unwrap();
    let held = created.asked()[0].body["SecretString"]
        .as_str()
        .unwrap()
        .to_owned();

    let stub = Stub::new(move |_| Answer::ok(&text("/dev/k", &held)));
    let generation = generation(gpg());
    let locators = [Field::Password, Field::Private, Field::Public].map(|f| generation.locator(f));
    let found = store(&stub).read(&locators).await;
    assert_eq!(exposed(&found[0]), Some(&b"<password>"[..]));
    assert_eq!(exposed(&found[1]), Some(armor.as_bytes()));
    assert_eq!(exposed(&found[2]), Some(&b"<public>"[..]));
    assert_eq!(stub.operations(), ["GetSecretValue"]);
}

#[tokio::test]
async fn a_name_that_exists_is_a_lost_race() {
    let stub = Stub::new(|_| {
        let message = "The operation failed because the secret /dev/k already exists.";
        Answer::error_response(400, "ResourceExistsException", message)
    });
    assert_eq!(create(&stub, PASSWORD).await.unwrap(), Creation::Exists);
}

/// The words are AWS's own, as quoted in hashicorp/terraform-provider-aws#8219; moto answers
/// `ResourceExistsException` instead.
#[tokio::test]
async fn a_name_that_is_being_deleted_is_no_lost_race() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "DescribeSecret" => Answer::ok(&json!({"DeletedDate": 1_767_225_600.0})),
        _ => Answer::error_response(
            400,
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ),
    });
    let error = create(&stub, PASSWORD).await.unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::ScheduledForDeletion { date: Some(_) }
    ));
}

#[tokio::test]
async fn a_denied_create_names_the_permission_for_its_tags_too() {
    let message = denied!("secretsmanager:CreateSecret", " on resource: /dev/k");
    let stub = Stub::new(move |_| Answer::error_response(400, "AccessDeniedException", message));
    let error = create(&stub, PASSWORD).await.unwrap_err();
    assert_eq!(
        error.remedy,
        "allow secretsmanager:CreateSecret and secretsmanager:TagResource on arn:aws:secretsmanager:eu-west-1:*:secret:/dev/k-?????? in the policy of the role in use"
    );
}

#[tokio::test]
async fn a_denied_tag_is_named_as_such() {
    let message = denied!("secretsmanager:TagResource", " on resource: /dev/k");
    let stub = Stub::new(move |_| Answer::error_response(400, "AccessDeniedException", message));
    let error = create(&stub, PASSWORD).await.unwrap_err();
    let ErrorKind::Denied { action, .. } = error.kind else {
        panic!("{error}")
    };
    assert_eq!(action, "secretsmanager:TagResource");
}

/// API reference, `CreateSecret`: a secret holds at most 65,536 bytes. moto takes more.
#[tokio::test]
async fn a_value_that_is_too_large_is_not_sent() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let of_size = |size| Generated::new(vec![(Field::Whole, SecretValue::new(vec![7; size]))]);
    assert!(
        create_with(&store(&stub), RANDOM, &of_size(65_536))
            .await
            .is_ok()
    );
    let error = create_with(&store(&stub), RANDOM, &of_size(65_537))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn the_key_of_the_operator_encrypts_what_is_created() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let store = SecretsManager::new(
        &Aws::from_config(stub.config()),
        Some("alias/kees".to_owned()),
    );
    create_with(&store, PASSWORD, &values(&PASSWORD))
        .await
        .unwrap();
    assert_eq!(stub.asked()[0].body["KmsKeyId"], "alias/kees");
}

/// AWS may repeat what it was sent in the message of an error.
#[tokio::test]
async fn a_refusal_that_repeats_the_value_is_told_without_it() {
    let stub = Stub::new(|asked| {
        let value = asked.body["SecretString"].as_str().unwrap();
        let message = format!("Value '{value}' at 'secretString' failed to satisfy constraint");
        Answer::error_response(400, "ValidationException", &message)
    });
    let canary = Generated::new(vec![(
        Field::Whole,
        SecretValue::new(b"canary-7d1".to_vec()),
    )]);
    let error = create_with(&store(&stub), PASSWORD, &canary)
        .await
        .unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    assert!(
        error.message.contains("did not accept the value"),
        "{error}"
    );
}
