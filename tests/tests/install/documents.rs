//! Follows the documents to the letter: the files and commands of the pages about installing,
//! upgrading and uninstalling, in this order. What calls AWS is not run.
//!
//! In the pages, `<!-- file: NAME -->` stands before the content of a file, and `<!-- run -->` before
//! commands. The test changes only what this cluster does not have: the images and the store.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use kees_tests::{Helm, here};
use serde_json::json;
use tempfile::TempDir;

use crate::world::World;

const PAGES: [&str; 4] = [
    "install.md",
    "getting-started.md",
    "upgrade.md",
    "uninstall.md",
];

/// What a page asks the reader to do.
enum Step {
    Write { file: String, content: String },
    Run(String),
}

#[test]
fn the_documents_can_be_followed_to_the_letter() -> anyhow::Result<()> {
    let world = World::alone()?;
    let folder = TempDir::new()?;
    let copied = Command::new("cp")
        .args(["-r", &here("../manifests").display().to_string()])
        .arg(folder.path())
        .status()?;
    ensure!(copied.success(), "cannot copy the manifests");
    // The table of the page, and the prefix of its policy.
    let ours = world.values(json!({"settings": {"cluster": "prod"}}));
    fs::write(folder.path().join("tests.yaml"), ours.to_string())?;

    let mut outputs = Vec::new();
    for page in PAGES {
        let text = fs::read_to_string(here("../docs").join(page))?;
        for step in steps(&text)? {
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

/// The steps of a page, in order.
fn steps(page: &str) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let file = line
            .strip_prefix("<!-- file: ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if file.is_none() && line != "<!-- run -->" {
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
fn run(commands: &str, folder: &Path, world: &World) -> anyhow::Result<String> {
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
