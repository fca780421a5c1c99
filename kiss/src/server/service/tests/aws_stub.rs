//! AWS at HTTP level: the answers of STS, Secrets Manager and IAM for one secret and its policy, and errors that repeat
//! everything that the request has.

use std::sync::{Arc, Mutex};

use kees_store_testing::stub::{Answer, Asked, Stub};
use serde_json::json;

use crate::server::cloud::AwsCloud;

/// What Secrets Manager and IAM answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Success. The secret `a/db`, its policy and a role exist.
    Works,
    /// An error with this code. Its message is the request.
    Error(u16, &'static str),
    /// The request, which is no answer in the protocol.
    Nonsense(u16),
}

/// AWS, and what it answers from now on.
pub(super) struct AwsStub {
    pub(super) cloud: AwsCloud,
    pub(super) stub: Stub,
    pub(super) mode: Arc<Mutex<Mode>>,
}

/// AWS in `partition`.
pub(super) async fn start(partition: &'static str) -> AwsStub {
    let mode = Arc::new(Mutex::new(Mode::Works));
    let current = Arc::clone(&mode);
    let stub = Stub::new(move |asked| {
        let request = asked.body.to_string();
        match *current.lock().unwrap() {
            _ if request.contains("Action=GetCallerIdentity") => identity(partition),
            Mode::Works => works(partition, asked, &request),
            Mode::Error(status, code) if asked.operation.is_empty() => Answer::Http(
                status,
                format!(
                    "<ErrorResponse><Error><Code>{code}</Code><Message>{}</Message></Error></ErrorResponse>",
                    request.replace(['<', '>', '&'], " ")
                ),
            ),
            Mode::Error(status, code) => Answer::error_response(status, code, &request),
            Mode::Nonsense(status) => Answer::Http(status, request),
        }
    });
    let cloud = AwsCloud::connect(&stub.config()).await.unwrap();
    AwsStub { cloud, stub, mode }
}

fn identity(partition: &str) -> Answer {
    let arn = format!("arn:{partition}:sts::123456789012:assumed-role/kiss/session");
    Answer::Http(
        200,
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>"
        ),
    )
}

/// The tags of `a/db`.
const TAGS: [(&str, &str); 3] = [
    ("security.kaluza.com/managed-by", "kiss"),
    ("security.kaluza.com/secret-namespace", "a"),
    ("security.kaluza.com/secret-name", "db"),
];

fn works(partition: &str, asked: &Asked, request: &str) -> Answer {
    let tags = TAGS.map(|(key, value)| json!({"Key": key, "Value": value}));
    match asked.operation.as_str() {
        "DescribeSecret" => Answer::ok(&json!({
            "ARN": format!("arn:{partition}:secretsmanager:x:123456789012:secret:k8s-secret-a-db-AbCdEf"),
            "Tags": tags,
        })),
        "ListSecrets" => Answer::ok(&json!({"SecretList": [{"Tags": tags}]})),
        "" => Answer::Http(200, policies(partition, request)),
        _ => Answer::ok(&json!({})),
    }
}

/// What IAM answers.
fn policies(partition: &str, request: &str) -> String {
    let action = request.split("Action=").nth(1).unwrap_or_default();
    let action: String = action
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let arn = format!("arn:{partition}:iam::123456789012:policy/k8s-secret_a_db");
    let members =
        TAGS.map(|(key, value)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>"));
    let result = match action.as_str() {
        "GetPolicy" | "CreatePolicy" => {
            format!(
                "<Policy><Arn>{arn}</Arn><Tags>{}</Tags></Policy>",
                members.concat()
            )
        }
        "ListEntitiesForPolicy" => {
            "<PolicyRoles><member><RoleName>k8s-sa_a_web</RoleName></member></PolicyRoles>"
                .to_owned()
        }
        "ListPolicyVersions" => "<Versions></Versions>".to_owned(),
        _ => String::new(),
    };
    format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")
}
