//! The command line and the environment of the controller.

use std::{net::SocketAddr, num::NonZeroU16, path::PathBuf};

use clap::Parser;
use kees_common::{
    Period,
    names::env::{EMBEDDED_FILE, POD_NAME, POD_NAMESPACE},
};
use kees_init::{InitSettings, settings::AwsSettings};
use kees_inject::InjectSettings;
use kees_settings::{DAY, DomainFlags, LogFlags, Seconds, StoreFlags};
use kees_store::StoreSettings;

use crate::{Config, PolicyFile, RestartSettings, SecretSyncSettings};

/// kees's controller: watches pods and creates the secrets that their annotations ask for.
///
/// Every flag can also be given as an environment variable: its name in capitals, with underscores
/// (`--policy`, `POLICY`). The flag wins, and an empty variable counts as absent. Credentials and proxies
/// are set by the variables of the AWS SDK.
#[derive(Debug, Parser)]
#[command(name = "kees-controller", version)]
pub struct Args {
    #[command(flatten, next_help_heading = "Controller")]
    controller: ControllerArgs,
    #[command(flatten, next_help_heading = "Stores")]
    store: StoreArgs,
    #[command(flatten)]
    aws: AwsSettings,
    #[command(flatten, next_help_heading = "Process")]
    process: ProcessArgs,
}

#[derive(Debug, clap::Args)]
struct ControllerArgs {
    #[command(flatten)]
    domain: DomainFlags,
    /// The policy file, the same as the webhook's. Read again when it changes. Without it a pod may
    /// name any prefix.
    #[arg(long, env, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The cluster's name, for {cluster} in the policy.
    #[arg(long, env, value_name = "NAME")]
    cluster: Option<String>,
    /// Seconds between two checks of the policy file for changes.
    #[arg(long, env, default_value = "10", value_name = "SECONDS")]
    reload_interval: Seconds<100, DAY>,
    /// Pods that are worked on at the same time. Keys are generated on as many threads as there are
    /// cores.
    #[arg(long, env, default_value = "256", value_name = "NUMBER")]
    concurrency: NonZeroU16,
    /// Seconds that one attempt for a pod may wait for the stores. It is made again after a growing
    /// pause.
    #[arg(long, env, default_value = "15", value_name = "SECONDS")]
    store_timeout: Seconds<1000, DAY>,
    /// The shortest time after which a secret is rotated: a shorter rotate= counts as this.
    #[arg(long, env, default_value = "1h", value_name = "PERIOD")]
    rotation_minimum: Period,
    /// Restart a Deployment, StatefulSet or DaemonSet when the sidecar of a pod with on-change: restart has
    /// replaced the files. The controller needs the permission to patch them.
    #[arg(
        long,
        env,
        default_value_t = false,
        action = clap::ArgAction::Set,
        value_name = "BOOLEAN"
    )]
    restart: bool,
    /// Seconds without progress of a rollout after which other workloads are restarted all the same.
    #[arg(long, env, default_value = "600", value_name = "SECONDS")]
    restart_deadline: Seconds<1000, DAY>,
    /// Write the Kubernetes Secrets that pods ask for with sync, or by secretObjects of a SecretProviderClass. The
    /// controller needs the permission to read and write Secrets.
    #[arg(
        long,
        env,
        default_value_t = false,
        action = clap::ArgAction::Set,
        value_name = "BOOLEAN"
    )]
    secret_sync: bool,
    /// How often the values of these Secrets are read again, at least 10s.
    #[arg(long, env, default_value = "2m", value_name = "PERIOD", value_parser = sync_period)]
    secret_sync_period: Period,
    /// The Lease in the controller's own namespace that the leader holds. The other replicas stand by
    /// and create nothing. Without it, every replica creates, which is safe.
    #[arg(long, env, value_name = "NAME")]
    leader_lease: Option<String>,
    /// Write a condition of each pod that asks for secrets: whether they are stored.
    #[arg(
        long,
        env,
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOLEAN"
    )]
    pod_condition: bool,
}

#[derive(Debug, clap::Args)]
struct StoreArgs {
    #[command(flatten)]
    store: StoreFlags,
    /// The SQLite file of the store embedded
    #[arg(long, env = EMBEDDED_FILE, value_name = "FILE")]
    embedded_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ProcessArgs {
    /// Where /healthz, /readyz and /metrics are served, without TLS.
    #[arg(long, env, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    admin_listen: SocketAddr,
    /// Seconds after SIGTERM that attempts in flight have to finish.
    #[arg(long, env, default_value = "10", value_name = "SECONDS")]
    drain_timeout: Seconds<0, DAY>,
    /// The name of the controller's own pod, for its Events, its Lease and its STS session.
    #[arg(long, env = POD_NAME, value_name = "NAME")]
    pod_name: Option<String>,
    /// The namespace of the controller's own pod, for its STS session.
    #[arg(long, env = POD_NAMESPACE, value_name = "NAME")]
    pod_namespace: Option<String>,
    #[command(flatten)]
    log: LogFlags,
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

    /// What is logged, and how.
    pub fn log(&self) -> LogFlags {
        self.process.log
    }

    /// The configuration of the controller and of its stores.
    pub fn into_config(self) -> (Config, StoreSettings) {
        let Self {
            controller,
            store,
            aws,
            process,
        } = self;
        let ControllerArgs {
            domain: DomainFlags { annotation_domain },
            policy,
            cluster,
            reload_interval,
            concurrency,
            store_timeout,
            rotation_minimum,
            restart,
            restart_deadline,
            secret_sync,
            secret_sync_period,
            leader_lease,
            pod_condition,
        } = controller;
        let StoreArgs {
            store,
            embedded_file,
        } = store;
        let ProcessArgs {
            admin_listen,
            drain_timeout,
            pod_name,
            pod_namespace,
            log: _,
        } = process;
        let config = Config {
            admin_listen,
            policy: policy.map(PolicyFile::new),
            reload_interval: reload_interval.get(),
            concurrency: concurrency.get(),
            store_timeout: store_timeout.get(),
            rotation_minimum,
            restart: restart.then(|| RestartSettings {
                deadline: restart_deadline.get(),
            }),
            secret_sync: secret_sync.then(|| SecretSyncSettings {
                period: secret_sync_period,
                region: aws.flags.aws_region.as_ref().map(ToString::to_string),
            }),
            drain_timeout: drain_timeout.get(),
            leader_lease,
            pod_condition,
            instance: pod_name.clone(),
            settings: InjectSettings {
                domain: annotation_domain,
                cluster,
                store: store.store,
                stores: store.stores.clone(),
                // The controller injects nothing, so it has no image.
                ..InjectSettings::new("")
            },
        };
        // The settings of the stores are those of kees-init, so that both find the same places.
        let mut init = InitSettings::default();
        init.storage.flags = store;
        init.storage.embedded_file = embedded_file;
        init.aws = aws;
        init.pod.pod_name = pod_name;
        init.pod.pod_namespace = pod_namespace;
        (config, init.stores())
    }
}

fn sync_period(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|error| format!("{error}"))?;
    if period.seconds() < 10 {
        return Err("use at least 10s, because all values are read so often".to_owned());
    }
    Ok(period)
}
