//! The request of a pod. Every annotation is parsed, and every path and file name is known, before
//! the first call of a store. All errors are reported together.

use std::{collections::BTreeSet, fs, time::Duration};

use kees_common::{
    Entry, FileMode, FileOptions, Generation, Item, Layout, LocalMode, MountPath, Parsed, Plan,
    PlanSettings, PlannedLease, Source, StoragePrefix, StoreName, Warning, downward, names::env,
    output::Format,
};
#[cfg(feature = "classes")]
use kees_secret_provider_class::ClassVolume;
use kees_settings::DomainFlags;

#[cfg(feature = "classes")]
use crate::volume_paths;
use crate::{
    error::InitError,
    exec::ExecFiles,
    files, joined,
    run_error::RunError,
    settings::{CreatePolicy, InitSettings, Pause, PodSettings, StorageSettings},
};

/// A pod's annotations joined with the operator's settings, without errors.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a run differs from others in independent ways"
)]
pub struct Request {
    /// Sorted by annotation.
    pub(crate) entries: Vec<Entry>,
    pub(crate) plan: Plan,
    pub(crate) layout: Layout,
    pub(crate) file_options: FileOptions,
    /// What `kees-init exec` needs, if it is asked for.
    pub(crate) exec: Option<ExecFiles>,
    pub(crate) file_mode: FileMode,
    pub(crate) local_mode: LocalMode,
    pub(crate) prefix: StoragePrefix,
    /// Present if there is a lease.
    pub(crate) pod_name: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) pod_uid: Option<String>,
    pub(crate) create: CreatePolicy,
    /// Whether the run waits for another writer if creating is denied.
    pub(crate) waits_when_denied: bool,
    pub(crate) timeout: Duration,
    pub(crate) retry_delay: Option<Duration>,
    /// Whether the files are replaced together, because the pod is refreshed.
    pub(crate) swaps: bool,
    /// Whether this reads the values of a running pod again: nothing is created or waited for.
    pub(crate) is_refresh: bool,
    /// Whether this reads the values of a Kubernetes Secret: nothing is created or waited for.
    pub(crate) is_for_secret: bool,
    /// The volumes of classes.
    #[cfg(feature = "classes")]
    pub(crate) volumes: Vec<ClassVolume>,
    warnings: Vec<Warning>,
}

impl Request {
    /// Reads and parses the annotations file of `settings`.
    ///
    /// # Errors
    /// As [`Request::parse`]; exit 64 if the file cannot be read.
    pub fn read(settings: &InitSettings) -> Result<Self, RunError> {
        let path = &settings.pod.annotations_file;
        let annotations = fs::read(path).map_err(|source| InitError::NoAnnotations {
            path: path.clone(),
            source,
        })?;
        Self::parse(settings, &annotations)
    }

    /// Parses annotations in the format of the kubelet's downward-API file.
    ///
    /// # Errors
    /// [`RunError`] with every error; exit 65, or 64 if a setting is wrong.
    pub fn parse(settings: &InitSettings, annotations: &[u8]) -> Result<Self, RunError> {
        let file = downward::parse(annotations);
        let pairs = file
            .annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let request = Self::new(settings, pairs);
        if file.errors.is_empty() {
            return request;
        }
        let mut errors: Vec<_> = file.errors.into_iter().map(InitError::from).collect();
        errors.extend(
            request
                .err()
                .map(RunError::into_errors)
                .into_iter()
                .flatten(),
        );
        Err(RunError::new(errors))
    }

