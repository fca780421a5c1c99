//! What every command reads first: the settings and the workloads of the manifests.

use std::collections::BTreeSet;

use kees_inject::InjectSettings;

use crate::{
    args::ManifestArgs,
    error::CliError,
    manifest::{self, Document, Manifests},
    workload::{self, Workload},
};

/// The settings, the manifests and the workloads in them.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) settings: InjectSettings,
    /// Whether the settings are wrong, so that no decision can be made with them.
    pub(crate) has_invalid_settings: bool,
    pub(crate) documents: Vec<Document>,
    pub(crate) workloads: Vec<Workload>,
    /// The files in which no pod and no error is.
    pub(crate) without_pods: Vec<String>,
}

impl Input {
    /// Reads the manifests. Returns the input and all errors: `settings_errors`, and what is wrong
    /// with the manifests.
    pub(crate) fn read(
        manifest: &ManifestArgs,
        settings: InjectSettings,
        settings_errors: Vec<CliError>,
    ) -> (Self, Vec<CliError>) {
        let has_invalid_settings = !settings_errors.is_empty();
        let mut errors = settings_errors;
        let Manifests {
            documents,
            mut files,
            errors: unreadable,
        } = manifest::read(&manifest.files);
        let (workloads, invalid) =
            workload::find(&documents, &manifest.namespace, &settings.domain);
        errors.extend(unreadable);
        errors.extend(invalid);
        let with_pods: BTreeSet<_> = {
            let workloads = workloads.iter().map(|workload| &workload.location.file);
            let wrong = errors.iter().map(|error| &error.location.file);
            workloads.chain(wrong).flatten().collect()
        };
        files.retain(|file| !with_pods.contains(file));
        let input = Self {
            settings,
            has_invalid_settings,
            documents,
            workloads,
            without_pods: files,
        };
        (input, errors)
    }
}
