//! `kees explain`: what the annotations of each pod do, without a store and without a cluster.

mod composed;
mod entry;
mod flow;
mod sidecar;

use std::{fmt::Write as _, iter};

use kees_common::{LocalMode, Region, StoragePath, names::env};
use kees_init::{Request, settings::CreatePolicy};
use kees_inject::{INIT_CONTAINER, Policy, SkipReason};
use kees_store::{
    aws::partition,
    permissions::{Pattern, Place, statements},
};
use serde::Serialize;
use serde_json::Value;

use self::{composed::ComposedFile, entry::EntryReport, sidecar::Sidecar};
use crate::{
    admission::{self, Verdict},
    args::{Output, explain::ExplainArgs},
    error::{self, CliError},
    export::{access::Access, iam, source},
    inject_settings,
    input::Input,
    json::{self, LocationJson, MessageJson},
    location::Location,
    put_command::PutFlags,
    run::container,
    terminal::CommandOutput,
    workload::Workload,
};

/// The volume with the files, in every container that gets them.
const VOLUME: &str = "kees-secrets";

/// Explains every pod that has no error, and reports the errors of the others.
pub(crate) fn explain(args: &ExplainArgs) -> CommandOutput {
    let ExplainArgs {
        manifest,
        output,
        stores,
        operator,
    } = args;
    let (settings, mut errors) =
        inject_settings::read(stores, operator, None, Policy::permissive());
    // No table is read, so its name is not needed.
    inject_settings::take_label_error(&mut errors);
    let (mut input, errors) = Input::read(manifest, settings, errors);
    let label = input.settings.init_env.get(env::ENV_LABEL).cloned();
    let stand_in = || "any".to_owned();
    let variable = input.settings.init_env.entry(env::ENV_LABEL.to_owned());
    variable.or_insert_with(stand_in);
    let region = stores.aws.aws_region.as_ref().map(Region::as_str);
    let place = Place {
        partition: region.map_or("aws", partition).into(),
        region: region.map_or_else(any, Pattern::from),
        account: any(),
        label: label.as_deref().map_or_else(any, Pattern::from),
        kms_key: stores.store.kms_key_id.clone(),
        denies_empty_keys: true,
    };
    let endpoint = stores.aws.aws_endpoint.as_ref().map(ToString::to_string);
    let to = PutFlags {
        env_label: Some(label.as_deref().unwrap_or("ENV_LABEL")),
        region,
        endpoint: endpoint.as_deref(),
    };
    let mut report = Report {
        workloads: Vec::new(),
        skipped: Vec::new(),
        errors,
    };
    for workload in &input.workloads {
        report.add(&input, workload, &place, to);
    }
    error::sort(&mut report.errors);
    report.output(*output, &input)
}

/// Every Region, account or table.
fn any() -> Pattern {
    Pattern::iam("*")
}

struct Report {
    workloads: Vec<WorkloadReport>,
    skipped: Vec<(Location, String)>,
    errors: Vec<CliError>,
}

/// What the annotations of one workload do.
struct WorkloadReport {
    location: Location,
    prefix: String,
    warnings: Vec<String>,
    entries: Vec<EntryReport>,
    composed_files: Vec<ComposedFile>,
    /// The containers that get the files.
    containers: Vec<String>,
    sidecars: Vec<Sidecar>,
    /// The IAM statements that its role needs.
    statements: Vec<Value>,
}

#[derive(Serialize)]
struct ReportJson<'a> {
    workloads: Vec<WorkloadJson<'a>>,
    skipped: Vec<MessageJson<'a>>,
    errors: Vec<MessageJson<'a>>,
}

#[derive(Serialize)]
struct WorkloadJson<'a> {
    #[serde(flatten)]
    location: LocationJson<'a>,
    prefix: &'a str,
    entries: &'a [EntryReport],
    composed_files: &'a [ComposedFile],
    containers: &'a [String],
    sidecars: &'a [Sidecar],
    iam_statements: &'a [Value],
    warnings: &'a [String],
}

