//! The tokens and variables that the volumes of classes need, where EKS gives the pod none of their kind.
//!
//! The driver asks for a token for each pod. Here the pod gets a projected token of its own, with the same audience, which
//! only the init container mounts.

use kees_common::names::env;

use crate::{
    class::plan::ClassPlan,
    names,
    patch::{
        env::Variable,
        identity::{Identity, POD_IDENTITY_TOKEN_FILE, POD_IDENTITY_VOLUME, ROLE, ROLE_VOLUME},
        volumes::Volume,
    },
    settings::InjectSettings,
};

/// The audience of a token for a role.
const STS: &str = "sts.amazonaws.com";
/// The audience of a token for EKS Pod Identity.
const POD_IDENTITY: &str = "pods.eks.amazonaws.com";
/// The file of the token in either volume.
const TOKEN: &str = "token";

/// The label of a pod with its node's Region. Kubernetes 1.35 sets it when the pod is scheduled.
const REGION_LABEL: &str = "metadata.labels['topology.kubernetes.io/region']";

/// Where the Region is if the identity webhook of EKS adds it.
const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";

/// Adds the missing tokens to `identity`, and returns their volumes.
pub(crate) fn complete(
    identity: &mut Identity<'_>,
    plan: &ClassPlan,
    settings: &InjectSettings,
) -> Vec<Volume<'static>> {
    let mut volumes = Vec::new();
    let is_set = |names: [&str; 2]| names.iter().any(|name| settings.sets(name));
    if let Some(role) = &plan.role
        && !identity.mounts_volume(ROLE_VOLUME)
        && !is_set([ROLE, env::AWS_WEB_IDENTITY_TOKEN_FILE])
    {
        let file = format!("{}/{TOKEN}", names::AWS_TOKEN_PATH);
        identity.variables.extend([
            (ROLE, role.replace('$', "$$").into()),
            (env::AWS_WEB_IDENTITY_TOKEN_FILE, file.into()),
        ]);
        let mount = (names::AWS_TOKEN, names::AWS_TOKEN_PATH);
        identity.mounts.push(mount);
        volumes.push(Volume::token(names::AWS_TOKEN, STS, TOKEN));
    }
    if plan.pod_identity
        && !identity.mounts_volume(POD_IDENTITY_VOLUME)
        && !settings.sets(POD_IDENTITY_TOKEN_FILE)
    {
        let file = format!("{}/{TOKEN}", names::POD_IDENTITY_TOKEN_PATH);
        identity
            .variables
            .push((POD_IDENTITY_TOKEN_FILE, file.into()));
        let mount = (names::POD_IDENTITY_TOKEN, names::POD_IDENTITY_TOKEN_PATH);
        identity.mounts.push(mount);
        volumes.push(Volume::token(
            names::POD_IDENTITY_TOKEN,
            POD_IDENTITY,
            TOKEN,
        ));
    }
    volumes
}

/// The variable with the Region, if a class leaves it to the init container and nobody else sets it.
pub(crate) fn region<'a>(
    identity: &Identity<'a>,
    plan: &ClassPlan,
    settings: &InjectSettings,
) -> Option<Variable<'a>> {
    let mut variables = identity.variables.iter();
    let is_set =
        settings.sets(env::AWS_REGION) || variables.any(|(name, _)| *name == env::AWS_REGION);
    if !plan.needs_region || is_set {
        return None;
    }
    let mut variables = identity.variables.iter();
    let default = variables.find(|(name, _)| *name == DEFAULT_REGION);
    Some(match default {
        Some((_, region)) => Variable::literal(env::AWS_REGION, region.clone()),
        None => Variable::field(env::AWS_REGION, REGION_LABEL),
    })
}
