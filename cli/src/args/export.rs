//! The arguments of `kees export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{OperatorArgs, StoreArgs};

/// What is exported.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Print the IAM policy of a role, or its trust policy, as JSON
    #[command(long_about = IAM_POLICY, after_long_help = IAM_POLICY_EXAMPLES)]
    IamPolicy(IamPolicyArgs),
    /// Print Terraform that allows the pods of a manifest to read what they ask for
    #[command(long_about = TERRAFORM, after_long_help = TERRAFORM_EXAMPLES)]
    Terraform(TerraformArgs),
    /// Print a CloudFormation template with the IAM policy of a role, and the role
    #[command(long_about = CLOUDFORMATION, after_long_help = CLOUDFORMATION_EXAMPLES)]
    Cloudformation(CloudformationArgs),
}

const IAM_POLICY: &str = "\
Print the IAM policy of a role, or its trust policy, as JSON.

The policy allows exactly the calls that kees makes: for a prefix (--prefix), for the prefix that the \
policy file gives to a namespace (--namespace and --policy), or for the entries of manifests (FILE) and \
the SecretProviderClass objects that their pods name. The policy file also gives classObjects. \
--for says who uses the role. A policy that is longer than IAM accepts is an error; an inline policy \
(--inline) may be longer.

The stores are those of --store and --stores. --kms-key-id adds what a KMS key of your own needs.";

const IAM_POLICY_EXAMPLES: &str = "\
Examples:
  kees export iam-policy --prefix /prod/team-a --env-label prod --aws-region eu-west-1
  kees export iam-policy --namespace team-a --policy policy.yaml --cluster prod \\
    --env-label prod --aws-region eu-west-1 --for init-reads
  kees export iam-policy web.yaml --store secretsmanager --aws-region eu-west-1
  kees export iam-policy --trust irsa --namespace team-a --service-account web \\
    --account 111122223333 --oidc-issuer https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";

const TERRAFORM: &str = "\
Print Terraform that allows the pods of a manifest to read what they ask for: an \
aws_iam_policy_document, an aws_iam_policy, and its aws_iam_role_policy_attachment.

The environment is var.environment_name: it names the DynamoDB table, and it takes the place of the \
first segment of each storage prefix. The role is aws_iam_role.MODULE, unless --attach-to names another.

With --service-account, it prints the role itself, whose name is the one for which kiss binds secrets: \
k8s-sa_NAMESPACE_NAME. The role may read everything below the prefix of the namespace.";

const TERRAFORM_EXAMPLES: &str = "\
Examples:
  kees export terraform web.yaml --module web > kees.tf
  helm template charts/web | kees export terraform - --module web --attach-to module.web.role_name
  kees export terraform --service-account default --namespace payments --policy policy.yaml \
    --module payments --store secretsmanager --trust pod-identity > payments.tf";

const CLOUDFORMATION: &str = "\
Print a CloudFormation template with the IAM policy of a role, and the role.

The template has the parameter EnvLabel, which names the DynamoDB table. The Region and the account are \
those of the stack. With --trust, the template has the role too.";

const CLOUDFORMATION_EXAMPLES: &str = "\
Examples:
  kees export cloudformation --prefix /prod/team-a --env-label prod
  kees export cloudformation web.yaml --trust pod-identity > kees.json";

