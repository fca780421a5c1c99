//! From flags to the settings that the decision knows, as the webhook has them.

use std::fs;

use kees_common::{Endpoint, Region, names::env};
use kees_inject::{InjectSettings, Policy};
use kees_settings::{AwsFlags, DomainFlags, InitEnvFlags, StoreFlags};

use crate::{
    args::{ContainerArgs, DEFAULT_IMAGE, OperatorArgs, StoreArgs},
    fault::{CliError, CliErrorKind},
    workload::Workload,
};

/// The settings that the flags make; `without_policy` holds where they name no policy file.
///
/// # Errors
/// The policy file, where it cannot be read or is none.
pub(crate) fn settings(
    stores: &StoreArgs,
    operator: &OperatorArgs,
    without_policy: Policy,
) -> Result<InjectSettings, CliError> {
    let OperatorArgs {
        policy,
        cluster,
        domain: DomainFlags { annotation_domain },
        wired_image,
    } = operator;
    let policy = match policy {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|source| CliErrorKind::NoPolicy {
                path: path.clone(),
                source,
            })?;
            text.parse().map_err(|source| CliErrorKind::Policy {
                path: path.clone(),
                source,
            })?
        }
        None => without_policy,
    };
    let mut settings = InjectSettings::new(DEFAULT_IMAGE);
    settings.policy = policy;
    settings.cluster.clone_from(cluster);
    settings.domain = annotation_domain.clone();
    settings.wired_image = wired_image.clone().unwrap_or_default();
    stores.give(&mut settings);
    Ok(settings)
}

/// Everything that is wrong with the settings together.
pub(crate) fn check(settings: &InjectSettings) -> Vec<CliError> {
    let problems = settings.errors();
    problems
        .into_iter()
        .map(|problem| CliErrorKind::from(problem).into())
        .collect()
}

/// Keeps pods from being judged by settings that are wrong: each would have the same fault once more.
pub(crate) fn withhold(workloads: &mut Vec<Workload>, faults: &[CliError]) {
    if !faults.is_empty() {
        workloads.clear();
    }
}

impl StoreArgs {
    fn give(&self, settings: &mut InjectSettings) {
        let Self {
            store,
            aws,
            env: init_env,
        } = self;
        let StoreFlags {
            store,
            stores,
            env_label,
            kms_key_id,
        } = store;
        let AwsFlags {
            aws_region,
            aws_endpoint,
        } = aws;
        let InitEnvFlags { init_env } = init_env;
        let named = [
            (env::ENV_LABEL, env_label.clone()),
            (env::AWS_REGION, aws_region.as_ref().map(Region::to_string)),
            (
                env::AWS_ENDPOINT,
                aws_endpoint.as_ref().map(Endpoint::to_string),
            ),
            (env::KMS_KEY_ID, kms_key_id.clone()),
        ];
        settings.store = *store;
        settings.stores.clone_from(stores);
        let of_flag = init_env.iter();
        settings
            .init_env
            .extend(of_flag.map(|variable| (variable.name.clone(), variable.value.clone())));
        settings.init_env.extend(
            named
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
    }
}

impl ContainerArgs {
    /// Sets the init container's own.
    pub(crate) fn give(&self, settings: &mut InjectSettings) {
        let Self {
            init_image,
            image_pull_policy,
            volume_size,
            run_as,
        } = self;
        settings.init_image.clone_from(init_image);
        settings.image_pull_policy = *image_pull_policy;
        settings.volume_size = volume_size.clone();
        settings.run_as = *run_as;
    }
}
