//! Tests that running pods get the new pair of a rotation and the public key before it.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Kubectl, REGION, eventually, kees, keys};

use crate::{
    pods::{Annotations, deployment, pods_of},
    world::{ENV_LABEL, World},
};

const PERIOD: Duration = Duration::from_secs(2);
const PUBLIC: &str = "signing_public";
const PRIVATE: &str = "signing_private";
const PREVIOUS: &str = "signing_public.previous";
const PAIR: Annotations<'_> = &[
    ("init/refresh", "2s"),
    (
        "secret/signing_public",
        "kind=DYNAMIC,type=RSA,size=2048,previous=true",
    ),
    ("secret/signing_private", "kind=DYNAMIC,type=RSA,size=2048"),
];

/// How long the pair is rotated, and how often. `KEES_ROTATION_SECONDS` makes it longer.
const SECONDS: u64 = 60;
const EVERY: Duration = Duration::from_secs(12);

type Lines = BTreeMap<String, String>;

/// The lines of the list of a pod, by name; `None` while the pod ends or starts.
fn lines(kubectl: &Kubectl, pod: &str) -> Option<Lines> {
    let list = ["cat", "/bsycorp-init/secrets.properties"];
    let text = kubectl.exec(pod, "app", &list).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Some(
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// Rotates as a person does.
fn rotate(world: &World) -> anyhow::Result<()> {
    let output = Command::new(kees()?)
        .args(["rotate", "/test/rotated/signing", "--yes"])
        .args(["--store", "dynamodb", "--env-label", ENV_LABEL])
        .args([
            "--aws-region",
            REGION,
            "--aws-endpoint",
            world.dynamodb.endpoint(),
        ])
        .env("AWS_ACCESS_KEY_ID", "tests")
        .env("AWS_SECRET_ACCESS_KEY", "tests")
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kees rotate: {error}");
    Ok(())
}

/// The current and the previous public key, in base64, as the table has them.
fn stored(world: &World) -> anyhow::Result<(String, Option<String>)> {
    let mut items = world.dynamodb.items(ENV_LABEL)?;
    let current = items.remove(&format!("/test/rotated/{PUBLIC}"));
    let previous = items.remove(&format!("/test/rotated/{PREVIOUS}"));
    Ok((current.context("no public key")?, previous))
}

/// What one look at a pod must show: a whole pair, of the current or the previous generation.
fn check(lines: &Lines, current: &str, previous: Option<&String>) -> anyhow::Result<()> {
    let of = |name: &str| lines.get(name).with_context(|| format!("no {name}"));
    let decoded = |name: &str| anyhow::Ok(BASE64_STANDARD.decode(of(name)?)?);
    keys::check_rsa_pair(&decoded(PUBLIC)?, &decoded(PRIVATE)?)?;
    let public = of(PUBLIC)?;
    ensure!(
        public == current || Some(public) == previous,
        "the pod has a key that is neither the current nor the previous one"
    );
    ensure!(
        lines.get(PREVIOUS) != Some(public),
        "the previous key is the current one"
    );
    Ok(())
}

#[test]
fn a_pair_is_rotated_under_pods_that_read_again() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("rotated")?;
    namespace.apply(&deployment("web", 5, PAIR).to_string())?;
    namespace.rolled_out("deployment/web")?;
    let seconds = std::env::var("KEES_ROTATION_SECONDS").ok();
    let seconds = seconds.map_or(Ok(SECONDS), |text| text.parse())?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut rotations = 0;
    let mut looks = 0;
    while Instant::now() < until {
        let (before, _) = stored(&world)?;
        rotate(&world)?;
        rotations += 1;
        let (current, previous) = stored(&world)?;
        ensure!(
            previous.as_ref() == Some(&before),
            "the generation before is lost"
        );
        if rotations % 2 == 0 {
            let pods = pods_of(&namespace, "web")?;
            namespace.run(&["delete", "pod", "--wait=false", &pods[0]])?;
        }
        let next = Instant::now() + EVERY;
        while Instant::now() < next {
            for pod in pods_of(&namespace, "web")? {
                if let Some(lines) = lines(&namespace, &pod) {
                    check(&lines, &current, previous.as_ref()).with_context(|| pod.clone())?;
                    looks += 1;
                }
            }
        }
    }
    let (current, previous) = stored(&world)?;
    let previous = previous.context("no previous key")?;
    eventually("the last pair", PERIOD * 15, || {
        for pod in pods_of(&namespace, "web")? {
            let lines = lines(&namespace, &pod).context("no list")?;
            ensure!(lines.get(PUBLIC) == Some(&current), "{pod} has another key");
            ensure!(
                lines.get(PREVIOUS) == Some(&previous),
                "{pod} has another previous key"
            );
        }
        Ok(())
    })?;
    ensure!(
        rotations >= 4 && looks >= 20,
        "{rotations} rotations, {looks} looks"
    );
    Ok(())
}