#[derive(Debug, Args)]
pub(crate) struct IamPolicyArgs {
    #[command(flatten)]
    pub(crate) role: UseArgs,
    /// The policy is an inline policy of a role (aws iam put-role-policy): it may have 10,240
    /// characters, where a managed policy may have 6,144
    #[arg(long)]
    pub(crate) inline: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CloudformationArgs {
    #[command(flatten)]
    pub(crate) role: UseArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TerraformArgs {
    /// The name of the Terraform resources, and of the role
    #[arg(long, value_name = "NAME", value_parser = module)]
    pub(crate) module: String,
    /// The expression for the name of the role.
    #[arg(long, value_name = "EXPRESSION", help = ATTACH_TO)]
    pub(crate) attach_to: Option<String>,
    #[command(flatten)]
    pub(crate) role: UseArgs,
    /// The AWS account of the stores [default: *]
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
    /// YAML or JSON files with any number of documents, folders, and patterns in quotes such as
    /// 'k8s/**/*.yaml'; - is standard input
    #[arg(
        value_name = "FILE",
        required_unless_present = "service_account",
        conflicts_with = "service_account"
    )]
    pub(crate) files: Vec<PathBuf>,
    /// The namespace of objects that name none [default: default], or that of the ServiceAccount
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Instead of FILEs: print the role of this ServiceAccount, which may read what the policy file gives to
    /// the namespace
    #[arg(long, value_name = "NAME", requires_all = ["namespace", "trust"], conflicts_with = "attach_to")]
    pub(crate) service_account: Option<String>,
    /// With --service-account: what the name of the role begins with, as for kiss-server
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "k8s-sa",
        requires = "service_account"
    )]
    pub(crate) service_account_role_prefix: String,
    /// With --service-account: attach the policy that kiss created for this secret (kiss create -policy).
    /// Repeatable
    #[arg(long, value_name = "SECRET", requires = "service_account")]
    pub(crate) bind: Vec<String>,
    /// With --bind: what the names of policies begin with, as for kiss-server
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "k8s-secret",
        requires = "bind"
    )]
    pub(crate) secret_prefix: String,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// A constant, because the name of a resource in a doc comment needs backticks.
const ATTACH_TO: &str =
    "The expression for the name of the role [default: aws_iam_role.MODULE.name]";

/// Who uses a role.
#[derive(Debug, Args)]
pub(crate) struct UseArgs {
    /// Who uses the role [default: init-reads for Terraform and where the policy's rule has
    /// create: creator or never, else init-creates]
    #[arg(long = "for", value_enum, value_name = "USE")]
    pub(crate) role: Option<Use>,
    /// With controller: pods ask for leases with more than 1,000 numbers. A free number is then searched
    /// for with dynamodb:Scan, which IAM cannot restrict to a prefix
    #[arg(long)]
    pub(crate) large_leases: bool,
    /// With controller, and prefixes or the policy file: it also rotates. What the entries of manifests
    /// rotate is always allowed
    #[arg(long)]
    pub(crate) rotation: bool,
    /// With controller: it also writes the Secrets that classes ask for, so it reads the objects of these classes, or those of
    /// classObjects in the policy file
    #[arg(long)]
    pub(crate) secret_sync: bool,
}

/// Who uses a role, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Use {
    /// Pods that only read
    InitReads,
    /// Pods that create what is absent
    InitCreates,
    /// kees-controller: it creates for all pods, reads nothing that it does not create (but see --secret-sync),
    /// and gives and frees the numbers of leases
    Controller,
}

/// The trust policy of a role.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust policy")]
pub(crate) struct TrustArgs {
    /// How EKS gives the role to a pod. iam-policy then prints the trust policy alone
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) trust: Option<Trust>,
    /// With irsa: the URL of the cluster's OIDC issuer
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_issuer: Option<String>,
    /// With pod-identity: the ARN of the EKS cluster whose pods may use the role [default: every
    /// cluster of the account]
    #[arg(long, value_name = "ARN")]
    pub(crate) cluster_arn: Option<String>,
}

/// How EKS gives a role to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trust {
    /// IAM roles for service accounts
    Irsa,
    /// EKS Pod Identity
    PodIdentity,
}

/// What a policy is made from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// YAML or JSON files whose entries and classes are exported; - is standard input
    #[arg(value_name = "FILE", conflicts_with = "prefix")]
    pub(crate) files: Vec<PathBuf>,
    /// Export everything below this storage prefix. Repeatable. In it,
    /// ${aws:PrincipalTag/kubernetes-namespace} stays a variable of IAM
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Vec<String>,
    /// Export the prefix that the policy file gives to this namespace; with FILEs, the namespace of
    /// objects that name none [default: default]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The ServiceAccount, where the policy file or the trust policy depends on it
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
    /// The AWS account of the stores [default: *]
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) stores: StoreArgs,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

fn account(text: &str) -> Result<String, &'static str> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an account is 12 digits")
    }
}

/// An identifier of Terraform.
fn module(text: &str) -> Result<String, &'static str> {
    let is_inside = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let begins = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if begins && text.bytes().all(is_inside) {
        Ok(text.to_owned())
    } else {
        Err("use letters, digits, '_' and '-', and begin with a letter or '_'")
    }
}
