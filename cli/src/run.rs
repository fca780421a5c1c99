//! `kees run`: admits the pods of the manifests, and runs the code of kees-init for each.
//!
//! ```text
//! Input -> prepare (admit, container) -> run -> summary
//! ```

pub(crate) mod container;
pub(crate) mod folder;
mod hint;
mod prepare;
mod progress;
mod run_errors;
mod summary;
pub(crate) mod table;

use kees_common::StoreName;
use kees_init::{InitError, InitSettings, Report, Request, RunError};
use kees_inject::Policy;
use kees_store::{
    Stores,
    aws::{Caller, region_of_environment},
};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

pub(crate) use self::prepare::EMBEDDED_FILE;
use self::{
    prepare::{Preparation, Prepared},
    progress::Bar,
    run_errors::RunErrors,
    summary::{Completed, Summary},
};
use crate::{
    admission,
    args::RunArgs,
    error::{self, CliErrorKind},
    inject_settings,
    input::Input,
    terminal::CommandOutput,
    workload,
};

/// The exit status of a command that Ctrl-C ended, as a shell reports it: 128 and the signal.
const INTERRUPTED: u8 = 130;

/// Runs nothing unless every pod is admitted. After that, an error of one pod does not stop the runs
/// of the others.
pub(crate) fn run(args: &RunArgs) -> (CommandOutput, u8) {
    let mut summary = Summary::default();
    run_into(args, &mut summary);
    let output = summary.output(args);
    let status = match output.exit {
        _ if summary.is_interrupted => INTERRUPTED,
        Some(exit) => exit.code(),
        None => 0,
    };
    (output, status)
}

fn run_into(args: &RunArgs, summary: &mut Summary) {
    let RunArgs {
        manifest,
        stores,
        operator,
        ..
    } = args;
    let (settings, errors) = inject_settings::read(stores, operator, None, Policy::permissive());
    let (input, errors) = Input::read(manifest, settings, errors);
    summary.errors = errors;
    let mut prepared = prepare_all(args, &input, summary);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return summary.errors.push(CliErrorKind::Runtime(error).into()),
    };
    if let Err(error) = runtime.block_on(set_region(&mut prepared)) {
        summary.errors.push(error.into());
    }
    if !summary.errors.is_empty() {
        return error::sort(&mut summary.errors);
    }
    if prepared.is_empty() {
        if summary.skipped.is_empty() {
            summary.nothing_to_do = Some(admission::nothing_to_do(&input.settings.domain));
        }
        return;
    }
    if let Err(error) = folder::create(&args.out, &args.out) {
        return summary.errors.push(error.into());
    }
    run_each(args, runtime, prepared, summary);
}

/// Runs one workload after the other, until Ctrl-C.
fn run_each(args: &RunArgs, runtime: Runtime, prepared: Vec<Prepared>, summary: &mut Summary) {
    let interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) });
    let mut interrupt = match interrupt {
        Ok(interrupt) => interrupt,
        Err(error) => return summary.errors.push(CliErrorKind::Runtime(error).into()),
    };
    let mut errors = RunErrors::default();
    for one in prepared {
        if summary.is_interrupted {
            let error = CliErrorKind::NotBegun.at(&one.location);
            summary.errors.push(error);
        } else {
            run_one(args, &runtime, &mut interrupt, one, summary, &mut errors);
        }
    }
    summary.errors.extend(errors.into_errors());
    if summary.is_interrupted {
        // A key that is still being generated is not waited for.
        runtime.shutdown_background();
    }
}

/// Admits and parses every workload. Errors, warnings and skipped workloads go into `summary`.
fn prepare_all(args: &RunArgs, input: &Input, summary: &mut Summary) -> Vec<Prepared> {
    let mut prepared = Vec::new();
    let mut annotated = Vec::new();
    for workload in &input.workloads {
        let Preparation { warnings, outcome } = prepare::prepare(args, input, workload);
        match outcome {
            prepare::Outcome::Prepared(one) => {
                annotated.push(workload);
                prepared.push(*one);
            }
            prepare::Outcome::Skipped(reason) => {
                let location = workload.location.clone();
                summary
                    .skipped
                    .extend(reason.map(|reason| (location, reason)));
            }
            prepare::Outcome::Failed(errors) => {
                annotated.push(workload);
                summary.errors.extend(errors);
            }
        }
        for warning in warnings {
            summary.warn(&workload.location, warning);
        }
    }
    summary.errors.extend(workload::find_duplicates(annotated));
    prepared
}

/// Sets the user's own Region for the pods that need a Region and have none. The default of kees-init
/// is meant for a cluster.
async fn set_region(prepared: &mut [Prepared]) -> Result<(), CliErrorKind> {
    let lacks_region = |one: &&mut Prepared| {
        let mut stores = one.request.stores().into_iter();
        stores.any(StoreName::is_in_aws) && one.settings.aws.flags.aws_region.is_none()
    };
    let mut lacking = prepared.iter_mut().filter(lacks_region).peekable();
    if lacking.peek().is_some() {
        let own = region_of_environment()
            .await
            .map_err(CliErrorKind::NoRegion)?;
        lacking.for_each(|one| one.settings.aws.flags.aws_region = Some(own.clone()));
    }
    Ok(())
}

/// Creates the folder of one workload and runs init for it. Workloads run one after the other, because
/// each run generates keys on all cores.
fn run_one(
    args: &RunArgs,
    runtime: &Runtime,
    interrupt: &mut Signal,
    prepared: Prepared,
    summary: &mut Summary,
    errors: &mut RunErrors,
) {
    let Prepared {
        location,
        name,
        folder,
        settings,
        request,
    } = prepared;
    let mut stores = request.stores().into_iter();
    let uses_embedded_file = stores.any(StoreName::needs_embedded_file)
        && settings.storage.embedded_file == Some(args.out.join(EMBEDDED_FILE));
    let created = folder::create(&args.out, &folder).and_then(|()| {
        if uses_embedded_file {
            folder::ignore_store(&args.out, EMBEDDED_FILE)
        } else {
            Ok(())
        }
    });
    if let Err(error) = created {
        return summary.errors.push(error.at(&location));
    }
    let bar = Bar::new(name.to_string());
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run_init(&settings, &request, &bar) => Some(ended),
            _ = interrupt.recv() => None,
        }
    });
    let Some(ended) = ended else {
        summary.is_interrupted = true;
        return summary.errors.push(CliErrorKind::Interrupted.at(&location));
    };
    match ended {
        Ok(report) => summary.completed.push(Completed {
            name,
            location,
            folder,
            format: settings.output.format,
            report,
        }),
        Err(error) => {
            let put = |error: &InitError| hint::put(&settings, &request, error);
            errors.add(&location, &error, put);
        }
    }
}

async fn run_init(
    settings: &InitSettings,
    request: &Request,
    bar: &Bar,
) -> Result<Report, RunError> {
    let mut stores = settings.stores();
    stores.aws.caller = Caller::Person;
    let stores = Stores::open(request.stores(), &stores)
        .await
        .map_err(InitError::Store)?;
    kees_init::run(request, &stores, bar).await
}
