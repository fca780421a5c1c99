//! `kees-init`: one run when a pod starts. With `exec` as its first argument, it starts another program
//! with the values in its environment.

mod cadence;
mod log;
mod process;

use std::{
    alloc::System,
    env,
    fs::OpenOptions,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use kees_common::{error_chain, names};
use kees_init::{InitError, InitSettings, Report, Request, RunError, exec::ExecError};
use kees_settings::LogFlags;
use kees_store::Stores;
use zeroizing_alloc::ZeroAlloc;

/// Overwrites memory when it is freed. The buffers of the AWS SDK and of TLS contain values too, and
/// only the allocator can reach them.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    match env::args_os().nth(1) {
        Some(command) if command == "exec" => exec(),
        _ => init(),
    }
}

/// Starts another program in place of this one. Returns only if there is an error.
fn exec() -> ExitCode {
    let error = kees_init::exec::exec(env::args_os());
    let written = match &error {
        ExecError::Usage(usage) if usage.is_help => writeln!(io::stdout(), "{error}"),
        error => writeln!(io::stderr(), "kees-init: {}", error_chain::describe(error)),
    };
    // Nothing is left to do if the stream is closed.
    drop(written);
    ExitCode::from(error.status())
}

/// The run that writes the files.
fn init() -> ExitCode {
    let dumps = kees_init::forbid_core_dumps();
    let settings = match InitSettings::read(env::args_os()) {
        Ok(settings) => settings,
        Err(usage) if usage.is_help => {
            // Nothing is left to do if standard output is closed.
            let _ = writeln!(io::stdout(), "{}", usage.message);
            return ExitCode::SUCCESS;
        }
        Err(usage) => {
            log::start(LogFlags::default());
            let path = env::var_os(names::env::TERMINATION_LOG).map(PathBuf::from);
            let path = path.unwrap_or_else(|| InitSettings::default().log.termination_log);
            return failed(&InitError::from(usage).into(), &path);
        }
    };
    log::start(settings.log.flags);
    if let Err(error) = dumps {
        tracing::warn!(%error, "core dumps cannot be disabled");
    }
    let outcome = process::until_stopped(work(&settings));
    kees_init::wipe_stack();
    match outcome {
        Ok(Ok(Ok(report))) => {
            tracing::info!(
                pod = settings.pod.pod_name.as_deref(),
                namespace = settings.pod.pod_namespace.as_deref(),
                uid = settings.pod.pod_uid.as_deref(),
                "{}",
                report.summary()
            );
            ExitCode::SUCCESS
        }
        Ok(Ok(Err(error))) => failed(&error, &settings.log.termination_log),
        Ok(Err(stopped)) => {
            tracing::warn!("stopped by {}; nothing was written", stopped.signal());
            ExitCode::from(stopped.code())
        }
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            ExitCode::from(process::OS_ERROR)
        }
    }
}

async fn work(settings: &InitSettings) -> Result<Report, RunError> {
    let request = Request::read(settings)?;
    for warning in request.warnings() {
        tracing::warn!("{warning}");
    }
    let stores = Stores::open(request.stores(), &settings.stores())
        .await
        .map_err(InitError::Store)?;
    kees_init::run(&request, &stores, &log::Steps::default()).await
}

/// Reports the errors on standard error and in the termination message.
fn failed(error: &RunError, termination_log: &Path) -> ExitCode {
    for error in error.errors() {
        tracing::error!("{}", error.line());
    }
    tracing::error!("{}", error.summary());
    // The kubelet creates the file. Without the kubelet there is no reader.
    let written = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(termination_log)
        .and_then(|mut file| file.write_all(error.termination_message().as_bytes()));
    if let Err(reason) = written {
        tracing::debug!(error = %reason, file = %termination_log.display(), "no termination message");
    }
    ExitCode::from(error.exit().code())
}
