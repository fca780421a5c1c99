//! Follows the page about the migration from the original to the letter, and back. The image of this
//! project's init container takes the place of the original's from the start, and the test plays the
//! original's creator against the table.

use std::{collections::BTreeMap, fs, time::Duration, vec};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{
    DenyingStore, Kubectl, Namespace, OriginalCreator, eventually, here,
    keys::{check_gpg_pair, check_rsa_pair, gpg_pair, rsa_pair},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    documents::{Step, copy_manifests, run, steps},
    objects::{merged, parsed},
    world::{Alone, World},
};

/// The environment label of the table on the page, and the storage prefix of its workload.
const ENV_LABEL: &str = "prod";
const PREFIX: &str = "/prod/team-a/web";

/// How many pods are created while both creators run.
const BOTH: usize = 12;

#[test]
fn a_workload_of_the_original_keeps_its_values_on_the_way_to_kees_and_back() -> anyhow::Result<()> {
    let mut migration = Migration::start()?;
    let values = migration.stored_by_the_original()?;

    // Step 2 changes no pod. In step 3 the pods are still wired by hand.
    migration.follow("helm install")?;
    migration.follow("apply -f web-wired.yaml")?;
    ensure!(migration.read("web")? == values, "wired by hand");
    migration.both_creators_at_once()?;

    // Step 4: the webhook injects.
    migration.follow("apply -f web.yaml")?;
    ensure!(
        migration.injected("web")? == 2,
        "the webhook does not inject"
    );
    ensure!(migration.read("web")? == values, "injected");

    // Step 5: only the controller creates.
    migration.apply_with_entries("later", &LATER)?;
    let later = migration.read("later")?;
    check_rsa_pair(&later["later_public"], &later["later_private"])?;

    // Back: the wiring again, with the values of both workloads. What kees created is as the original
    // stores it.
    migration.follow("apply -f web-wired.yaml")?;
    ensure!(migration.injected("web")? == 0, "the webhook injects");
    ensure!(migration.read("web")? == values, "wired by hand again");
    for (name, value) in &later {
        ensure!(
            migration.original().get(&format!("{PREFIX}/{name}"))? == *value,
            "{name}"
        );
    }
    migration.remove("later")?;
    let remaining = migration.follow("injected)]}")?;
    ensure!(remaining.trim() == "", "still injected: {remaining}");
    migration.follow("helm uninstall")?;

    // Without kees, the original's creator creates for pods that are wired by hand.
    migration.apply_with_entries("again", &AGAIN)?;
    let pair = migration.original_stores_pair("again")?;
    let again = migration.read("again")?;
    ensure!(again["again_public"] == pair[0] && again["again_private"] == pair[1]);
    let namespace = &migration.namespace;
    namespace.run(&["rollout", "restart", "deployment/web"])?;
    namespace.rolled_out("deployment/web")?;
    ensure!(migration.read("web")? == values, "without kees");
    ensure!(
        migration.read_only.denied().is_empty(),
        "a pod tried to write"
    );
    Ok(())
}

/// A workload whose absent secrets only the controller creates.
const LATER: Workload<'_> = Workload {
    is_wired: false,
    entries: &[("later_public", RSA), ("later_private", RSA)],
};

/// A workload that starts when kees is uninstalled again.
const AGAIN: Workload<'_> = Workload {
    is_wired: true,
    entries: &[("again_public", RSA), ("again_private", RSA)],
};

const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";

/// A workload beside that of the page.
struct Workload<'a> {
    is_wired: bool,
    entries: &'a [(&'a str, &'a str)],
}

/// The files of a pod: each entry with its value.
type Values = BTreeMap<String, Vec<u8>>;

/// A reader of the page.
struct Migration {
    world: Alone,
    namespace: Namespace,
    folder: TempDir,
    steps: vec::IntoIter<Step>,
    /// The store, for roles that may only read.
    read_only: DenyingStore,
}

