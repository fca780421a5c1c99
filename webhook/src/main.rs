//! `kees-webhook`: reads the arguments, and serves until a signal stops it.

use std::process::ExitCode;

use anyhow::Context;
use kees_webhook::{Args, Server, WebhookError, args::Process, logging, stop_signal};

/// `EX_USAGE` of sysexits.h: a flag, a variable or a file that they name is invalid.
const USAGE: u8 = 64;

/// Any other error, such as an address that is in use.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // If standard error is closed, the exit code is all that can be reported.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let process = args.process();
    logging::start(process.log, process.audit_log);
    match run(args, process) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(args: Args, process: Process) -> anyhow::Result<()> {
    let config = args.into_config()?;
    let mut runtime = if process.workers == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(process.workers);
        builder
    };
    runtime
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            let stop = stop_signal().context("cannot handle signals")?;
            Ok(Server::bind(config)?.run(stop).await?)
        })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        None | Some(WebhookError::Listen { .. } | WebhookError::Tls(_)) => FAILURE,
        Some(_) => USAGE,
    }
}
