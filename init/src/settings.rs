//! The settings of a run: every flag with its environment variable, checked as it is read.
//!
//! The environment wins over an annotation. So a setting that both can have is an `Option` here, and
//! its default is applied where the two are joined ([`crate::Request`]).

#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum, builder::Resettable,
};
#[cfg(feature = "classes")]
use kees_common::names::env::CLASS_VOLUMES;
use kees_common::{
    FileMode, MetricsPort, OnChange, References, RefreshPeriod, StoragePrefix,
    names::env::{
        ANNOTATIONS_FILE, AWS_CA_BUNDLE, CREATE, EMBEDDED_FILE, EXEC_FOLDER, FILE_MODE, FORMAT,
        LEASES_FILE, LEASES_FILE_PATH, LOCAL_MODE, ON_CHANGE, POD_NAME, POD_NAMESPACE, POD_UID,
        REFERENCES, REFRESH, REFRESH_METRICS_PORT, RESOURCES_FILE, RESOURCES_FILE_PATH,
        RETRY_DELAY, SECRETS_FILE, SSL_CERT_FILE, STORAGE_PREFIX, STORE, STORES, TERMINATION_LOG,
        TIMEOUT,
    },
    output::Format,
};
#[cfg(feature = "classes")]
use kees_secret_provider_class::ClassVolumes;
use kees_settings::{
    AwsFlags, DAY, DomainFlags, LogFlags, Seconds, StoreFlags, StsFlags, without_empty_variables,
};

use crate::usage::UsageError;

/// How long a run waits for the stores in all. Zero is invalid, because no store can answer in zero
/// seconds.
pub type Timeout = Seconds<1, DAY>;

/// A pause between two reads.
pub type Pause = Seconds<0, DAY>;

const AFTER_HELP: &str = "\
kees-init refresh: a sidecar that reads the values of a running pod again, and replaces the files that
the first run wrote. It takes the same flags and variables, and ends at SIGTERM with 0. With
ON_CHANGE=restart it also ends with 0 when it has replaced the files for the first time.
kees-init start: a sidecar that writes the files unless they are there, and then refreshes them, or
rests until SIGTERM. kees-init wait, its postStart hook, ends when the files are there.

An empty variable counts as absent. Credentials and proxies are set by the variables of the AWS SDK:
AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_PROFILE,
AWS_ENDPOINT_URL_DYNAMODB, HTTP_PROXY, HTTPS_PROXY, NO_PROXY and so on.

Exit status:
  0   all files were written
  64  wrong usage or environment
  65  an annotation is wrong, or a stored value is not what its annotation says
  69  a store could not be reached or kept failing until the deadline
  71  the operating system could not start the program's runtime
  73  a file could not be written
  75  something stayed absent until the deadline
  77  denied
  130, 143  stopped by SIGINT or SIGTERM; nothing was written

Example, without any store:
  printf '%s\\n' 'init.bsycorp.com/local-mode=\"true\"' \\
    'secret.bsycorp.com/db-password=\"kind=DYNAMIC,type=PASSWORD,size=128\"' > annotations
  mkdir out
  ANNOTATIONS_FILE=annotations SECRETS_FILE=out/secrets.properties \\
  RESOURCES_FILE=out/resources.properties LEASES_FILE=out/leases.properties \\
  RESOURCES_FILE_PATH=out LEASES_FILE_PATH=out kees-init";

/// Reads a pod's annotations, fetches or creates the values that they name, and writes all of them
/// to files. If one of them fails, it writes nothing.
#[derive(Debug, Clone, Parser)]
#[command(name = "kees-init", version, after_long_help = AFTER_HELP)]
pub struct InitSettings {
    /// The pod.
    #[command(flatten)]
    pub pod: PodSettings,
    /// The files that are written.
    #[command(flatten)]
    pub output: OutputSettings,
    /// The stores, and how they are used.
    #[command(flatten)]
    pub storage: StorageSettings,
    /// AWS.
    #[command(flatten)]
    pub aws: AwsSettings,
    /// The volumes of classes.
    #[cfg(feature = "classes")]
    #[command(flatten)]
    pub classes: ClassSettings,
    /// The refresh of a running pod.
    #[command(flatten)]
    pub refresh: RefreshSettings,
    /// The log and the termination message.
    #[command(flatten)]
    pub log: LogSettings,
}

