//! `kees doctor`: checks an installation of the webhook with the user's kubeconfig. Nothing is
//! changed: the pods with which it tests the admission are dry runs.
//!
//! ```text
//! connect -> kubernetes, objects, workload, classes, pods -> check -> report
//! ```

mod check;
mod classes;
pub(crate) mod connect;
mod kubernetes;
mod objects;
mod pods;
mod report;
#[cfg(test)]
mod tests;
mod workload;

use k8s_openapi::apimachinery::pkg::version::Info;
use kees_common::{Domain, error_chain};
use kube::Client;

use self::{
    check::CheckName,
    connect::{ClusterArgs, ConnectError},
    objects::Installation,
    pods::DryRun,
    report::Report,
    workload::Workload,
};
use crate::{
    args::{self, DoctorArgs},
    terminal::CommandOutput,
};

/// The exit status if the API server cannot be asked.
pub(crate) const UNREACHABLE: u8 = 2;

/// Runs all checks. Returns the report and the exit status.
pub(crate) fn doctor(args: &DoctorArgs) -> (CommandOutput, u8) {
    let report = block_on(async {
        let (client, version) = connect::connect(&args.cluster).await?;
        Ok(checks(args, &client, &version).await)
    });
    match report {
        Ok(report) => {
            let stdout = match args.output {
                args::Report::Text => report.text(),
                args::Report::Json => report.json(),
            };
            let output = CommandOutput {
                stdout,
                ..CommandOutput::default()
            };
            (output, report.status())
        }
        Err(error) => unreachable_cluster(&error),
    }
}

/// The output of a command that cannot ask the API server.
pub(crate) fn unreachable_cluster(error: &ConnectError) -> (CommandOutput, u8) {
    let output = CommandOutput {
        messages: vec![error_chain::describe(error)],
        ..CommandOutput::default()
    };
    (output, UNREACHABLE)
}

/// Runs a future on this thread.
pub(crate) fn block_on<T>(
    future: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build();
    runtime.map_err(ConnectError::Runtime)?.block_on(future)
}

async fn checks(args: &DoctorArgs, client: &Client, version: &Info) -> Report {
    let installation = Installation {
        namespace: &args.cluster.namespace,
        name: &args.cluster.name,
    };
    let mut checks = vec![
        CheckName::ApiServer.passed("the API server responds"),
        kubernetes::version(version),
        kubernetes::admission_apis(client, args.pre).await,
        kubernetes::clock(client).await,
    ];
    if args.pre {
        checks.push(kubernetes::install_permissions(client, installation.namespace).await);
        checks.push(kubernetes::no_other_installation(client, installation).await);
        return Report { checks };
    }
    checks.push(objects::namespace(client, installation.namespace).await);
    let (workload, error) = match Workload::read(client, installation).await {
        Ok(workload) => (workload, None),
        Err(check) => (Workload::default(), Some(check)),
    };
    let domain = domain(args, &workload);
    let objects = objects::check(client, installation, &domain, &mut checks).await;
    checks.push(error.unwrap_or_else(|| workload.deployment(installation)));
    checks.push(workload::endpoints(client, installation).await);
    checks.push(workload.policy_file(client, installation, &objects).await);
    checks.push(workload.versions(client, installation, &objects).await);
    checks.extend(classes::check(client, installation, &workload).await);
    let dry_run = DryRun {
        namespace: &args.test_namespace,
        domain: &domain,
        webhook: objects.webhook().map_or_else(
            || format!("{}.{domain}", installation.name),
            |webhook| webhook.name.clone(),
        ),
        dns_name: installation.dns_name(),
        is_eks: version.git_version.contains("-eks-"),
    };
    checks.extend(pods::check(client, &dry_run).await);
    Report { checks }
}

/// The versions of the webhook and of the init image, if they are known.
pub(crate) async fn versions(
    client: &Client,
    cluster: &ClusterArgs,
) -> (Option<String>, Option<String>) {
    let installation = Installation {
        namespace: &cluster.namespace,
        name: &cluster.name,
    };
    let workload = Workload::read(client, installation).await;
    let workload = workload.unwrap_or_default();
    let webhook = workload.webhook_version(client, installation).await;
    (webhook, workload.init_version())
}

/// The domain of the annotations: the flag, else the webhook's setting, else the default.
fn domain(args: &DoctorArgs, workload: &Workload) -> Domain {
    let setting = || workload.settings.get("ANNOTATION_DOMAIN")?.parse().ok();
    args.annotation_domain
        .clone()
        .or_else(setting)
        .unwrap_or_default()
}
