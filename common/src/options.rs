//! The pod's `init.DOMAIN/*` annotations.

mod containers;
mod environment;
mod file_mode;
mod files;
mod metrics_port;
mod mount_path;
mod on_change;
mod refresh;
mod start;
pub(crate) mod switch;
mod sync;

pub use containers::{ContainerNames, Order, ParseContainerNamesError, ParseOrderError};
pub use environment::{Environment, EnvironmentVariable, Environments, ParseEnvironmentError};
pub use file_mode::{FileMode, ParseFileModeError};
pub use files::{
    FileOptions, FilePath, KeystoreFile, ParseFilePathError, PlacedFile, TemplateFile,
};
pub use metrics_port::{MetricsPort, ParseMetricsPortError};
pub use mount_path::{MountPath, ParseMountPathError};
pub use on_change::{ChangeSignal, LoopbackUrl, OnChange, ParseOnChangeError, ProcessName};
pub use refresh::{ParseRefreshPeriodError, RefreshPeriod};
pub use start::{ParseStartError, Start};
pub use sync::{
    ParseSecretKeyError, ParseSecretNameError, ParseSyncTypeError, SecretKey, SecretName, SyncKey,
    SyncOptions, SyncType,
};

use crate::{
    collector::Collector, error::AnnotationErrorKind, names::init, output::Format,
    path::StoragePrefix, store_name::StoreName, typo,
};

/// The options of a pod. They hold for all of its entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// `inject: "false"`: the webhook does not change the pod.
    pub opted_out: bool,
    /// `storage-prefix`
    pub storage_prefix: Option<StoragePrefix>,
    /// `local-mode`
    pub local_mode: LocalMode,
    /// `mount-path`
    pub mount_path: Option<MountPath>,
    /// `containers`
    pub containers: Option<ContainerNames>,
    /// `order`
    pub order: Order,
    /// `file-mode`
    pub file_mode: Option<FileMode>,
    /// `store`
    pub store: Option<StoreName>,
    /// `format`
    pub format: Option<Format>,
    /// `file.NAME`, `template.NAME` and `keystore.NAME`
    pub files: FileOptions,
    /// `env` and `env.CONTAINER`
    pub environments: Environments,
    /// `start`
    pub start: Start,
    /// `refresh`
    pub refresh: Option<RefreshPeriod>,
    /// `on-change`
    pub on_change: Option<OnChange>,
    /// `refresh-metrics-port`
    pub refresh_metrics_port: Option<MetricsPort>,
    /// `sync`, `sync-type` and `sync-key.KEY`
    pub sync: SyncOptions,
}

impl Options {
    /// Reads one annotation `init.DOMAIN/NAME`.
    pub(crate) fn read(&mut self, name: &str, value: &str, collect: &mut Collector<'_>) {
        let trimmed = value.trim();
        match name {
            // Not trimmed: the API server's match conditions compare the whole value.
            init::INJECT => self.opted_out = value == "false",
            init::STORAGE_PREFIX => {
                // Not trimmed: blanks at its ends are errors.
                let prefix = value
                    .parse()
                    .map_err(|reason| AnnotationErrorKind::path(value, reason));
                self.storage_prefix = collect.ok(prefix);
            }
            init::LOCAL_MODE => self.local_mode = LocalMode::from_annotation(trimmed),
            init::MOUNT_PATH => self.mount_path = collect.parse(init::MOUNT_PATH, trimmed),
            init::CONTAINERS => self.containers = collect.parse(init::CONTAINERS, trimmed),
            init::ORDER => self.order = collect.parse(init::ORDER, trimmed).unwrap_or_default(),
            init::FILE_MODE => self.file_mode = collect.parse(init::FILE_MODE, trimmed),
            init::STORE => self.store = collect.ok(trimmed.parse::<StoreName>()),
            init::FORMAT => self.format = collect.parse(init::FORMAT, trimmed),
            init::ENV => self.environments.of_pod = collect.parse(init::ENV, trimmed),
            init::START => self.start = collect.parse(init::START, trimmed).unwrap_or_default(),
            init::REFRESH => self.refresh = collect.parse(init::REFRESH, trimmed),
            init::ON_CHANGE => self.on_change = collect.parse(init::ON_CHANGE, trimmed),
            init::REFRESH_METRICS_PORT => {
                self.refresh_metrics_port = collect.parse(init::REFRESH_METRICS_PORT, trimmed);
            }
            init::INJECTED | init::CLASS_VOLUMES => {}
            other => {
                let is_known = self.environments.read(other, trimmed, collect).is_some()
                    || self.sync.read(other, value, collect).is_some()
                    || self.files.read(other, value, collect).is_some();
                if !is_known {
                    warn_of_unknown(other, collect);
                }
            }
        }
    }
}

/// An error if `name` is probably a misspelled option, else a warning.
fn warn_of_unknown(name: &str, collect: &mut Collector<'_>) {
    match typo::closest(name, init::ALL.iter().map(|option| option.name)) {
        Some(known) => {
            let annotation = collect.annotation();
            let prefix = annotation.strip_suffix(name).unwrap_or_default();
            let known = format!("{prefix}{known}");
            collect.error(AnnotationErrorKind::UnknownOption { known });
        }
        None => collect.warn("unknown, ignored".to_owned()),
    }
}

/// `local-mode`: whether values come from a store or are derived from names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalMode {
    /// Values come from the store.
    #[default]
    Off,
    /// `true`: no store is used.
    On,
    /// `remote-then-local`: the local value is used where the store has none.
    RemoteThenLocal,
}

impl LocalMode {
    /// Any other value means the store, as in the original.
    fn from_annotation(value: &str) -> Self {
        match value {
            "true" => Self::On,
            "remote-then-local" => Self::RemoteThenLocal,
            _ => Self::Off,
        }
    }
}
