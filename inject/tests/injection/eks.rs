//! Pods that the webhook of EKS changed before this webhook is called: they have an identity from
//! EKS and identities of the pod author.
//!
//! Source: `amazon-eks-pod-identity-webhook`, `pkg/handler/handler.go`.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, init_container, injected, operations, pod, settings, variable};

/// What EKS adds to the pods of a ServiceAccount.
struct Eks {
    /// The variables of the identity; the last one names the token.
    variables: [(&'static str, &'static str); 2],
    volume: &'static str,
    folder: &'static str,
}

const IRSA: Eks = Eks {
    variables: [
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/web"),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        ),
    ],
    volume: "aws-iam-token",
    folder: "/var/run/secrets/eks.amazonaws.com/serviceaccount",
};

const POD_IDENTITY: Eks = Eks {
    variables: [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1/credentials",
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        ),
    ],
    volume: "eks-pod-identity-token",
    folder: "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
};

/// What EKS adds besides the identity, unless the container has it.
const STS: (&str, &str) = ("AWS_STS_REGIONAL_ENDPOINTS", "regional");
const REGIONS: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

impl Eks {
    /// Changes a pod as the webhook does: it adds the variables to a container that has neither,
    /// and the mount to a container that does not mount the volume.
    fn mutate(&self, mut pod: Value) -> Value {
        let mut volumes = list(&pod["spec"]["volumes"]);
        if volumes.iter().all(|volume| volume["name"] != self.volume) {
            let token =
                json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}});
            volumes.push(json!({"name": self.volume, "projected": {"sources": [token]}}));
        }
        pod["spec"]["volumes"] = volumes.into();
        for of in ["initContainers", "containers"] {
            let mut containers = list(&pod["spec"][of]);
            for container in &mut containers {
                self.mutate_container(container);
            }
            pod["spec"][of] = containers.into();
        }
        pod
    }

    fn mutate_container(&self, container: &mut Value) {
        let mut env = list(&container["env"]);
        let is_reserved =
            |variable: &Value| self.variables.iter().any(|(n, _)| variable["name"] == *n);
        if !env.iter().any(is_reserved) {
            let added = self
                .variables
                .map(|(name, value)| json!({"name": name, "value": value}));
            env.extend(added);
        }
        let names = |names: &[&str]| env.iter().all(|v| names.iter().all(|n| v["name"] != *n));
        let (no_sts, no_region) = (names(&[STS.0]), names(&REGIONS));
        let regions = REGIONS.map(|name| (name, "eu-west-1"));
        for (is_missing, added) in [(no_sts, &[STS][..]), (no_region, &regions)] {
            let added = added.iter().filter(|_| is_missing);
            env.extend(added.map(|(name, value)| json!({"name": name, "value": value})));
        }
        container["env"] = env.into();
        let mut mounts = list(&container["volumeMounts"]);
        if mounts.iter().all(|mount| mount["name"] != self.volume) {
            mounts.push(json!({"name": self.volume, "mountPath": self.folder, "readOnly": true}));
        }
        container["volumeMounts"] = mounts.into();
    }

    /// The variables and mounts of this identity in the init container.
    fn in_init_container<'p>(&self, pod: &'p Value) -> ([Option<&'p str>; 2], Vec<&'p Value>) {
        let mounts = init_container(pod)["volumeMounts"].as_array().unwrap();
        (
            self.variables.map(|(name, _)| variable(pod, name)),
            mounts
                .iter()
                .filter(|mount| mount["name"] == self.volume)
                .collect(),
        )
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A container for which its author configured a role of another account, and a token.
fn with_own_role() -> Value {
    json!({
        "name": "abroad",
        "image": "a",
        "env": [
            {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::444455556666:role/abroad"},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/tokens/aws/token"},
        ],
        "volumeMounts": [{"name": "abroad", "mountPath": "/var/run/secrets/tokens/aws"}],
    })
}

/// A container that gets its credentials from an agent of its author.
fn with_own_agent() -> Value {
    json!({
        "name": "agent",
        "image": "a",
        "env": [
            {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://127.0.0.1:9911/v1"},
            {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/agent/token"},
        ],
    })
}

fn with_containers(containers: Value) -> Value {
    let mut pod = pod([]);
    pod["spec"]["containers"] = containers;
    pod
}

#[rstest]
#[case::irsa(IRSA, with_own_role())]
#[case::pod_identity(POD_IDENTITY, with_own_agent())]
fn the_identity_of_eks_is_used_instead_of_the_authors_own(#[case] eks: Eks, #[case] own: Value) {
    let pod = eks.mutate(with_containers(json!([own, {"name": "app", "image": "a"}])));
    let pod = injected(&pod, &settings());
    let mount = json!({"name": eks.volume, "mountPath": eks.folder, "readOnly": true});
    let variables = eks.variables.map(|(_, value)| Some(value));
    assert_eq!(eks.in_init_container(&pod), (variables, vec![&mount]));
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case::irsa(IRSA, with_own_role())]
#[case::pod_identity(POD_IDENTITY, with_own_agent())]
fn the_authors_own_identity_is_not_copied(#[case] eks: Eks, #[case] own: Value) {
    let pod = injected(&eks.mutate(with_containers(json!([own]))), &settings());
    assert_eq!(eks.in_init_container(&pod), ([None, None], vec![]));
    assert_eq!(operations(&pod, &settings()), json!([]));
    // At the next call, EKS adds the pod's identity to the init container, and it is kept.
    let pod = eks.mutate(pod);
    assert_eq!(operations(&pod, &settings()), json!([]));
    assert_eq!(
        eks.in_init_container(&pod).0,
        eks.variables.map(|(_, value)| Some(value))
    );
}

#[rstest]
#[case::irsa(IRSA)]
#[case::pod_identity(POD_IDENTITY)]
fn a_broken_identity_of_eks_is_denied_unless_another_container_has_a_valid_one(#[case] eks: Eks) {
    let broken = json!({
        "name": "broken",
        "image": "a",
        "env": [
            {"name": eks.variables[0].0, "value": eks.variables[0].1},
            {"name": eks.variables[1].0, "value": "/podinfo/token"},
        ],
        "volumeMounts": [{"name": eks.volume, "mountPath": "/podinfo"}],
    });
    let alone = eks.mutate(with_containers(json!([broken])));
    let [error] = &errors(&alone, &settings())[..] else {
        panic!("one error")
    };
    assert!(error.contains("/podinfo is not allowed for it"), "{error}");

    let app = json!({"name": "app", "image": "a"});
    let pod = eks.mutate(with_containers(json!([broken, app])));
    let pod = injected(&pod, &settings());
    let mount = json!({"name": eks.volume, "mountPath": eks.folder, "readOnly": true});
    assert_eq!(eks.in_init_container(&pod).1, [&mount]);
}

#[test]
fn a_token_path_of_the_operator_is_not_compared_with_the_mount() {
    let mut settings = settings();
    let (name, token) = IRSA.variables[1];
    settings.init_env.insert(name.to_owned(), token.to_owned());
    let pod = IRSA.mutate(with_containers(json!([with_own_role()])));
    let pod = injected(&pod, &settings);
    assert_eq!(IRSA.in_init_container(&pod).1.len(), 1);
    assert_eq!(variable(&pod, name), Some(token));
}

/// The calls of both webhooks, in their order.
#[derive(Debug, Clone, Copy)]
enum Call {
    Eks,
    Kees,
}

#[rstest]
#[case::eks_first(&[Call::Eks, Call::Kees])]
#[case::eks_first_and_again(&[Call::Eks, Call::Kees, Call::Eks])]
#[case::eks_first_and_both_again(&[Call::Eks, Call::Kees, Call::Eks, Call::Kees])]
#[case::eks_last(&[Call::Kees, Call::Eks])]
#[case::eks_last_and_kees_again(&[Call::Kees, Call::Eks, Call::Kees])]
#[case::eks_last_and_both_again(&[Call::Kees, Call::Eks, Call::Kees, Call::Eks])]
fn the_identity_reaches_the_init_container_in_every_order_of_the_webhooks(
    #[case] calls: &[Call],
    #[values(IRSA, POD_IDENTITY)] eks: Eks,
    #[values(None, Some("eu-central-1"))] region: Option<&str>,
) {
    let mut settings = settings();
    let region = region.map(|region| ("AWS_REGION".to_owned(), region.to_owned()));
    settings.init_env.extend(region);
    let app = json!({"name": "app", "image": "a"});
    let mut pod = with_containers(json!([app, {"name": "other", "image": "b"}]));
    for call in calls {
        pod = match call {
            Call::Eks => eks.mutate(pod),
            Call::Kees => injected(&pod, &settings),
        };
    }
    let mount = json!({"name": eks.volume, "mountPath": eks.folder, "readOnly": true});
    let variables = eks.variables.map(|(_, value)| Some(value));
    assert_eq!(eks.in_init_container(&pod), (variables, vec![&mount]));
    // Nothing is left to be changed, by either webhook.
    assert_eq!(operations(&pod, &settings), json!([]));
    let again = injected(&eks.mutate(pod.clone()), &settings);
    assert_eq!(operations(&again, &settings), json!([]));
    let mut names: Vec<_> = list(&init_container(&pod)["env"]);
    let count = names.len();
    names.sort_by_key(|variable| variable["name"].to_string());
    names.dedup_by_key(|variable| variable["name"].to_string());
    assert_eq!(names.len(), count, "a variable is there twice");
}
