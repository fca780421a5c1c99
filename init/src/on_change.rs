//! Tells the application that its files were replaced: by a signal, or by a POST request to the pod
//! itself. Or asks the controller to restart it.

use std::{fs, io, net::SocketAddr, path::Path, time::Duration};

use kees_common::{ChangeSignal, LoopbackUrl, OnChange, ProcessName, restart};
use kees_store::Backoff;
use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// How long one request may take.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);

/// The bytes of a response that are read: those before the reason of the status.
const STATUS_BYTES: usize = "HTTP/1.1 200".len();

/// Why the application does not know of its new files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OnChangeError {
    #[error("no process{} is there", named(name.as_ref()))]
    NoProcess { name: Option<ProcessName> },
    #[error("the processes cannot be listed")]
    Processes(#[source] io::Error),
    #[error(
        "the process {pid} cannot be signalled; the sidecar must run as the same user (runAsUser)"
    )]
    Signal { pid: i32, source: io::Error },
    #[error("{address} gave no answer")]
    NoAnswer {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("{address} answered with the status {status}, not with 200 to 299")]
    Status { address: SocketAddr, status: String },
    #[error("the termination message cannot be written")]
    TerminationMessage(#[source] io::Error),
}

fn named(name: Option<&ProcessName>) -> String {
    name.map_or_else(String::new, |name| format!(" named {name}"))
}

/// Tells the application, and tries again after errors, at most for `longest`. A request for a restart is
/// written to `termination_log`.
///
/// # Errors
/// The last error.
pub(crate) async fn tell(
    on_change: &OnChange,
    longest: Duration,
    termination_log: &Path,
) -> Result<(), OnChangeError> {
    let begun = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let told = match on_change {
            OnChange::Signal { signal, process } => send(*signal, process.as_ref()),
            OnChange::Post(url) => post(url).await,
            OnChange::Restart => crate::write_termination_log(termination_log, restart::REQUEST)
                .map_err(OnChangeError::TerminationMessage),
        };
        let pause = backoff.pause();
        match told {
            Err(error) if begun.elapsed() + pause < longest => {
                tracing::debug!(%error, "the application was not told; trying again");
                sleep(pause).await;
            }
            told => return told,
        }
    }
}

/// A process that this one can see.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    name: Vec<u8>,
}

fn send(signal: ChangeSignal, name: Option<&ProcessName>) -> Result<(), OnChangeError> {
    let all = processes().map_err(OnChangeError::Processes)?;
    let pids = receivers(&all, name, getpid().as_raw_pid());
    if pids.is_empty() {
        let name = name.cloned();
        return Err(OnChangeError::NoProcess { name });
    }
    for pid in pids {
        let sent = Pid::from_raw(pid).map(|process| kill_process(process, number(signal)));
        if let Some(Err(errno)) = sent {
            let source = errno.into();
            return Err(OnChangeError::Signal { pid, source });
        }
    }
    Ok(())
}

fn number(signal: ChangeSignal) -> Signal {
    match signal {
        ChangeSignal::Hup => Signal::HUP,
        ChangeSignal::Int => Signal::INT,
        ChangeSignal::Quit => Signal::QUIT,
        ChangeSignal::Term => Signal::TERM,
        ChangeSignal::Usr1 => Signal::USR1,
        ChangeSignal::Usr2 => Signal::USR2,
        ChangeSignal::Winch => Signal::WINCH,
    }
}

/// Those that get the signal. With a name: the processes of that name whose parent has another name,
/// because a server passes the signal to its workers itself. Without a name: the first process of each
/// other container, whose parent is outside of the pod. The process 1 is the pod's own.
fn receivers(all: &[Process], name: Option<&ProcessName>, own: i32) -> Vec<i32> {
    let is_wanted = |process: &&Process| {
        process.pid != own
            && match name {
                Some(name) => name.matches(&process.name),
                None => process.parent == 0 && process.pid != 1,
            }
    };
    let wanted: Vec<&Process> = all.iter().filter(is_wanted).collect();
    let has_parent = |process: &&&Process| wanted.iter().any(|other| other.pid == process.parent);
    let first = wanted.iter().filter(|process| !has_parent(process));
    first.map(|process| process.pid).collect()
}

/// Every process in `/proc`. One that ends meanwhile is left out.
fn processes() -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read(format!("/proc/{pid}/stat"));
        processes.extend(stat.ok().and_then(|stat| process(pid, &stat)));
    }
    Ok(processes)
}

/// The process of `/proc/PID/stat`: `PID (NAME) STATE PARENT …`. The name may contain anything.
fn process(pid: i32, stat: &[u8]) -> Option<Process> {
    let begin = stat.iter().position(|b| *b == b'(')? + 1;
    let end = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    Some(Process {
        pid,
        parent: fields.next()?.parse().ok()?,
        name: stat.get(begin..end)?.to_vec(),
    })
}

async fn post(url: &LoopbackUrl) -> Result<(), OnChangeError> {
    let address = url.address();
    let answer = timeout(LONGEST_REQUEST, request(url)).await;
    let answer = answer.unwrap_or_else(|elapsed| Err(elapsed.into()));
    let status = answer.map_err(|source| OnChangeError::NoAnswer { address, source })?;
    if status.starts_with("HTTP/1.1 2") || status.starts_with("HTTP/1.0 2") {
        return Ok(());
    }
    let status = status.rsplit(' ').next().unwrap_or_default();
    Err(OnChangeError::Status {
        address,
        status: status.escape_debug().to_string(),
    })
}

/// Sends the request. Returns the beginning of the response.
async fn request(url: &LoopbackUrl) -> io::Result<String> {
    let (address, path) = (url.address(), url.path());
    let mut connection = TcpStream::connect(address).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await?;
    let mut status = [0; STATUS_BYTES];
    connection.read_exact(&mut status).await?;
    Ok(String::from_utf8_lossy(&status).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Vec<Process> {
        let process = |pid, parent, name: &str| Process {
            pid,
            parent,
            name: name.as_bytes().to_vec(),
        };
        vec![
            process(1, 0, "pause"),
            process(7, 0, "kees-init"),
            process(12, 0, "nginx"),
            process(13, 12, "nginx"),
            process(14, 12, "nginx"),
            process(20, 0, "sh"),
            process(21, 20, "nginx"),
        ]
    }

    #[test]
    fn a_named_process_gets_the_signal_and_its_workers_do_not() {
        let name = "nginx".parse().unwrap();
        assert_eq!(receivers(&pod(), Some(&name), 7), [12, 21]);
        let name = "httpd".parse().unwrap();
        assert!(receivers(&pod(), Some(&name), 7).is_empty());
    }

    #[test]
    fn without_a_name_the_first_process_of_each_container_gets_it() {
        assert_eq!(receivers(&pod(), None, 7), [12, 20]);
    }

    #[test]
    fn a_name_may_contain_anything() {
        let parsed = process(5, b"5 (a) S (b) S 3 5 5 0 -1").unwrap();
        assert_eq!((parsed.parent, &parsed.name[..]), (3, &b"a) S (b"[..]));
        assert_eq!(process(5, b"5 (a) Z 3 5"), None);
        assert_eq!(process(5, b""), None);
    }

    #[test]
    fn this_process_is_listed() {
        let own = getpid().as_raw_pid();
        assert!(processes().unwrap().iter().any(|other| other.pid == own));
    }
}
