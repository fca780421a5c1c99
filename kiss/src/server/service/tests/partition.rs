//! Partitions of AWS other than `aws`, such as that of China.

use super::{aws_stub, *};
use crate::server::cloud::{AwsCloud, ConnectError};

#[rstest::rstest]
#[case("aws-cn")]
#[case("aws-us-gov")]
#[tokio::test]
async fn arns_have_the_partition_of_the_account(#[case] partition: &'static str) {
    let aws = aws_stub::start(partition).await;
    let naming = Naming {
        secret_prefix: "k8s-secret".to_owned(),
        role_prefix: "k8s-sa".to_owned(),
        ..Naming::default()
    };
    let operations = Operations::new(aws.cloud, naming);
    let db = SecretId::new("a", "db").unwrap();
    let soon = || Deadline::after(Duration::from_secs(9));
    operations.create_policy(&db, soon()).await.unwrap();
    operations.bind(&db, "web", soon()).await.unwrap();
    operations.delete_policy(&db, soon()).await.unwrap();

    let asked = aws.stub.asked();
    let requests_of = |action: &str| {
        let asked = asked.iter().map(|asked| asked.body.to_string());
        let requests: Vec<_> = asked
            .filter(|body| body.contains(&format!("Action={action}&")))
            .collect();
        assert!(!requests.is_empty(), "{action}");
        requests
    };
    let policy =
        format!("PolicyArn=arn%3A{partition}%3Aiam%3A%3A123456789012%3Apolicy%2Fk8s-secret_a_db");
    for action in [
        "GetPolicy",
        "AttachRolePolicy",
        "DetachRolePolicy",
        "DeletePolicy",
    ] {
        for request in requests_of(action) {
            assert!(request.contains(&policy), "{request}");
        }
    }
    // The document of the policy has the ARN of the secret.
    let secret = format!("arn%3A{partition}%3Asecretsmanager%3A");
    for request in requests_of("CreatePolicy") {
        assert!(request.contains(&secret), "{request}");
    }
}

#[rstest::rstest]
#[case("")]
#[case("x:y")]
#[tokio::test]
async fn an_arn_without_an_account_is_an_error_at_the_start(#[case] arn: &'static str) {
    let answer = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
    );
    let stub = kees_store_testing::stub::Stub::new(move |_| {
        kees_store_testing::stub::Answer::Http(200, answer.clone())
    });
    let error = AwsCloud::connect(&stub.config()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Arn(found) if found == arn));
}
