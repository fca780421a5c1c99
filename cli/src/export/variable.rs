//! The variables of Terraform and CloudFormation.

use kees_store::permissions::Variable;

/// The name of the environment, in Terraform.
pub(crate) const ENVIRONMENT: Variable = Variable("var.environment_name");
/// The parameter for the table's name, in CloudFormation.
pub(crate) const ENV_LABEL: Variable = Variable("EnvLabel");
pub(crate) const PARTITION: Variable = Variable("AWS::Partition");
pub(crate) const REGION: Variable = Variable("AWS::Region");
pub(crate) const ACCOUNT: Variable = Variable("AWS::AccountId");

/// The variable as Terraform and CloudFormation write it within text.
pub(crate) fn written(variable: Variable) -> String {
    format!("${{{}}}", variable.0)
}

/// A typical value, to measure a policy.
pub(crate) fn example(variable: Variable) -> String {
    match variable {
        PARTITION => "aws",
        REGION => "ap-southeast-2",
        ACCOUNT => "111122223333",
        _ => "production",
    }
    .to_owned()
}