impl Report {
    fn add(&mut self, input: &Input, workload: &Workload, place: &Place, to: PutFlags<'_>) {
        let admission = admission::admit(input, workload);
        let pod = workload.pod(&input.documents).unwrap_or(&Value::Null);
        let request = match &admission.verdict {
            Verdict::Injected(injected) => {
                let init = container::find(injected, |one| one["name"] == INIT_CONTAINER);
                source::parse(input, workload, injected, init)
                    .map(|request| (request, mounted(injected), Sidecar::all(injected)))
            }
            Verdict::Skipped(SkipReason::WiredByHand) => {
                let init = container::find(pod, |one| {
                    let image = one["image"].as_str();
                    image.is_some_and(|image| input.settings.wired_image.matches(image))
                });
                source::parse(input, workload, pod, init)
                    .map(|request| (request, names(pod), Vec::new()))
            }
            Verdict::Skipped(SkipReason::NotAnnotated) | Verdict::Undecided => return,
            Verdict::Skipped(reason) => {
                let reason = admission::skip_message(*reason, &input.settings.domain);
                return self.skipped.push((workload.location.clone(), reason));
            }
            Verdict::Denied(_) => Err(Vec::new()),
        };
        match (admission.verdict, request) {
            (Verdict::Denied(errors), _) | (_, Err(errors)) => self.errors.extend(errors),
            (_, Ok((request, containers, sidecars))) => {
                let warnings = admission.warnings.into_iter();
                self.workloads.push(WorkloadReport {
                    location: workload.location.clone(),
                    prefix: request.prefix().to_string(),
                    warnings: warnings.map(|warning| warning.message).collect(),
                    entries: EntryReport::all(&request, to),
                    composed_files: ComposedFile::all(&request),
                    containers,
                    sidecars,
                    statements: permissions(&request, &workload.name.namespace, place),
                });
            }
        }
    }

    fn output(&self, output: Output, input: &Input) -> CommandOutput {
        let exit = error::exit(&self.errors);
        match output {
            Output::Json => CommandOutput {
                stdout: self.json(),
                messages: Vec::new(),
                exit,
            },
            Output::Table => CommandOutput {
                stdout: self.workloads.iter().map(WorkloadReport::text).collect(),
                messages: self.messages(input),
                exit,
            },
        }
    }

    fn messages(&self, input: &Input) -> Vec<String> {
        let skipped = self.skipped.iter();
        let skipped = skipped.map(|(location, reason)| format!("{location}skipped: {reason}"));
        let errors = self.errors.iter().map(ToString::to_string);
        let mut messages: Vec<_> = skipped.chain(errors).collect();
        if messages.is_empty() && self.workloads.is_empty() {
            messages.push(admission::nothing_to_do(&input.settings.domain));
        }
        messages
    }

    fn json(&self) -> String {
        let workloads = self.workloads.iter().map(|workload| {
            let WorkloadReport {
                location,
                prefix,
                warnings,
                entries,
                composed_files,
                containers,
                sidecars,
                statements,
            } = workload;
            WorkloadJson {
                location: LocationJson::from(location),
                prefix,
                entries,
                composed_files,
                containers,
                sidecars,
                iam_statements: statements,
                warnings,
            }
        });
        json::print(&ReportJson {
            workloads: workloads.collect(),
            skipped: self.skipped.iter().map(MessageJson::from).collect(),
            errors: self.errors.iter().map(MessageJson::from).collect(),
        })
    }
}

/// The IAM statements that the role of a pod needs; none if it uses no store of AWS.
fn permissions(request: &Request, namespace: &str, place: &Place) -> Vec<Value> {
    let mode = request.local_mode();
    let mut access = Access::default();
    if mode != LocalMode::On {
        let creates = mode == LocalMode::Off && request.create() == CreatePolicy::Init;
        let name = |path: &StoragePath| Pattern::from(path.as_str());
        access.add_plan(request.plan(), creates, |_| false, name);
        if let Ok(leases) = request.prefix().join("leases") {
            access.add_leases(request.plan(), namespace, &name(&leases), name);
        }
    }
    let needs = access.needs(crate::args::export::Use::InitCreates, false, false, false);
    // Without a store of AWS there is nothing to allow.
    let statements = statements(&needs, place).unwrap_or_default();
    statements
        .iter()
        .map(|one| iam::statement(one, iam::text))
        .collect()
}

