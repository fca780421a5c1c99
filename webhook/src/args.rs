//! The command line and the environment of the webhook.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::Parser;
use kees_common::{RefreshPeriod, names::env};
use kees_inject::{
    Amounts, ImageRepository, InjectSettings, PullPolicy, Quantity, Resources, RunAs,
    SkipContainers, WiredImage,
};
use kees_settings::{
    AwsFlags, DAY, DomainFlags, InitEnvFlags, LogFlags, Seconds, StoreFlags, Variable,
};

use crate::{
    CertificateFiles, CertificateSource, ClassSource, Config, Lifetimes, Limits, OwnCertificates,
    PodSource, TlsSettings, TlsVersion, WebhookError, certificates::service_dns_name,
    policy::PolicyFile,
};

/// Where a pod with a ServiceAccount token finds its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// kees's mutating admission webhook: gives annotated pods the init container that fetches or
/// creates their secrets.
///
/// Every flag can also be given as an environment variable: its name in capitals, with underscores
/// (`--tls-cert`, `TLS_CERT`). The flag wins, and an empty variable counts as absent.
#[derive(Debug, Parser)]
#[command(name = "kees-webhook", version)]
pub struct Args {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "TLS")]
    tls: TlsArgs,
    #[command(flatten, next_help_heading = "The webhook's own certificates")]
    own: OwnArgs,
    #[command(flatten, next_help_heading = "Init container")]
    inject: InjectArgs,
    #[command(flatten, next_help_heading = "Stores of the init container")]
    store: StoreArgs,
    #[command(flatten, next_help_heading = "SecretProviderClass")]
    classes: ClassArgs,
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
    /// The policy file. Read again when it changes. Without it a pod may name any prefix, and local
    /// mode is denied.
    #[arg(long, env, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Seconds between two checks of the files for changes.
    #[arg(long, env, default_value = "10", value_name = "SECONDS")]
    reload_interval: Seconds<100, DAY>,
    /// Connections served at the same time; a further one gets the place of one that is idle.
    #[arg(long, env, default_value = "256", value_name = "NUMBER")]
    max_connections: NonZeroUsize,
    /// Seconds that the body of a request may take to arrive, less than timeoutSeconds.
    #[arg(long, env, default_value = "2", value_name = "SECONDS")]
    body_timeout: Seconds<100, DAY>,
    /// Seconds after SIGTERM during which new requests are still accepted, while /readyz already
    /// answers 503.
    #[arg(long, env, default_value = "5", value_name = "SECONDS")]
    drain_delay: Seconds<0, DAY>,
    /// Seconds after the drain delay that requests in flight have to finish.
    #[arg(long, env, default_value = "10", value_name = "SECONDS")]
    drain_timeout: Seconds<0, DAY>,
}

