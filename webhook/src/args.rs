//! The command line, and the environment that says the same: every flag is also a variable named
//! like it, in capitals, with underscores.

use std::{
    collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use kees_common::{
    Domain, Endpoint, Region, StoreName,
    arguments::{variable, without_empty_variables},
    names::env,
};
use kees_inject::{Amounts, InjectSettings, PullPolicy, Quantity, Resources, RunAs, WiredImage};

use crate::{
    CertificateFiles, Config, Limits,
    logging::{LogFormat, LogLevel},
    policy::PolicyFile,
};

/// kees's mutating admission webhook: gives annotated pods the init container that fetches or
/// creates their secrets.
///
/// Every flag can also be given as a variable: its name in capitals, with underscores
/// (`--tls-cert`, `TLS_CERT`). The flag wins, and an empty variable counts as absent.
#[derive(Debug, Parser)]
#[command(name = "kees-webhook", version)]
pub struct Args {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "What is injected")]
    inject: InjectArgs,
    #[command(flatten, next_help_heading = "Stores, as the init container is told")]
    store: StoreArgs,
    #[command(flatten, next_help_heading = "Process")]
    process: ProcessArgs,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where POST /mutate is served, over TLS.
    #[arg(long, env, default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served, without TLS.
    #[arg(long, env, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    admin_listen: SocketAddr,
    /// The certificate chain, PEM, leaf first. Read again when it changes.
    #[arg(long, env, value_name = "FILE")]
    tls_cert: PathBuf,
    /// The certificate's private key, PEM. Read again when it changes.
    #[arg(long, env, value_name = "FILE")]
    tls_key: PathBuf,
    /// The policy file. Read again when it changes. Without it the prefix that a pod names is
    /// taken as it is, and local mode is off.
    #[arg(long, env, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Seconds between two looks at the certificate, the key and the policy file.
    #[arg(long, env, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    reload_interval: Duration,
    /// Connections served at the same time; a further one gets the place of one that is idle.
    #[arg(long, env, default_value = "256", value_name = "NUMBER")]
    max_connections: NonZeroUsize,
    /// Seconds that the body of a request may take to arrive, less than timeoutSeconds.
    #[arg(long, env, default_value = "2", value_name = "SECONDS", value_parser = seconds)]
    body_timeout: Duration,
    /// Seconds for which requests are still taken after SIGTERM, while /readyz already says 503.
    #[arg(long, env, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    drain_delay: Duration,
    /// Seconds that requests under way get to finish after that.
    #[arg(long, env, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    drain_timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct InjectArgs {
    /// The image of the init container.
    #[arg(long, env, value_name = "REFERENCE")]
    init_image: String,
    /// Its `imagePullPolicy`: `Always`, `IfNotPresent` or `Never`. Kubernetes's own default without it.
    #[arg(long, env, value_name = "POLICY")]
    image_pull_policy: Option<PullPolicy>,
    /// A regular expression: an init container whose image it matches is kees's, wired by hand.
    /// Images named kees-init are in any case.
    #[arg(long, env, value_name = "EXPRESSION")]
    wired_image: Option<WiredImage>,
    /// The domain of the annotations.
    #[arg(long, env, default_value_t, value_name = "DOMAIN")]
    annotation_domain: Domain,
    /// The cluster's name, for {cluster} in the policy.
    #[arg(long, env, value_name = "NAME")]
    cluster: Option<String>,
    /// The size limit of the memory volume that holds the files.
    #[arg(long, env, default_value = "4Mi", value_name = "QUANTITY")]
    volume_size: Quantity,
    /// The uid of the init container where no container's own can be taken, or none.
    #[arg(long, env, default_value_t, value_name = "UID")]
    run_as: RunAs,
    /// CPU that the init container requests, or none. A policy rule's resources win.
    #[arg(long, env, default_value = "10m", value_name = "QUANTITY")]
    init_cpu_request: Amount,
    /// Memory that the init container requests, or none.
    #[arg(long, env, default_value = "16Mi", value_name = "QUANTITY")]
    init_memory_request: Amount,
    /// The init container's CPU limit, or none.
    #[arg(long, env, default_value = "none", value_name = "QUANTITY")]
    init_cpu_limit: Amount,
    /// The init container's memory limit, or none.
    #[arg(long, env, default_value = "64Mi", value_name = "QUANTITY")]
    init_memory_limit: Amount,
    /// A further variable of the init container. Repeatable; in the environment, one a line.
    #[arg(long, env, value_name = "NAME=VALUE", value_delimiter = '\n', value_parser = variable)]
    #[arg(hide_env_values = true)]
    init_env: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
