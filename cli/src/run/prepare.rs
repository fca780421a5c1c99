//! From a workload to everything that a run of init needs: the admission decision, the settings of the
//! init container, and the parsed annotations.

use std::path::{Path, PathBuf};

use kees_common::names::env;
use kees_init::{Exit, InitSettings, Request};
use kees_inject::{INIT_CONTAINER, SkipReason};
use kees_settings::InitEnvFlags;
use serde_json::Value;

use super::container;
use crate::{
    admission::{self, Verdict},
    args::RunArgs,
    error::{CliError, CliErrorKind},
    input::Input,
    location::{Location, ObjectName},
    workload::Workload,
};

/// The file of the embedded store in the folder of `--out`. It cannot be the folder of a namespace,
/// because the name of a namespace has no dot.
pub(crate) const EMBEDDED_FILE: &str = "kees.sqlite";

/// What a run of init needs.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) location: Location,
    pub(crate) name: ObjectName,
    /// The folder that stands for the root of the pod's containers.
    pub(crate) folder: PathBuf,
    pub(crate) settings: InitSettings,
    pub(crate) request: Request,
}

/// The result for one workload.
#[derive(Debug)]
pub(crate) struct Preparation {
    pub(crate) warnings: Vec<String>,
    pub(crate) outcome: Outcome,
}

/// Whether a workload can be run.
#[derive(Debug)]
pub(crate) enum Outcome {
    Prepared(Box<Prepared>),
    /// There is nothing to run. There is no reason to report where the pod is not annotated.
    Skipped(Option<String>),
    Failed(Vec<CliError>),
}

/// Admits the pod of `workload` and parses it as init would.
pub(crate) fn prepare(args: &RunArgs, input: &Input, workload: &Workload) -> Preparation {
    let admission = admission::admit(input, workload);
    let warnings = admission.warnings.into_iter();
    let mut warnings: Vec<_> = warnings.map(|warning| warning.message).collect();
    let folder = args.out.join(workload.folder());
    let pod = workload.pod(&input.documents).unwrap_or(&Value::Null);
    let parsed = match admission.verdict {
        Verdict::Injected(injected) => {
            let container = injected_container(workload, &injected, &folder);
            parse(args, workload, folder, &injected, container)
        }
        Verdict::Skipped(SkipReason::WiredByHand) => {
            let container = wired_container(input, workload, pod, &folder);
            parse(args, workload, folder, pod, container)
        }
        Verdict::Skipped(SkipReason::NotAnnotated) | Verdict::Undecided => Ok(None),
        Verdict::Skipped(reason) => {
            let reason = admission::skip_message(reason, &input.settings.domain);
            let outcome = Outcome::Skipped(Some(reason));
            return Preparation { warnings, outcome };
        }
        Verdict::Denied(mut errors) => {
            if is_wired(input, pod) {
                let (_, wrong) = wired_container(input, workload, pod, &folder);
                errors.extend(wrong.into_iter().map(|error| error.at(&workload.location)));
            }
            Err(errors)
        }
    };
    let outcome = match parsed {
        Ok(Some(prepared)) => {
            let found = prepared.request.warnings().iter().map(ToString::to_string);
            warnings.extend(found);
            Outcome::Prepared(Box::new(prepared))
        }
        Ok(None) => Outcome::Skipped(None),
        Err(errors) => Outcome::Failed(errors),
    };
    Preparation { warnings, outcome }
}

/// The settings of an init container, and what is wrong with them.
type ContainerSettings = (InitSettings, Vec<CliErrorKind>);

/// Parses the annotations of a pod with the settings of its init container.
fn parse(
    args: &RunArgs,
    workload: &Workload,
    folder: PathBuf,
    pod: &Value,
    (mut settings, mut errors): ContainerSettings,
) -> Result<Option<Prepared>, Vec<CliError>> {
    apply_flags(args, &mut settings);
    let annotations = container::annotations(pod);
    let request = Request::parse(&settings, annotations.as_bytes()).map_err(|error| {
        // A variable that is wrong is not reported as missing too.
        let is_complete = errors.is_empty();
        let found = CliErrorKind::of(&error);
        errors.extend(found.filter(|error| is_complete || error.exit() == Exit::Data));
    });
    match request {
        Ok(request) if errors.is_empty() => Ok(Some(Prepared {
            location: workload.location.clone(),
            name: workload.name.clone(),
            folder,
            settings,
            request,
        })),
        _ => Err(errors
            .into_iter()
            .map(|error| error.at(&workload.location))
            .collect()),
    }
}

/// Reads the settings of the init container that the webhook's code has injected.
fn injected_container(workload: &Workload, pod: &Value, folder: &Path) -> ContainerSettings {
    let container = container::find(pod, |container| container["name"] == INIT_CONTAINER);
    let container = container.unwrap_or(&Value::Null);
    let (variables, mut errors) = container::variables(container, workload);
    let (settings, wrong) = container::settings(&variables, folder);
    errors.extend(wrong);
    (settings, errors)
}

/// Reads the settings of the init container that the pod's author wired by hand, but with the stores
/// of this run.
fn wired_container(
    input: &Input,
    workload: &Workload,
    pod: &Value,
    folder: &Path,
) -> ContainerSettings {
    let operator = &input.settings;
    let container = find_wired(input, pod).unwrap_or(&Value::Null);
    let (mut variables, mut errors) = container::variables(container, workload);
    let flags = operator.init_env.iter();
    variables.extend(flags.map(|(name, value)| (name.clone(), value.clone())));
    let other = container::restrict_stores(&mut variables, operator.store, &operator.stores);
    let (settings, wrong) = container::settings(&variables, folder);
    errors.extend(other.into_iter().chain(wrong));
    (settings, errors)
}

/// Whether the author of a pod that is denied wired its init container by hand.
fn is_wired(input: &Input, pod: &Value) -> bool {
    find_wired(input, pod).is_some_and(|container| container["name"] != INIT_CONTAINER)
}

fn find_wired<'p>(input: &Input, pod: &'p Value) -> Option<&'p Value> {
    container::find(pod, |container| {
        let image = container["image"].as_str();
        image.is_some_and(|image| input.settings.wired_image.matches(image))
    })
}

/// Applies the flags that `kees run` has for itself.
fn apply_flags(args: &RunArgs, settings: &mut InitSettings) {
    settings.output.format = args.format.or(settings.output.format);
    settings.storage.timeout = args.timeout;
    if args.sts.aws_sts_endpoint.is_some() {
        settings.aws.sts.clone_from(&args.sts);
    }
    let InitEnvFlags { init_env } = &args.stores.env;
    let given = init_env
        .iter()
        .flatten()
        .find(|variable| variable.name == env::EMBEDDED_FILE)
        .map(|variable| PathBuf::from(&variable.value));
    let file = given.unwrap_or_else(|| args.out.join(EMBEDDED_FILE));
    settings.storage.embedded_file = Some(file);
}
