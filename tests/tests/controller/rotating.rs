//! A pair of keys is rotated under pods that read again, while pods and controllers are killed and calls to
//! the store fail. A short run is part of `make test`; `make rotation` runs for five minutes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Kubectl, eventually, keys, node};
use serde_json::{Value, json};

use crate::{
    pods::{entry, pod},
    world::World,
};

const PUBLIC: &str = "signing_public";
const PRIVATE: &str = "signing_private";
const PREVIOUS: &str = "signing_public.previous";

/// The pair is rotated in the last tenth of 20 s.
const SHORTEST: Duration = Duration::from_secs(18);

/// How long pods and controllers are killed. `KEES_ROTATION_SECONDS` makes it longer.
const SECONDS: u64 = 60;

/// How often a pod is deleted, and how often the controllers are killed.
const POD_KILLS: Duration = Duration::from_secs(8);
const CONTROLLER_KILLS: Duration = Duration::from_secs(45);

const DEADLINE: Duration = Duration::from_mins(3);

#[test]
fn a_pair_is_rotated_while_pods_and_controllers_are_killed() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.scale_controller(2)?;
    let namespace = world.namespace("rotated")?;
    namespace.apply(&signers().to_string())?;
    namespace.rolled_out("deployment/web")?;
    let seconds = std::env::var("KEES_ROTATION_SECONDS").ok();
    let seconds = seconds.map_or(Ok(SECONDS), |text| text.parse())?;
    let until = Instant::now() + Duration::from_secs(seconds);

    let mut seen = Generations::new(Stored::read(world)?);
    let (mut pod_kills, mut controller_kills) =
        (Every::new(POD_KILLS), Every::new(CONTROLLER_KILLS));
    world.set_faults(true);
    while Instant::now() < until {
        for name in names(&namespace)? {
            let before = Stored::read(world)?;
            let lines = lines(&namespace, &name);
            let after = Stored::read(world)?;
            if let Some(lines) = lines {
                check(&lines, &before, &after).with_context(|| name.clone())?;
                seen.looks += 1;
            }
            seen.add(before)?;
            seen.add(after)?;
        }
        if pod_kills.is_due()
            && let Some(first) = names(&namespace)?.first()
        {
            namespace.run(&["delete", "pod", "--wait=false", first])?;
        }
        if controller_kills.is_due() {
            kill_a_controller()?;
        }
    }
    world.set_faults(false);

    let [pods, controllers] = world.calls();
    report(
        seconds,
        &seen,
        [pods.all_faults(), controllers.all_faults()],
    );
    ensure!(
        pods.all_faults() > 0 && controllers.all_faults() > 0,
        "no call failed"
    );
    ensure!(
        seen.rotations >= seconds / 40,
        "{} rotations",
        seen.rotations
    );
    ensure!(seen.looks >= 20, "{} looks", seen.looks);
    // Now nothing fails: the next generation reaches every pod.
    let last = seen.rotations;
    eventually("the next rotation", DEADLINE, || {
        seen.add(Stored::read(world)?)?;
        ensure!(seen.rotations > last, "no rotation since");
        Ok(())
    })?;
    eventually("the last pair in each pod", DEADLINE, || {
        let stored = Stored::read(world)?;
        for name in names(&namespace)? {
            let lines = lines(&namespace, &name).context("no list")?;
            ensure!(
                lines.get(PUBLIC) == Some(&stored.current),
                "{name} has another key"
            );
            ensure!(
                lines.get(PREVIOUS) == stored.previous.as_ref(),
                "{name} has another previous key"
            );
        }
        Ok(())
    })?;
    namespace.run(&["delete", "deployment/web"])?;
    world.system().rolled_out("deployment/kees-controller")
}

/// Five pods that sign and verify.
fn signers() -> Value {
    let annotations = [
        ("init.bsycorp.com/refresh".to_owned(), "2s"),
        (
            entry(PUBLIC),
            "kind=DYNAMIC,type=RSA,size=2048,rotate=20s,previous=true",
        ),
        (entry(PRIVATE), "kind=DYNAMIC,type=RSA,size=2048,rotate=20s"),
    ];
    let mut template = pod("web", &annotations);
    template["metadata"]["labels"] = json!({"app": "web"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    })
}

/// Kills the controller that has run for longer. The other one takes over.
fn kill_a_controller() -> anyhow::Result<()> {
    let processes = node::processes("kees-controller")?;
    let oldest = processes.into_iter().min_by_key(|pid| pid.as_raw_pid());
    oldest.map_or(Ok(()), |pid| {
        node::kill(pid).context("cannot kill a controller")
    })
}