impl Migration {
    /// The cluster as the original left it: a table, a namespace, and no kees.
    fn start() -> anyhow::Result<Self> {
        let world = World::alone()?;
        world.dynamodb.create_table(ENV_LABEL)?;
        let read_only = DenyingStore::read_only(&world.dynamodb)?;
        let namespace = world.namespace("team-a")?;
        namespace.run(&["create", "serviceaccount", "web"])?;
        let folder = TempDir::new()?;
        copy_manifests(folder.path())?;
        let endpoint = |url: &str| {
            json!([
                {"name": "AWS_ENDPOINT_URL_DYNAMODB", "value": url},
                {"name": "AWS_ACCESS_KEY_ID", "value": "tests"},
                {"name": "AWS_SECRET_ACCESS_KEY", "value": "tests"},
            ])
        };
        let ours = merged(
            world.values(json!({})),
            json!({
                "settings": {
                    "cluster": "prod",
                    "envLabel": ENV_LABEL,
                    "initEnv": {"AWS_ENDPOINT_URL_DYNAMODB": read_only.endpoint()},
                },
                "controller": {
                    "image": {
                        "repository": "localhost/kees-controller", "tag": "test", "pullPolicy": "Never",
                    },
                    "extraEnv": endpoint(world.dynamodb.endpoint()),
                },
            }),
        );
        fs::write(folder.path().join("tests.yaml"), ours.to_string())?;
        let page = fs::read_to_string(here("../docs/migration.md"))?;
        Ok(Self {
            steps: steps(&page, "")?.into_iter(),
            world,
            namespace,
            folder,
            read_only,
        })
    }

