//! `kees run`: admits the pods of a manifest, and runs init for each.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use kees_common::{StoreName, names::env};
use kees_init::{Cause, Failure, Report, Request, Settings};
use kees_inject::{INIT_CONTAINER, Policy, SkipReason};
use kees_store::Stores;
use serde_json::Value;

use crate::{
    admission::{self, Verdict},
    args::RunArgs,
    container,
    fault::{self, Problem},
    manifest::{self, Document},
    output::Answer,
    progress::Bar,
    settings,
    summary::{Done, Summary},
    workload::{self, Workload},
};

/// The file of the store embedded, in the folder of `--out`. No namespace has a dot in its name.
const EMBEDDED_FILE: &str = "kees.sqlite";

/// Runs nothing unless every pod is sound; a run that fails does not keep others from theirs.
pub(crate) fn run(args: &RunArgs) -> Answer {
    let mut summary = Summary::default();
    match settings::settings(args.store, &args.stores, &args.operator, Policy::laptop()) {
        Ok(operator) => run_with(args, &operator, &mut summary),
        Err(fault) => summary.faults.push(fault),
    }
    summary.answer(args)
}

fn run_with(args: &RunArgs, operator: &kees_inject::Settings, summary: &mut Summary) {
    let namespace = &args.manifest.namespace;
    let (documents, unread) = manifest::read(&args.manifest.files);
    let (workloads, unsound) = workload::find(&documents, namespace, &operator.domain);
    summary.faults.extend(settings::check(operator));
    summary.faults.extend(unread);
    summary.faults.extend(unsound);

    let mut prepared = Vec::new();
    for workload in workloads {
        prepared.extend(prepare(args, operator, workload, &documents, summary));
    }
    if !summary.faults.is_empty() {
        fault::sort(&mut summary.faults);
        return;
    }
    if prepared.is_empty() && summary.left_alone.is_empty() {
        summary.nothing = Some(admission::nothing_to_do(&operator.domain));
    }
    run_each(args, prepared, summary);
}

/// A pod that is sound, with all that init needs.
struct Prepared {
    workload: Workload,
    folder: PathBuf,
    settings: Settings,
    request: Request,
}

/// Admits the workload's pod and parses it as init would; `None` where there is nothing to run, or
/// something is wrong.
fn prepare(
    args: &RunArgs,
    operator: &kees_inject::Settings,
    workload: Workload,
    documents: &[Document],
    summary: &mut Summary,
) -> Option<Prepared> {
    let admission = admission::admit(&workload, documents, operator);
    for warning in admission.warnings {
        summary.warnings.push((workload.place.clone(), warning));
    }
    let folder = args.out.join(workload.folder());
    let settings = match admission.verdict {
        Verdict::Injected(pod) => injected(args, &workload, &pod, &folder).map(|s| (s, pod)),
        Verdict::LeftAlone(SkipReason::WiredByHand) => {
            let pod = workload.pod(documents)?.clone();
            wired(args, operator, &workload, &pod, &folder).map(|s| (s, pod))
        }
        Verdict::LeftAlone(SkipReason::NotAnnotated) => return None,
        Verdict::LeftAlone(skipped) => {
            let reason = admission::reason(skipped, &operator.domain);
            summary.left_alone.push((workload.place.clone(), reason));
            return None;
        }
        Verdict::Denied(faults) => {
            summary.faults.extend(faults);
            return None;
        }
    };
    let request = settings.and_then(|(settings, pod)| {
        let annotations = container::annotations(&pod);
        let request = Request::parse(&settings, annotations.as_bytes());
        let request = request.map_err(|failure| Problem::of(&failure).collect::<Vec<_>>())?;
        Ok((settings, request))
    });
    match request {
        Ok((settings, request)) => {
            summary.warn(&workload.place, request.warnings());
            Some(Prepared {
                workload,
                folder,
                settings,
                request,
            })
        }
        Err(problems) => {
            let place = &workload.place;
            summary
                .faults
                .extend(problems.into_iter().map(|problem| problem.at(place)));
            None
        }
    }
}

/// What init finds in the container that was injected.
fn injected(
    args: &RunArgs,
    workload: &Workload,
    pod: &Value,
    folder: &Path,
) -> Result<Settings, Vec<Problem>> {
    let container = container::find(pod, |container| {
        container.get("name").and_then(Value::as_str) == Some(INIT_CONTAINER)
    });
    let variables = container::variables(container.unwrap_or(&Value::Null), workload)?;
    let mut settings = container::settings(&variables, folder)?;
    for_this_machine(args, &mut settings);
    Ok(settings)
}

/// What init finds in the container that the pod's author wired, with the stores of this run.
fn wired(
    args: &RunArgs,
    operator: &kees_inject::Settings,
    workload: &Workload,
    pod: &Value,
    folder: &Path,
) -> Result<Settings, Vec<Problem>> {
    let container = container::find(pod, |container| {
        let image = container.get("image").and_then(Value::as_str);
        image.is_some_and(|image| operator.wired_image.matches(image))
    });
    let mut variables = container::variables(container.unwrap_or(&Value::Null), workload)?;
    let given = operator.init_env.iter();
    variables.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    let mut stores: Vec<StoreName> = vec![operator.store];
    stores.extend(&operator.stores);
    container::confine(&mut variables, &stores).map_err(|problem| vec![problem])?;
    let mut settings = container::settings(&variables, folder)?;
    for_this_machine(args, &mut settings);
    Ok(settings)
}

/// What this run has flags of its own for.
fn for_this_machine(args: &RunArgs, settings: &mut Settings) {
    settings.output.format = args.format.or(settings.output.format);
    settings.storage.timeout = args.timeout;
    let own = args
        .stores
        .init_env
        .iter()
        .find(|(name, _)| name == env::EMBEDDED_FILE);
    let file = own.map_or_else(|| args.out.join(EMBEDDED_FILE), |(_, file)| file.into());
    settings.storage.embedded_file = Some(file);
}

/// Runs init for one pod after the other: each generates on all cores.
fn run_each(args: &RunArgs, prepared: Vec<Prepared>, summary: &mut Summary) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return summary.faults.push(Problem::Runtime(error).into()),
    };
    for one in prepared {
        let Prepared {
            workload,
            folder,
            settings,
            request,
        } = one;
        if let Err(problem) = make_folder(&args.out, &workload.name.namespace) {
            return summary.faults.push(problem.into());
        }
        let bar = Bar::new(workload.name.to_string());
        let ran = runtime.block_on(run_one(&settings, &request, &bar));
        drop(bar);
        match ran {
            Ok(report) => summary.done.push(Done {
                place: workload.place,
                folder,
                format: settings.output.format,
                report,
            }),
            Err(failure) => {
                let place = &workload.place;
                summary
                    .faults
                    .extend(Problem::of(&failure).map(|problem| problem.at(place)));
            }
        }
    }
}

async fn run_one(settings: &Settings, request: &Request, bar: &Bar) -> Result<Report, Failure> {
    let stores = Stores::open(request.stores(), &settings.stores())
        .await
        .map_err(Cause::Store)?;
    kees_init::run(request, &stores, bar).await
}

/// Makes the folder of a namespace, and that of `--out` with a note to git that nothing in it is
/// to be committed. What is made is this user's alone, whatever mode the files have.
fn make_folder(out: &Path, namespace: &str) -> Result<(), Problem> {
    let is_new = !out.exists();
    let folder = out.join(namespace);
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| Problem::NoFolder { path, source }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(fail(&folder))?;
    if is_new {
        let ignore = out.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(fail(&ignore))?;
    }
    Ok(())
}
