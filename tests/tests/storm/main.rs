//! The storm: a stress test of creating once. Many `kees-init` processes use the same names at the
//! same time. They are killed at random moments and started again. A proxy injects faults into
//! their calls, and half of the processes run with a tenth of a core.
//!
//! At the end, each name must have one generation, all processes must have written the same bytes,
//! the fields of each key pair must belong together, and no partial or temporary file may be left.
//! `make storm` runs a long storm; a short one is part of `make test`. Environment variables set its
//! size:
//!
//! | variable | default | meaning |
//! | --- | --- | --- |
//! | `KEES_STORM_SECONDS` | 6 | how long processes are killed and faults are injected, for each store |
//! | `KEES_STORM_PROCESSES` | 6 | how many processes run at the same time |
//! | `KEES_STORM_SEED` | 1 | the seed of the kills and faults |
//! | `KEES_STORM_FAULTS` | 0.2 | the share of calls that get a fault |
//! | `KEES_STORM_REPORT` | | a file to which the results are appended, as rows of a table |

mod check;
mod pace;
mod rotating;
mod round;
mod slow;
mod target;

use std::{io::Write as _, time::Duration};

use anyhow::Context as _;
use kees_tests::proxy::{Counts, Fault};

use crate::{round::Round, target::Target};

/// The size of a storm.
#[derive(Debug, Clone)]
struct Size {
    length: Duration,
    processes: usize,
    seed: u64,
    faults: f64,
}

impl Size {
    fn from_environment() -> anyhow::Result<Self> {
        Ok(Self {
            length: Duration::from_secs(variable("KEES_STORM_SECONDS", 6)?),
            processes: variable("KEES_STORM_PROCESSES", 6)?,
            seed: variable("KEES_STORM_SEED", 1)?,
            faults: variable("KEES_STORM_FAULTS", 0.2)?,
        })
    }
}

fn variable<T: std::str::FromStr>(name: &str, default: T) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is not a number: {text}")),
        Err(_) => Ok(default),
    }
}

/// The results of a storm.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    processes: usize,
    kills: usize,
    gave_up: usize,
    generations: usize,
    outputs: usize,
    disagreements: usize,
    partial: usize,
    leftover: usize,
    slowest_after: Duration,
    faults: Counts,
}

#[test]
fn a_storm_on_dynamodb_leaves_one_generation_of_each_name() -> anyhow::Result<()> {
    storm(Target::dynamodb)
}

#[test]
fn a_storm_on_secrets_manager_leaves_one_generation_of_each_name() -> anyhow::Result<()> {
    storm(Target::secrets_manager)
}

#[test]
fn a_storm_on_the_embedded_store_leaves_one_generation_of_each_name() -> anyhow::Result<()> {
    storm(Target::embedded)
}

/// Runs rounds, each with its own names, until the time is over.
fn storm(start: fn(&Size) -> anyhow::Result<Target>) -> anyhow::Result<()> {
    let size = Size::from_environment()?;
    let target = start(&size)?;
    let mut tally = Tally::default();
    let begun = std::time::Instant::now();
    while tally.rounds == 0 || begun.elapsed() < size.length {
        Round::new(tally.rounds, &target, &size)?.run(&mut tally)?;
        tally.rounds += 1;
    }
    tally.faults = target.faults();
    report(target.name(), &size, &tally)?;

    assert!(
        tally.kills > 0,
        "no process was killed, so the storm tested nothing"
    );
    assert!(
        !target.has_faults() || tally.faults.all_faults() > 0,
        "no fault was injected"
    );
    assert_eq!(tally.disagreements, 0, "readers disagree");
    assert_eq!(tally.partial, 0, "a partial file was seen");
    assert_eq!(tally.leftover, 0, "temporary files were left");
    Ok(())
}

/// The columns of the results.
const COLUMNS: &str = "| store | seed | processes | killed | gave up | calls with a fault | generations | files written \
     | disagreements | partial or left over | longest to finish after the faults end |";

/// Prints the results, and appends them to the file of `KEES_STORM_REPORT`, if it is set.
#[expect(
    clippy::print_stderr,
    reason = "the results are the output of `make storm`"
)]
fn report(store: &str, size: &Size, tally: &Tally) -> anyhow::Result<()> {
    let faults: Vec<String> = Fault::ALL
        .into_iter()
        .map(|fault| {
            let count = tally.faults.faults.get(&fault).copied().unwrap_or_default();
            format!("{} {count}", fault.name())
        })
        .collect();
    let row = format!(
        "| {store} | {} | {} | {} | {} | {} of {} calls ({}) | {} | {} | {} | {} | {:.1} s |",
        size.seed,
        tally.processes,
        tally.kills,
        tally.gave_up,
        tally.faults.all_faults(),
        tally.faults.calls,
        faults.join(", "),
        tally.generations,
        tally.outputs,
        tally.disagreements,
        tally.partial + tally.leftover,
        tally.slowest_after.as_secs_f64(),
    );
    eprintln!("storm: {COLUMNS}\nstorm: {row}");
    if let Some(path) = std::env::var_os("KEES_STORM_REPORT") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        writeln!(file, "{row}")?;
    }
    Ok(())
}
