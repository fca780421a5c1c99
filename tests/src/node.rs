//! Processes of the node, which run in the same process namespace as the tests, and its etcd.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::{Kubectl, eventually};

pub use rustix::process::Pid;

/// The processes whose program has this name.
pub fn processes(program: &str) -> anyhow::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end at any time.
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let first = arguments.split(|byte| *byte == 0).next();
        let first = first.map(String::from_utf8_lossy).unwrap_or_default();
        if first.rsplit('/').next() == Some(program) {
            found.extend(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

/// The control groups of a process. Their paths contain the uid of its pod.
pub fn control_groups(pid: Pid) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_pid()))
}

/// Ends a process at once.
pub fn kill(pid: Pid) -> io::Result<()> {
    Ok(kill_process(pid, Signal::KILL)?)
}

/// Stops a process until [`go_on`].
pub fn pause(pid: Pid) -> io::Result<()> {
    Ok(kill_process(pid, Signal::STOP)?)
}

/// Lets a process go on.
pub fn go_on(pid: Pid) -> io::Result<()> {
    Ok(kill_process(pid, Signal::CONT)?)
}

/// Stops the API server as an update of the control plane does, and starts it again.
pub fn restart_api_server(kubectl: &Kubectl) -> anyhow::Result<()> {
    restart("kube-apiserver", Signal::TERM)?;
    eventually("API server", Duration::from_mins(1), || {
        kubectl.run(&["get", "--raw", "/readyz"])
    })?;
    Ok(())
}

/// Kills the kubelet, and starts it again.
pub fn restart_kubelet() -> anyhow::Result<()> {
    restart("kubelet", Signal::KILL)
}

/// Ends the only process of this program with a signal, and starts it again with its arguments.
fn restart(program: &str, signal: Signal) -> anyhow::Result<()> {
    let pids = processes(program)?;
    ensure!(pids.len() == 1, "there are {} {program}", pids.len());
    let pid = pids[0];
    let folder = format!("/proc/{}", pid.as_raw_pid());
    let file = fs::read_link(format!("{folder}/exe"))?;
    let arguments = fs::read(format!("{folder}/cmdline"))?;
    let arguments = String::from_utf8(arguments)?;
    let arguments = arguments.trim_end_matches('\0').split('\0').skip(1);
    kill_process(pid, signal)?;
    eventually("end of the process", Duration::from_mins(1), || {
        ensure!(processes(program)?.is_empty(), "{program} still runs");
        Ok(())
    })?;
    let mut command = Command::new(file);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let first = command.spawn();
    let first = first.with_context(|| format!("cannot start {program}"))?;
    thread::spawn(move || supervise(&mut command, first));
    Ok(())
}

/// Starts a process again while it ends with an error, as an init system does. The kubelet, for example, ends if it finds the mount of
/// a container that is gone a moment later. Whoever ends a process with a signal starts it again.
fn supervise(command: &mut Command, first: Child) {
    let mut process = first;
    while process
        .wait()
        .is_ok_and(|status| status.code().unwrap_or_default() != 0)
    {
        thread::sleep(Duration::from_secs(1));
        let Ok(next) = command.spawn() else { return };
        process = next;
    }
}

/// Deletes the history of etcd. A watch from an earlier version then gets 410 Gone.
pub fn compact_etcd() -> anyhow::Result<()> {
    // Any key: the header of each response has the current revision.
    let range = etcd("/v3/kv/range", &json!({"key": "AA=="}))?;
    let revision = &range["header"]["revision"];
    ensure!(revision.is_string(), "no revision in {range}");
    let done = etcd("/v3/kv/compaction", &json!({"revision": revision}))?;
    ensure!(done["header"].is_object(), "{done}");
    Ok(())
}

/// Calls the JSON API of etcd.
fn etcd(path: &str, body: &Value) -> anyhow::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect("127.0.0.1:2379")?;
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (_, json) = response.split_once("\r\n\r\n").context("no response")?;
    serde_json::from_str(json).with_context(|| response.clone())
}
