//! `kees-init`: one run when a pod starts. With `exec` as its first argument, it starts another program
//! with the values in its environment. With `refresh`, it reads the values again while the pod runs.
//! With `start` and `wait`, it is a sidecar that writes the files, and its hook.

mod cadence;
mod fast_start;
mod log;
mod metrics_server;
mod on_change;
mod refresh_metrics;
mod sidecar;

use std::{
    alloc::System,
    env,
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use kees_common::{Start, error_chain, names};
#[cfg(feature = "classes")]
use kees_init::Volumes;
use kees_init::{
    InitError, InitSettings, OS_ERROR, Report, Request, RunError, exec::ExecError, until_stopped,
};
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
        Some(command) if command == sidecar::NAME => sidecar::main(),
        Some(command) if command == fast_start::START => fast_start::start(),
        Some(command) if command == fast_start::WAIT => fast_start::wait(),
        Some(command) if command == fast_start::REST => fast_start::rest(),
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

/// Reads the settings and starts the log. Returns an exit status if nothing else is to be done.
fn start(arguments: impl IntoIterator<Item = OsString>) -> Result<InitSettings, ExitCode> {
    let dumps = kees_init::forbid_core_dumps();
    let settings = match InitSettings::read(arguments) {
        Ok(settings) => settings,
        Err(usage) if usage.is_help => {
            // Nothing is left to do if standard output is closed.
            let _ = writeln!(io::stdout(), "{}", usage.message);
            return Err(ExitCode::SUCCESS);
        }
        Err(usage) => {
            log::start(LogFlags::default());
            let path = env::var_os(names::env::TERMINATION_LOG).map(PathBuf::from);
            let path = path.unwrap_or_else(|| InitSettings::default().log.termination_log);
            return Err(failed(&InitError::from(usage).into(), &path));
        }
    };
    log::start(settings.log.flags);
    if let Err(error) = dumps {
        tracing::warn!(%error, "core dumps cannot be disabled");
    }
    Ok(settings)
}

/// The run of an init container.
fn init() -> ExitCode {
    let written = start(env::args_os()).and_then(|settings| write_files(&settings, Start::Init));
    written.err().unwrap_or(ExitCode::SUCCESS)
}

/// The run that writes the files. Returns the exit status if it fails.
fn write_files(settings: &InitSettings, start: Start) -> Result<(), ExitCode> {
    let outcome = until_stopped(work(settings, start));
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
            Ok(())
        }
        Ok(Ok(Err(error))) => Err(failed(&error, &settings.log.termination_log)),
        Ok(Err(stopped)) => {
            tracing::warn!("stopped by {}; nothing was written", stopped.signal());
            Err(ExitCode::from(stopped.code()))
        }
        Err(error) => Err(no_runtime(&error)),
    }
}

async fn work(settings: &InitSettings, start: Start) -> Result<Report, RunError> {
    let mut request = Request::read(settings)?;
    if start == Start::Fast {
        // A container that starts too early then waits in this program for the files.
        request.place_program()?;
    }
    for warning in request.warnings() {
        tracing::warn!("{warning}");
    }
    let stores = Stores::open(request.stores(), &settings.stores())
        .await
        .map_err(InitError::Store)?;
    let progress = log::Steps::default();
    #[cfg(feature = "classes")]
    {
        let volumes = Volumes::open(&request, &settings.stores()).await?;
        kees_init::run_with_volumes(&request, &stores, &volumes, &progress).await
    }
    #[cfg(not(feature = "classes"))]
    kees_init::run(&request, &stores, &progress).await
}

fn no_runtime(error: &io::Error) -> ExitCode {
    tracing::error!(%error, "the runtime cannot be started");
    ExitCode::from(OS_ERROR)
}

/// Reports the errors on standard error and in the termination message.
fn failed(error: &RunError, termination_log: &Path) -> ExitCode {
    for error in error.errors() {
        tracing::error!("{}", error.line());
    }
    tracing::error!("{}", error.summary());
    let written = write_termination_log(termination_log, &error.termination_message());
    if let Err(reason) = written {
        tracing::debug!(error = %reason, file = %termination_log.display(), "no termination message");
    }
    ExitCode::from(error.exit().code())
}

/// Replaces the termination message. The kubelet creates the file. Without the kubelet there is no
/// reader.
fn write_termination_log(path: &Path, message: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).truncate(true).open(path)?;
    file.write_all(message.as_bytes())
}
