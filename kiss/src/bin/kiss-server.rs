//! `kiss-server`: reads the arguments, and serves until a signal stops it.

use std::{alloc::System, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use kees_kiss::{
    process::forbid_core_dumps,
    server::{
        args::{Args, Config, ConfigError},
        audit::AuditLog,
        bindings::WatchedBindings,
        cloud,
        metrics::Metrics,
        operations::Operations,
        rate::UserRate,
        run::{listen, serve},
        service::Parts,
        token::{HttpKeySource, KeyCache},
    },
};
use kees_settings::{LogFormat, LogLevel};
use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, prelude::*};
use zeroizing_alloc::ZeroAlloc;

/// Overwrites memory when it is freed. The buffers of gRPC, of the AWS SDK and of TLS contain values too, and
/// only the allocator can reach them.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// `EX_USAGE` of sysexits.h: flags are invalid or do not fit together.
const USAGE: u8 = 64;

/// Any other error, such as an address that is in use.
const FAILURE: u8 = 1;

/// How long the server of the keys may take to answer.
const KEYS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // If standard error is closed, the exit code is all that can be reported.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let (level, format) = args.log();
    start_log(level, format);
    if let Err(error) = forbid_core_dumps() {
        tracing::warn!(%error, "core dumps cannot be disabled");
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            let is_usage = error.is::<ConfigError>();
            ExitCode::from(if is_usage { USAGE } else { FAILURE })
        }
    }
}

/// Libraries log only warnings and errors, and those that see values or tokens nothing.
fn start_log(level: LogLevel, format: LogFormat) {
    let level = LevelFilter::from(level);
    let own = [
        "kees_kiss",
        "kiss_server",
        "kees_server",
        "kees_store",
        "kees_common",
    ];
    let targets = Targets::new().with_targets(own.map(|name| (name, level)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let config = args.into_config()?;
    // One thread: it waits for the network.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(serve_with(config))
}

async fn serve_with(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle signals")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let Config {
        listen: address,
        admin_listen,
        serve: settings,
        proxies,
        jwks_url,
        jwks_roots,
        keys,
        claims,
        rules,
        binding_bound,
        kubeconfig,
        region,
        identity,
        naming,
        max_calls,
        user_rate: (rate, burst),
        call_timeout,
        audit_log,
    } = config;
    if settings.tls.is_none() {
        tracing::warn!(
            "calls are served without TLS: tokens and values can be read on the network"
        );
    }
    let source =
        HttpKeySource::new(&jwks_url, jwks_roots.as_deref(), KEYS_TIMEOUT).context("--jwks-url")?;
    let keys = KeyCache::start(source, keys)
        .await
        .with_context(|| format!("the keys of {jwks_url} cannot be read"))?;
    let client = kubernetes(kubeconfig).await.context("Kubernetes")?;
    let cloud = cloud::connect(region, identity).await.context("AWS")?;
    let listener = address
        .listen()
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let admin = listen(admin_listen)
        .await
        .with_context(|| format!("cannot listen on {admin_listen}"))?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %address,
        admin_listen = %admin_listen,
        account = cloud.account().id,
        "serving"
    );
    let parts = Parts {
        keys: Arc::new(keys),
        claims,
        bindings: Arc::new(WatchedBindings::new(
            client,
            rules.binding_prefix.clone(),
            binding_bound,
        )),
        rules,
        operations: Operations::new(cloud, naming),
        rate: UserRate::new(rate, burst),
        proxies,
        longest: call_timeout,
        concurrency: max_calls,
        audit: if audit_log {
            AuditLog::stderr()
        } else {
            AuditLog::off()
        },
        metrics: Metrics::new(),
    };
    serve(listener, admin, parts, settings, stop).await?;
    Ok(())
}

/// A client of the API server that `file` names, or else of the pod's own.
async fn kubernetes(file: Option<std::path::PathBuf>) -> anyhow::Result<Client> {
    let config = match file {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(&file)?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::incluster()?,
    };
    Ok(Client::try_from(config)?)
}
