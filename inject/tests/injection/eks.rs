//! Pods as EKS's own webhook changes them before ours is called: identities of the pod's author
//! beside the one that EKS gives.
//!
//! Source: `amazon-eks-pod-identity-webhook`, `pkg/handler/handler.go`.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{faults, injected, operations, ours, pod, settings, variable};

/// What EKS gives to the pods of a service account.
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

impl Eks {
    /// Changes a pod as the webhook does: a container with either variable keeps what it has, and
    /// one with a mount of the volume keeps that; each is added without regard to the other.
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
        container["env"] = env.into();
        let mut mounts = list(&container["volumeMounts"]);
        if mounts.iter().all(|mount| mount["name"] != self.volume) {
            mounts.push(json!({"name": self.volume, "mountPath": self.folder, "readOnly": true}));
        }
        container["volumeMounts"] = mounts.into();
    }

    /// What our container has of this.
    fn of_ours<'p>(&self, pod: &'p Value) -> ([Option<&'p str>; 2], Vec<&'p Value>) {
        let mounts = ours(pod)["volumeMounts"].as_array().unwrap();
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

/// A container whose author gave it a role of another account and a token for it.
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

/// A container whose author has an agent hand out the credentials.
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
fn an_identity_of_the_authors_own_is_passed_over_for_that_of_eks(
    #[case] eks: Eks,
    #[case] own: Value,
) {
    let pod = eks.mutate(with_containers(json!([own, {"name": "app", "image": "a"}])));
    let pod = injected(&pod, &settings());
    let mount = json!({"name": eks.volume, "mountPath": eks.folder, "readOnly": true});
    let variables = eks.variables.map(|(_, value)| Some(value));
    assert_eq!(eks.of_ours(&pod), (variables, vec![&mount]));
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case::irsa(IRSA, with_own_role())]
#[case::pod_identity(POD_IDENTITY, with_own_agent())]
fn an_identity_of_the_authors_own_alone_is_not_taken_over(#[case] eks: Eks, #[case] own: Value) {
    let pod = injected(&eks.mutate(with_containers(json!([own]))), &settings());
    assert_eq!(eks.of_ours(&pod), ([None, None], vec![]));
    assert_eq!(operations(&pod, &settings()), json!([]));
    // Called again, EKS gives our own container the pod's identity, and it stays.
    let pod = eks.mutate(pod);
    assert_eq!(operations(&pod, &settings()), json!([]));
    assert_eq!(
        eks.of_ours(&pod).0,
        eks.variables.map(|(_, value)| Some(value))
    );
}

#[rstest]
#[case::irsa(IRSA)]
#[case::pod_identity(POD_IDENTITY)]
fn a_broken_identity_of_eks_is_passed_over_for_a_sound_one_and_refused_alone(#[case] eks: Eks) {
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
    let [fault] = &faults(&alone, &settings())[..] else {
        panic!("one fault")
    };
    assert!(fault.contains("/podinfo is no folder for it"), "{fault}");

    let app = json!({"name": "app", "image": "a"});
    let pod = eks.mutate(with_containers(json!([broken, app])));
    let pod = injected(&pod, &settings());
    let mount = json!({"name": eks.volume, "mountPath": eks.folder, "readOnly": true});
    assert_eq!(eks.of_ours(&pod).1, [&mount]);
}

#[test]
fn a_token_that_the_operator_names_is_compared_with_no_mount() {
    let mut settings = settings();
    let (name, token) = IRSA.variables[1];
    settings.init_env.insert(name.to_owned(), token.to_owned());
    let pod = IRSA.mutate(with_containers(json!([with_own_role()])));
    let pod = injected(&pod, &settings);
    assert_eq!(IRSA.of_ours(&pod).1.len(), 1);
    assert_eq!(variable(&pod, name), Some(token));
}
