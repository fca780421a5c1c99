//! `kees-controller`: reads the arguments, and works until a signal stops it.

use std::{alloc::System, process::ExitCode};

use anyhow::Context as _;
use kees_controller::{Args, AwsRegions, Controller, ControllerError, logging};
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use zeroizing_alloc::ZeroAlloc;

/// Overwrites memory when it is freed. The buffers of the AWS SDK and of TLS contain values too, and
/// only the allocator can reach them.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// `EX_USAGE` of sysexits.h: a flag, a variable or a file that they name is invalid.
const USAGE: u8 = 64;

/// Any other error, such as an address that is in use.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let dumps = kees_init::forbid_core_dumps();
    let args = match Args::read() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // If standard error is closed, the exit code is all that can be reported.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    logging::start(args.log());
    if let Err(error) = dumps {
        tracing::warn!(%error, "core dumps cannot be disabled");
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    // One thread: it waits for the network. Keys are generated on threads of their own.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            let mut terminate = signal(SignalKind::terminate()).context("cannot handle signals")?;
            let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle signals")?;
            let stop = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            let (config, settings) = args.into_config();
            let stores = config.open_stores(&settings).await?;
            let regions = AwsRegions::new(settings);
            let controller = Controller::bind(config)?;
            let client = Client::try_default()
                .await
                .map_err(|error| ControllerError::Cluster(error.into()))?;
            controller.run(client, stores, regions, stop).await;
            Ok(())
        })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        None | Some(ControllerError::Listen { .. } | ControllerError::Cluster(_)) => FAILURE,
        Some(_) => USAGE,
    }
}
