//! The arguments of `kees explain`.

use clap::Args;

use super::{ManifestArgs, OperatorArgs, Output, StoreArgs};

pub(crate) const ABOUT: &str = "\
Explain what the annotations of each pod do: what each entry asks for, in which store and under which \
path it is, who creates it, in which file the pod finds it, and which AWS permissions the pod needs.

It calls no store and no cluster. Use the policy file of the webhook, and the values that the webhook has \
for the flags below. Without --policy, local mode is allowed, and every storage prefix and ARN is accepted.";

pub(crate) const EXAMPLES: &str = "\
Examples:
  kees explain examples/web.yaml --env-label dev --aws-region eu-west-1
  kees explain web.yaml --policy policy.yaml --cluster prod --output json

Exit status:
  0   every pod is explained
  64  wrong usage: a flag, a variable, the policy file, or a manifest that cannot be read
  65  an error in a manifest; the other pods are explained";

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// The form of the report
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}