struct StoreArgs {
    /// The store of a pod that names none: dynamodb, secretsmanager or embedded.
    #[arg(long, env, default_value_t = StoreName::DynamoDb, value_name = "STORE")]
    store: StoreName,
    /// The stores that a pod may name beside it, by comma.
    #[arg(long, env, value_name = "STORES", value_delimiter = ',')]
    stores: Vec<StoreName>,
    /// Names the DynamoDB table, ENV_LABEL-kube-secret. Needed with dynamodb.
    #[arg(long, env, value_name = "LABEL")]
    env_label: Option<String>,
    /// The AWS Region. The init container's own default without it.
    #[arg(long, env, value_name = "REGION")]
    aws_region: Option<Region>,
    /// The endpoint of DynamoDB and Secrets Manager, where it is not the Region's own.
    #[arg(long, env, value_name = "URL")]
    aws_endpoint: Option<Endpoint>,
    /// The KMS key for what is created in Secrets Manager. The account's own without it.
    #[arg(long, env, value_name = "KEY")]
    kms_key_id: Option<String>,
    /// Proxy for plain connections of the init container.
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    http_proxy: Option<String>,
    /// Proxy for TLS connections of the init container.
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    https_proxy: Option<String>,
    /// Hosts that the init container reaches without the proxy, by comma.
    #[arg(long, env, value_name = "HOSTS")]
    no_proxy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ProcessArgs {
    /// Threads that serve requests. One answers some ten thousand reviews a second.
    #[arg(long, env, default_value = "1", value_name = "NUMBER")]
    workers: NonZeroUsize,
    /// How log lines look.
    #[arg(long, env, value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,
    /// From which level on lines are written. At debug there is one for every request.
    #[arg(long, env, value_enum, default_value = "info", value_name = "LEVEL")]
    log_level: LogLevel,
}

/// What the process itself is told, beside the server.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Threads that serve requests, at least one.
    pub workers: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// From which level on lines are written.
    pub log_level: LogLevel,
}

impl Args {
    /// The flags that the program was started with and, where a flag is not among them, its
    /// environment. A variable that is empty counts as absent.
    ///
    /// # Errors
    /// What clap has to say: what is wrong, or the help or version that is asked for.
    pub fn read() -> Result<Self, clap::Error> {
        let matches = without_empty_variables(Self::command()).try_get_matches()?;
        Self::from_arg_matches(&matches)
    }

    /// What is needed before the server is made.
    pub fn process(&self) -> Process {
        let ProcessArgs {
            workers,
            log_format,
            log_level,
        } = &self.process;
        Process {
            workers: workers.get(),
            log_format: *log_format,
            log_level: *log_level,
        }
    }

    /// The server's configuration. The files are read, and everything is checked together, by
    /// [`Server::bind`](crate::Server::bind).
    pub fn into_config(self) -> Config {
        let Self {
            server,
            inject,
            store,
            process: _,
        } = self;
        let ServerArgs {
            listen,
            admin_listen,
            tls_cert,
            tls_key,
            policy,
            reload_interval,
            max_connections,
            body_timeout,
            drain_delay,
            drain_timeout,
        } = server;
        let limits = Limits {
            max_connections: max_connections.get(),
            body_timeout,
            drain_delay,
            drain_timeout,
            ..Limits::default()
        };
        Config {
            listen,
            admin_listen,
            certificate: CertificateFiles {
                cert: tls_cert,
                key: tls_key,
            },
            policy: policy.map(PolicyFile::new),
            reload_interval,
            limits,
            settings: settings(inject, store),
        }
    }
}

fn settings(inject: InjectArgs, store: StoreArgs) -> InjectSettings {
    let InjectArgs {
        init_image,
        image_pull_policy,
        wired_image,
        annotation_domain,
        cluster,
        volume_size,
        run_as,
        init_cpu_request,
        init_memory_request,
        init_cpu_limit,
        init_memory_limit,
        init_env,
    } = inject;
    let StoreArgs {
        store,
        stores,
        env_label,
        aws_region,
        aws_endpoint,
        kms_key_id,
        http_proxy,
        https_proxy,
        no_proxy,
    } = store;
    let named = [
        (env::ENV_LABEL, env_label),
        (env::AWS_REGION, aws_region.map(|region| region.to_string())),
        (
            env::AWS_ENDPOINT,
            aws_endpoint.map(|endpoint| endpoint.to_string()),
        ),
        (env::KMS_KEY_ID, kms_key_id),
        (env::HTTP_PROXY, http_proxy),
        (env::HTTPS_PROXY, https_proxy),
        (env::NO_PROXY, no_proxy),
    ];
    let mut variables: BTreeMap<String, String> = init_env.into_iter().collect();
    variables.extend(
        named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    InjectSettings {
        domain: annotation_domain,
        image_pull_policy,
        wired_image: wired_image.unwrap_or_default(),
        cluster,
        store,
        stores,
        init_env: variables,
        volume_size,
        run_as,
        resources: Resources {
            requests: Amounts {
                cpu: init_cpu_request.0,
                memory: init_memory_request.0,
            },
            limits: Amounts {
                cpu: init_cpu_limit.0,
                memory: init_memory_limit.0,
            },
        },
        ..InjectSettings::new(init_image)
    }
}

/// A quantity, or `none`.
#[derive(Debug, Clone)]
struct Amount(Option<Quantity>);

impl std::str::FromStr for Amount {
    type Err = kees_inject::ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            Ok(Self(None))
        } else {
            text.parse().map(|amount| Self(Some(amount)))
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| *duration <= Duration::from_hours(24))
        .ok_or_else(|| "not a number of seconds; use 0 to 86400, such as 10 or 0.5".to_owned())
}
