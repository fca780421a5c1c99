//! Opens the store of a command.

use std::{future::Future, path::Path};

use kees_common::{Locator, Region, StoragePath, StoreName};
use kees_settings::{AwsFlags, StsFlags};
use kees_store::{
    RetryBudget, Store, StoreSettings, Stores,
    aws::{AwsSettings, Caller, region_of_environment},
};

use super::error::ValueError;
use crate::{
    args::values::{DEFAULT_FILE, OneStoreArgs, SettingsArgs},
    run::{EMBEDDED_FILE, folder},
};

/// What a command does with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// The stores of one command.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    stores: Stores,
    settings: &'a SettingsArgs,
}

/// Opens `names`. No store is called yet.
pub(super) async fn open(
    names: impl IntoIterator<Item = (StoreName, Use)>,
    args: &SettingsArgs,
) -> Result<Opened<'_>, ValueError> {
    let SettingsArgs {
        env_label,
        kms_key_id,
        embedded_file,
        timeout: _,
        aws: AwsFlags {
            aws_region,
            aws_endpoint,
        },
        sts: StsFlags { aws_sts_endpoint },
    } = args;
    let names: Vec<_> = names.into_iter().collect();
    for (name, used) in &names {
        if name.needs_embedded_file() {
            prepare_file(embedded_file, *used)?;
        }
    }
    let mut needed = names.iter().map(|(name, _)| *name);
    if let Some(store) = needed.find(|name| name.needs_env_label())
        && env_label.is_none()
    {
        return Err(ValueError::NoEnvLabel(store));
    }
    let is_in_aws = names.iter().any(|(name, _)| name.is_in_aws());
    let settings = StoreSettings {
        env_label: env_label.clone(),
        kms_key_id: kms_key_id.clone(),
        embedded_file: Some(embedded_file.clone()),
        aws: AwsSettings {
            region: region(aws_region.as_ref(), is_in_aws).await?,
            endpoint: aws_endpoint.clone(),
            sts_endpoint: aws_sts_endpoint.clone(),
            caller: Caller::Person,
            ..AwsSettings::from_env()
        },
    };
    let stores = Stores::open(names.into_iter().map(|(name, _)| name), &settings).await?;
    Ok(Opened {
        stores,
        settings: args,
    })
}

/// The Region of the flag, else the user's own. The default of kees-init is meant for a cluster.
async fn region(flag: Option<&Region>, is_in_aws: bool) -> Result<Option<Region>, ValueError> {
    match flag {
        Some(region) => Ok(Some(region.clone())),
        None if is_in_aws => Ok(Some(region_of_environment().await?)),
        None => Ok(None),
    }
}

/// A command that reads creates no file. One that writes creates the folder of `kees run`, with the
/// mode and the `.gitignore` that it has there.
fn prepare_file(file: &Path, used: Use) -> Result<(), ValueError> {
    if file.exists() {
        return Ok(());
    }
    if used == Use::Read {
        return Err(ValueError::NoFile(file.to_owned()));
    }
    if let Some(out) = file.parent().filter(|_| file == Path::new(DEFAULT_FILE)) {
        folder::create(out, out)?;
        folder::ignore_store(out, EMBEDDED_FILE)?;
    }
    Ok(())
}

impl Opened<'_> {
    /// The store `name`.
    pub(super) fn get(&self, name: StoreName) -> Result<&Store, ValueError> {
        // Every store that a command asks for has been opened.
        self.stores.get(name).ok_or(ValueError::SameStore(name))
    }

    /// How long one call may be tried again.
    pub(super) fn budget(&self) -> RetryBudget {
        RetryBudget::new(self.settings.timeout.get())
    }
}

/// The store of `args` and where it is, for people: `embedded (out/kees.sqlite)`, `ssm (eu-west-1)`.
pub(super) fn describe(args: &OneStoreArgs) -> String {
    let OneStoreArgs { store, settings } = args;
    if store.needs_embedded_file() {
        return format!("{store} ({})", settings.embedded_file.display());
    }
    let table = settings.env_label.as_ref();
    let table = table.filter(|_| store.needs_env_label());
    let table = table.map(|label| format!("{label}-kube-secret"));
    let region = settings.aws.aws_region.as_ref().map(Region::to_string);
    let places: Vec<_> = table.into_iter().chain(region).collect();
    if places.is_empty() {
        store.to_string()
    } else {
        format!("{store} ({})", places.join(", "))
    }
}

/// Opens the store of `args` and runs `command` with it.
pub(super) fn with_store<T>(
    args: &OneStoreArgs,
    used: Use,
    command: impl AsyncFnOnce(&Store, RetryBudget) -> Result<T, ValueError>,
) -> Result<T, ValueError> {
    block_on(async {
        let opened = open([(args.store, used)], &args.settings).await?;
        command(opened.get(args.store)?, opened.budget()).await
    })
}

/// Runs a command on this thread.
pub(super) fn block_on<T>(
    command: impl Future<Output = Result<T, ValueError>>,
) -> Result<T, ValueError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(ValueError::Runtime)?.block_on(command)
}

/// Whether `store` can have a value at `path`.
pub(super) fn check_path(store: StoreName, path: &StoragePath) -> Result<(), ValueError> {
    let accepted = if path.is_arn() && store.takes_arns() {
        Ok(())
    } else {
        store.accepts(path.as_str())
    };
    accepted.map_err(|right| ValueError::Path {
        store,
        path: path.to_string(),
        right,
    })
}

/// The whole content of the name `path`.
pub(super) fn whole(path: &StoragePath) -> Locator {
    Locator {
        path: path.clone(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        store: OneStoreArgs,
    }

    #[rstest]
    #[case("--store embedded --embedded-file a.sqlite", "embedded (a.sqlite)")]
    #[case("--store ssm --aws-region eu-west-1", "ssm (eu-west-1)")]
    #[case(
        "--store dynamodb --env-label dev --aws-region eu-west-1",
        "dynamodb (dev-kube-secret, eu-west-1)"
    )]
    fn a_store_says_where_it_is(#[case] flags: &str, #[case] expected: &str) {
        let words = ["kees"].into_iter().chain(flags.split(' '));
        assert_eq!(describe(&Flags::parse_from(words).store), expected);
    }
}