/// The pods that are not ending.
fn names(kubectl: &Kubectl) -> anyhow::Result<Vec<String>> {
    let list = kubectl.get(&["pods", "--selector=app=web"])?;
    let pods = list["items"].as_array().context("no items")?;
    let pods = pods.iter().map(|pod| &pod["metadata"]);
    let alive = pods.filter(|pod| pod.get("deletionTimestamp").is_none());
    Ok(alive
        .filter_map(|pod| Some(pod["name"].as_str()?.to_owned()))
        .collect())
}

/// The lines of the list of a pod, by name; `None` while the pod ends or starts.
fn lines(kubectl: &Kubectl, pod: &str) -> Option<BTreeMap<String, String>> {
    let text = kubectl
        .exec(pod, "app", &["cat", "/bsycorp-init/secrets.properties"])
        .ok()?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Some(
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// The public keys of the table, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    current: String,
    previous: Option<String>,
}

impl Stored {
    fn read(world: &World) -> anyhow::Result<Self> {
        // One page of the table is one read of it, but no snapshot: a rotation may be between two items.
        eventually("a whole generation", DEADLINE, || {
            let mut items = world.stored("rotated")?;
            let current = items.remove(PUBLIC).context("no public key")?;
            let previous = items.remove(PREVIOUS);
            ensure!(
                previous.as_ref() != Some(&current),
                "a rotation is between the two"
            );
            Ok(Self { current, previous })
        })
    }
}

/// The generations that the table had, one after the other.
struct Generations {
    last: Stored,
    since: Instant,
    rotations: u64,
    looks: u64,
}

impl Generations {
    fn new(first: Stored) -> Self {
        let since = Instant::now();
        Self {
            last: first,
            since,
            rotations: 0,
            looks: 0,
        }
    }

    /// Each rotation keeps the generation before, and comes no earlier than it should.
    fn add(&mut self, next: Stored) -> anyhow::Result<()> {
        if next.current == self.last.current {
            return Ok(());
        }
        ensure!(
            next.previous.as_ref() == Some(&self.last.current),
            "the generation before is lost"
        );
        // The table is read every few seconds only.
        let age = self.since.elapsed() + Duration::from_secs(8);
        ensure!(
            self.rotations == 0 || age >= SHORTEST,
            "rotated after {age:?}"
        );
        self.last = next;
        self.since = Instant::now();
        self.rotations += 1;
        Ok(())
    }
}

/// What a look at a pod must show, between two reads of the table: a whole pair, of the current or of the
/// previous generation, and with it the public key of the generation before.
fn check(lines: &BTreeMap<String, String>, before: &Stored, after: &Stored) -> anyhow::Result<()> {
    let of = |name: &str| lines.get(name).with_context(|| format!("no {name}"));
    let decoded = |name: &str| anyhow::Ok(BASE64_STANDARD.decode(of(name)?)?);
    keys::check_rsa_pair(&decoded(PUBLIC)?, &decoded(PRIVATE)?)?;
    let public = of(PUBLIC)?;
    let valid = [
        Some(&before.current),
        Some(&after.current),
        before.previous.as_ref(),
    ];
    ensure!(
        valid.contains(&Some(public)),
        "the key is older than the previous one"
    );
    // Whoever has the current key can check what the previous one signed.
    for stored in [before, after] {
        if *public == stored.current {
            ensure!(
                lines.get(PREVIOUS) == stored.previous.as_ref(),
                "another previous key"
            );
        }
    }
    Ok(())
}

/// A deadline that repeats.
struct Every {
    period: Duration,
    next: Instant,
}

impl Every {
    fn new(period: Duration) -> Self {
        Self {
            period,
            next: Instant::now() + period,
        }
    }

    fn is_due(&mut self) -> bool {
        let is_due = Instant::now() >= self.next;
        if is_due {
            self.next = Instant::now() + self.period;
        }
        is_due
    }
}

#[expect(clippy::print_stdout, reason = "the figures of docs/reliability.md")]
fn report(seconds: u64, seen: &Generations, [pods, controllers]: [u64; 2]) {
    println!(
        "rotation: {seconds} s, {} rotations, {} looks at pods, {pods} failed calls of pods, {controllers} of controllers",
        seen.rotations, seen.looks
    );
}