/// The containers that mount the volume with the files.
fn mounted(pod: &Value) -> Vec<String> {
    let mounts = |container: &&Value| {
        let mounts = container["volumeMounts"].as_array();
        let mut mounts = mounts.into_iter().flatten();
        !sidecar::is_of_kees(container) && mounts.any(|mount| mount["name"] == VOLUME)
    };
    containers(pod).filter(mounts).filter_map(name).collect()
}

/// All containers of a pod that is wired by hand, except its init containers.
fn names(pod: &Value) -> Vec<String> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let containers = containers.into_iter().flatten();
    containers.filter_map(name).collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["/spec/initContainers", "/spec/containers"].into_iter();
    lists
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
}

fn name(container: &Value) -> Option<String> {
    container["name"].as_str().map(str::to_owned)
}

impl WorkloadReport {
    fn text(&self) -> String {
        let Self {
            location,
            prefix,
            warnings,
            entries,
            composed_files,
            containers,
            sidecars,
            statements,
        } = self;
        let mut text = match &location.workload {
            Some(workload) => format!("{workload}  ({})\n", location.position()),
            None => format!("{}\n", location.position()),
        };
        let _ = writeln!(text, "prefix {prefix}\n");
        for entry in entries {
            text.push_str(&describe(entry));
        }
        for file in composed_files {
            let _ = writeln!(text, "{file}");
        }
        for warning in warnings {
            let _ = writeln!(text, "warning: {warning}\n");
        }
        text.push_str("Flow\n");
        text.push_str(&indented(&flow::draw(entries, composed_files, containers)));
        if !sidecars.is_empty() {
            text.push_str("\nSidecars\n");
        }
        for Sidecar { container, does } in sidecars {
            let _ = writeln!(text, "  {container:<13} {does}");
        }
        text.push_str("\nAWS permissions\n");
        if statements.is_empty() {
            text.push_str("  none: it uses no store of AWS\n");
        }
        for statement in statements {
            let json = serde_json::to_string_pretty(statement).unwrap_or_default();
            text.push_str(&indented(&json));
        }
        text + "\n"
    }
}

fn describe(entry: &EntryReport) -> String {
    let which = if entry.is_previous { " (previous)" } else { "" };
    let mut text = format!("  {}{which}\n", entry.annotation);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "    {label:<13} {value}");
    };
    line("asks for", &entry.asks_for);
    if let (Some(store), Some(path)) = (entry.store, &entry.path) {
        let place = format!("{store} at {path}");
        match &entry.member {
            Some(member) => line("stored in", &format!("{place}, member {member}")),
            None => line("stored in", &place),
        }
    }
    if entry.stored_together.len() > 1 {
        line("together with", &entry.stored_together.join(", "));
    }
    let created_by = entry.created_by.describe(entry);
    for (value, label) in created_by.iter().zip(labels("created by")) {
        line(label, value);
    }
    if let Some(rotated) = &entry.rotated {
        line("rotated", rotated);
    }
    for (file, label) in entry.files.iter().zip(labels("in the pod")) {
        match &file.key {
            Some(key) => line(label, &format!("{}, as {key}", file.path)),
            None => line(label, &file.path),
        }
    }
    text + "\n"
}

/// The label of the first of several lines, and none for the others.
fn labels(first: &str) -> impl Iterator<Item = &str> {
    iter::once(first).chain(iter::repeat(""))
}

fn indented(text: &str) -> String {
    let lines = text.lines().flat_map(|line| ["  ", line, "\n"]);
    lines.collect()
}