/// The pod and its annotations.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pod")]
pub struct PodSettings {
    /// The downward-API file with the pod's annotations
    #[arg(long, env = ANNOTATIONS_FILE, value_name = "FILE", default_value = "/podinfo/annotations")]
    pub annotations_file: PathBuf,
    /// The domain of the annotations.
    #[command(flatten)]
    pub flags: DomainFlags,
    /// The pod's name, needed with a lease
    #[arg(long, env = POD_NAME, value_name = "NAME")]
    pub pod_name: Option<String>,
    /// The pod's namespace, for leases and for the tags of the secrets that are created
    #[arg(long, env = POD_NAMESPACE, value_name = "NAME")]
    pub pod_namespace: Option<String>,
    /// The pod's uid, for leases (metadata.uid); without it, a lease is known by the pod's name
    #[arg(long, env = POD_UID, value_name = "UID")]
    pub pod_uid: Option<String>,
}

/// The files.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub struct OutputSettings {
    /// The list of the secrets; with the format `files`, each secret has a file in its folder instead
    #[arg(long, env = SECRETS_FILE, value_name = "FILE", default_value = "/bsycorp-init/secrets.properties")]
    pub secrets_file: PathBuf,
    /// The list of the resources
    #[arg(long, env = RESOURCES_FILE, value_name = "FILE", default_value = "/bsycorp-init/resources.properties")]
    pub resources_file: PathBuf,
    /// The list of the leases
    #[arg(long, env = LEASES_FILE, value_name = "FILE", default_value = "/bsycorp-init/leases.properties")]
    pub leases_file: PathBuf,
    /// The folder that gets one file for each resource, with its decoded value
    #[arg(long, env = RESOURCES_FILE_PATH, value_name = "FOLDER", default_value = "/bsycorp-init")]
    pub resources_file_path: PathBuf,
    /// The folder that gets one file for each lease, with its number
    #[arg(long, env = LEASES_FILE_PATH, value_name = "FOLDER", default_value = "/bsycorp-init")]
    pub leases_file_path: PathBuf,
    /// The folder that gets a copy of this program, and the values for `kees-init exec`
    #[arg(long, env = EXEC_FOLDER, value_name = "FOLDER")]
    pub exec_folder: Option<PathBuf>,
    /// The format of the lists: properties, env, dotenv, json, yaml, or files (one file for each secret, and no
    /// lists) [default: the pod's, else properties]
    #[arg(long, env = FORMAT, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// The mode of the files, four octal digits [default: the pod's, else 0444]
    #[arg(long, env = FILE_MODE, value_name = "MODE")]
    pub file_mode: Option<FileMode>,
}

/// The stores, and how they are used.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Stores")]
pub struct StorageSettings {
    /// The stores that annotations may use.
    #[command(flatten)]
    pub flags: StoreFlags,
    /// The prefix of every storage path [default: the pod's, else /]
    #[arg(long, env = STORAGE_PREFIX, value_name = "PREFIX")]
    pub storage_prefix: Option<StoragePrefix>,
    /// The ARNs, by comma, that annotations may name in storageKey=, or none [default: every ARN]
    #[arg(long, env = REFERENCES, value_name = "ARNS")]
    pub references: Option<References>,
    /// Whether a pod may ask for local mode
    #[arg(long, env = LOCAL_MODE, value_enum, default_value_t)]
    pub local_mode: LocalModePolicy,
    /// What to do when a DYNAMIC secret is absent
    #[arg(long, env = CREATE, value_enum, default_value_t)]
    pub create: CreatePolicy,
    /// Seconds that the run may wait for the stores in all; generating keys is not counted
    #[arg(long, env = TIMEOUT, value_name = "SECONDS", default_value = "60")]
    pub timeout: Timeout,
    /// Seconds between two reads of an absent value [default: growing, up to 5]
    #[arg(long, env = RETRY_DELAY, value_name = "SECONDS")]
    pub retry_delay: Option<Pause>,
    /// The SQLite file of the store embedded
    #[arg(long, env = EMBEDDED_FILE, value_name = "FILE")]
    pub embedded_file: Option<PathBuf>,
}

