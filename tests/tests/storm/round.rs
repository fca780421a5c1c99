//! One round: all workers start with names for which the store has no values, and continue until each
//! worker has all values.

use std::{
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;

use crate::{
    Size, Tally,
    check::{self, Output},
    pace::TenthOfACore,
    target::Target,
};

/// How long a round injects faults and kills processes. After that, all workers may finish.
const FAULT_PHASE: Duration = Duration::from_millis(2500);

/// How long a worker may take to finish after the fault phase.
const FINISH_TIMEOUT: Duration = Duration::from_mins(2);

/// The entries of each pod. In DynamoDB and SQLite, each entry is one name.
pub(crate) const ENTRIES: &[(&str, &str)] = &[
    ("signing.v1_private", "kind=DYNAMIC,type=RSA,size=2048"),
    ("signing.v1_public", "kind=DYNAMIC,type=RSA,size=2048"),
    (
        "mail_private",
        "kind=DYNAMIC,type=GPG,size=2048,userId=Storm <storm@example.com>",
    ),
    (
        "mail_public",
        "kind=DYNAMIC,type=GPG,size=2048,userId=Storm <storm@example.com>",
    ),
    (
        "mail_password",
        "kind=DYNAMIC,type=GPG,size=2048,userId=Storm <storm@example.com>",
    ),
    ("db-password", "kind=DYNAMIC,type=PASSWORD,size=256"),
    ("session-key", "kind=DYNAMIC,type=RANDOM,size=256"),
    ("api-key.v1_consumer", "kind=DYNAMIC,type=RANDOM,size=128"),
    ("api-key.v1_provider", "kind=DYNAMIC,type=RANDOM,size=128"),
];

/// The number of generations in [`ENTRIES`]. In Secrets Manager, each generation is one name.
const GENERATIONS: usize = 5;

pub(crate) struct Round<'a> {
    target: &'a Target,
    size: &'a Size,
    seed: u64,
    prefix: String,
    folder: TempDir,
    /// Whether faults are injected and processes are killed.
    in_fault_phase: AtomicBool,
    /// All contents of the list that were seen in any pod.
    seen: Mutex<Vec<Output>>,
}

/// The results of one worker.
#[derive(Debug, Default)]
struct Work {
    processes: usize,
    kills: usize,
    gave_up: usize,
    outputs: usize,
    partial: usize,
}

impl<'a> Round<'a> {
    pub(crate) fn new(number: usize, target: &'a Target, size: &'a Size) -> anyhow::Result<Self> {
        let round = Self {
            target,
            size,
            seed: size
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(u64::try_from(number)?),
            prefix: format!("/storm/{number}"),
            folder: TempDir::new()?,
            in_fault_phase: AtomicBool::new(true),
            seen: Mutex::default(),
        };
        let mut entries: Vec<(String, &str)> = ENTRIES
            .iter()
            .map(|(name, value)| (format!("secret.bsycorp.com/{name}"), *value))
            .collect();
        entries.push(("init.bsycorp.com/storage-prefix".to_owned(), &round.prefix));
        let annotations =
            kees_common::downward::write(entries.iter().map(|(key, value)| (key.as_str(), *value)));
        std::fs::write(round.annotations(), annotations)?;
        Ok(round)
    }

    fn annotations(&self) -> PathBuf {
        self.folder.path().join("annotations")
    }

    /// Starts all workers, ends the fault phase, waits for the workers, and checks the results.
    pub(crate) fn run(self, tally: &mut Tally) -> anyhow::Result<()> {
        self.target.set_injecting(true);
        let (work, ended) = thread::scope(|scope| {
            let workers: Vec<_> = (0..self.size.processes)
                .map(|number| {
                    let round = &self;
                    scope.spawn(move || round.work(number))
                })
                .collect();
            let started = Instant::now();
            // This waits for no event: it is the length of the fault phase.
            while started.elapsed() < FAULT_PHASE {
                thread::park_timeout(FAULT_PHASE.saturating_sub(started.elapsed()));
            }
            self.target.set_injecting(false);
            self.in_fault_phase.store(false, Ordering::Relaxed);
            let ended = Instant::now();
            let work: Vec<anyhow::Result<Work>> = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")))
                .collect();
            (work, ended.elapsed())
        });
        tally.slowest_after = tally.slowest_after.max(ended);
        for work in work {
            let Work {
                processes,
                kills,
                gave_up,
                outputs,
                partial,
            } = work?;
            tally.processes += processes;
            tally.kills += kills;
            tally.gave_up += gave_up;
            tally.outputs += outputs;
            tally.partial += partial;
        }
        self.check(tally)
    }

