//! What the operator settles: every flag with its environment variable, checked as it is read.
//!
//! Environment wins over annotation, so a value that both can give is an `Option` here, and its
//! default stands where the two meet ([`crate::Request`]).

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
use kees_common::{
    Domain, Endpoint, FileMode, Region, StoragePrefix, StoreName,
    arguments::without_empty_variables,
    names::env::{
        ANNOTATION_DOMAIN, ANNOTATIONS_FILE, AWS_CA_BUNDLE, AWS_ENDPOINT, AWS_REGION,
        AWS_STS_ENDPOINT, CREATE, EMBEDDED_FILE, ENV_LABEL, FILE_MODE, FORMAT, KMS_KEY_ID,
        LEASES_FILE, LEASES_FILE_PATH, LOCAL_MODE, LOG_FORMAT, LOG_LEVEL, POD_NAME, POD_NAMESPACE,
        POD_UID, RESOURCES_FILE, RESOURCES_FILE_PATH, RETRY_DELAY, SECRETS_FILE, SSL_CERT_FILE,
        STORAGE_PREFIX, STORE, STORES, TERMINATION_LOG, TIMEOUT,
    },
    output::Format,
};

use crate::UsageError;

const AFTER_HELP: &str = "\
A variable that is empty counts as absent. Identity and proxies are the AWS SDK's and its variables:
AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_PROFILE,
AWS_ENDPOINT_URL_DYNAMODB, HTTP_PROXY, HTTPS_PROXY, NO_PROXY and so on.

Exit status:
  0   all written
  64  wrong usage or environment
  65  an annotation is wrong, or a stored value is not what its annotation says
  69  a store could not be reached or kept failing until the deadline
  71  the system refused what every program needs
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

/// Reads a pod's annotations, creates or fetches what they name, and writes it all to files, or
/// nothing.
#[derive(Debug, Clone, Parser)]
#[command(name = "kees-init", version, after_long_help = AFTER_HELP)]
pub struct InitSettings {
    /// The pod.
    #[command(flatten)]
    pub pod: PodSettings,
    /// What is written, and where.
    #[command(flatten)]
    pub output: OutputSettings,
    /// Where values come from.
    #[command(flatten)]
    pub storage: StorageSettings,
    /// AWS.
    #[command(flatten)]
    pub aws: AwsSettings,
    /// What the run says about itself.
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
    /// The domain of the annotations
    #[arg(long, env = ANNOTATION_DOMAIN, value_name = "DOMAIN", default_value = "bsycorp.com")]
    pub annotation_domain: Domain,
    /// The pod's name, needed with a lease
    #[arg(long, env = POD_NAME, value_name = "NAME")]
    pub pod_name: Option<String>,
    /// The pod's namespace, for the tags of what is created
    #[arg(long, env = POD_NAMESPACE, value_name = "NAME")]
    pub pod_namespace: Option<String>,
    /// The pod's uid, for the log
    #[arg(long, env = POD_UID, value_name = "UID")]
    pub pod_uid: Option<String>,
}

/// The files.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub struct OutputSettings {
    /// Where the secrets are listed; its folder takes their files with the format `files`
    #[arg(long, env = SECRETS_FILE, value_name = "FILE", default_value = "/bsycorp-init/secrets.properties")]
    pub secrets_file: PathBuf,
    /// Where the resources are listed
    #[arg(long, env = RESOURCES_FILE, value_name = "FILE", default_value = "/bsycorp-init/resources.properties")]
    pub resources_file: PathBuf,
    /// Where the leases are listed
    #[arg(long, env = LEASES_FILE, value_name = "FILE", default_value = "/bsycorp-init/leases.properties")]
    pub leases_file: PathBuf,
    /// The folder for one file a resource, its decoded value
    #[arg(long, env = RESOURCES_FILE_PATH, value_name = "FOLDER", default_value = "/bsycorp-init")]
    pub resources_file_path: PathBuf,
    /// The folder for one file a lease, its number
    #[arg(long, env = LEASES_FILE_PATH, value_name = "FOLDER", default_value = "/bsycorp-init")]
    pub leases_file_path: PathBuf,
    /// How the lists are written: properties, env, json, or files (one a secret, and no lists)
    /// [default: the pod's, else properties]
    #[arg(long, env = FORMAT, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Mode of the files, four octal digits [default: the pod's, else 0444]
    #[arg(long, env = FILE_MODE, value_name = "MODE")]
    pub file_mode: Option<FileMode>,
}

