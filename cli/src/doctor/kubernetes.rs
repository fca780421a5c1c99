//! Checks of the cluster itself: version, APIs, clock, and the permissions to install.

use k8s_openapi::{
    api::{
        admissionregistration::v1::{
            MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, ServiceReference,
            WebhookClientConfig,
        },
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
        },
    },
    apimachinery::pkg::version::Info,
    jiff::{Timestamp, fmt::rfc2822},
};
use kube::{Api, Client, api::PostParams, client::Body};

use super::{
    check::{Check, CheckName, describe, is_forbidden},
    objects::Installation,
};

/// The oldest minor version of Kubernetes 1 that serves everything that kees uses.
const OLDEST: u32 = 30;

/// How much the clocks may differ, in seconds. AWS allows five minutes.
const CLOCK_LIMIT: i64 = 60;

/// What an installation creates: API group, resource, and whether it is in the webhook's namespace.
const CREATED: [(&str, &str, bool); 15] = [
    ("", "namespaces", false),
    ("", "serviceaccounts", true),
    ("", "services", true),
    ("", "configmaps", true),
    ("", "secrets", true),
    ("apps", "deployments", true),
    ("policy", "poddisruptionbudgets", true),
    ("rbac.authorization.k8s.io", "roles", true),
    ("rbac.authorization.k8s.io", "rolebindings", true),
    ("rbac.authorization.k8s.io", "clusterroles", false),
    ("rbac.authorization.k8s.io", "clusterrolebindings", false),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        false,
    ),
    // For the dry-run pods of `kees doctor` after installing.
    ("", "pods", false),
];

/// Kubernetes is new enough.
pub(crate) fn version(version: &Info) -> Check {
    let name = CheckName::KubernetesVersion;
    // EKS writes `33+`.
    let digits = version
        .minor
        .trim_end_matches(|c: char| !c.is_ascii_digit());
    match (version.major.as_str(), digits.parse::<u32>()) {
        ("1", Ok(minor)) if minor < OLDEST => name.failed(format!(
            "{} is older than 1.{OLDEST}; update the control plane",
            version.git_version
        )),
        ("1", Ok(_)) => name.passed(&version.git_version),
        _ => name.warning(format!("{} is not known", version.git_version)),
    }
}

/// The API server serves `ValidatingAdmissionPolicy`, and keeps `matchConditions`. With
/// `try_creating`, a webhook configuration is created as a dry run.
pub(crate) async fn admission_apis(client: &Client, try_creating: bool) -> Check {
    let name = CheckName::AdmissionApis;
    let group = "admissionregistration.k8s.io/v1";
    let resources = match client.list_api_group_resources(group).await {
        Ok(list) => list.resources,
        Err(error) => return name.error(&error),
    };
    let needed = [
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ];
    let served = |needed: &&&str| !resources.iter().any(|resource| resource.name == **needed);
    let missing: Vec<_> = needed.iter().filter(served).copied().collect();
    if !missing.is_empty() {
        return name.failed(format!(
            "{group} does not serve {}; switch the API on, or update Kubernetes",
            missing.join(", ")
        ));
    }
    if !try_creating {
        return name.passed(format!("{group} serves all objects"));
    }
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&dry_run, &configuration_with_condition()).await {
        Ok(created) if has_condition(&created) => {
            name.passed(format!("{group} serves all objects, with matchConditions"))
        }
        Ok(_) => name.failed("the API server drops matchConditions; update Kubernetes"),
        Err(error) if is_forbidden(&error) => name.skipped(format!(
            "your user may not create a webhook configuration: {}",
            describe(&error)
        )),
        Err(error) => name.error(&error),
    }
}

fn configuration_with_condition() -> MutatingWebhookConfiguration {
    let mut configuration = MutatingWebhookConfiguration::default();
    configuration.metadata.name = Some("kees-doctor".to_owned());
    configuration.webhooks = Some(vec![MutatingWebhook {
        name: "doctor.kees.bsycorp.com".to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        side_effects: "None".to_owned(),
        client_config: WebhookClientConfig {
            service: Some(ServiceReference {
                namespace: "kees-system".to_owned(),
                name: "kees-webhook".to_owned(),
                ..ServiceReference::default()
            }),
            ..WebhookClientConfig::default()
        },
        match_conditions: Some(vec![MatchCondition {
            name: "never".to_owned(),
            expression: "false".to_owned(),
        }]),
        ..MutatingWebhook::default()
    }]);
    configuration
}

fn has_condition(configuration: &MutatingWebhookConfiguration) -> bool {
    let webhooks = configuration.webhooks.iter().flatten();
    let mut conditions = webhooks.flat_map(|webhook| webhook.match_conditions.iter().flatten());
    conditions.next().is_some()
}

/// The clocks of this machine and of the API server agree.
pub(crate) async fn clock(client: &Client) -> Check {
    let name = CheckName::Clock;
    let request = http::Request::get("/version").body(Body::empty());
    let Ok(request) = request else {
        return name.skipped("the request cannot be built");
    };
    let response = match client.send(request).await {
        Ok(response) => response,
        Err(error) => return name.error(&error),
    };
    let date = response.headers().get("date");
    let date = date.and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| rfc2822::parse(date).ok()) else {
        return name.skipped("the response of the API server has no date");
    };
    let difference = Timestamp::now().as_second() - theirs.timestamp().as_second();
    if difference.abs() > CLOCK_LIMIT {
        return name.warning(format!(
            "this machine and the API server differ by {} s; certificates and AWS signatures need a \
             correct clock on the nodes too",
            difference.abs()
        ));
    }
    name.passed("this machine and the API server agree")
}

/// The user may create every object of an installation.
pub(crate) async fn install_permissions(client: &Client, namespace: &str) -> Check {
    let name = CheckName::InstallPermissions;
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let mut denied = Vec::new();
    for (group, resource, in_namespace) in CREATED {
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            verb: Some("create".to_owned()),
            namespace: in_namespace.then(|| namespace.to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        match api.create(&PostParams::default(), &review).await {
            Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(_) => denied.push(resource),
            Err(error) => return name.error(&error),
        }
    }
    if denied.is_empty() {
        return name.passed("your user may create every object");
    }
    name.failed(format!(
        "your user may not create {}; ask for these permissions, or let an administrator install kees",
        denied.join(", ")
    ))
}

/// No other installation uses the same cluster-wide names.
pub(crate) async fn no_other_installation(
    client: &Client,
    installation: Installation<'_>,
) -> Check {
    let namespace = installation.namespace;
    let name = CheckName::NoOtherInstallation;
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let configuration = match api.get_opt(installation.name).await {
        Ok(Some(configuration)) => configuration,
        Ok(None) => return name.passed("kees is not installed"),
        Err(error) => return name.error(&error),
    };
    let service = configuration.webhooks.iter().flatten().next();
    let service = service.and_then(|webhook| webhook.client_config.service.as_ref());
    match service {
        Some(service) if service.namespace == namespace => {
            name.passed(format!("kees is already installed in {namespace}"))
        }
        Some(service) => name.failed(format!(
            "kees is already installed in the namespace {}; a second installation would replace its \
             webhook configuration",
            service.namespace
        )),
        None => name.failed(
            "there is a MutatingWebhookConfiguration of this name that is not of this project; rename \
             or delete it",
        ),
    }
}
