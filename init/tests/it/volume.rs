//! The volume: its lock, what must not be replaced by a file, and the record of a run.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Stdio,
};

use rstest::rstest;
use rustix::{
    fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat},
    process::{Pid, Signal, kill_process},
};

use crate::container::{Container, run};

fn container() -> Container {
    Container::new(&[
        ("init/local-mode", "true"),
        ("secret/seed", "kind=DYNAMIC,type=RANDOM,size=288"),
    ])
}

/// Locks a folder as another run does, until the returned value is dropped.
fn lock(folder: &Path) -> File {
    let folder = File::open(folder).unwrap();
    flock(&folder, FlockOperation::LockExclusive).unwrap();
    folder
}

#[test]
fn a_folder_that_another_run_keeps_locked_is_an_error_at_the_deadline() {
    let container = container();
    let other_run = lock(&container.path("volume"));
    let (status, stderr) = run(container.command().env("TIMEOUT", "0.3"));
    assert_eq!(status, 73, "{stderr}");
    assert!(
        stderr.contains("another run has kept the folder"),
        "{stderr}"
    );
    assert!(stderr.contains("nothing was written"), "{stderr}");
    assert!(container.volume().is_empty());

    drop(other_run);
    let (status, stderr) = run(container.command().env("TIMEOUT", "0.3"));
    assert_eq!(status, 0, "{stderr}");
}

#[test]
fn a_run_that_waits_for_a_lock_is_ended_by_a_signal() {
    let container = container();
    let _other_run = lock(&container.path("volume"));
    let mut command = container.command();
    let command = command.env("TIMEOUT", "600").stderr(Stdio::piped());
    let mut init = command.spawn().unwrap();
    let mut stderr = BufReader::new(init.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for another run") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it did not wait");
    }
    let pid = Pid::from_raw(init.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(init.wait().unwrap().code(), Some(143));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(
        rest.contains("stopped by SIGTERM; nothing was written"),
        "{rest}"
    );
    assert!(container.volume().is_empty());
}

#[rstest]
#[case::fifo("a FIFO", |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap())]
#[case::socket("a socket", |path: &Path| drop(UnixListener::bind(path).unwrap()))]
#[case::link_to_a_device("a device", |path: &Path| symlink("/dev/null", path).unwrap())]
// As /dev/stdout is.
#[case::link_to_an_open_file("a link to an open file", |path: &Path| symlink("/proc/self/fd/1", path).unwrap())]
fn a_device_fifo_or_socket_is_not_replaced(#[case] what: &str, #[case] create: fn(&Path)) {
    let container = container();
    let target = container.path("volume/secrets.properties");
    create(&target);
    let before = fs::symlink_metadata(&target).unwrap().file_type();
    let (status, stderr) = run(&mut container.command());
    assert_eq!(status, 73, "{stderr}");
    let expected = format!("volume/secrets.properties is {what}, and would be replaced");
    assert!(stderr.contains(&expected), "{stderr}");
    let after = fs::symlink_metadata(&target).unwrap().file_type();
    assert_eq!(
        (after.is_fifo(), after.is_socket(), after.is_symlink()),
        (before.is_fifo(), before.is_socket(), before.is_symlink())
    );
    assert_eq!(container.volume(), ["secrets.properties"]);
}

#[test]
fn a_link_to_a_regular_file_is_replaced_by_the_file() {
    let container = container();
    fs::write(container.path("elsewhere"), "old").unwrap();
    let target = container.path("volume/secrets.properties");
    symlink(container.path("elsewhere"), &target).unwrap();
    let (status, stderr) = run(&mut container.command());
    assert_eq!(status, 0, "{stderr}");
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
    assert_eq!(container.read("elsewhere"), "old");
}

/// A run with another uid has to read the record.
#[rstest]
fn the_record_has_the_mode_of_the_files(#[values(0o444, 0o440, 0o400)] mode: u32) {
    let container = container();
    let (status, stderr) = run(container.command().env("FILE_MODE", format!("{mode:04o}")));
    assert_eq!(status, 0, "{stderr}");
    let record = fs::metadata(container.path("volume/.kees")).unwrap();
    assert_eq!(record.permissions().mode() & 0o7777, mode);
}