#[derive(Debug, clap::Args)]
struct TlsArgs {
    /// The certificate chain, PEM, leaf first. Read again when it changes. Without it, the webhook keeps
    /// a CA and a certificate of its own.
    #[arg(long, env, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM. Read again when it changes.
    #[arg(long, env, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The oldest version of TLS that the webhook accepts.
    #[arg(long, env, value_enum, default_value_t, value_name = "VERSION")]
    tls_min_version: TlsVersion,
    /// Speak HTTP/2 too. The API server calls a Service over HTTP/1.1.
    #[arg(long, env)]
    http2: bool,
    /// CAs, PEM. The TLS handshake fails for a client without a certificate of one of them. Read
    /// again when it changes.
    #[arg(long, env, value_name = "FILE")]
    client_ca: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct OwnArgs {
    /// The Secret that holds the CA and the serving certificate.
    #[arg(long, env, default_value = "kees-webhook-tls", value_name = "NAME")]
    tls_secret: String,
    /// The Service by which the API server calls the webhook.
    #[arg(long, env, default_value = "kees-webhook", value_name = "NAME")]
    service_name: String,
    /// The namespace of the Secret and the Service [default: `POD_NAMESPACE`, else that of the pod's
    /// ServiceAccount]
    #[arg(long, env, value_name = "NAME")]
    namespace: Option<String>,
    /// The `MutatingWebhookConfiguration` whose `caBundle` is kept.
    #[arg(long, env, default_value = "kees", value_name = "NAME")]
    webhook_configuration: String,
    /// Seconds that a serving certificate is valid. It is renewed when two thirds have passed.
    #[arg(long, env, default_value = "7776000", value_name = "SECONDS")]
    certificate_lifetime: Seconds<10_000, { 3650 * DAY }>,
    /// Seconds that a CA is valid. The next one is created when two thirds have passed.
    #[arg(long, env, default_value = "31536000", value_name = "SECONDS")]
    ca_lifetime: Seconds<10_000, { 3650 * DAY }>,
}

#[derive(Debug, clap::Args)]
struct InjectArgs {
    /// The image of the init container.
    #[arg(long, env, value_name = "REFERENCE")]
    init_image: String,
    /// Repositories, by comma, to which another webhook may change the image, keeping its tag or
    /// pinning it by digest. Its own repository pinned by digest is always kept.
    #[arg(long, env, value_delimiter = ',', value_name = "REPOSITORIES")]
    init_image_mirrors: Vec<ImageRepository>,
    /// Its `imagePullPolicy`: `Always`, `IfNotPresent` or `Never` [default: that of Kubernetes]
    #[arg(long, env, value_name = "POLICY")]
    image_pull_policy: Option<PullPolicy>,
    /// A regular expression: a pod with an init container whose image it matches is wired by hand and
    /// is not injected. An image named kees-init always counts as such.
    #[arg(long, env, value_name = "EXPRESSION")]
    wired_image: Option<WiredImage>,
    /// Names and globs, by comma, of the containers that get no files unless the pod names them, or
    /// none.
    #[arg(long, env, default_value_t, value_name = "GLOBS")]
    skip_containers: SkipContainers,
    #[command(flatten)]
    domain: DomainFlags,
    /// The cluster's name, for {cluster} in the policy.
    #[arg(long, env, value_name = "NAME")]
    cluster: Option<String>,
    /// The size limit of the memory volume that holds the files.
    #[arg(long, env, default_value = "4Mi", value_name = "QUANTITY")]
    volume_size: Quantity,
    /// The uid of the init container where it cannot have the uid of a container, or none.
    #[arg(long, env, default_value_t, value_name = "UID")]
    run_as: RunAs,
    /// CPU that the init container requests, or none. The resources of a policy rule take precedence.
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
    /// The shortest period of `init.DOMAIN/refresh` that a pod may ask for.
    #[arg(long, env, default_value = "30s", value_name = "PERIOD")]
    refresh_minimum: RefreshPeriod,
    /// The memory request and limit of the sidecar that refreshes the files.
    #[arg(long, env, default_value = "16Mi", value_name = "QUANTITY")]
    refresh_memory: Quantity,
    #[command(flatten)]
    env: InitEnvFlags,
}

#[derive(Debug, clap::Args)]
struct StoreArgs {
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    aws: AwsFlags,
    /// The init container's proxy for http:// endpoints.
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    http_proxy: Option<String>,
    /// The init container's proxy for https:// endpoints.
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    https_proxy: Option<String>,
    /// Hosts, by comma, that the init container reaches without a proxy.
    #[arg(long, env, value_name = "HOSTS")]
    no_proxy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ClassArgs {
    /// Replace the CSI volumes of SecretProviderClass objects of AWS's provider, in pods that ask for it. The webhook then
    /// watches these objects and the metadata of ServiceAccounts.
    #[arg(long, env)]
    secret_provider_classes: bool,
    /// kees-controller runs with --secret-sync, so a pod may need a Secret that only it writes. The webhook then watches the
    /// pods that ask for Secrets, and denies one that wants other contents in the same Secret.
    #[arg(long, env)]
    secret_sync: bool,
}

#[derive(Debug, clap::Args)]
struct ProcessArgs {
    /// Threads that serve requests. One thread answers about ten thousand reviews a second.
    #[arg(long, env, default_value = "1", value_name = "NUMBER")]
    workers: NonZeroUsize,
    /// Log one line for each decision: who creates which pod, the names and paths of its secrets, and
    /// the outcome; never a value. It does not depend on --log-level.
    #[arg(
        long,
        env,
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOLEAN"
    )]
    audit_log: bool,
    #[command(flatten)]
    log: LogFlags,
}

/// The settings of the process, apart from those of the server.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Threads that serve requests, at least one.
    pub workers: usize,
    /// Whether each decision is logged.
    pub audit_log: bool,
    /// What is logged, and how.
    pub log: LogFlags,
}

impl Args {
    /// The flags of this process and, for each flag that is not given, its environment variable. An
    /// empty variable counts as absent.
    ///
    /// # Errors
    /// clap's error: what is wrong, or the help or version that was asked for.
    pub fn read() -> Result<Self, clap::Error> {
        kees_settings::parse(std::env::args_os())
    }

