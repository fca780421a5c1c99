//! Secrets Manager's documented answers, played at HTTP level.
//!
//! Shapes and codes are those of the AWS Secrets Manager API Reference (`BatchGetSecretValue`,
//! `GetSecretValue`, `CreateSecret`, `DescribeSecret`, `APIErrorType`). Words of AWS's that the
//! reference does not give are named where they are used.

use kees_common::{Field, Generated, Generation, SecretValue, Spec};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    ErrorKind, IdempotencyToken, NewGeneration,
    aws::stub::{Answer, Asked, Stub},
};

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";

/// What AWS says of a role that lacks a permission (IAM User Guide, "Troubleshoot access denied
/// error messages").
macro_rules! denied {
    ($action:literal, $resource:literal) => {
        concat!(
            "User: arn:aws:sts::123456789012:assumed-role/pod/kees is not authorized to perform: ",
            $action,
            $resource,
            " because no identity-based policy allows the ",
            $action,
            " action"
        )
    };
}

mod creating;
mod reading;

/// The value of `path` as a whole.
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

fn store(stub: &Stub) -> SecretsManager {
    SecretsManager::new(&Aws::from_config(stub.config()), None)
}

fn text(name: &str, text: &str) -> Value {
    json!({"Name": name, "ARN": format!("{ARN}{name}-AbCdEf"), "SecretString": text})
}

fn exposed(found: &Found) -> Option<&[u8]> {
    found.as_ref().unwrap().as_ref().map(SecretValue::expose)
}

#[rstest]
#[case("eu-west-1", "arn:aws:secretsmanager:eu-west-1:*:secret:/dev/a-??????")]
#[case(
    "cn-north-1",
    "arn:aws-cn:secretsmanager:cn-north-1:*:secret:/dev/a-??????"
)]
#[case(
    "us-gov-east-1",
    "arn:aws-us-gov:secretsmanager:us-gov-east-1:*:secret:/dev/a-??????"
)]
fn a_secret_is_named_as_a_policy_names_it(#[case] region: &str, #[case] resource: &str) {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let store = SecretsManager {
        region: region.to_owned(),
        ..store(&stub)
    };
    assert_eq!(store.resource(&"/dev/a".parse().unwrap()), resource);
}