/// The stores, and how they are used.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Stores")]
pub struct StorageSettings {
    /// The store: dynamodb, secretsmanager or embedded
    #[arg(long, env = STORE, value_name = "STORE", default_value = "dynamodb")]
    pub store: StoreName,
    /// The stores that annotations may choose, by comma [default: the one of --store alone]
    #[arg(long, env = STORES, value_name = "STORE,…", value_delimiter = ',', value_parser = store_name)]
    pub stores: Vec<StoreName>,
    /// The prefix of every storage path [default: the pod's, else /]
    #[arg(long, env = STORAGE_PREFIX, value_name = "PREFIX")]
    pub storage_prefix: Option<StoragePrefix>,
    /// Whether the pod's local-mode is obeyed
    #[arg(long, env = LOCAL_MODE, value_enum, default_value_t)]
    pub local_mode: LocalModePolicy,
    /// What happens to an absent DYNAMIC secret: init creates it, creator waits for it, never fails
    /// at once
    #[arg(long, env = CREATE, value_enum, default_value_t)]
    pub create: CreatePolicy,
    /// Seconds that waiting for the stores may take in all; generating is not counted
    #[arg(long, env = TIMEOUT, value_name = "SECONDS", default_value = "60", value_parser = timeout)]
    pub timeout: Duration,
    /// Seconds to pause before one more look at what is absent [default: growing, up to 5]
    #[arg(long, env = RETRY_DELAY, value_name = "SECONDS", value_parser = seconds)]
    pub retry_delay: Option<Duration>,
    /// The SQLite file of the store embedded
    #[arg(long, env = EMBEDDED_FILE, value_name = "FILE")]
    pub embedded_file: Option<PathBuf>,
}

/// AWS, as far as it is not the SDK's own to read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS")]
pub struct AwsSettings {
    /// Names the DynamoDB table, ENV_LABEL-kube-secret; needed where DynamoDB is used
    #[arg(long, env = ENV_LABEL, value_name = "LABEL")]
    pub env_label: Option<String>,
    /// The KMS key for what is created in Secrets Manager [default: the account's own]
    #[arg(long, env = KMS_KEY_ID, value_name = "KEY")]
    pub kms_key_id: Option<String>,
    /// The Region [default: ap-southeast-2]
    #[arg(long, env = AWS_REGION, value_name = "REGION")]
    pub aws_region: Option<Region>,
    /// The endpoint of DynamoDB and Secrets Manager, where it is not the Region's own
    #[arg(long, env = AWS_ENDPOINT, value_name = "URL")]
    pub aws_endpoint: Option<Endpoint>,
    /// The endpoint of STS
    #[arg(long, env = AWS_STS_ENDPOINT, value_name = "URL")]
    pub aws_sts_endpoint: Option<Endpoint>,
    /// Root certificates, PEM, instead of those that come with the program
    #[arg(long, env = AWS_CA_BUNDLE, value_name = "FILE")]
    pub aws_ca_bundle: Option<PathBuf>,
    /// As --aws-ca-bundle, which wins
    #[arg(long, env = SSL_CERT_FILE, value_name = "FILE")]
    pub ssl_cert_file: Option<PathBuf>,
}

/// Standard error and the termination message.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// What standard error tells
    #[arg(long, env = LOG_LEVEL, value_enum, default_value_t)]
    pub log_level: LogLevel,
    /// How standard error tells it
    #[arg(long, env = LOG_FORMAT, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// The file for the cause of a failure, which `kubectl describe pod` shows
    #[arg(long, env = TERMINATION_LOG, value_name = "FILE", default_value = DEFAULT_TERMINATION_LOG)]
    pub termination_log: PathBuf,
}

/// Where the kubelet looks for a container's last words, unless the pod says otherwise.
const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";

/// `LOCAL_MODE`: whether the pod's `local-mode` is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LocalModePolicy {
    /// As the pod says: the default of a pod that was wired by hand.
    #[default]
    Allow,
    /// A pod that asks for it is at fault.
    Deny,
}

/// `CREATE`: what happens to an absent DYNAMIC secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CreatePolicy {
    /// It is generated and stored.
    #[default]
    Init,
    /// It is waited for: something else creates it.
    Creator,
    /// It is an error at once.
    Never,
}

/// `LOG_LEVEL`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogLevel {
    /// Failures alone.
    Error,
    /// What has no effect or went another way, too.
    Warn,
    /// One line about the whole run, too.
    #[default]
    Info,
    /// Each step.
    Debug,
    /// Each call.
    Trace,
}