    /// The settings that the process needs before the server is created.
    pub fn process(&self) -> Process {
        let ProcessArgs {
            workers,
            audit_log,
            log,
        } = &self.process;
        Process {
            workers: workers.get(),
            audit_log: *audit_log,
            log: *log,
        }
    }

    /// The server's configuration. [`Server::bind`](crate::Server::bind) reads the files and checks
    /// everything together.
    ///
    /// # Errors
    /// Flags contradict each other, or one is needed and absent.
    pub fn into_config(self) -> Result<Config, WebhookError> {
        let Self {
            server,
            tls,
            own,
            inject,
            store,
            classes,
            process: _,
        } = self;
        let ClassArgs {
            secret_provider_classes,
            secret_sync,
        } = classes;
        let ServerArgs {
            listen,
            admin_listen,
            policy,
            reload_interval,
            max_connections,
            body_timeout,
            drain_delay,
            drain_timeout,
        } = server;
        let limits = Limits {
            max_connections: max_connections.get(),
            body_timeout: body_timeout.get(),
            drain_delay: drain_delay.get(),
            drain_timeout: drain_timeout.get(),
            ..Limits::default()
        };
        let (certificate, tls) = certificate(tls, own)?;
        Ok(Config {
            listen,
            admin_listen,
            certificate,
            tls,
            policy: policy.map(PolicyFile::new),
            reload_interval: reload_interval.get(),
            limits,
            classes: secret_provider_classes.then(ClassSource::default),
            live_pods: secret_sync.then(PodSource::default),
            settings: InjectSettings {
                secret_sync,
                ..settings(inject, store)
            },
        })
    }
}

/// Files if they are given, else the webhook's own certificates.
fn certificate(
    tls: TlsArgs,
    own: OwnArgs,
) -> Result<(CertificateSource, TlsSettings), WebhookError> {
    let TlsArgs {
        tls_cert,
        tls_key,
        tls_min_version,
        http2,
        client_ca,
    } = tls;
    let OwnArgs {
        tls_secret,
        service_name,
        namespace,
        webhook_configuration,
        certificate_lifetime,
        ca_lifetime,
    } = own;
    let namespace = namespace.or_else(namespace_of_pod);
    let certificate = if let (Some(cert), Some(key)) = (tls_cert, tls_key) {
        CertificateSource::Files(CertificateFiles {
            cert,
            key,
            dns_name: namespace.map(|namespace| service_dns_name(&service_name, &namespace)),
        })
    } else {
        let lifetimes = Lifetimes {
            certificate: certificate_lifetime.get(),
            ca: ca_lifetime.get(),
        };
        if lifetimes.ca < lifetimes.certificate {
            return Err(WebhookError::Lifetimes);
        }
        CertificateSource::Own(OwnCertificates {
            namespace: namespace.ok_or(WebhookError::NoNamespace)?,
            secret: tls_secret,
            service: service_name,
            webhook_configuration,
            lifetimes,
            client: None,
        })
    };
    let tls = TlsSettings {
        http2,
        min_version: tls_min_version,
        client_ca,
    };
    Ok((certificate, tls))
}

/// The namespace of the pod in which this process runs, if it is known.
fn namespace_of_pod() -> Option<String> {
    let variable = std::env::var(env::POD_NAMESPACE).ok();
    let namespace = variable.or_else(|| std::fs::read_to_string(NAMESPACE_FILE).ok())?;
    Some(namespace.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}

fn settings(inject: InjectArgs, store: StoreArgs) -> InjectSettings {
    let InjectArgs {
        init_image,
        init_image_mirrors,
        image_pull_policy,
        wired_image,
        skip_containers,
        domain: DomainFlags { annotation_domain },
        cluster,
        volume_size,
        run_as,
        init_cpu_request,
        init_memory_request,
        init_cpu_limit,
        init_memory_limit,
        refresh_minimum,
        refresh_memory,
        env: InitEnvFlags { init_env },
    } = inject;
    let StoreArgs {
        store,
        aws,
        http_proxy,
        https_proxy,
        no_proxy,
    } = store;
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
    // A setting without a value is not passed on: the init container then has its own default.
    let of_flags = [
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
    let variables = init_env
        .into_iter()
        .flatten()
        .map(|Variable { name, value }| (name, value));
    let mut variables: BTreeMap<String, String> = variables.collect();
    variables.extend(
        of_flags
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    InjectSettings {
        domain: annotation_domain,
        init_image_mirrors,
        image_pull_policy,
        wired_image: wired_image.unwrap_or_default(),
        skip_containers,
        cluster,
        store,
        stores,
        init_env: variables,
        volume_size,
        run_as,
        refresh_minimum,
        refresh_memory,
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
