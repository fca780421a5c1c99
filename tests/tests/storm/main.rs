//! The storm: many `kees-init` on the same names at once, killed at random moments and started
//! again, through a proxy that breaks calls, half of them at a tenth of a core.
//!
//! Afterwards each name has one generation, everybody wrote the same bytes, the halves of every pair
//! belong together, and no partial or temporary file is left. `make storm` runs it at length; a
//! short one is part of `make test`. Its size comes from the environment:
//!
//! | variable | default | meaning |
//! | --- | --- | --- |
//! | `KEES_STORM_SECONDS` | 6 | how long processes are killed and calls are broken, for each store |
//! | `KEES_STORM_PROCESSES` | 6 | how many run side by side |
//! | `KEES_STORM_SEED` | 1 | of the kills and the faults |
//! | `KEES_STORM_FAULTS` | 0.2 | the share of calls that are broken |
//! | `KEES_STORM_REPORT` | | a file to which the counts are added, as rows of a table |

mod check;
mod pace;
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

/// What a storm came to.
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

/// Rounds of the storm, each on names of its own, until the time is over.
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

    assert!(tally.kills > 0, "nothing was killed, so nothing was shown");
    assert!(
        !target.breaks_calls() || tally.faults.broken() > 0,
        "no call was broken"
    );
    assert_eq!(tally.disagreements, 0, "readers disagree");
    assert_eq!(tally.partial, 0, "a partial file was seen");
    assert_eq!(tally.leftover, 0, "temporary files were left");
    Ok(())
}

/// What a row tells of a storm.
const COLUMNS: &str = "| store | seed | processes | killed | gave up | calls broken | generations | files written \
     | disagreements | partial or left over | longest to finish after the faults end |";

/// Prints the counts and, where asked to, adds them to a file.
#[expect(
    clippy::print_stderr,
    reason = "the counts are what the storm is run for"
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
        tally.faults.broken(),
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