    /// Parses annotations that are given as keys and values.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn new<'a>(
        settings: &InitSettings,
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RunError> {
        let PodSettings {
            flags: DomainFlags { annotation_domain },
            pod_name,
            pod_namespace,
            pod_uid,
            annotations_file: _,
        } = &settings.pod;
        let StorageSettings {
            create,
            timeout,
            retry_delay,
            ..
        } = &settings.storage;

        let parsed = Parsed::from_annotations(annotation_domain, annotations);
        let plan_settings = joined::plan_settings(settings, &parsed.options);
        let PlanSettings { prefix, layout, .. } = &plan_settings;
        let mut errors = files::check(layout);
        let plan = Plan::new(&parsed, &plan_settings).unwrap_or_else(|of_plan| {
            errors.extend(of_plan.into_iter().map(InitError::from));
            Plan::default()
        });
        let of_templates = kees_template::check_annotations(&parsed);
        errors.extend(of_templates.into_iter().map(InitError::from));
        let mut request = Self {
            plan,
            layout: layout.clone(),
            file_options: parsed.options.files.clone(),
            exec: settings.output.exec_folder.clone().map(|folder| ExecFiles {
                folder,
                environments: parsed.options.environments.clone(),
                has_program: false,
            }),
            file_mode: joined::file_mode(settings, &parsed.options),
            local_mode: parsed.options.local_mode,
            prefix: prefix.clone(),
            pod_name: pod_name.clone(),
            namespace: pod_namespace.clone(),
            pod_uid: pod_uid.clone(),
            create: *create,
            waits_when_denied: true,
            timeout: timeout.get(),
            retry_delay: retry_delay.map(Pause::get),
            swaps: settings.refresh.period.is_some(),
            is_refresh: false,
            is_for_secret: false,
            #[cfg(feature = "classes")]
            volumes: volumes(settings),
            warnings: parsed.warnings,
            entries: parsed.entries,
        };
        errors.extend(request.missing_settings(settings));
        #[cfg(feature = "classes")]
        errors.extend(volume_paths::check(&request.volumes));
        RunError::check(errors)?;
        let ignored = parsed.ignored.into_iter().map(|error| Warning {
            message: format!("{}; it is ignored", error.kind),
            annotation: error.annotation,
        });
        request.warnings.extend(ignored);
        request
            .warnings
            .extend(joined::overridden(&parsed.options, settings));
        Ok(request)
    }

    /// The request for reading the values of the running pod again. It creates nothing, and it does
    /// not wait for what is absent. Leases are not read: a number stays the pod's.
    #[must_use]
    pub fn refreshing(mut self) -> Self {
        self.plan.leases.clear();
        self.create = CreatePolicy::Never;
        self.swaps = true;
        self.is_refresh = true;
        #[cfg(feature = "classes")]
        self.volumes.clear();
        self
    }

    /// Places the program for `kees-init exec` before the run, which does not place it again.
    ///
    /// # Errors
    /// [`InitError::Write`] if it cannot be written.
    pub fn place_program(&mut self) -> Result<(), InitError> {
        if let Some(exec) = &mut self.exec {
            exec.place_program()?;
            exec.has_program = true;
        }
        Ok(())
    }

    /// A request for [`create`](crate::create) alone: the DYNAMIC entries of a plan that is already
    /// made, in a pod of `namespace`. If creating is denied, it does not wait for another writer.
    pub fn creating(parsed: Parsed, plan: Plan, namespace: String, timeout: Duration) -> Self {
        let Plan {
            mut items,
            generations,
            leases: _,
        } = plan;
        items.retain(|item| item.generation.is_some() && !item.locator.is_previous);
        Self {
            create: CreatePolicy::Init,
            waits_when_denied: false,
            ..Self::without_files(parsed, items, generations, namespace, timeout)
        }
    }

    /// A request for [`secret_data`](crate::secret_data) alone: the values of a plan that is already made, in a pod of
    /// `namespace`, without leases. Nothing is created, and what is absent is not waited for.
    pub fn for_secret(parsed: Parsed, plan: Plan, namespace: String, timeout: Duration) -> Self {
        let Plan {
            items,
            generations,
            leases: _,
        } = plan;
        Self {
            create: CreatePolicy::Never,
            local_mode: parsed.options.local_mode,
            is_for_secret: true,
            ..Self::without_files(parsed, items, generations, namespace, timeout)
        }
    }

