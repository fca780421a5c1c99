//! The storm with rotations: `kees rotate` processes replace one pair of keys while `kees-init` processes
//! read it. All of them are killed at random moments, and a proxy injects faults into their calls.
//!
//! Every list that is read has a whole pair, and a whole previous pair if it has one. All generations
//! together are one line: each has one predecessor and one successor, so none is lost and none is replaced
//! twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{eventually, kees, keys::check_rsa_pair};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;

use crate::{Size, round::wait_or_kill, target::Target};

const PATH: &str = "/rotated/signing";
const SPEC: &str = "type=EC,size=256";

/// The longest life of a process. Some of them end by themselves. With Secrets Manager, a rotation has
/// several calls.
fn lifetime(target: &Target) -> Duration {
    match target.name() {
        "secretsmanager" => Duration::from_secs(4),
        _ => Duration::from_millis(900),
    }
}

const DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn rotations_in_dynamodb_are_one_line() -> anyhow::Result<()> {
    storm(Target::dynamodb)
}

#[test]
fn rotations_in_secrets_manager_are_one_line() -> anyhow::Result<()> {
    storm(Target::secrets_manager)
}

#[test]
fn rotations_in_the_embedded_store_are_one_line() -> anyhow::Result<()> {
    storm(Target::embedded)
}

fn storm(start: fn(&Size) -> anyhow::Result<Target>) -> anyhow::Result<()> {
    let size = Size::from_environment()?;
    let storm = Storm {
        target: &start(&size)?,
        size: &size,
        folder: TempDir::new()?,
        in_fault_phase: AtomicBool::new(true),
        line: Mutex::default(),
        counts: Counts::default(),
    };
    let annotations = annotations();
    fs::write(storm.annotations(), annotations)?;
    storm.target.set_injecting(false);
    let first = storm.read_once("first")?;
    ensure!(
        first.previous.is_none(),
        "a generation before the first one"
    );

    storm.target.set_injecting(true);
    thread::scope(|scope| {
        // One rotator for two readers.
        let workers: Vec<_> = (0..size.processes.max(3))
            .map(|number| {
                let storm = &storm;
                scope.spawn(move || match number % 3 {
                    0 => storm.rotate(number),
                    _ => storm.read(number),
                })
            })
            .collect();
        let started = Instant::now();
        while started.elapsed() < size.length {
            thread::park_timeout(size.length.saturating_sub(started.elapsed()));
        }
        storm.target.set_injecting(false);
        storm.in_fault_phase.store(false, Ordering::Relaxed);
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")))
    })?;

    // After the faults, the next rotation succeeds, and keeps the generation that was there.
    let before = storm.read_once("before")?;
    eventually("a rotation", DEADLINE, || {
        let output = storm.rotator()?.wait_with_output()?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{error}");
        Ok(())
    })?;
    let after = storm.read_once("after")?;
    ensure!(
        after.previous.as_ref() == Some(&before.current),
        "the generation before is lost"
    );
    ensure!(
        storm.target.names("/rotated/")? == names(storm.target),
        "names are left over"
    );
    let Storm { line, counts, .. } = &storm;
    let line = line.lock().unwrap_or_else(PoisonError::into_inner);
    let generations = line.check()?;
    report(&storm, counts, generations);
    let killed = counts.killed.load(Ordering::Relaxed);
    ensure!(killed > 0, "no process was killed");
    // The first one, one of the storm, and the last one.
    ensure!(generations >= 3, "{generations} generations");
    Ok(())
}

/// The names that the store has at the end.
fn names(target: &Target) -> usize {
    match target.name() {
        // The stages of one secret.
        "secretsmanager" => 1,
        // Both keys, of the current and of the previous generation.
        _ => 4,
    }
}

fn annotations() -> Vec<u8> {
    let value = format!("kind=DYNAMIC,{SPEC},previous=true");
    let entries = [
        ("init.bsycorp.com/storage-prefix", "/rotated"),
        ("secret.bsycorp.com/signing_private", value.as_str()),
        ("secret.bsycorp.com/signing_public", value.as_str()),
    ];
    kees_common::downward::write(entries).into()
}

struct Storm<'a> {
    target: &'a Target,
    size: &'a Size,
    folder: TempDir,
    in_fault_phase: AtomicBool,
    line: Mutex<Line>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    rotators: AtomicUsize,
    rotated: AtomicUsize,
    readers: AtomicUsize,
    lists: AtomicUsize,
    killed: AtomicUsize,
}