    /// One worker: a pod whose init container is started again after each kill and each error.
    fn work(&self, number: usize) -> anyhow::Result<Work> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ (u64::try_from(number)? << 32));
        let slow = (number % 2 == 1).then(TenthOfACore::new).transpose()?;
        let folder = self.folder.path().join(format!("pod-{number}"));
        std::fs::create_dir(&folder)?;
        let mut work = Work::default();
        let mut ended: Option<Instant> = None;
        loop {
            let in_fault_phase = self.in_fault_phase.load(Ordering::Relaxed);
            if !in_fault_phase && ended.get_or_insert_with(Instant::now).elapsed() > FINISH_TIMEOUT
            {
                bail!("pod {number} has not finished {FINISH_TIMEOUT:?} after the fault phase");
            }
            // A slow process gets more time, so that it is not always killed before its first call.
            let longest = if slow.is_some() { 6_000 } else { 900 };
            let lifetime =
                in_fault_phase.then(|| Duration::from_millis(rng.random_range(0..longest)));
            work.processes += 1;
            let run = self.start(&folder, slow.as_ref())?;
            let ended = wait_or_kill(run, lifetime, &self.in_fault_phase)?;
            self.check_folder(&folder, &mut work)?;
            match ended {
                None => work.kills += 1,
                Some((status, stderr)) => match status.code() {
                    Some(0) if in_fault_phase => {
                        // It is started again, as a later pod of the same workload.
                        work.outputs += 1;
                    }
                    Some(0) => {
                        work.outputs += 1;
                        return Ok(work);
                    }
                    // The store failed, or a value was absent, until the deadline.
                    Some(69 | 75) => work.gave_up += 1,
                    other => bail!("pod {number} ended with {other:?}: {stderr}"),
                },
            }
        }
    }

    fn start(&self, folder: &Path, slow: Option<&TenthOfACore>) -> anyhow::Result<Child> {
        let mut init = self.target.init(&self.annotations(), folder)?;
        let child = init.spawn().context("cannot start kees-init")?;
        if let Some(slow) = slow {
            slow.add(child.id())?;
        }
        Ok(child)
    }

    /// Reads the list of a pod after its process ended or was killed.
    fn check_folder(&self, folder: &Path, work: &mut Work) -> anyhow::Result<()> {
        if let Some(output) = check::read(folder)? {
            if output.is_complete() {
                self.seen
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(output);
            } else {
                work.partial += 1;
            }
        }
        Ok(())
    }

    /// Checks at the end of a round that each name has one generation, that all pods have the same
    /// content, and that the fields of each key pair belong together.
    fn check(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let names = match self.target.name() {
            "secretsmanager" => GENERATIONS,
            _ => ENTRIES.len(),
        };
        let stored = self.target.names(&format!("{}/", self.prefix))?;
        anyhow::ensure!(
            stored == names,
            "the store has {stored} names instead of {names}"
        );
        tally.generations += GENERATIONS;

        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.first().context("no pod has a list")?;
        tally.disagreements += seen.iter().filter(|output| *output != first).count();
        first.check_pairs(self.folder.path())?;
        for number in 0..self.size.processes {
            let folder = self.folder.path().join(format!("pod-{number}"));
            tally.leftover += check::temporary_files(&folder)?;
        }
        Ok(())
    }
}

/// Waits for a process to end, or kills it after `lifetime` during the fault phase. Returns `None` if
/// it was killed.
pub(crate) fn wait_or_kill(
    mut process: Child,
    lifetime: Option<Duration>,
    in_fault_phase: &AtomicBool,
) -> anyhow::Result<Option<(ExitStatus, String)>> {
    let started = Instant::now();
    if let Some(lifetime) = lifetime {
        while started.elapsed() < lifetime && in_fault_phase.load(Ordering::Relaxed) {
            if process.try_wait()?.is_some() {
                break;
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        if process.try_wait()?.is_none() && started.elapsed() >= lifetime {
            process.kill()?;
            process.wait()?;
            return Ok(None);
        }
    }
    let output = process.wait_with_output()?;
    Ok(Some((
        output.status,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )))
}
