//! The operator's settings joined with the options of the pod.

use std::fmt;

use kees_common::{
    FileMode, Layout, Options, PlanSettings, StoragePrefix, Warning,
    names::{env, init},
};
use kees_settings::StoreFlags;

use crate::settings::{InitSettings, LocalModePolicy, OutputSettings, StorageSettings};

/// Joins the operator's settings and the pod's. The environment wins over an annotation, except for
/// the store.
pub(crate) fn plan_settings(settings: &InitSettings, options: &Options) -> PlanSettings {
    let StorageSettings {
        flags: StoreFlags { store, stores, .. },
        storage_prefix,
        references,
        local_mode,
        ..
    } = &settings.storage;
    let OutputSettings {
        secrets_file,
        resources_file,
        leases_file,
        resources_file_path,
        leases_file_path,
        exec_folder: _,
        format,
        file_mode: _,
    } = &settings.output;
    let prefix = storage_prefix.as_ref().or(options.storage_prefix.as_ref());
    PlanSettings {
        prefix: prefix.cloned().unwrap_or_else(StoragePrefix::root),
        store: *store,
        allowed: stores.clone(),
        references: references.clone(),
        local_mode_allowed: *local_mode == LocalModePolicy::Allow,
        layout: Layout {
            format: format.or(options.format).unwrap_or_default(),
            secrets: secrets_file.clone(),
            resources: resources_file.clone(),
            leases: leases_file.clone(),
            resources_folder: resources_file_path.clone(),
            leases_folder: leases_file_path.clone(),
        },
    }
}

pub(crate) fn file_mode(settings: &InitSettings, options: &Options) -> FileMode {
    settings
        .output
        .file_mode
        .or(options.file_mode)
        .unwrap_or(FileMode::ALL)
}

/// A warning for each annotation that the environment overrides.
pub(crate) fn overridden(options: &Options, settings: &InitSettings) -> Vec<Warning> {
    let OutputSettings {
        format, file_mode, ..
    } = &settings.output;
    let prefix = &settings.storage.storage_prefix;
    let settings_of_both = [
        (
            init::STORAGE_PREFIX,
            env::STORAGE_PREFIX,
            winner(prefix.as_ref(), options.storage_prefix.as_ref()),
        ),
        (
            init::FORMAT,
            env::FORMAT,
            winner(format.as_ref(), options.format.as_ref()),
        ),
        (
            init::FILE_MODE,
            env::FILE_MODE,
            winner(file_mode.as_ref(), options.file_mode.as_ref()),
        ),
    ];
    settings_of_both
        .into_iter()
        .filter_map(|(name, variable, winner)| {
            let message = format!("has no effect: {variable} is {}", winner?);
            Some(Warning {
                annotation: settings.pod.flags.annotation_domain.init(name),
                message,
            })
        })
        .collect()
}

/// The operator's value, if the pod asks for a different one.
fn winner<T: PartialEq + fmt::Display>(operator: Option<&T>, pod: Option<&T>) -> Option<String> {
    match (operator, pod) {
        (Some(operator), Some(pod)) if operator != pod => Some(operator.to_string()),
        _ => None,
    }
}
