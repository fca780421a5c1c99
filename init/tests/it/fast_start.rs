//! `kees-init start` and `kees-init wait`: the sidecar of a pod with `start: fast`, and its hook.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cloud::{Cloud, error_response},
    container::{Container, run},
    refreshing::{Pod, Sidecar},
};

const URL: (&str, &str) = ("resource/url", "storageKey=url");
const ENV: (&str, &str) = ("init/env", "true");

/// A pod without a refresh, whose store has no value yet.
fn pod() -> Pod {
    Pod::new(&[URL, ENV], Cloud::start())
}

fn command(pod: &Pod, subcommand: &str) -> Command {
    let mut command = pod.command();
    command
        .env_remove("REFRESH")
        .env("EXEC_FOLDER", pod.container.path("volume"))
        .arg(subcommand);
    command
}

fn start(pod: &Pod) -> Sidecar {
    Sidecar::run(&mut command(pod, "start"))
}

fn hook(pod: &Pod) -> Child {
    command(pod, "wait").spawn().unwrap()
}

/// The program in the volume, as a container with variables starts it.
fn exec(container: &Container, arguments: &[&str]) -> Child {
    let mut command = Command::new(container.path("volume/.kees-init"));
    let command = command.env_clear().arg("exec").args(arguments);
    let command = command.args(["--", "/bin/sh", "-c", "echo \"<$url>\""]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The exit status, standard output and standard error.
fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_hook_ends_when_the_files_are_there() {
    let pod = pod();
    let mut hook = hook(&pod);
    let mut sidecar = start(&pod);
    sidecar.line("absent");
    assert!(hook.try_wait().unwrap().is_none(), "there are no files");
    pod.store("/url", "first");
    assert!(hook.wait().unwrap().success());
    assert_eq!(pod.read("url"), "first");
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn the_sidecar_rests_in_a_small_process_of_the_same_id() {
    let pod = pod();
    pod.store("/url", "first");
    let mut sidecar = start(&pod);
    assert!(hook(&pod).wait().unwrap().success());
    let process = format!("/proc/{}", sidecar.child.id());
    let read = |name: &str| fs::read_to_string(format!("{process}/{name}")).unwrap();
    // The standard error of a process that is replaced stays open, so its last line says nothing.
    while !read("cmdline").contains("rest") {
        assert!(sidecar.child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let status = read("status");
    let field = |name: &str| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        let number = line.split_ascii_whitespace().next().unwrap();
        number.parse::<u32>().unwrap()
    };
    assert_eq!(field("Threads:"), 1);
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn the_sidecar_refreshes_the_files_of_a_pod_that_asks_for_it() {
    let pod = pod();
    pod.store("/url", "first");
    let mut command = command(&pod, "start");
    let mut sidecar = Sidecar::run(command.env("REFRESH", "1s"));
    assert!(hook(&pod).wait().unwrap().success());
    assert_eq!(pod.read("url"), "first");
    pod.store("/url", "second");
    sidecar.line("the files were replaced");
    assert_eq!(pod.read("url"), "second");
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn a_sidecar_that_starts_again_leaves_the_files_as_they_are() {
    let pod = pod();
    pod.store("/url", "first");
    let sidecar = start(&pod);
    assert!(hook(&pod).wait().unwrap().success());
    drop(sidecar);
    let inode = || {
        fs::metadata(pod.container.path("volume/url"))
            .unwrap()
            .ino()
    };
    let before = inode();
    pod.store("/url", "second");
    let mut sidecar = start(&pod);
    sidecar.line("the files are there, and stay as they are");
    assert!(hook(&pod).wait().unwrap().success());
    assert_eq!(sidecar.stop(), Some(0));
    assert_eq!((inode(), pod.read("url").as_str()), (before, "first"));
}

#[test]
fn a_sidecar_that_is_killed_before_the_files_are_there_writes_them_when_it_starts_again() {
    let pod = pod();
    let mut sidecar = start(&pod);
    sidecar.line("absent");
    drop(sidecar);
    pod.store("/url", "first");
    let sidecar = start(&pod);
    assert!(hook(&pod).wait().unwrap().success());
    assert_eq!(pod.read("url"), "first");
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn a_start_that_fails_has_the_status_and_the_message_of_a_run() {
    let cloud =
        Cloud::scripted(|_, _| Some(error_response("AccessDeniedException", "not authorized")));
    let pod = Pod::new(&[URL], cloud);
    let (status, stderr) = run(&mut command(&pod, "start"));
    assert_eq!(status, 77, "{stderr}");
    let message = pod.container.read("termination-log");
    assert!(message.starts_with("nothing was written: 1 error, exit 77"));
    assert!(message.contains("resource.bsycorp.com/url"), "{message}");
    assert!(!pod.container.path("volume/.kees-ready").exists());
}

#[test]
fn a_sidecar_that_is_stopped_while_it_waits_ends_with_the_status_of_the_signal() {
    let pod = pod();
    let mut sidecar = start(&pod);
    sidecar.line("absent");
    assert_eq!(sidecar.stop(), Some(143));
}

#[test]
fn a_container_that_starts_too_early_waits_for_the_files() {
    let pod = pod();
    let mut sidecar = start(&pod);
    sidecar.line("absent");
    let waiting = exec(&pod.container, &["--wait", "60"]);
    pod.store("/url", "first");
    assert_eq!(
        ended(waiting),
        (Some(0), "<first>\n".to_owned(), String::new())
    );
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn a_container_does_not_wait_for_ever() {
    let pod = pod();
    let mut sidecar = start(&pod);
    sidecar.line("absent");
    let (status, _, stderr) = ended(exec(&pod.container, &["--wait", "0.1"]));
    assert_eq!(status, Some(66));
    let expected = "kees-init: kees-init has not completed the files after 0.1 s: ";
    assert!(stderr.starts_with(expected), "{stderr}");
    assert!(
        stderr.contains(".kees-ready is not there; the log of the container kees-init says why")
    );
    // Without the flag, it does not wait at all.
    let (status, _, stderr) = ended(exec(&pod.container, &[]));
    assert_eq!(status, Some(66));
    assert!(stderr.contains("cannot be read"), "{stderr}");
}

#[test]
fn a_container_that_waits_ends_at_a_signal() {
    let pod = pod();
    let mut sidecar = start(&pod);
    sidecar.line("absent");
    let mut waiting = exec(&pod.container, &["--wait", "60"]);
    // Once it has a handler for SIGTERM, the kernel shows it among those that are caught.
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", waiting.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    while caught() & (1 << 14) == 0 {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&waiting), Signal::TERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(143));
    let mut stderr = String::new();
    waiting
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(stderr.contains("stopped by SIGTERM"), "{stderr}");
}

#[test]
fn a_sidecar_that_asked_for_a_restart_starts_again_and_asks_no_more() {
    let pod = pod();
    pod.store("/url", "first");
    let restarting = || {
        let mut command = command(&pod, "start");
        command.env("REFRESH", "1s").env("ON_CHANGE", "restart");
        Sidecar::run(&mut command)
    };
    let mut sidecar = restarting();
    assert!(hook(&pod).wait().unwrap().success());
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    sidecar.line("ends, so that the controller restarts the workload");
    let mut next = restarting();
    next.line("no value has changed");
    pod.store("/url", "third");
    next.line("the files were replaced");
    next.line("no value has changed");
    assert_eq!(pod.read("url"), "third");
    assert_eq!(next.stop(), Some(0));
}
