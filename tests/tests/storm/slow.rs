//! A process that is too slow to create all its keys before the deadline makes progress with each
//! restart.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kees_tests::eventually;
use tempfile::TempDir;

use crate::{Size, pace::TenthOfACore, target::Target};

/// How many keys the process creates. With a tenth of a core, one takes longer than the deadline in
/// [`start`].
const KEYS: usize = 4;

#[test]
#[expect(
    clippy::print_stderr,
    reason = "the progress of each process is the output of `make storm`"
)]
fn a_process_at_a_tenth_of_a_core_gets_further_with_every_restart() {
    let size = Size {
        faults: 0.0,
        ..Size::from_environment().unwrap()
    };
    let target = Target::dynamodb(&size).unwrap();
    let folder = TempDir::new().unwrap();
    let annotations: Vec<(String, String)> = (0..KEYS)
        .flat_map(|key| ["private", "public"].map(|field| (key, field)))
        .map(|(key, field)| {
            (
                format!("secret.bsycorp.com/key-{key}_{field}"),
                "kind=DYNAMIC,type=RSA,size=4096".to_owned(),
            )
        })
        .chain([(
            "init.bsycorp.com/storage-prefix".to_owned(),
            "/slow".to_owned(),
        )])
        .collect();
    let text = kees_common::downward::write(
        annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    std::fs::write(folder.path().join("annotations"), text).unwrap();

    let mut stored = 0;
    for attempt in 1..=KEYS {
        let pace = TenthOfACore::new().unwrap();
        let mut process = start(&folder, &target).unwrap();
        pace.add(process.id()).unwrap();
        let begun = Instant::now();
        // It is killed as soon as the store has a further key, whatever it is doing then.
        let further = eventually("further key", Duration::from_mins(5), || {
            let now = target.names("/slow/")?;
            ensure!(now > stored || process.try_wait()?.is_some(), "{now} names");
            Ok(now)
        })
        .unwrap();
        let ended = process.try_wait().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(
            further > stored || ended.is_some_and(|status| status.success()),
            "process {attempt} made no progress"
        );
        eprintln!(
            "storm: process {attempt} took {:.1} s for {further} of {} names",
            begun.elapsed().as_secs_f64(),
            KEYS * 2
        );
        stored = further;
        if stored == KEYS * 2 {
            break;
        }
    }
    let status = start(&folder, &target).unwrap().wait().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(target.names("/slow/").unwrap(), KEYS * 2);
}

/// Starts `kees-init` with a deadline that is shorter than the generation of one key.
fn start(folder: &TempDir, target: &Target) -> anyhow::Result<Child> {
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out)?;
    let mut init = target.init(&folder.path().join("annotations"), &out)?;
    init.env("TIMEOUT", "3").stderr(Stdio::null());
    init.spawn().context("cannot start kees-init")
}
