//! `kees run`: admits the pods of a manifest, and runs init for each.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use kees_common::{StoreName, names::env};
use kees_init::{Exit, InitError, InitSettings, Report, Request, RunError};
use kees_inject::{INIT_CONTAINER, Policy, SkipReason};
use kees_settings::InitEnvFlags;
use kees_store::{
    Stores,
    aws::{Caller, own_region},
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    admission::{self, Verdict},
    args::RunArgs,
    container,
    fault::{self, CliError, CliErrorKind},
    manifest::{self, Document},
    output::Answer,
    progress::Bar,
    settings,
    summary::{Done, Summary},
    workload::{self, Workload},
};

/// The file of the store embedded, in the folder of `--out`. No namespace has a dot in its name.
const EMBEDDED_FILE: &str = "kees.sqlite";
const GITIGNORE: &str = ".gitignore";
/// What it says of a folder of which nothing is to be committed.
const EVERYTHING: &str = "*\n";

/// Runs nothing unless every pod is sound; a run that fails does not keep others from theirs.
pub(crate) fn run(args: &RunArgs) -> Answer {
    let mut summary = Summary::default();
    match settings::settings(&args.stores, &args.operator, Policy::permissive()) {
        Ok(operator) => run_with(args, &operator, &mut summary),
        Err(fault) => summary.faults.push(fault),
    }
    summary.answer(args)
}

fn run_with(args: &RunArgs, operator: &kees_inject::InjectSettings, summary: &mut Summary) {
    let namespace = &args.manifest.namespace;
    let (documents, unread) = manifest::read(&args.manifest.files);
    let (mut workloads, unsound) = workload::find(&documents, namespace, &operator.domain);
    summary.faults.extend(settings::check(operator));
    settings::withhold(&mut workloads, &summary.faults);
    summary.faults.extend(unread);
    summary.faults.extend(unsound);

    let mut admitting = Admitting {
        args,
        operator,
        documents: &documents,
        summary,
    };
    let mut prepared = Vec::new();
    for workload in workloads {
        match admitting.prepare(workload) {
            Ok(sound) => prepared.extend(sound),
            Err(faults) => admitting.summary.faults.extend(faults),
        }
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return summary.faults.push(CliErrorKind::Runtime(error).into()),
    };
    let running = prepared.iter().map(|one| &one.workload);
    summary.faults.extend(workload::named_twice(running));
    if let Err(problem) = runtime.block_on(give_region(&mut prepared)) {
        summary.faults.push(problem.into());
    }
    if !summary.faults.is_empty() {
        fault::sort(&mut summary.faults);
        return;
    }
    if prepared.is_empty() && summary.left_alone.is_empty() {
        summary.nothing = Some(admission::nothing_to_do(&operator.domain));
    }
    run_each(args, &runtime, prepared, summary);
}

/// A pod that is sound, with all that init needs.
struct Prepared {
    workload: Workload,
    folder: PathBuf,
    settings: InitSettings,
    request: Request,
}

/// What is known before the first pod is run.
struct Admitting<'a> {
    args: &'a RunArgs,
    operator: &'a kees_inject::InjectSettings,
    documents: &'a [Document],
    summary: &'a mut Summary,
}