/// `LOG_FORMAT`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl InitSettings {
    /// The settings of `arguments` (the first is the program's name) and, where a flag is not
    /// among them, of the process's environment.
    ///
    /// # Errors
    /// [`UsageError`]; also where `--help` or `--version` asks for a text and nothing else.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut command = without_empty_variables(Self::command());
        let settings = command
            .try_get_matches_from_mut(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| UsageError::new(&error, &command))?;
        settings.contradiction().map_or(Ok(settings), Err)
    }

    /// The settings of a container that has `variables`, names and values, as its environment. That
    /// of this process is not looked at, and names that no flag has are passed over. A variable that
    /// is wrong counts as absent and is told beside them; all are told at once.
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
        let (mut sound, mut wrong) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            let argument = named
                .get_arguments()
                .find(|argument| argument.get_env().is_some_and(|env| env == name));
            let flag = argument.and_then(clap::Arg::get_long);
            if let (Some(flag), false) = (flag, value.is_empty()) {
                let argument = [OsString::from(format!("--{flag}={value}"))];
                match parse(&argument) {
                    Ok(_) => sound.extend(argument),
                    Err(error) => wrong.push(error),
                }
            }
        }
        let settings = parse(&sound).unwrap_or_else(|error| {
            wrong.push(error);
            Self::default()
        });
        wrong.extend(settings.contradiction());
        (settings, wrong)
    }

    /// What no flag alone can tell.
    fn contradiction(&self) -> Option<UsageError> {
        let StorageSettings { store, stores, .. } = &self.storage;
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

    /// What the stores need to know of this.
    pub fn stores(&self) -> kees_store::StoreSettings {
        let AwsSettings {
            env_label,
            kms_key_id,
            ..
        } = &self.aws;
        let mut stores = kees_store::StoreSettings::default();
        stores.env_label.clone_from(env_label);
        stores.kms_key_id.clone_from(kms_key_id);
        stores.embedded_file.clone_from(&self.storage.embedded_file);
        #[cfg(any(feature = "dynamodb", feature = "secretsmanager"))]
        {
            stores.aws = self.aws.settings();
        }
        stores
    }
}

#[cfg(any(feature = "dynamodb", feature = "secretsmanager"))]
impl AwsSettings {
    /// These, and for the rest what the process's environment says of proxies and certificates.
    fn settings(&self) -> kees_store::aws::AwsSettings {
        let Self {
            env_label: _,
            kms_key_id: _,
            aws_region,
            aws_endpoint,
            aws_sts_endpoint,
            aws_ca_bundle,
            ssl_cert_file,
        } = self.clone();
        let environment = kees_store::aws::AwsSettings::from_env();
        kees_store::aws::AwsSettings {
            region: aws_region.unwrap_or_default(),
            endpoint: aws_endpoint,
            sts_endpoint: aws_sts_endpoint,
            ca_bundle: aws_ca_bundle.or(environment.ca_bundle),
            ssl_cert_file: ssl_cert_file.or(environment.ssl_cert_file),
            ..environment
        }
    }
}

impl OutputSettings {
    /// Every file in `folder`, under the original's names.
    pub fn within(folder: &Path) -> Self {
        Self {
            secrets_file: folder.join("secrets.properties"),
            resources_file: folder.join("resources.properties"),
            leases_file: folder.join("leases.properties"),
            resources_file_path: folder.to_owned(),
            leases_file_path: folder.to_owned(),
            format: None,
            file_mode: None,
        }
    }
}

/// What holds where neither a flag nor a variable says otherwise.
impl Default for InitSettings {
    fn default() -> Self {
        Self {
            pod: PodSettings {
                annotations_file: PathBuf::from("/podinfo/annotations"),
                annotation_domain: Domain::default(),
                pod_name: None,
                pod_namespace: None,
                pod_uid: None,
            },
            output: OutputSettings::within(Path::new("/bsycorp-init")),
            storage: StorageSettings {
                store: StoreName::DynamoDb,
                stores: Vec::new(),
                storage_prefix: None,
                local_mode: LocalModePolicy::default(),
                create: CreatePolicy::default(),
                timeout: Duration::from_mins(1),
                retry_delay: None,
                embedded_file: None,
            },
            aws: AwsSettings::default(),
            log: LogSettings {
                log_level: LogLevel::default(),
                log_format: LogFormat::default(),
                termination_log: PathBuf::from(DEFAULT_TERMINATION_LOG),
            },
        }
    }
}

fn store_name(text: &str) -> Result<StoreName, kees_common::ParseStoreNameError> {
    text.trim().parse()
}

/// At most a day, so that arithmetic on it cannot overflow.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text
        .trim()
        .parse()
        .map_err(|_| "use a number of seconds, such as 60")?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("use a number of seconds from 0 to 86400")
    }
}

/// Nothing can be asked of a store in no time.
fn timeout(text: &str) -> Result<Duration, &'static str> {
    seconds(text).and_then(|timeout| {
        if timeout.is_zero() {
            Err("use a number of seconds above 0")
        } else {
            Ok(timeout)
        }
    })
}