impl Storm<'_> {
    fn annotations(&self) -> PathBuf {
        self.folder.path().join("annotations")
    }

    fn seed(&self, number: usize) -> anyhow::Result<StdRng> {
        let number = u64::try_from(number)? << 32;
        Ok(StdRng::seed_from_u64(self.size.seed ^ number))
    }

    /// Rotates again and again.
    fn rotate(&self, number: usize) -> anyhow::Result<()> {
        let mut rng = self.seed(number)?;
        while self.in_fault_phase.load(Ordering::Relaxed) {
            self.counts.rotators.fetch_add(1, Ordering::Relaxed);
            let lifetime = lifetime(self.target).mul_f64(rng.random());
            match wait_or_kill(self.rotator()?, Some(lifetime), &self.in_fault_phase)? {
                None => self.counts.killed.fetch_add(1, Ordering::Relaxed),
                Some((status, error)) => match status.code() {
                    Some(0) => self.counts.rotated.fetch_add(1, Ordering::Relaxed),
                    // Another rotation was first, or the store failed until the deadline.
                    Some(69 | 75) => 0,
                    other => bail!("a rotation ended with {other:?}: {error}"),
                },
            };
        }
        Ok(())
    }

    /// Reads again and again, each time into an empty folder.
    fn read(&self, number: usize) -> anyhow::Result<()> {
        let mut rng = self.seed(number)?;
        for run in 0.. {
            if !self.in_fault_phase.load(Ordering::Relaxed) {
                break;
            }
            self.counts.readers.fetch_add(1, Ordering::Relaxed);
            let folder = self.folder.path().join(format!("{number}-{run}"));
            fs::create_dir(&folder)?;
            let lifetime = lifetime(self.target).mul_f64(rng.random());
            match wait_or_kill(self.reader(&folder)?, Some(lifetime), &self.in_fault_phase)? {
                None => {
                    self.counts.killed.fetch_add(1, Ordering::Relaxed);
                }
                Some((status, error)) => match status.code() {
                    Some(0) => {
                        self.take(&folder)?;
                    }
                    Some(69 | 75) => {}
                    other => bail!("a reader ended with {other:?}: {error}"),
                },
            }
            fs::remove_dir_all(&folder)?;
        }
        Ok(())
    }

    /// One read without faults.
    fn read_once(&self, name: &str) -> anyhow::Result<Keys> {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder)?;
        let output = self.reader(&folder)?.wait_with_output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.take(&folder)
    }

    /// Checks the list of a pod, and puts its generations in their line.
    fn take(&self, folder: &Path) -> anyhow::Result<Keys> {
        self.counts.lists.fetch_add(1, Ordering::Relaxed);
        let text = fs::read_to_string(folder.join("secrets.properties"))?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let lines: BTreeMap<&str, &str> = lines.collect();
        let pair = |suffix: &str| {
            let of = |field: &str| lines.get(format!("signing_{field}{suffix}").as_str());
            match (of("public"), of("private")) {
                (None, None) => Ok(None),
                (Some(public), Some(private)) => Ok(Some([public, private])),
                _ => bail!("half of a pair{suffix}"),
            }
        };
        let current = pair("")?.context("no pair")?;
        let previous = pair(".previous")?;
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for [public, private] in [Some(current), previous].into_iter().flatten() {
            if line
                .pairs
                .insert(((*public).to_owned(), (*private).to_owned()))
            {
                let [public, private] = [public, private].map(|key| BASE64_STANDARD.decode(key));
                check_rsa_pair(&public?, &private?)?;
            }
        }
        let keys = Keys {
            current: (*current[0]).to_owned(),
            previous: previous.map(|[public, _]| (*public).to_owned()),
        };
        if let Some(previous) = &keys.previous {
            line.steps.insert((previous.clone(), keys.current.clone()));
        }
        Ok(keys)
    }

    fn rotator(&self) -> anyhow::Result<Child> {
        let mut rotate = Command::new(kees()?);
        rotate
            .env_clear()
            .args(["rotate", PATH, "--as", SPEC, "--yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        self.target.configure(&mut rotate);
        rotate.spawn().context("cannot start kees")
    }

    fn reader(&self, folder: &Path) -> anyhow::Result<Child> {
        let mut init = self.target.init(&self.annotations(), folder)?;
        init.spawn().context("cannot start kees-init")
    }
}

/// The public keys of one list.
#[derive(Debug)]
struct Keys {
    current: String,
    previous: Option<String>,
}

/// What all readers together saw.
#[derive(Debug, Default)]
struct Line {
    /// Each public key with its private key.
    pairs: BTreeSet<(String, String)>,
    /// Each previous generation with the current one that came after it.
    steps: BTreeSet<(String, String)>,
}

impl Line {
    /// How many generations were seen. It is an error if two of them have the same predecessor or the same
    /// successor, or if a public key has two private keys.
    fn check(&self) -> anyhow::Result<usize> {
        let publics: BTreeSet<_> = self.pairs.iter().map(|(public, _)| public).collect();
        ensure!(
            publics.len() == self.pairs.len(),
            "a public key has two private keys"
        );
        let befores: BTreeSet<_> = self.steps.iter().map(|(before, _)| before).collect();
        let afters: BTreeSet<_> = self.steps.iter().map(|(_, after)| after).collect();
        ensure!(
            befores.len() == self.steps.len(),
            "a generation was replaced twice"
        );
        ensure!(
            afters.len() == self.steps.len(),
            "a generation has two predecessors"
        );
        Ok(publics.len())
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the results are the output of `make storm`"
)]
fn report(storm: &Storm<'_>, counts: &Counts, generations: usize) {
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let faults = storm.target.faults();
    eprintln!(
        "storm: | store | seed | rotators | rotations | readers | lists | killed | calls with a fault | generations seen |\n\
         storm: | {} | {} | {} | {} | {} | {} | {} | {} of {} | {generations} |",
        storm.target.name(),
        storm.size.seed,
        of(&counts.rotators),
        of(&counts.rotated),
        of(&counts.readers),
        of(&counts.lists),
        of(&counts.killed),
        faults.all_faults(),
        faults.calls,
    );
}