    fn without_files(
        parsed: Parsed,
        items: Vec<Item>,
        generations: Vec<Generation>,
        namespace: String,
        timeout: Duration,
    ) -> Self {
        Self {
            entries: parsed.entries,
            plan: Plan {
                items,
                generations,
                leases: Vec::new(),
            },
            layout: Layout::under(&MountPath::default(), Format::default()),
            file_options: FileOptions::default(),
            exec: None,
            file_mode: FileMode::ALL,
            local_mode: LocalMode::Off,
            prefix: StoragePrefix::root(),
            pod_name: None,
            namespace: Some(namespace),
            pod_uid: None,
            create: CreatePolicy::Never,
            waits_when_denied: false,
            timeout,
            retry_delay: None,
            swaps: false,
            is_refresh: false,
            is_for_secret: false,
            #[cfg(feature = "classes")]
            volumes: Vec::new(),
            warnings: parsed.warnings,
        }
    }

    /// The stores that the run needs; none in local mode.
    pub fn stores(&self) -> BTreeSet<StoreName> {
        match self.local_mode {
            LocalMode::On => BTreeSet::new(),
            LocalMode::Off | LocalMode::RemoteThenLocal => {
                let of_items = self.plan.items.iter().map(|item| item.store);
                let of_leases = self.plan.leases.iter().map(|lease| lease.store);
                of_items.chain(of_leases).collect()
            }
        }
    }

    /// What is read, and what is generated if it is absent.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The prefix of every path.
    pub fn prefix(&self) -> &StoragePrefix {
        &self.prefix
    }

    /// The pod's namespace, if it is known.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether values come from a store.
    pub fn local_mode(&self) -> LocalMode {
        self.local_mode
    }

    /// Whether the value of `annotation` is one that people store by hand: the whole content of a path,
    /// which a REFERENCE or a resource names.
    pub fn is_stored_by_hand(&self, annotation: &str) -> bool {
        let mut entries = self.entries.iter();
        let index = entries.position(|entry| entry.annotation == annotation);
        let mut items = self.plan.items.iter();
        let item = items.find(|item| Some(item.entry) == index);
        item.is_some_and(|item| {
            let at = &item.locator;
            item.generation.is_none()
                && at.member.is_none()
                && at.property.is_none()
                && at.is_current()
                && !at.path.is_arn()
        })
    }

    /// What the pod asks for, sorted by annotation.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files that are written.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The files that the pod's options name.
    pub fn file_options(&self) -> &FileOptions {
        &self.file_options
    }

    /// What is done if a DYNAMIC secret is absent.
    pub fn create(&self) -> CreatePolicy {
        self.create
    }

    /// Annotations, or parts of them, that have no effect.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The annotation that asks for `lease`.
    pub(crate) fn annotation_of(&self, lease: &PlannedLease) -> &str {
        let entry = self.entries.get(lease.entry);
        entry.map_or("", |entry| &entry.annotation)
    }

    /// The variables that are missing and that this pod needs.
    fn missing_settings(&self, settings: &InitSettings) -> Vec<InitError> {
        let stores = self.stores();
        let any = |needs: fn(StoreName) -> bool| stores.iter().any(|store| needs(*store));
        let has_lease = self
            .entries
            .iter()
            .any(|entry| matches!(entry.source, Source::Lease(_)));
        let needed = [
            (
                env::ENV_LABEL,
                any(StoreName::needs_env_label) && settings.storage.flags.env_label.is_none(),
                "is missing; the DynamoDB table is ENV_LABEL-kube-secret",
            ),
            (
                env::EMBEDDED_FILE,
                any(StoreName::needs_embedded_file) && settings.storage.embedded_file.is_none(),
                "is missing; name the SQLite file of the store embedded",
            ),
            (
                env::POD_NAME,
                has_lease && self.pod_name.is_none(),
                "is missing; a lease belongs to a pod by its metadata.name",
            ),
        ];
        needed
            .into_iter()
            .filter(|(_, is_missing, _)| *is_missing)
            .map(|(variable, _, error)| InitError::Setting {
                variable,
                error: error.to_owned(),
            })
            .collect()
    }
}

#[cfg(feature = "classes")]
fn volumes(settings: &InitSettings) -> Vec<ClassVolume> {
    let volumes = settings.classes.class_volumes.as_ref();
    volumes.map_or_else(Vec::new, |volumes| volumes.0.clone())
}
