//! Checks of the admission itself, with pods that the API server does not create (`dryRun`): one
//! that must be injected, and one that must be denied.

use k8s_openapi::api::core::v1::Pod;
use kees_common::Domain;
use kees_inject::INIT_CONTAINER;
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use super::check::{Check, CheckName, describe};

/// What became of a pod.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// It would be created, with the init container or without.
    Created { injected: bool },
    /// The webhook denied it.
    Denied(String),
    /// The admission policy denied it, because the webhook was not called.
    Bypassed,
    /// The API server does not trust the certificate.
    NotTrusted(String),
    /// The API server got no response from the webhook.
    NoResponse(String),
    /// Something else denied it.
    Other(String),
}

/// The pods that are created as a dry run, and the webhook that must see them.
#[derive(Debug)]
pub(crate) struct DryRun<'a> {
    /// The namespace of the pods.
    pub(crate) namespace: &'a str,
    /// The domain of their annotations.
    pub(crate) domain: &'a Domain,
    /// The name of the webhook in its configuration, which is in the API server's messages.
    pub(crate) webhook: String,
    /// The name by which the API server calls the webhook.
    pub(crate) dns_name: String,
    /// Whether the cluster is one of EKS.
    pub(crate) is_eks: bool,
}

/// Creates two pods as a dry run, and says what the webhook did.
pub(crate) async fn check(client: &Client, run: &DryRun<'_>) -> Vec<Check> {
    let right = create(client, run, "kind=DYNAMIC,type=PASSWORD,size=256").await;
    let mut checks = vec![
        reachable(&right, run.is_eks),
        trusted(&right, &run.dns_name),
        injected(&right, run.namespace),
    ];
    let reached = matches!(right, Admission::Created { .. } | Admission::Denied(_));
    checks.push(if reached {
        denied(&create(client, run, "kind=DYNAMIC,type=PASSWORD").await)
    } else {
        CheckName::WrongPodDenied.skipped("the first pod did not reach the webhook")
    });
    checks
}

