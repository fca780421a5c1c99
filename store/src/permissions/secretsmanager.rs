//! The permissions for secrets in Secrets Manager.

use super::{
    need::{Names, Need},
    pattern::Pattern,
    statement::{Place, Statement, distinct},
};

/// Adds the statements.
pub(super) fn statements(need: &Need, place: &Place, statements: &mut Vec<Statement>) {
    let Need {
        read,
        create,
        rotate,
        ..
    } = need;
    if !read.is_empty() {
        statements.push(Statement {
            sid: "KeesSecretsRead",
            actions: vec![
                "secretsmanager:GetSecretValue",
                "secretsmanager:DescribeSecret",
            ],
            resources: secrets(read, place),
            conditions: Vec::new(),
        });
        // It has no resources of its own: each secret in the batch needs GetSecretValue too.
        statements.push(Statement {
            sid: "KeesSecretsBatch",
            actions: vec!["secretsmanager:BatchGetSecretValue"],
            resources: vec![Pattern::iam("*")],
            conditions: Vec::new(),
        });
    }
    if !create.is_empty() {
        statements.push(Statement {
            sid: "KeesSecretsCreate",
            actions: vec!["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            resources: secrets(create, place),
            conditions: Vec::new(),
        });
    }
    if !rotate.is_empty() {
        statements.push(Statement {
            sid: "KeesSecretsRotate",
            actions: vec![
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            resources: secrets(rotate, place),
            conditions: Vec::new(),
        });
    }
}

/// The ARN of a secret ends in six random characters. That of a secret that does not exist, which is
/// looked up by its name, has none.
fn secrets(names: &Names, place: &Place) -> Vec<Pattern> {
    let arn = |name: Pattern| place.arn("secretsmanager", Pattern::from("secret:").then(name));
    let below = names.all_below().map(arn);
    let exact = names.exact.iter().flat_map(|name| {
        let arn = arn(name.clone());
        [arn.clone(), arn.then(Pattern::iam("-??????"))]
    });
    let objects = names.objects.iter().flat_map(|name| name.secret(place));
    let arns = names.arns.iter().cloned();
    distinct(below.chain(exact).chain(arns).chain(objects))
}