impl Admitting<'_> {
    /// Admits the workload's pod and parses it as init would; `None` where there is nothing to run.
    fn prepare(&mut self, workload: Workload) -> Result<Option<Prepared>, Vec<CliError>> {
        let at = |problems: Vec<CliErrorKind>| -> Vec<CliError> {
            let problems = problems.into_iter();
            problems
                .map(|problem| problem.at(&workload.place))
                .collect()
        };
        let folder = self.args.out.join(workload.folder());
        let (pod, is_wired) = match self.admit(&workload) {
            Ok(Some(admitted)) => admitted,
            Ok(None) => return Ok(None),
            Err(mut faults) => {
                faults.extend(at(self.wired_amiss(&workload, &folder)));
                return Err(faults);
            }
        };
        let (mut settings, mut problems) = if is_wired {
            self.wired(&workload, &pod, &folder)
        } else {
            injected(&workload, &pod, &folder)
        };
        for_this_machine(self.args, &mut settings);
        let annotations = container::annotations(&pod);
        let request = Request::parse(&settings, annotations.as_bytes()).map_err(|failure| {
            // A variable that is wrong is not missing as well.
            let is_known = problems.is_empty();
            let more =
                CliErrorKind::of(&failure).filter(|more| is_known || more.exit() == Exit::Data);
            problems.extend(more);
        });
        let (Ok(request), true) = (request, problems.is_empty()) else {
            return Err(at(problems));
        };
        self.summary.warn(&workload.place, request.warnings());
        Ok(Some(Prepared {
            workload,
            folder,
            settings,
            request,
        }))
    }

    /// The pod as it would be created, and whether its author wired the init container.
    fn admit(&mut self, workload: &Workload) -> Result<Option<(Value, bool)>, Vec<CliError>> {
        let admission = admission::admit(workload, self.documents, self.operator);
        for warning in admission.warnings {
            let place = workload.place.clone();
            self.summary.warnings.push((place, warning));
        }
        match admission.verdict {
            Verdict::Injected(pod) => Ok(Some((pod, false))),
            Verdict::LeftAlone(SkipReason::WiredByHand) => {
                let pod = workload.pod(self.documents);
                Ok(pod.map(|pod| (pod.clone(), true)))
            }
            Verdict::LeftAlone(SkipReason::NotAnnotated) => Ok(None),
            Verdict::LeftAlone(skipped) => {
                let reason = admission::reason(skipped, &self.operator.domain);
                let place = workload.place.clone();
                self.summary.left_alone.push((place, reason));
                Ok(None)
            }
            Verdict::Denied(faults) => Err(faults),
        }
    }

    /// What is wrong with the wiring of a pod that is refused for its annotations already.
    fn wired_amiss(&self, workload: &Workload, folder: &Path) -> Vec<CliErrorKind> {
        let pod = workload.pod(self.documents);
        let is_wired = |pod: &&Value| {
            let container = self.wired_container(pod);
            container.is_some_and(|container| container["name"] != INIT_CONTAINER)
        };
        let pod = pod.filter(is_wired);
        pod.map_or_else(Vec::new, |pod| self.wired(workload, pod, folder).1)
    }

    fn wired_container<'p>(&self, pod: &'p Value) -> Option<&'p Value> {
        container::find(pod, |container| {
            let image = container.get("image").and_then(Value::as_str);
            image.is_some_and(|image| self.operator.wired_image.matches(image))
        })
    }

    /// What init finds in the container that the pod's author wired, with the stores of this run.
    fn wired(
        &self,
        workload: &Workload,
        pod: &Value,
        folder: &Path,
    ) -> (InitSettings, Vec<CliErrorKind>) {
        let operator = self.operator;
        let container = self.wired_container(pod).unwrap_or(&Value::Null);
        let (mut variables, mut problems) = container::variables(container, workload);
        let given = operator.init_env.iter();
        variables.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        let other = container::confine(&mut variables, operator.store, &operator.stores);
        let (settings, wrong) = container::settings(&variables, folder);
        problems.extend(other.into_iter().chain(wrong));
        (settings, problems)
    }
}

/// What init finds in the container that was injected.
fn injected(workload: &Workload, pod: &Value, folder: &Path) -> (InitSettings, Vec<CliErrorKind>) {
    let container = container::find(pod, |container| {
        container.get("name").and_then(Value::as_str) == Some(INIT_CONTAINER)
    });
    let container = container.unwrap_or(&Value::Null);
    let (variables, mut problems) = container::variables(container, workload);
    let (settings, wrong) = container::settings(&variables, folder);
    problems.extend(wrong);
    (settings, problems)
}

