//! The trust policy of a role: which pods may use it.

use kees_common::escaped_beginning;
use kees_store::permissions::Pattern;
use serde_json::{Map, Value, json};

use super::{
    cloudformation,
    iam::{VERSION, one_or_list},
    source::Subject,
};
use crate::{
    args::export::{Trust, TrustArgs},
    export_error::ExportError,
};

/// The beginning of the ARN of an OIDC provider.
pub(crate) fn provider_of(partition: &str, account: &str) -> Pattern {
    Pattern::from(format!("arn:{partition}:iam::{account}:oidc-provider/").as_str())
}

/// The trust policy for the pods of `subjects`. `provider` is the beginning of the ARN of the OIDC
/// provider, if the account is known.
///
/// # Errors
/// If a part is missing without which other pods could use the role.
pub(crate) fn document(
    trust: Trust,
    args: &TrustArgs,
    provider: Option<Pattern>,
    subjects: &[Subject],
) -> Result<Value, ExportError> {
    let TrustArgs {
        trust: _,
        oidc_issuer,
        cluster_arn,
    } = args;
    let statements = match trust {
        Trust::Irsa => {
            let url = oidc_issuer.as_deref();
            let url = url.ok_or(ExportError::TrustNeeds("--oidc-issuer"))?;
            let provider = provider.ok_or(ExportError::TrustNeeds("--account"))?;
            vec![irsa(issuer(url)?, &provider, subjects)?]
        }
        Trust::PodIdentity => pod_identity(cluster_arn.as_deref(), subjects),
    };
    Ok(json!({"Version": VERSION, "Statement": statements}))
}

/// The issuer as IAM names it: its URL without the scheme.
fn issuer(url: &str) -> Result<&str, ExportError> {
    let issuer = url.strip_prefix("https://").unwrap_or(url);
    let issuer = issuer.trim_end_matches('/');
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/:".contains(&b);
    if issuer.is_empty() || issuer.contains("://") || !issuer.bytes().all(is_allowed) {
        return Err(ExportError::Issuer(escaped_beginning(url, 100)));
    }
    Ok(issuer)
}

/// Without the condition on `sub`, everybody who may create pods could use the role.
fn irsa(issuer: &str, provider: &Pattern, subjects: &[Subject]) -> Result<Value, ExportError> {
    let mut names = Vec::new();
    for Subject {
        namespace,
        service_account,
    } in subjects
    {
        let account = service_account.as_ref().ok_or(ExportError::NoSubject)?;
        names.push(json!(format!(
            "system:serviceaccount:{namespace}:{account}"
        )));
    }
    if names.is_empty() {
        return Err(ExportError::NoSubject);
    }
    let mut conditions = Map::new();
    conditions.insert(format!("{issuer}:aud"), json!("sts.amazonaws.com"));
    conditions.insert(format!("{issuer}:sub"), one_or_list(names.into_iter()));
    Ok(json!({
        "Effect": "Allow",
        "Principal": {"Federated": cloudformation::text(&provider.then(issuer))},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": conditions},
    }))
}

/// One statement for each ServiceAccount, or one for all pods that EKS associates with the role.
fn pod_identity(cluster_arn: Option<&str>, subjects: &[Subject]) -> Vec<Value> {
    let statement = |subject: Option<&Subject>| {
        let tags = [
            ("eks-cluster-arn", cluster_arn),
            (
                "kubernetes-namespace",
                subject.map(|subject| subject.namespace.as_str()),
            ),
            (
                "kubernetes-service-account",
                subject.and_then(|subject| subject.service_account.as_deref()),
            ),
        ];
        let tags = tags.into_iter().filter_map(|(tag, value)| {
            let value = value?;
            Some((format!("aws:RequestTag/{tag}"), json!(value)))
        });
        let tags: Map<String, Value> = tags.collect();
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        });
        if !tags.is_empty() {
            statement["Condition"] = json!({"StringEquals": tags});
        }
        statement
    };
    if subjects.is_empty() {
        return vec![statement(None)];
    }
    subjects.iter().map(Some).map(statement).collect()
}
