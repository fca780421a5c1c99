//! Processes of the node, which run in the same process namespace as the tests.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kees_tests::{Kubectl, eventually};
use rustix::process::{Pid, Signal, kill_process};

/// The processes whose program has this name.
pub(crate) fn processes(program: &str) -> anyhow::Result<Vec<Pid>> {
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

/// Ends a process at once.
pub(crate) fn kill(pid: Pid) -> io::Result<()> {
    Ok(kill_process(pid, Signal::KILL)?)
}

/// Stops the API server as an update of the control plane does, and starts it again.
pub(crate) fn restart_api_server(kubectl: &Kubectl) -> anyhow::Result<()> {
    let pids = processes("kube-apiserver")?;
    ensure!(pids.len() == 1, "there are {} API servers", pids.len());
    let pid = pids[0];
    let folder = format!("/proc/{}", pid.as_raw_pid());
    let program = fs::read_link(format!("{folder}/exe"))?;
    let arguments = fs::read(format!("{folder}/cmdline"))?;
    let arguments = String::from_utf8(arguments)?;
    let arguments = arguments.trim_end_matches('\0').split('\0').skip(1);
    kill_process(pid, Signal::TERM)?;
    eventually("end of the API server", Duration::from_mins(1), || {
        ensure!(processes("kube-apiserver")?.is_empty(), "it still runs");
        Ok(())
    })?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the API server")?;
    eventually("API server", Duration::from_mins(1), || {
        kubectl.run(&["get", "--raw", "/readyz"])
    })?;
    Ok(())
}
