//! The IAM policy of a secret.

use serde::Serialize;

/// The policy that allows to read the current version of the secret `arn`.
pub(super) fn document(arn: &str) -> String {
    let document = Document {
        version: "2012-10-17",
        statement: [Statement {
            effect: "Allow",
            action: "secretsmanager:GetSecretValue",
            resource: arn,
            condition: Condition {
                any: Stage {
                    stage: "AWSCURRENT",
                },
            },
        }],
    };
    // Texts can always be written.
    serde_json::to_string(&document).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    statement: [Statement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    effect: &'static str,
    action: &'static str,
    resource: &'a str,
    condition: Condition,
}

#[derive(Serialize)]
struct Condition {
    #[serde(rename = "ForAnyValue:StringEquals")]
    any: Stage,
}

#[derive(Serialize)]
struct Stage {
    #[serde(rename = "secretsmanager:VersionStage")]
    stage: &'static str,
}
