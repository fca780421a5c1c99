//! kiss on moto: Secrets Manager, IAM and STS as the AWS SDK sees them. The tests of the crate kiss run the
//! same operations on AWS in memory.

use std::time::Duration;

use aws_credential_types::Credentials;
use kees_common::Locator;
use kees_kiss::server::{
    cloud::AwsCloud,
    names::{Naming, SecretId, Separator},
    operations::{Deadline, OperationError, Operations},
};
use kees_store::{
    ReadStore as _,
    aws::{Aws, AwsSettings},
    secretsmanager::SecretsManager,
};
use kees_tests::{Moto, REGION, wait};

/// A policy that kiss does not write.
const OTHER: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}"#;

/// Operations on a moto of their own, and a client of its IAM.
struct Set {
    moto: Moto,
    operations: Operations<AwsCloud>,
    iam: aws_sdk_iam::Client,
}

fn settings(moto: &Moto) -> AwsSettings {
    AwsSettings {
        region: Some(REGION.parse().unwrap()),
        endpoint: Some(moto.endpoint().parse().unwrap()),
        credentials: Some(Credentials::new("tests", "tests", None, None, "tests")),
        ..AwsSettings::default()
    }
}

fn start(separator: Separator) -> Set {
    let moto = Moto::start_plain().unwrap();
    let config = wait(Aws::new(&settings(&moto))).sdk_config();
    let cloud = wait(AwsCloud::connect(&config)).unwrap();
    assert_eq!(cloud.account().id, "123456789012");
    assert_eq!(cloud.account().partition, "aws");
    let naming = Naming {
        secret_prefix: "k8s-secret".to_owned(),
        role_prefix: "k8s-sa".to_owned(),
        separator,
    };
    Set {
        moto,
        operations: Operations::new(cloud, naming),
        iam: aws_sdk_iam::Client::new(&config),
    }
}

impl Set {
    fn create(&self, id: &SecretId, value: &str) -> Result<(), OperationError> {
        let value = value.to_owned().into();
        wait(self.operations.create(id, value, soon()))
    }

    fn create_role(&self, name: &str) {
        let role = self.iam.create_role().role_name(name);
        wait(role.assume_role_policy_document("{}").send()).unwrap();
    }

    /// The names of the policies that a role has.
    fn policies_of(&self, role: &str) -> Vec<String> {
        let listed = self.iam.list_attached_role_policies().role_name(role);
        let listed = wait(listed.send())
            .unwrap()
            .attached_policies
            .unwrap_or_default();
        let names = listed.into_iter();
        names.filter_map(|policy| policy.policy_name).collect()
    }
}

