//! The pod's AWS identity, which an identity webhook may have put into the application's
//! containers alone: IRSA and EKS Pod Identity.
//!
//! Source: `amazon-eks-pod-identity-webhook` and the EKS user guide, for the names.

use kees_common::names::env;

use crate::{
    PodView,
    pod::{ContainerView, MountView, Text},
};

/// One way of telling a pod who it is.
struct Scheme {
    variables: [&'static str; 2],
    volume: &'static str,
}

const SCHEMES: [Scheme; 2] = [
    Scheme {
        variables: ["AWS_ROLE_ARN", env::AWS_WEB_IDENTITY_TOKEN_FILE],
        volume: "aws-iam-token",
    },
    Scheme {
        variables: [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ],
        volume: "eks-pod-identity-token",
    },
];

/// What the identity webhook adds beside the identity itself. It stays where it was put into our
/// own container, and is not looked for elsewhere.
const BESIDE: [&str; 3] = [
    env::AWS_REGION,
    "AWS_DEFAULT_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
];

/// Variables and mounts of an identity.
#[derive(Default)]
pub(crate) struct Identity<'a> {
    pub(crate) variables: Vec<(&'static str, Text<'a>)>,
    /// Volume and path; always mounted read-only.
    pub(crate) mounts: Vec<(&'a str, &'a str)>,
}

impl<'a> Identity<'a> {
    /// The identity that our container has already, else that of the first application container
    /// which has one, for each scheme.
    pub(crate) fn of(pod: &'a PodView<'a>, injected: Option<usize>) -> Self {
        let own = injected.and_then(|index| pod.spec.init_containers.get(index));
        let mut identity = Self::default();
        for scheme in &SCHEMES {
            let mut bearers = own.into_iter().chain(&pod.spec.containers);
            if let Some((variables, mount)) = bearers.find_map(|c| scheme.of(c)) {
                identity.variables.extend(variables);
                identity.mounts.push((&mount.name, &mount.mount_path));
            }
        }
        if let Some(own) = own {
            let beside = BESIDE.into_iter().zip(own.variables(BESIDE));
            identity
                .variables
                .extend(beside.filter_map(|(name, value)| Some((name, value?))));
        }
        identity
    }
}

impl Scheme {
    fn of<'a>(
        &self,
        container: &'a ContainerView<'a>,
    ) -> Option<([(&'static str, Text<'a>); 2], &'a MountView<'a>)> {
        let mut mounts = container.volume_mounts.iter();
        let mount = mounts.find(|mount| &*mount.name == self.volume)?;
        let [first, second] = self.variables;
        let [one, other] = container.variables(self.variables);
        Some(([(first, one?), (second, other?)], mount))
    }
}
