//! Follows the documents to the letter: the files and commands of the pages about installing,
//! upgrading and uninstalling, in this order. What calls AWS is not run.
//!
//! In the pages, `<!-- file: NAME -->` stands before the content of a file, and `<!-- run -->` before
//! commands. `<!-- run: TRACK -->` stands before commands of another way, which another test follows.
//! The test changes only what this cluster does not have: the images and the store.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use kees_tests::{Authority, Helm, here};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    objects::parsed,
    rendered::SERVICE,
    world::{World, annotated_pod_starts},
};

const PAGES: [&str; 4] = [
    "install.md",
    "getting-started.md",
    "upgrade.md",
    "uninstall.md",
];

/// The groups of the objects in the pages that this API server does not have.
const FOREIGN_GROUPS: [&str; 3] = [
    "argoproj.io",
    "toolkit.fluxcd.io",
    "kustomize.config.k8s.io",
];

/// What a page asks the reader to do.
pub(crate) enum Step {
    Write { file: String, content: String },
    Run(String),
}

#[test]
fn the_documents_can_be_followed_to_the_letter() -> anyhow::Result<()> {
    let world = World::alone()?;
    // Another test may have used the namespace of the pages, and its deletion takes a while.
    let gone = ["wait", "--for=delete", "namespace/team-a", "--timeout=120s"];
    world.cluster.kubectl().run(&gone)?;
    let folder = TempDir::new()?;
    copy_manifests(folder.path())?;
    // The table of the page, and the prefix of its policy.
    let ours = world.values(json!({"settings": {"cluster": "prod"}}));
    fs::write(folder.path().join("tests.yaml"), ours.to_string())?;

    let mut outputs = Vec::new();
    for page in PAGES {
        let text = fs::read_to_string(here("../docs").join(page))?;
        for step in steps(&text, "")? {
            match step {
                Step::Write { file, content } => {
                    let content = content.replace("busybox:1", "localhost/busybox:1");
                    fs::write(folder.path().join(file), content)?;
                }
                Step::Run(commands) => {
                    let commands = commands.replace(
                        "--values kees.yaml",
                        "--values kees.yaml --values tests.yaml",
                    );
                    let output = run(&commands, folder.path(), &world)?;
                    outputs.push(output);
                }
            }
        }
    }
    let all = outputs.concat();
    // What the pages say that the reader sees.
    assert_eq!(all.matches("1/1     Running").count(), 2, "{all}");
    assert_eq!(all.matches("\ndb-password=").count(), 2, "{all}");
    assert!(all.contains("Rollback was a success"), "{all}");
    assert!(all.contains("team-a/web-"), "{all}");
    assert!(all.contains("namespace \"kees-system\" deleted"), "{all}");
    let item = "/prod/team-a/db-password";
    assert!(
        world.items()?.contains_key(item),
        "{item} is not in the table"
    );
    let kubectl = world.cluster.kubectl();
    kubectl.run(&["delete", "namespace", "team-a"])?;
    kubectl.run(&["delete", "deployment/web", "serviceaccount/web"])?;
    Ok(())
}

#[test]
fn a_certificate_of_the_operator_is_installed_as_the_page_says() -> anyhow::Result<()> {
    let world = World::alone()?;
    let folder = TempDir::new()?;
    copy_manifests(folder.path())?;
    let authority = Authority::new()?;
    authority.issue(&[SERVICE])?.write_into(folder.path())?;
    fs::write(folder.path().join("ca.crt"), authority.certificate())?;
    let values = world.values(json!({})).to_string();
    fs::write(folder.path().join("kees.yaml"), values)?;
    let page = fs::read_to_string(here("../docs/install.md"))?;
    for step in steps(&page, "certificate files")? {
        if let Step::Run(commands) = step {
            run(&commands, folder.path(), &world)?;
        }
    }
    let namespace = world.namespace("own-files")?;
    annotated_pod_starts(&namespace, "pod")
}

#[test]
fn the_api_server_accepts_the_objects_in_the_documents() -> anyhow::Result<()> {
    let world = World::alone()?;
    let mut accepted = 0;
    for page in fs::read_dir(here("../docs"))? {
        let page = page?.path();
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&page)?;
        for block in text.split("\n```yaml\n").skip(1) {
            let (block, _) = block.split_once("\n```").context("a block does not end")?;
            for mut object in parsed(block)? {
                let group = object["apiVersion"].as_str().unwrap_or_default();
                let (group, _) = group.split_once('/').unwrap_or((group, ""));
                if group.is_empty() || FOREIGN_GROUPS.iter().any(|each| group.ends_with(each)) {
                    continue;
                }
                // A dry run in a namespace needs the namespace.
                object["metadata"]["namespace"] = json!("default");
                let strict = ["--dry-run=server", "--validate=strict"];
                let output = world
                    .cluster
                    .kubectl()
                    .apply_with(&strict, &object.to_string());
                let output = output.with_context(|| format!("{}: {object}", page.display()))?;
                ensure!(!output.contains("Warning"), "{}: {output}", page.display());
                accepted += 1;
            }
        }
    }
    ensure!(accepted >= 7, "only {accepted} objects were found");
    Ok(())
}

/// Copies the folder of the manifests.
pub(crate) fn copy_manifests(folder: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp")
        .args(["-r", &here("../manifests").display().to_string()])
        .arg(folder)
        .status()?;
    ensure!(copied.success(), "cannot copy the manifests");
    Ok(())
}

/// The files of a page and the commands of this track, in order. The track without a name is empty.
pub(crate) fn steps(page: &str, track: &str) -> anyhow::Result<Vec<Step>> {
    let marker = match track {
        "" => "<!-- run -->".to_owned(),
        track => format!("<!-- run: {track} -->"),
    };
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let file = line
            .strip_prefix("<!-- file: ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if file.is_none() && line != marker {
            continue;
        }
        let mut block = lines
            .by_ref()
            .skip_while(|line| !line.starts_with("```"))
            .skip(1);
        let mut content = String::new();
        loop {
            let line = block.next().context("a block does not end")?;
            if line == "```" {
                break;
            }
            content.push_str(line);
            content.push('\n');
        }
        steps.push(match file {
            Some(file) => Step::Write {
                file: file.to_owned(),
                content,
            },
            None => Step::Run(content),
        });
    }
    ensure!(!steps.is_empty(), "the page has no step");
    Ok(steps)
}

/// Runs commands as a reader does, in a shell with Helm and kubectl. Returns the output.
pub(crate) fn run(commands: &str, folder: &Path, world: &World) -> anyhow::Result<String> {
    let programs = [world.cluster.kubectl().program(), Helm::new()?.program()]
        .map(|program| {
            program
                .parent()
                .unwrap_or(Path::new("/"))
                .display()
                .to_string()
        })
        .join(":");
    let path = std::env::var("PATH").context("PATH is not set")?;
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(folder)
        .env("PATH", format!("{programs}:{path}"))
        .env("KUBECONFIG", world.cluster.kubectl().kubeconfig())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{commands}\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(format!("\n{text}"))
}