/// AWS, apart from what the SDK reads from the environment itself.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS")]
pub struct AwsSettings {
    /// The Region and the endpoint of the stores.
    #[command(flatten)]
    pub flags: AwsFlags,
    /// The endpoint of STS.
    #[command(flatten)]
    pub sts: StsFlags,
    /// Root certificates, PEM, instead of those that come with the program
    #[arg(long, env = AWS_CA_BUNDLE, value_name = "FILE")]
    pub aws_ca_bundle: Option<PathBuf>,
    /// As --aws-ca-bundle, which wins
    #[arg(long, env = SSL_CERT_FILE, value_name = "FILE")]
    pub ssl_cert_file: Option<PathBuf>,
}

/// The volumes of `SecretProviderClass` objects.
#[cfg(feature = "classes")]
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "SecretProviderClass")]
pub struct ClassSettings {
    /// The volumes that are filled as classes say, JSON of the webhook [default: none]
    #[arg(long, env = CLASS_VOLUMES, value_name = "JSON")]
    pub class_volumes: Option<ClassVolumes>,
}

/// The refresh of a running pod.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Refresh")]
pub struct RefreshSettings {
    /// The period after which `kees-init refresh` reads again, such as 5m; the files of the pod are
    /// then links into a folder that is replaced as a whole [default: the values are read once]
    #[arg(long = "refresh", env = REFRESH, value_name = "PERIOD")]
    pub period: Option<RefreshPeriod>,
    /// What `kees-init refresh` does when it has replaced the files: signal=HUP,process=NAME, a URL
    /// http://127.0.0.1:PORT/PATH for a POST request, or restart, which ends it with a message for the
    /// controller [default: nothing]
    #[arg(long, env = ON_CHANGE, value_name = "ACTION")]
    pub on_change: Option<OnChange>,
    /// The port on which `kees-init refresh` serves metrics [default: no metrics]
    #[arg(long = "refresh-metrics-port", env = REFRESH_METRICS_PORT, value_name = "PORT")]
    pub metrics_port: Option<MetricsPort>,
}

/// The log and the termination message.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// The log on standard error.
    #[command(flatten)]
    pub flags: LogFlags,
    /// The file for the errors of a failed run, which `kubectl describe pod` shows
    #[arg(long, env = TERMINATION_LOG, value_name = "FILE", default_value = DEFAULT_TERMINATION_LOG)]
    pub termination_log: PathBuf,
}

/// Where the kubelet reads a container's termination message unless the pod names another file.
const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";

/// `LOCAL_MODE`: whether a pod may ask for local mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LocalModePolicy {
    /// It may; the default of a pod that was wired by hand
    #[default]
    Allow,
    /// It is an error
    Deny,
}

/// `CREATE`: what to do when a DYNAMIC secret is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CreatePolicy {
    /// Generate and store it
    #[default]
    Init,
    /// Wait until the creator has stored it
    Creator,
    /// Fail at once
    Never,
}

