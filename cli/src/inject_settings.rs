//! The settings of the admission decision, from flags and the policy file, as the webhook reads them.

use std::{fs, path::Path};

use kees_common::{Endpoint, Region, names::env};
use kees_inject::{InjectSettings, Policy, SettingsError};
use kees_settings::{AwsFlags, DomainFlags, InitEnvFlags, StoreFlags};

use crate::{
    args::{ContainerArgs, DEFAULT_IMAGE, OperatorArgs, StoreArgs},
    error::{CliError, CliErrorKind},
};

/// Reads the settings, and finds everything that is wrong with them. `without_policy` is the policy
/// where the flags name no policy file.
pub(crate) fn read(
    stores: &StoreArgs,
    operator: &OperatorArgs,
    container: Option<&ContainerArgs>,
    without_policy: Policy,
) -> (InjectSettings, Vec<CliError>) {
    let OperatorArgs {
        policy,
        cluster,
        domain: DomainFlags { annotation_domain },
        wired_image,
        skip_containers,
        refresh_minimum,
    } = operator;
    let mut errors = Vec::new();
    let mut settings = InjectSettings::new(DEFAULT_IMAGE);
    settings.policy = match policy.as_deref().map(read_policy) {
        Some(Ok(policy)) => policy,
        Some(Err(error)) => {
            errors.push(error.into());
            without_policy
        }
        None => without_policy,
    };
    settings.cluster.clone_from(cluster);
    settings.domain = annotation_domain.clone();
    settings.wired_image = wired_image.clone().unwrap_or_default();
    settings.skip_containers = skip_containers.clone();
    settings.refresh_minimum = *refresh_minimum;
    stores.apply(&mut settings);
    if let Some(container) = container {
        container.apply(&mut settings);
    }
    let wrong = settings.errors().into_iter();
    errors.extend(wrong.map(|error| CliErrorKind::from(error).into()));
    (settings, errors)
}

/// Takes out the error that the table of DynamoDB has no name. Not every command, and not every manifest, needs the table.
pub(crate) fn take_label_error(errors: &mut Vec<CliError>) -> Option<CliError> {
    let is_of_label = |error: &mut CliError| {
        matches!(
            error.kind,
            CliErrorKind::Settings(SettingsError::NoEnvLabel(_))
        )
    };
    errors.extract_if(.., is_of_label).next()
}

fn read_policy(path: &Path) -> Result<Policy, CliErrorKind> {
    let text = fs::read_to_string(path).map_err(|source| CliErrorKind::ReadPolicy {
        path: path.to_owned(),
        source,
    })?;
    text.parse().map_err(|source| CliErrorKind::ParsePolicy {
        path: path.to_owned(),
        source,
    })
}

impl StoreArgs {
    /// Sets what the init container is told about the stores.
    fn apply(&self, settings: &mut InjectSettings) {
        let Self {
            store: store_flags,
            aws,
            env: env_flags,
        } = self;
        let StoreFlags {
            store,
            stores,
            env_label,
            kms_key_id,
        } = store_flags;
        let AwsFlags {
            aws_region,
            aws_endpoint,
        } = aws;
        let InitEnvFlags { init_env } = env_flags;
        let variables = [
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
        let init_env = init_env.iter().flatten();
        settings
            .init_env
            .extend(init_env.map(|variable| (variable.name.clone(), variable.value.clone())));
        settings.init_env.extend(
            variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
    }
}

impl ContainerArgs {
    /// Sets the image, the volume and the uid of the init container.
    fn apply(&self, settings: &mut InjectSettings) {
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