    fn original(&self) -> OriginalCreator<'_> {
        OriginalCreator {
            store: &self.world.dynamodb,
            label: ENV_LABEL,
        }
    }

    /// Follows the page to the commands that contain `text`, and returns their output. Only the images
    /// and the store are changed.
    fn follow(&mut self, text: &str) -> anyhow::Result<String> {
        loop {
            let step = self.steps.next();
            match step.with_context(|| format!("the page has no `{text}` here"))? {
                Step::Write { file, content } => {
                    let content = self.on_this_cluster(&content);
                    fs::write(self.folder.path().join(file), content)?;
                }
                Step::Run(commands) => {
                    let ours = "--values kees.yaml --values tests.yaml";
                    let here = commands.replace("--values kees.yaml", ours);
                    let output = run(&here, self.folder.path(), &self.world)?;
                    ensure!(commands.contains(text), "the next commands are: {commands}");
                    return Ok(output);
                }
            }
        }
    }

    /// A manifest of the page with the images and the store of the tests.
    fn on_this_cluster(&self, manifest: &str) -> String {
        let label = "- {name: ENV_LABEL, value: prod}";
        let indented = format!("\n        {label}");
        let variables = [
            ("AWS_ENDPOINT", self.read_only.endpoint()),
            ("AWS_ACCESS_KEY_ID", "tests".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "tests".to_owned()),
        ];
        let more = variables
            .map(|(name, value)| format!("\n        - {{name: {name}, value: \"{value}\"}}"));
        manifest
            .replace("busybox:1", "localhost/busybox:1")
            .replace(
                "ghcr.io/kees-secrets/kees-init:0.1.0",
                "localhost/kees-init:test",
            )
            .replace(&indented, &format!("{indented}{}", more.concat()))
    }

    /// What the original's creator stored for the workload of the page, and what others stored.
    fn stored_by_the_original(&self) -> anyhow::Result<Values> {
        let rsa = rsa_pair()?;
        let passphrase = b"8ekD64eU9hDqA5kz";
        let gpg = gpg_pair("web <web@example.com>", passphrase)?;
        check_gpg_pair(&gpg[0], &gpg[1], passphrase)?;
        let api_key = b"sixteen bytes \xff\x00".to_vec();
        let password = b"JuTNTwzlgOWVLXk6aG8LQiZ6JXuGlPpa".to_vec();
        let [public, private] = rsa;
        let [gpg_public, gpg_private] = gpg;
        // The path below the prefix, the name of the entry, and the value.
        let fields = [
            ("db-password", Some("db-password"), password),
            ("signing.v1_public", Some("signing.v1_public"), public),
            ("signing.v1_private", Some("signing.v1_private"), private),
            ("mail.v1_public", Some("mail.v1_public"), gpg_public),
            ("mail.v1_private", Some("mail.v1_private"), gpg_private),
            (
                "mail.v1_password",
                Some("mail.v1_password"),
                passphrase.to_vec(),
            ),
            (
                "api-key.partner_consumer",
                Some("api-key.partner_consumer"),
                api_key.clone(),
            ),
            ("api-key.partner_provider", None, api_key),
            (
                "shared/token",
                Some("partner-token"),
                b"token of the partner".to_vec(),
            ),
            (
                "database/url",
                Some("db_url"),
                b"jdbc:mysql://db/app".to_vec(),
            ),
        ];
        let mut values = Values::new();
        for (path, name, value) in fields {
            ensure!(self.original().put(&format!("{PREFIX}/{path}"), &value)?);
            if let Some(name) = name {
                values.insert(name.to_owned(), value);
            }
        }
        Ok(values)
    }

    /// Pods that are wired by hand, while the original's creator and the controller both create for
    /// them. Each key pair must be of one of them, and each pod must read it.
    fn both_creators_at_once(&self) -> anyhow::Result<()> {
        let mut of_the_original = 0;
        for number in 0..BOTH {
            let name = format!("both-{number}");
            let (public, private) = (format!("{name}_public"), format!("{name}_private"));
            let workload = Workload {
                is_wired: true,
                entries: &[(&public, RSA), (&private, RSA)],
            };
            let paths = [&public, &private].map(|field| format!("{PREFIX}/{field}"));
            let pair = rsa_pair()?;
            let original = self.original();
            // The original is first with one key, at the same time, or late.
            let stored = match number % 3 {
                0 => {
                    let first = original.put(&paths[0], &pair[0])?;
                    self.apply_with_entries(&name, &workload)?;
                    [first, original.put(&paths[1], &pair[1])?]
                }
                1 => {
                    self.apply_with_entries(&name, &workload)?;
                    [
                        original.put(&paths[0], &pair[0])?,
                        original.put(&paths[1], &pair[1])?,
                    ]
                }
                _ => {
                    self.apply_with_entries(&name, &workload)?;
                    eventually("key of the controller", Duration::from_secs(30), || {
                        original.get(&paths[1]).map(drop)
                    })?;
                    [
                        original.put(&paths[0], &pair[0])?,
                        original.put(&paths[1], &pair[1])?,
                    ]
                }
            };
            ensure!(stored[0] == stored[1], "{name} has keys of two pairs");
            of_the_original += usize::from(stored[0]);
        }
        ensure!(
            (BOTH / 3..=BOTH * 2 / 3).contains(&of_the_original),
            "{of_the_original} are the original's"
        );
        for number in 0..BOTH {
            let name = format!("both-{number}");
            let read = self.read(&name)?;
            check_rsa_pair(
                &read[&format!("{name}_public")],
                &read[&format!("{name}_private")],
            )?;
            self.namespace.run(&["delete", "deployment", &name])?;
        }
        Ok(())
    }

    /// The pair that the original's creator stores for this name.
    fn original_stores_pair(&self, name: &str) -> anyhow::Result<[Vec<u8>; 2]> {
        let pair = rsa_pair()?;
        for (field, value) in ["public", "private"].into_iter().zip(&pair) {
            ensure!(
                self.original()
                    .put(&format!("{PREFIX}/{name}_{field}"), value)?
            );
        }
        Ok(pair)
    }

    /// Applies the Deployment of the page with another name and other entries.
    fn apply_with_entries(&self, name: &str, workload: &Workload<'_>) -> anyhow::Result<()> {
        let file = if workload.is_wired {
            "web-wired.yaml"
        } else {
            "web.yaml"
        };
        let text = fs::read_to_string(self.folder.path().join(file))?;
        let mut object = parsed(&text)?.into_iter().next().context("no Deployment")?;
        object["metadata"]["name"] = json!(name);
        object["spec"]["replicas"] = json!(1);
        object["spec"]["selector"]["matchLabels"]["app"] = json!(name);
        let template = &mut object["spec"]["template"];
        template["metadata"]["labels"]["app"] = json!(name);
        template["spec"]["terminationGracePeriodSeconds"] = json!(0);
        let mut annotations = json!({"init.bsycorp.com/storage-prefix": PREFIX});
        for (entry, value) in workload.entries {
            annotations[format!("secret.bsycorp.com/{entry}")] = json!(value);
        }
        template["metadata"]["annotations"] = annotations;
        self.namespace.apply(&object.to_string())?;
        Ok(())
    }

    /// What each pod of a Deployment reads, which must be the same.
    fn read(&self, deployment: &str) -> anyhow::Result<Values> {
        self.namespace
            .rolled_out(&format!("deployment/{deployment}"))?;
        let mut read: Vec<Values> = Vec::new();
        for pod in self.pods(deployment)? {
            let name = pod["metadata"]["name"].as_str().context("no name")?;
            read.push(files(&self.namespace, name)?);
        }
        let first = read.pop().context("no pod")?;
        ensure!(
            read.iter().all(|each| *each == first),
            "the pods read different values"
        );
        Ok(first)
    }

    /// Deletes a Deployment, and waits until no injected pod is left, also of those that are ending.
    fn remove(&self, deployment: &str) -> anyhow::Result<()> {
        self.namespace.run(&["delete", "deployment", deployment])?;
        eventually("end of the injected pods", Duration::from_mins(1), || {
            let list = self.namespace.get(&["pods"])?;
            let pods = list["items"].as_array().cloned().unwrap_or_default();
            let left = pods.iter().filter(|pod| is_injected(pod)).count();
            ensure!(left == 0, "{left} pods are left");
            Ok(())
        })
    }

    /// How many pods of a Deployment the webhook injected.
    fn injected(&self, deployment: &str) -> anyhow::Result<usize> {
        let pods = self.pods(deployment)?;
        Ok(pods.iter().filter(|pod| is_injected(pod)).count())
    }

    /// The pods of the current revision of a Deployment, when those of the others are ending.
    fn pods(&self, deployment: &str) -> anyhow::Result<Vec<Value>> {
        let object = self.namespace.get(&["deployment", deployment])?;
        let replicas = object["spec"]["replicas"].as_u64().context("no replicas")?;
        let selector = format!("--selector=app={deployment}");
        eventually("only the current pods", Duration::from_mins(1), || {
            let list = self.namespace.get(&["pods", &selector])?;
            let mut pods = list["items"].as_array().cloned().unwrap_or_default();
            pods.retain(|pod| pod["metadata"].get("deletionTimestamp").is_none());
            let current = u64::try_from(pods.len())? == replicas;
            ensure!(current, "{} pods", pods.len());
            Ok(pods)
        })
    }
}

fn is_injected(pod: &Value) -> bool {
    let annotations = &pod["metadata"]["annotations"];
    annotations.get("init.bsycorp.com/injected").is_some()
}

/// The decoded lists of a pod, and the file of its resource.
fn files(kubectl: &Kubectl, pod: &str) -> anyhow::Result<Values> {
    let lists = "cat /bsycorp-init/secrets.properties; cat /bsycorp-init/resources.properties";
    let text = kubectl.exec(pod, "web", &["sh", "-c", lists])?;
    let decoded = |line: &str| {
        let (name, value) = line.split_once('=').context("a line has no `=`")?;
        Ok((name.to_owned(), BASE64_STANDARD.decode(value)?))
    };
    text.lines().map(decoded).collect()
}