impl InitSettings {
    /// Parses `arguments` (the first is the program's name). A flag that is absent gets the value of
    /// its variable in the environment of this process.
    ///
    /// # Errors
    /// [`UsageError`]; also for `--help` and `--version`, which only ask for a text.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut command = without_empty_variables(Self::command());
        let settings = command
            .try_get_matches_from_mut(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| UsageError::new(&error, &command))?;
        settings.contradiction().map_or(Ok(settings), Err)
    }

    /// The settings of a container whose environment is `variables` (names and values), and every
    /// error in them. The environment of this process is ignored, and so is a variable that no flag
    /// has. A variable with an error counts as absent.
    pub fn from_variables<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<UsageError>) {
        let mut named = Self::command();
        named.build();
        let program = OsString::from(named.get_name());
        let parse = |arguments: &[OsString]| {
            Self::command()
                .mut_args(|argument| argument.env(Resettable::Reset))
                .try_get_matches_from_mut([&program].into_iter().chain(arguments))
                .and_then(|matches| Self::from_arg_matches(&matches))
                .map_err(|error| UsageError::new(&error, &named))
        };
        let (mut valid, mut errors) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            let argument = named
                .get_arguments()
                .find(|argument| argument.get_env().is_some_and(|env| env == name));
            let flag = argument.and_then(clap::Arg::get_long);
            if let (Some(flag), false) = (flag, value.is_empty()) {
                let argument = [OsString::from(format!("--{flag}={value}"))];
                match parse(&argument) {
                    Ok(_) => valid.extend(argument),
                    Err(error) => errors.push(error),
                }
            }
        }
        let settings = parse(&valid).unwrap_or_else(|error| {
            errors.push(error);
            Self::default()
        });
        errors.extend(settings.contradiction());
        (settings, errors)
    }

    /// An error between two flags that are valid alone.
    fn contradiction(&self) -> Option<UsageError> {
        let StoreFlags { store, stores, .. } = &self.storage.flags;
        if stores.is_empty() || stores.contains(store) {
            return None;
        }
        let allowed: Vec<_> = stores.iter().map(|store| store.as_str()).collect();
        Some(UsageError {
            message: format!(
                "{STORE} (--store) is '{store}', which is not among {STORES} (--stores), {}; add it there, or use one of them",
                allowed.join(", ")
            ),
            is_help: false,
        })
    }

    /// The settings of the stores.
    pub fn stores(&self) -> kees_store::StoreSettings {
        let StoreFlags {
            store: _,
            stores: _,
            env_label,
            kms_key_id,
        } = &self.storage.flags;
        let mut settings = kees_store::StoreSettings::default();
        settings.env_label.clone_from(env_label);
        settings.kms_key_id.clone_from(kms_key_id);
        settings
            .embedded_file
            .clone_from(&self.storage.embedded_file);
        #[cfg(any(feature = "dynamodb", feature = "secretsmanager", feature = "ssm"))]
        {
            settings.aws = self.aws.settings();
            settings
                .aws
                .pod_namespace
                .clone_from(&self.pod.pod_namespace);
            settings.aws.pod_name.clone_from(&self.pod.pod_name);
        }
        settings
    }
}

#[cfg(any(feature = "dynamodb", feature = "secretsmanager", feature = "ssm"))]
impl AwsSettings {
    /// These settings, with the proxies and certificates that the environment of this process names.
    fn settings(&self) -> kees_store::aws::AwsSettings {
        let Self {
            flags:
                AwsFlags {
                    aws_region,
                    aws_endpoint,
                },
            sts: StsFlags { aws_sts_endpoint },
            aws_ca_bundle,
            ssl_cert_file,
        } = self.clone();
        let environment = kees_store::aws::AwsSettings::from_env();
        kees_store::aws::AwsSettings {
            region: aws_region,
            endpoint: aws_endpoint,
            sts_endpoint: aws_sts_endpoint,
            ca_bundle: aws_ca_bundle.or(environment.ca_bundle),
            ssl_cert_file: ssl_cert_file.or(environment.ssl_cert_file),
            ..environment
        }
    }
}

impl OutputSettings {
    /// Every file in `folder`, with the names of the original kees.
    pub fn within(folder: &Path) -> Self {
        Self {
            secrets_file: folder.join("secrets.properties"),
            resources_file: folder.join("resources.properties"),
            leases_file: folder.join("leases.properties"),
            resources_file_path: folder.to_owned(),
            leases_file_path: folder.to_owned(),
            exec_folder: None,
            format: None,
            file_mode: None,
        }
    }
}

/// The settings without any flag or variable.
impl Default for InitSettings {
    fn default() -> Self {
        Self {
            pod: PodSettings {
                annotations_file: PathBuf::from("/podinfo/annotations"),
                flags: DomainFlags::default(),
                pod_name: None,
                pod_namespace: None,
                pod_uid: None,
            },
            output: OutputSettings::within(Path::new("/bsycorp-init")),
            storage: StorageSettings {
                flags: StoreFlags::default(),
                storage_prefix: None,
                references: None,
                local_mode: LocalModePolicy::default(),
                create: CreatePolicy::default(),
                timeout: Timeout::nearest(Duration::from_mins(1)),
                retry_delay: None,
                embedded_file: None,
            },
            aws: AwsSettings::default(),
            #[cfg(feature = "classes")]
            classes: ClassSettings::default(),
            refresh: RefreshSettings::default(),
            log: LogSettings {
                flags: LogFlags::default(),
                termination_log: PathBuf::from(DEFAULT_TERMINATION_LOG),
            },
        }
    }
}