async fn create(client: &Client, run: &DryRun<'_>, entry: &str) -> Admission {
    let DryRun {
        namespace, domain, ..
    } = run;
    // The pod passes the Pod Security Standard `restricted`.
    let pod = serde_json::from_value::<Pod>(json!({
        "metadata": {
            "name": "kees-doctor",
            "annotations": {format!("secret.{domain}/kees-doctor"): entry},
        },
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "doctor",
                "image": "kees-doctor",
                "resources": {
                    "requests": {"cpu": "1m", "memory": "1Mi"},
                    "limits": {"cpu": "1m", "memory": "1Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }));
    let pod = match pod {
        Ok(pod) => pod,
        Err(error) => return Admission::Other(error.to_string()),
    };
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    match api.create(&dry_run, &pod).await {
        Ok(created) => {
            let spec = created.spec.unwrap_or_default();
            let mut init = spec.init_containers.iter().flatten();
            Admission::Created {
                injected: init.any(|container| container.name == INIT_CONTAINER),
            }
        }
        Err(error) => Admission::of(&describe(&error), &run.webhook),
    }
}

impl Admission {
    /// Reads the API server's message about a pod that `our_webhook` should see.
    fn of(message: &str, our_webhook: &str) -> Self {
        let text = message.to_owned();
        if message.contains("failed calling webhook") {
            if message.contains("x509:") || message.contains("tls:") {
                return Self::NotTrusted(text);
            }
            return Self::NoResponse(text);
        }
        if message.contains("ValidatingAdmissionPolicy") && message.contains("was not called") {
            return Self::Bypassed;
        }
        match message.split_once(" denied the request: ") {
            Some((webhook, reason)) if webhook.contains(&format!("\"{our_webhook}\"")) => {
                Self::Denied(reason.to_owned())
            }
            _ => Self::Other(text),
        }
    }
}

fn reachable(right: &Admission, is_eks: bool) -> Check {
    let name = CheckName::WebhookReachable;
    match right {
        Admission::NoResponse(message) => {
            name.failed(format!("{message}; {}", remedy(message, is_eks)))
        }
        Admission::Bypassed | Admission::Created { injected: false } => {
            name.skipped("the API server does not call the webhook")
        }
        Admission::Other(message) => name.skipped(message),
        _ => name.passed("the API server gets a response"),
    }
}

/// What to do if the API server gets no response.
fn remedy(message: &str, is_eks: bool) -> &'static str {
    if message.contains("no endpoints") || message.contains("not found") {
        "see deployment and endpoints"
    } else if is_eks {
        "on EKS, let the cluster's security group reach the nodes (or the pods' own security group) on \
         port 8443"
    } else {
        "let the control plane reach the webhook's pods on port 8443"
    }
}

fn trusted(right: &Admission, dns_name: &str) -> Check {
    let name = CheckName::CaBundleTrusted;
    match right {
        Admission::NotTrusted(message) if message.contains("certificate is valid for ") => name
            .failed(format!(
                "{message}; the webhook needs a certificate for the name {dns_name}"
            )),
        Admission::NotTrusted(message) if message.contains("has expired or is not yet valid") => {
            name.failed(format!("{message}; renew the webhook's certificate"))
        }
        Admission::NotTrusted(message) => name.failed(format!(
            "{message}; caBundle of the webhook configuration does not fit the certificate"
        )),
        Admission::Created { injected: true } | Admission::Denied(_) => {
            name.passed("the API server trusts the certificate")
        }
        _ => name.skipped("the API server did not get as far as the certificate"),
    }
}

fn injected(right: &Admission, namespace: &str) -> Check {
    let name = CheckName::PodInjected;
    match right {
        Admission::Created { injected: true } => {
            name.passed(format!("a pod in {namespace} gets the init container"))
        }
        Admission::Created { injected: false } => name.failed(format!(
            "a pod in {namespace} would start without its secrets: the webhook is not called, and no \
             admission policy denies the pod"
        )),
        Admission::Denied(reason) => name.warning(format!(
            "the webhook denies the pod, so the rest of its admission is not tested: {reason}; choose a \
             namespace of your policy with --test-namespace"
        )),
        Admission::Bypassed => name.failed(format!(
            "the webhook is not called for pods in {namespace}, and the admission policy denies them; \
             see webhook-configuration and namespace-exclusions"
        )),
        Admission::NotTrusted(_) | Admission::NoResponse(_) => {
            name.failed("the API server refuses annotated pods, because the webhook cannot be called")
        }
        Admission::Other(message) => name.skipped(format!(
            "something else refuses the pod: {message}; choose another --test-namespace"
        )),
    }
}

fn denied(wrong: &Admission) -> Check {
    let name = CheckName::WrongPodDenied;
    match wrong {
        Admission::Denied(reason) if reason.contains("kees-doctor") => {
            name.passed("a pod with a wrong annotation is denied with its errors")
        }
        Admission::Denied(reason) => {
            name.warning(format!("it is denied for another reason: {reason}"))
        }
        Admission::Created { .. } => name.failed("a pod with a wrong annotation would be created"),
        Admission::Bypassed => name.failed("the API server did not call the webhook again"),
        Admission::NotTrusted(message)
        | Admission::NoResponse(message)
        | Admission::Other(message) => name.failed(message),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Messages of a real API server.
    #[rstest]
    #[case(
        r#"Internal error occurred: failed calling webhook "kees.bsycorp.com": failed to call webhook: Post "https://kees-webhook.kees-system.svc:443/mutate?timeout=3s": tls: failed to verify certificate: x509: certificate signed by unknown authority"#,
        "not trusted"
    )]
    #[case(
        r#"Internal error occurred: failed calling webhook "kees.bsycorp.com": failed to call webhook: Post "https://kees-webhook.kees-system.svc:443/mutate?timeout=3s": context deadline exceeded"#,
        "no response"
    )]
    #[case(
        r#"Internal error occurred: failed calling webhook "kees.bsycorp.com": failed to call webhook: Post "https://kees-webhook.kees-system.svc:443/mutate?timeout=3s": no endpoints available for service "kees-webhook""#,
        "no response"
    )]
    #[case(
        r#"admission webhook "kees.bsycorp.com" denied the request: secret.bsycorp.com/a: the size is missing"#,
        "denied"
    )]
    #[case(
        r#"pods "web" is forbidden: ValidatingAdmissionPolicy 'kees' with binding 'kees' denied request: this pod has kees annotations but no kees-init container: the kees webhook was not called (see `kees lint`), or set init.bsycorp.com/inject: "false""#,
        "bypassed"
    )]
    #[case(
        r#"pods "web" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#,
        "other"
    )]
    #[case(
        r#"admission webhook "other.example.com" denied the request: no"#,
        "other"
    )]
    #[case(
        r#"admission webhook "kees.other.example.com" denied the request: another installation"#,
        "other"
    )]
    fn the_message_of_the_api_server_tells_what_became_of_a_pod(
        #[case] message: &str,
        #[case] expected: &str,
    ) {
        let actual = match Admission::of(message, "kees.bsycorp.com") {
            Admission::Created { .. } => "created",
            Admission::Denied(_) => "denied",
            Admission::Bypassed => "bypassed",
            Admission::NotTrusted(_) => "not trusted",
            Admission::NoResponse(_) => "no response",
            Admission::Other(_) => "other",
        };
        assert_eq!(actual, expected);
    }
}