fn id(text: &str) -> SecretId {
    let (namespace, name) = text.split_once('/').unwrap();
    SecretId::new(namespace, name).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn message(result: Result<(), OperationError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_secret_lives_from_create_to_delete() {
    let set = start(Separator::Dash);
    let db = id("a/db-0");
    set.create(&db, "one").unwrap();
    let stored = wait(
        set.moto
            .secrets_manager()
            .describe_secret()
            .secret_id("k8s-secret-a-db-0")
            .send(),
    );
    let tags = stored.unwrap().tags.unwrap().into_iter();
    let tags: Vec<_> = tags
        .map(|tag| (tag.key.unwrap(), tag.value.unwrap()))
        .collect();
    assert!(db.owns(&tags), "{tags:?}");
    assert_eq!(
        message(set.create(&db, "x")),
        "resource 'a/db-0' already exists"
    );
    let value = "two".to_owned().into();
    wait(set.operations.update(&db, value, soon())).unwrap();
    assert_eq!(set.moto.secret("k8s-secret-a-db-0").unwrap(), b"two");
    wait(set.operations.delete(&db, soon())).unwrap();
    set.moto.secret("k8s-secret-a-db-0").unwrap_err();
    assert_eq!(
        message(wait(set.operations.delete(&db, soon()))),
        "resource 'a/db-0' not found"
    );
    // Without recovery, the name is free at once.
    set.create(&db, "three").unwrap();
}

#[test]
fn a_secret_of_somebody_else_is_not_touched() {
    let set = start(Separator::Dash);
    set.create(&id("a/b-c"), "theirs").unwrap();
    set.moto.put("k8s-secret-a-plain", "no tags").unwrap();
    for (other, name) in [
        ("a-b/c", "k8s-secret-a-b-c"),
        ("a/plain", "k8s-secret-a-plain"),
    ] {
        let before = set.moto.secret(name).unwrap();
        assert!(message(set.create(&id(other), "x")).contains("is that of something"));
        let managed = format!("resource '{other}' is not managed by KISS");
        let value = "x".to_owned().into();
        assert_eq!(
            message(wait(set.operations.update(&id(other), value, soon()))),
            managed
        );
        assert_eq!(
            message(wait(set.operations.delete(&id(other), soon()))),
            managed
        );
        assert_eq!(
            message(wait(set.operations.create_policy(&id(other), soon()))),
            managed
        );
        assert_eq!(set.moto.secret(name).unwrap(), before);
    }
}

#[test]
fn a_secret_that_is_being_deleted_is_a_failed_precondition() {
    let set = start(Separator::Dash);
    let db = id("a/db");
    set.create(&db, "x").unwrap();
    let delete = set.moto.secrets_manager().delete_secret();
    let delete = delete
        .secret_id("k8s-secret-a-db")
        .recovery_window_in_days(7);
    wait(delete.send()).unwrap();
    let value = "y".to_owned().into();
    for error in [
        set.create(&db, "y").unwrap_err(),
        wait(set.operations.update(&db, value, soon())).unwrap_err(),
    ] {
        assert!(matches!(error, OperationError::State(_)), "{error}");
    }
}

#[test]
fn every_page_of_a_list_is_read_and_compared() {
    let set = start(Separator::Slash);
    let names: Vec<_> = (0..120).map(|number| format!("s{number:03}")).collect();
    for name in &names {
        set.create(&id(&format!("a/{name}")), "x").unwrap();
    }
    set.create(&id("ab/other"), "x").unwrap();
    set.moto.put("untagged", "x").unwrap();
    assert_eq!(wait(set.operations.list("a", soon())).unwrap(), names);
    assert_eq!(wait(set.operations.list("ab", soon())).unwrap(), ["other"]);
    assert!(wait(set.operations.list("b", soon())).unwrap().is_empty());
    set.moto.secret("k8s-secret/a/s000").unwrap();
}

/// With a path for each namespace, a pod reads by the path what kiss has created.
#[test]
fn kees_reads_what_kiss_creates() {
    let mut set = start(Separator::Slash);
    let naming = Naming {
        secret_prefix: "/k8s-secret".to_owned(),
        role_prefix: "k8s-sa".to_owned(),
        separator: Separator::Slash,
    };
    let aws = wait(Aws::new(&settings(&set.moto)));
    let cloud = wait(AwsCloud::connect(&aws.sdk_config())).unwrap();
    set.operations = Operations::new(cloud, naming);
    set.create(&id("payments/db-password"), "kept by kiss")
        .unwrap();
    let locator = Locator {
        path: "/k8s-secret/payments/db-password".parse().unwrap(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    };
    let read = wait(SecretsManager::new(&aws, None).read(&[locator])).remove(0);
    let value = read.unwrap().unwrap();
    assert_eq!(value.expose(), b"kept by kiss");
}

#[test]
fn a_policy_is_bound_unbound_and_deleted_with_its_bindings() {
    let set = start(Separator::Dash);
    let db = id("a/db");
    let policy = "k8s-secret_a_db";
    assert_eq!(
        message(wait(set.operations.create_policy(&db, soon()))),
        "No secret for 'a/db': create the secret first"
    );
    set.create(&db, "x").unwrap();
    wait(set.operations.create_policy(&db, soon())).unwrap();
    assert_eq!(
        message(wait(set.operations.create_policy(&db, soon()))),
        "resource 'a/db' already exists"
    );
    assert_eq!(
        message(wait(set.operations.bind(&db, "web", soon()))),
        "role 'k8s-sa_a_web' not found: create the role of the ServiceAccount first"
    );
    for role in ["k8s-sa_a_web", "k8s-sa_a_api"] {
        set.create_role(role);
    }
    for account in ["web", "api"] {
        wait(set.operations.bind(&db, account, soon())).unwrap();
    }
    assert_eq!(set.policies_of("k8s-sa_a_web"), [policy]);
    wait(set.operations.unbind(&db, "web", soon())).unwrap();
    assert!(set.policies_of("k8s-sa_a_web").is_empty());
    assert_eq!(
        message(wait(set.operations.unbind(&db, "web", soon()))),
        "role 'k8s-sa_a_web' does not exist or has not got the policy"
    );

    let arn = format!("arn:aws:iam::123456789012:policy/{policy}");
    let version = set
        .iam
        .get_policy_version()
        .policy_arn(&arn)
        .version_id("v1");
    let document = wait(version.send()).unwrap();
    let document = document.policy_version.and_then(|version| version.document);
    let document = document.unwrap();
    assert!(document.contains("k8s-secret-a-db"), "{document}");
    assert!(document.contains("AWSCURRENT"), "{document}");

    // Somebody has edited the policy, which leaves a version behind.
    let edited = set.iam.create_policy_version().policy_arn(&arn);
    let edited = edited.policy_document(OTHER);
    wait(edited.set_as_default(true).send()).unwrap();
    wait(set.operations.delete_policy(&db, soon())).unwrap();
    assert!(set.policies_of("k8s-sa_a_api").is_empty());
    assert_eq!(
        message(wait(set.operations.delete_policy(&db, soon()))),
        "policy for 'a/db' not found"
    );
}

#[test]
fn a_policy_without_the_tags_is_not_touched() {
    let set = start(Separator::Dash);
    let db = id("a/db");
    set.create(&db, "x").unwrap();
    set.create_role("k8s-sa_a_web");
    let foreign = set.iam.create_policy().policy_name("k8s-secret_a_db");
    wait(foreign.policy_document(OTHER).send()).unwrap();
    let managed = "resource 'a/db' is not managed by KISS";
    assert_eq!(
        message(wait(set.operations.bind(&db, "web", soon()))),
        managed
    );
    assert_eq!(
        message(wait(set.operations.delete_policy(&db, soon()))),
        managed
    );
    assert!(
        message(wait(set.operations.create_policy(&db, soon()))).contains("is that of something")
    );
    assert!(set.policies_of("k8s-sa_a_web").is_empty());
}
