//! What the process asks of the system, and what other processes can see of it.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::{CommandExt as _, ExitStatusExt as _},
    },
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use kees_common::StoreName;
use rustix::process::{Signal, getgid};

use crate::{
    cloud::{Cloud, Instead},
    container::{Container, run},
};

/// The group that owns the files of the process in `/proc`: that of the process if it may be dumped
/// and traced, otherwise that of root (`proc(5)`, "/proc/pid").
fn group_of(child: &Child) -> u32 {
    fs::metadata(format!("/proc/{}/limits", child.id()))
        .unwrap()
        .gid()
}

/// Runs `command` in a group other than that of root.
fn in_a_group(command: &mut Command) -> (&mut Command, u32) {
    match getgid().as_raw() {
        0 => (command.gid(12_345), 12_345),
        gid => (command, gid),
    }
}

#[test]
fn a_process_that_waits_for_its_store_cannot_be_dumped_or_traced() {
    let (asked, was_asked) = std::sync::mpsc::channel();
    let cloud = Cloud::scripted(move |_, _| {
        // The test may have ended already.
        let _ = asked.send(());
        Some(Instead::Silence)
    });
    let container = Container::new(&[("secret/token", "kind=REFERENCE")]);
    let mut command = container.command();
    let command = cloud.configure(&mut command, StoreName::DynamoDb);
    let (command, group) = in_a_group(command);
    let mut init = command.stderr(Stdio::null()).spawn().unwrap();
    was_asked.recv().unwrap();
    let (seen, limits) = (
        group_of(&init),
        fs::read_to_string(format!("/proc/{}/limits", init.id())).unwrap(),
    );
    init.kill().unwrap();
    init.wait().unwrap();

    // Another program in that group, for comparison.
    let mut command = Command::new("cat");
    let (command, _) = in_a_group(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut other = command.spawn().unwrap();
    other.stdin.as_ref().unwrap().write_all(b"x").unwrap();
    other.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let seen_of_others = group_of(&other);
    other.kill().unwrap();
    other.wait().unwrap();

    assert_eq!(seen_of_others, group, "a process that may be traced");
    assert_ne!(seen, group);
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let columns: Vec<_> = core.split_whitespace().collect();
    assert_eq!(columns[4..6], ["0", "0"], "{core}");
}

/// The name and mode of every file of the volume.
fn modes(container: &Container) -> Vec<(String, u32)> {
    let volume = container.volume().into_iter();
    volume
        .map(|name| {
            let file = container.path("volume").join(&name);
            (
                name,
                fs::metadata(file).unwrap().permissions().mode() & 0o7777,
            )
        })
        .collect()
}

/// The limit on the size of a file kills the process while it writes, so that the test sees the
/// incomplete file. With umask 0 the files have the modes that the process asks for.
#[test]
fn only_its_owner_can_read_an_incomplete_file() {
    let large = "YWFh".repeat(16 * 1024);
    let container = Container::new(&[
        ("init/local-mode", "true"),
        ("resource/a-small", "localModeValue=YQ=="),
        ("resource/b-large", &format!("localModeValue={large}")),
    ]);
    let mut shell = container.program("/bin/sh");
    let limited = "umask 0; ulimit -f 8; exec \"$0\"";
    shell.args(["-c", limited, env!("CARGO_BIN_EXE_kees-init")]);
    let status = shell.env("FILE_MODE", "0444").status().unwrap();
    assert_eq!(status.signal(), Some(Signal::XFSZ.as_raw()), "{status}");
    assert!(!status.core_dumped());

    let small = container.path("volume/.kees.new.0");
    let cut_off = container.path("volume/.kees.new.1");
    assert_eq!(fs::read(small).unwrap(), b"a");
    assert_eq!(
        fs::metadata(cut_off).unwrap().len(),
        4096,
        "it is incomplete"
    );
    let expected = [(".kees.new.0", 0o444), (".kees.new.1", 0o600)];
    let expected = expected.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(modes(&container), expected, "no file has its final name");

    // The next run removes the temporary files.
    let (status, stderr) = run(container.command().env("FILE_MODE", "0444"));
    assert_eq!(status, 0, "{stderr}");
    let names = container.volume();
    assert!(!names.iter().any(|name| name.contains("new")), "{names:?}");
}

/// Samples the modes while files are created and replaced many times.
#[test]
fn a_file_never_has_a_wider_mode_than_asked_for() {
    let container = Container::new(&[
        ("init/local-mode", "true"),
        ("secret/seed", "kind=DYNAMIC,type=RANDOM,size=256"),
        ("resource/url", "localModeValue=YQ=="),
    ]);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir(container.path("volume")).unwrap() {
                    match entry.unwrap().metadata() {
                        Ok(file) => seen.insert(file.permissions().mode() & 0o7777),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                        Err(error) => panic!("{error}"),
                    };
                }
            }
            seen
        });
        for _ in 0..20 {
            let mut shell = container.program("/bin/sh");
            shell.args([
                "-c",
                "umask 0; exec \"$0\"",
                env!("CARGO_BIN_EXE_kees-init"),
            ]);
            let (status, stderr) = run(shell.env("FILE_MODE", "0440"));
            assert_eq!(status, 0, "{stderr}");
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(seen.contains(&0o440), "{seen:?}");
    // An incomplete file has mode 0600.
    assert!(
        seen.iter().all(|mode| [0o440, 0o600].contains(mode)),
        "{seen:?}"
    );
    let last = modes(&container);
    assert!(last.iter().all(|(_, mode)| *mode == 0o440), "{last:?}");
}
