//! A policy, and the role that has it, as a CloudFormation template.

use kees_store::permissions::{Pattern, Statement};
use serde_json::{Value, json};

use super::{
    iam::{self, VERSION},
    variable,
};

/// The template. It has a role if there is the trust policy for one. `label` is the default of the
/// parameter for the table's name.
pub(crate) fn template(
    statements: &[Statement],
    trust: Option<Value>,
    label: Option<&str>,
) -> Value {
    let statements = statements.iter().map(|one| iam::statement(one, text));
    let policy = json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": "What kees needs in the stores of its values",
            "PolicyDocument": {
                "Version": VERSION,
                "Statement": statements.collect::<Vec<_>>(),
            },
        },
    });
    let mut parameter = json!({
        "Type": "String",
        "Description": "Names the DynamoDB table, ENV_LABEL-kube-secret",
        "AllowedPattern": "[A-Za-z0-9_.-]+",
    });
    // Without an environment, no statement names a table.
    parameter["Default"] = json!(label.unwrap_or("unused"));
    let uses_label = policy.to_string().contains("${EnvLabel}");
    if uses_label && label.is_none() {
        parameter.as_object_mut().map(|map| map.remove("Default"));
    }
    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The AWS permissions of kees",
        "Parameters": {"EnvLabel": parameter},
        "Resources": {"KeesPolicy": policy},
        "Outputs": {"PolicyArn": {"Value": {"Ref": "KeesPolicy"}}},
    });
    if !uses_label && let Some(map) = template.as_object_mut() {
        map.remove("Parameters");
    }
    if let Some(trust) = trust {
        template["Resources"]["KeesRole"] = json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trust,
                "ManagedPolicyArns": [{"Ref": "KeesPolicy"}],
            },
        });
        template["Outputs"]["RoleArn"] = json!({"Value": {"Fn::GetAtt": ["KeesRole", "Arn"]}});
    }
    template
}

/// The beginning of the ARN of an OIDC provider of the stack's account.
pub(crate) fn provider() -> Pattern {
    Pattern::from("arn:")
        .then(variable::PARTITION)
        .then(":iam::")
        .then(variable::ACCOUNT)
        .then(":oidc-provider/")
}

/// Text, or a substitution if it contains a variable.
pub(crate) fn text(pattern: &Pattern) -> Value {
    if !pattern.has_variable() {
        return pattern.render(variable::example, str::to_owned).into();
    }
    let sub = pattern.render(
        variable::written,
        // CloudFormation, "Fn::Sub": `${!Literal}` is `${Literal}`.
        |text| text.replace("${", "${!"),
    );
    json!({ "Fn::Sub": sub })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_variable_of_the_stack_is_escaped_in_a_substitution() {
        let path = Pattern::from("a${b}");
        assert_eq!(text(&path), json!("a${$}{b}"));
        let path = path.then(variable::REGION);
        assert_eq!(text(&path), json!({"Fn::Sub": "a${!$}{b}${AWS::Region}"}));
    }
}
