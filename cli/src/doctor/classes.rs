//! Checks of what SecretProviderClass objects and Kubernetes Secrets need, if the webhook and the controller have the flags for
//! them: the definition of the kind, and the permissions.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kees_secret_provider_class::API_GROUP;
use kube::{Api, Client, api::PostParams};

use super::{
    check::{Check, CheckName, Status},
    objects::Installation,
    workload::Workload,
};

/// The version of the kind that the programs watch.
const VERSION: &str = "v1";
/// The resource of the kind.
const CLASSES: &str = "secretproviderclasses";

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["get", "list", "watch", "create", "update"];

/// A resource, and what a program does with it in all namespaces.
type Access = (&'static str, &'static str, &'static [&'static str]);

/// What the webhook needs: ServiceAccounts name the roles.
const OF_WEBHOOK: [Access; 2] = [(API_GROUP, CLASSES, READ), ("", "serviceaccounts", READ)];
/// What the webhook needs with `--secret-sync`, to compare pods that ask for one Secret.
const OF_WEBHOOK_SYNC: [Access; 1] = [("", "pods", &["list", "watch"])];
/// What the controller needs to write Secrets.
const OF_CONTROLLER: [Access; 2] = [("", "secrets", WRITE), (API_GROUP, CLASSES, READ)];

/// The checks of what is switched on.
pub(crate) async fn check(
    client: &Client,
    installation: Installation<'_>,
    webhook: &Workload,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if webhook.has_flag("--secret-provider-classes", "SECRET_PROVIDER_CLASSES") {
        checks.push(definition(client).await);
        checks.push(class_permissions(client, installation, webhook).await);
    }
    checks.extend(secret_sync(client, installation, webhook).await);
    checks
}

/// The API server serves the kind.
async fn definition(client: &Client) -> Check {
    let name = CheckName::ClassDefinition;
    let group = format!("{API_GROUP}/{VERSION}");
    let served = match client.list_api_group_resources(&group).await {
        Ok(list) => list
            .resources
            .iter()
            .any(|resource| resource.name == CLASSES),
        // There is no such group.
        Err(kube::Error::Api(status)) if status.code == 404 => false,
        Err(error) => return name.error(&error),
    };
    if served {
        return name.passed(format!("{group} serves {CLASSES}"));
    }
    name.failed(format!(
        "the webhook has --secret-provider-classes, but the API server does not serve {CLASSES} of {group}, so it denies \
         each pod that names a class; install the definition with secretProviderClasses.crd: true in the values of the \
         chart, or with kubectl apply -k manifests/secret-provider-class-crd"
    ))
}

/// The webhook may look up classes and roles.
async fn class_permissions(
    client: &Client,
    installation: Installation<'_>,
    webhook: &Workload,
) -> Check {
    let remedy = "install kees again with secretProviderClasses.enabled: true in the values of the chart, or with \
                  kubectl apply -k manifests/secret-provider-class";
    let name = CheckName::ClassPermissions;
    permissions(client, installation, webhook, &OF_WEBHOOK, name, remedy).await
}

/// The controller writes Secrets, if the webhook relies on it, and both may do what they need for it. `None` if nobody asks
/// for it.
async fn secret_sync(
    client: &Client,
    installation: Installation<'_>,
    webhook: &Workload,
) -> Option<Check> {
    const FLAG: &str = "--secret-sync";
    const VARIABLE: &str = "SECRET_SYNC";
    let name = CheckName::SecretSync;
    let is_expected = webhook.has_flag(FLAG, VARIABLE);
    if is_expected {
        let remedy = "install kees again with controller.secretSync.enabled: true in the values of the chart, or with \
                      manifests/webhook-sync among the components of your kustomization";
        let access = &OF_WEBHOOK_SYNC;
        let check = permissions(client, installation, webhook, access, name, remedy).await;
        if check.status != Status::Passed {
            return Some(check);
        }
    }
    let deployment = installation.controller();
    let controller = match Workload::named(client, installation, &deployment).await {
        Ok(controller) => controller,
        Err(error) => return is_expected.then(|| name.error(&error)),
    };
    if controller.has_flag(FLAG, VARIABLE) {
        let remedy = "install kees again with controller.secretSync.enabled: true in the values of the chart, or with \
                      kubectl apply -k manifests/controller-sync";
        let access = &OF_CONTROLLER;
        return Some(permissions(client, installation, &controller, access, name, remedy).await);
    }
    is_expected.then(|| {
        name.failed(format!(
            "the webhook has {FLAG}, but there is no Deployment {deployment} with {FLAG} in {}, so pods that mount a Secret of \
             their class do not start; set controller.enabled and controller.secretSync.enabled in the values of the chart, \
             apply manifests/controller-sync, or remove {VARIABLE} from the settings of the webhook",
            installation.namespace
        ))
    })
}

/// Whether the ServiceAccount of a program may do what it needs.
async fn permissions(
    client: &Client,
    installation: Installation<'_>,
    program: &Workload,
    needed: &[Access],
    name: CheckName,
    remedy: &str,
) -> Check {
    let Some(account) = program.service_account() else {
        return name.skipped("there is no Deployment, or your user may not read it");
    };
    let account = ServiceAccount {
        namespace: installation.namespace,
        name: account,
    };
    let mut denied = Vec::new();
    for (group, resource, verbs) in needed {
        let mut missing = Vec::new();
        for verb in *verbs {
            match account.may(client, group, resource, verb).await {
                Ok(true) => {}
                Ok(false) => missing.push(*verb),
                Err(error) => return name.error(&error),
            }
        }
        if !missing.is_empty() {
            denied.push(format!("{} {resource}", missing.join(", ")));
        }
    }
    let ServiceAccount {
        namespace,
        name: account,
    } = account;
    if denied.is_empty() {
        return name.passed(format!(
            "the ServiceAccount {namespace}/{account} has all permissions"
        ));
    }
    name.failed(format!(
        "the ServiceAccount {namespace}/{account} may not {} in all namespaces; {remedy}",
        denied.join(", and not ")
    ))
}

/// The ServiceAccount of a program.
struct ServiceAccount<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl ServiceAccount<'_> {
    /// Whether it may do this in all namespaces. This creates nothing: the API server only answers.
    async fn may(
        &self,
        client: &Client,
        group: &str,
        resource: &str,
        verb: &str,
    ) -> kube::Result<bool> {
        let Self { namespace, name } = self;
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{name}")),
                groups: Some(vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".to_owned(),
                ]),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(group.to_owned()),
                    resource: Some(resource.to_owned()),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api = Api::<SubjectAccessReview>::all(client.clone());
        let review = api.create(&PostParams::default(), &review).await?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }
}
