//! An installation with kubectl that Helm takes over, as the documents say. The files and commands are
//! those of the pages.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, ensure};
use kees_tests::{Authority, Kubectl, here};
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    cert_manager::Controllers,
    documents::{Step, copy_manifests, run, steps},
    rendered::SERVICE,
    world::{World, annotated_pod_starts, pod},
};

/// The steps of the page about installing, and those of the page about upgrading.
const KUSTOMIZE: &str = "kustomize";
const TO_HELM: &str = "from manifests to Helm";

#[rstest]
#[case::own_certificates("manifests", "", "")]
#[case::cert_manager(
    "manifests/cert-manager",
    ",issuer,certificate",
    "--set certificates.source=cert-manager"
)]
#[case::files(
    "manifests/certificate-files",
    "",
    "--set certificates.source=files --set-file certificates.files.caBundle=ca.crt"
)]
fn helm_takes_over_what_kubectl_installed_and_no_pod_is_denied(
    #[case] base: &str,
    #[case] kinds: &str,
    #[case] arguments: &str,
) -> anyhow::Result<()> {
    let world = World::alone()?;
    let folder = TempDir::new()?;
    let write = |file: &str, content: &str| fs::write(folder.path().join(file), content);
    copy_manifests(folder.path())?;
    write("kees.yaml", "{}")?;
    write("tests.yaml", &world.values(json!({})).to_string())?;
    let authority = Authority::new()?;
    let secret = authority.issue(&[SERVICE])?.secret(&authority);
    write("manifests/certificate-files/secret.yaml", &secret)?;
    write("ca.crt", authority.certificate())?;

    // The kustomization of the page, in a folder of its own, with the images and the store of the tests.
    fs::create_dir(folder.path().join("page"))?;
    for (file, content) in files("install.md", &["kustomization.yaml", "policy.yaml"])? {
        let content = content.replace("[manifests]", &format!("[../{base}]"));
        write(&format!("page/{file}"), &content)?;
    }
    let mut kustomization = world.kustomization();
    kustomization["resources"] = json!(["page"]);
    kustomization["images"][0]["name"] = json!("ghcr.io/kees-secrets/kees-webhook");
    write("kustomization.yaml", &kustomization.to_string())?;
    let mut commands = commands("install.md", KUSTOMIZE)?;
    if base.ends_with("cert-manager") {
        let (apply, rest) = commands.split_once('\n').context("one command")?;
        run(apply, folder.path(), &world)?;
        Controllers::new(&world)?.issue()?;
        commands = rest.to_owned();
    }
    run(&commands, folder.path(), &world)?;
    let namespace = world.namespace("taken-over")?;
    annotated_pod_starts(&namespace, "before")?;
    let bundle = world.ca_bundle()?;

    let install = commands_to_helm(kinds, arguments)?;
    while_pods_are_created(&namespace, || {
        run(&install, folder.path(), &world)?;
        world.system().rolled_out("deployment/kees-webhook")
    })?;
    annotated_pod_starts(&namespace, "after")?;
    assert_eq!(world.ca_bundle()?, bundle, "caBundle is another one");

    let uninstall = "helm uninstall kees --namespace kees-system --wait";
    run(uninstall, folder.path(), &world)?;
    let kinds = "mutatingwebhookconfigurations,validatingadmissionpolicies,clusterroles";
    let selector = "--selector=app.kubernetes.io/name=kees";
    let left = world
        .system()
        .run(&["get", kinds, selector, "-o", "name"])?;
    assert_eq!(left, "", "Helm does not own these objects");
    Ok(())
}

/// The commands of the page about upgrading, for a source of the certificate.
fn commands_to_helm(kinds: &str, arguments: &str) -> anyhow::Result<String> {
    let commands = commands("upgrade.md", TO_HELM)?;
    let last = "validatingadmissionpolicybinding\n";
    let values = "--values kees.yaml";
    ensure!(commands.matches(last).count() == 1 && commands.matches(values).count() == 1);
    Ok(commands
        .replace(last, &format!("validatingadmissionpolicybinding{kinds}\n"))
        .replace(values, &format!("{values} --values tests.yaml {arguments}")))
}

/// The commands of a page that are marked with `track`.
fn commands(page: &str, track: &str) -> anyhow::Result<String> {
    let page = fs::read_to_string(here("../docs").join(page))?;
    let commands = steps(&page, track)?.into_iter().map(|step| match step {
        Step::Run(commands) => commands,
        Step::Write { .. } => String::new(),
    });
    Ok(commands.collect())
}

/// These files of a page.
fn files(page: &str, names: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
    let page = fs::read_to_string(here("../docs").join(page))?;
    let files = steps(&page, KUSTOMIZE)?
        .into_iter()
        .filter_map(|step| match step {
            Step::Write { file, content } if names.contains(&file.as_str()) => {
                Some((file, content))
            }
            _ => None,
        });
    let files: Vec<_> = files.collect();
    ensure!(
        files.len() == names.len(),
        "the page does not have all of {names:?}"
    );
    Ok(files)
}

/// Creates annotated pods, as dry runs, until `work` ends. Each of them must be injected: the admission
/// policy denies others.
fn while_pods_are_created(
    namespace: &Kubectl,
    work: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ended = AtomicBool::new(false);
    let created = thread::scope(|scope| {
        let creations = scope.spawn(|| {
            let mut created = 0;
            while !ended.load(Ordering::Relaxed) {
                namespace.apply_with(&["--dry-run=server"], &pod("during", "bsycorp.com"))?;
                created += 1;
            }
            anyhow::Ok(created)
        });
        let done = work();
        ended.store(true, Ordering::Relaxed);
        let created = creations.join();
        done?;
        created.map_err(|_| anyhow::anyhow!("the creations panicked"))?
    })?;
    ensure!(created >= 10, "only {created} pods were created");
    Ok(())
}