/// What this run has flags of its own for.
fn for_this_machine(args: &RunArgs, settings: &mut InitSettings) {
    settings.output.format = args.format.or(settings.output.format);
    settings.storage.timeout = args.timeout;
    if args.sts.aws_sts_endpoint.is_some() {
        settings.aws.sts.clone_from(&args.sts);
    }
    let InitEnvFlags { init_env } = &args.stores.env;
    let own = init_env
        .iter()
        .find(|variable| variable.name == env::EMBEDDED_FILE);
    let file = own.map_or_else(
        || args.out.join(EMBEDDED_FILE),
        |variable| variable.value.clone().into(),
    );
    settings.storage.embedded_file = Some(file);
}

/// Gives the user's own Region to the pods that need one and are told none: the default of kees-init
/// is that of a cluster, not theirs.
async fn give_region(prepared: &mut [Prepared]) -> Result<(), CliErrorKind> {
    let lacks = |one: &&mut Prepared| {
        let stores = one.request.stores();
        let is_aws = [StoreName::DynamoDb, StoreName::SecretsManager]
            .iter()
            .any(|store| stores.contains(store));
        is_aws && one.settings.aws.flags.aws_region.is_none()
    };
    let mut lacking = prepared.iter_mut().filter(lacks).peekable();
    if lacking.peek().is_some() {
        let own = own_region().await.map_err(CliErrorKind::NoRegion)?;
        lacking.for_each(|one| one.settings.aws.flags.aws_region = Some(own.clone()));
    }
    Ok(())
}

/// Runs init for one pod after the other: each generates on all cores.
fn run_each(args: &RunArgs, runtime: &Runtime, prepared: Vec<Prepared>, summary: &mut Summary) {
    for one in prepared {
        let Prepared {
            workload,
            folder,
            settings,
            request,
        } = one;
        let made = make_folder(&args.out, &folder);
        let made = made.and_then(|()| {
            let is_here = settings.storage.embedded_file == Some(args.out.join(EMBEDDED_FILE));
            let is_used = is_here && request.stores().contains(&StoreName::Embedded);
            if is_used {
                ignore_store(&args.out)
            } else {
                Ok(())
            }
        });
        if let Err(problem) = made {
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
                    .extend(CliErrorKind::of(&failure).map(|problem| problem.at(place)));
            }
        }
    }
}

async fn run_one(
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

/// Makes the folder of a workload, and those above it. What is made is this user's alone, whatever
/// mode the files have, with a note to git that nothing in it is to be committed; a folder that is
/// there stays as it is. What is made in one that has such a note already needs none of its own.
fn make_folder(out: &Path, folder: &Path) -> Result<(), CliErrorKind> {
    let is_new = |path: &&Path| path.starts_with(out) && !path.exists();
    let highest = folder.ancestors().take_while(is_new).last();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(no_folder(folder))?;
    match highest {
        Some(highest) if !is_ignored(out, highest) => ignore(highest, EVERYTHING),
        _ => Ok(()),
    }
}

/// Whether a folder above, up to `out`, has a note of ours that is about all that is in it.
fn is_ignored(out: &Path, folder: &Path) -> bool {
    let above = folder.ancestors().skip(1);
    let mut above = above.take_while(|path| path.starts_with(out));
    above.any(|path| fs::read(path.join(GITIGNORE)).is_ok_and(|note| note == EVERYTHING.as_bytes()))
}

/// Keeps the store embedded from git in a folder that was there before, unless that has a note of its
/// own.
fn ignore_store(out: &Path) -> Result<(), CliErrorKind> {
    if out.join(GITIGNORE).exists() {
        Ok(())
    } else {
        ignore(out, &format!("/{EMBEDDED_FILE}*\n"))
    }
}

fn ignore(folder: &Path, patterns: &str) -> Result<(), CliErrorKind> {
    let file = folder.join(GITIGNORE);
    fs::write(&file, patterns).map_err(no_folder(&file))
}

fn no_folder(path: &Path) -> impl FnOnce(io::Error) -> CliErrorKind {
    let path = path.to_owned();
    move |source| CliErrorKind::NoFolder { path, source }
}
