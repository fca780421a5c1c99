//! `kees-init refresh`: the program that reads the values of a running pod again.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt as _,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use kees_common::{SecretValue, StoreName};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    canary::has_canary,
    cloud::{Cloud, attribute, error_response},
    container::{Container, run},
};

const SEED: (&str, &str) = ("secret/seed", "kind=DYNAMIC,type=RANDOM,size=128");
const URL: (&str, &str) = ("resource/url", "storageKey=url");

/// A pod whose store is a stand-in.
pub(crate) struct Pod {
    pub(crate) container: Container,
    pub(crate) cloud: Cloud,
}

impl Pod {
    /// A pod whose first run has written its files.
    fn started(annotations: &[(&str, &str)], cloud: Cloud) -> Self {
        let pod = Self::new(annotations, cloud);
        pod.store("/url", "first");
        pod.run();
        pod
    }

    /// A pod that has no files yet.
    pub(crate) fn new(annotations: &[(&str, &str)], cloud: Cloud) -> Self {
        let container = Container::new(annotations);
        Self { container, cloud }
    }

    /// A run of the init container.
    fn run(&self) {
        let (status, stderr) = run(&mut self.command());
        assert_eq!(status, 0, "{stderr}");
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = self.container.command();
        self.cloud.configure(&mut command, StoreName::DynamoDb);
        command.env("REFRESH", "1s").env("LOG_LEVEL", "debug");
        command
    }

    fn sidecar(&self) -> Sidecar {
        Sidecar::start(&mut self.command())
    }

    pub(crate) fn store(&self, path: &str, text: &str) {
        let value = SecretValue::new(text.as_bytes().to_vec());
        self.cloud.put(path, attribute(&value));
    }

    pub(crate) fn read(&self, name: &str) -> String {
        self.container.read(&format!("volume/{name}"))
    }
}

/// A running sidecar. It is killed when it is dropped.
pub(crate) struct Sidecar {
    pub(crate) child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Sidecar {
    fn start(command: &mut Command) -> Self {
        Self::run(command.arg("refresh"))
    }

    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The next line of the log that contains `text`.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let length = self.stderr.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "the sidecar ended before it logged '{text}'");
            assert!(!has_canary(&line), "{line}");
        }
        line
    }

    /// Ends it as the kubelet does. Returns its exit status.
    pub(crate) fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_changed_value_reaches_the_files() {
    let pod = Pod::started(&[SEED, URL], Cloud::start());
    let secrets = pod.read("secrets.properties");
    let mut sidecar = pod.sidecar();
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    let line = sidecar.line("the files were replaced");
    assert!(line.contains("changed: resource.bsycorp.com/url"), "{line}");
    assert_eq!(pod.read("url"), "second");
    assert!(pod.read("resources.properties").contains("url=c2Vjb25k"));
    assert_eq!(pod.read("secrets.properties"), secrets);
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn the_files_of_a_pod_without_refresh_are_no_links() {
    let container = Container::new(&[("init/local-mode", "true"), SEED]);
    assert_eq!(run(&mut container.command()).0, 0);
    assert_eq!(
        container.volume(),
        [
            ".kees",
            "leases.properties",
            "resources.properties",
            "secrets.properties"
        ]
    );
    let is_link = |name: &String| container.path("volume").join(name).is_symlink();
    assert!(!container.volume().iter().any(is_link));
}

#[test]
fn nothing_is_written_if_nothing_changed() {
    let pod = Pod::started(&[SEED, URL], Cloud::start());
    let inode = || {
        fs::metadata(pod.container.path("volume/url"))
            .unwrap()
            .ino()
    };
    let before = inode();
    let mut sidecar = pod.sidecar();
    sidecar.line("no value has changed");
    sidecar.line("no value has changed");
    assert_eq!(inode(), before);
}

#[test]
fn containers_start_again_in_the_same_volume() {
    let pod = Pod::started(&[SEED, URL], Cloud::start());
    pod.run();
    pod.store("/url", "second");
    pod.run();
    assert_eq!(pod.read("url"), "second");
    for text in ["third", "fourth"] {
        let mut sidecar = pod.sidecar();
        pod.store("/url", text);
        sidecar.line("the files were replaced");
        assert_eq!(pod.read("url"), text);
        drop(sidecar);
    }
}

#[test]
fn a_removed_value_is_not_created_again_and_keeps_the_files() {
    let pod = Pod::started(&[SEED, URL], Cloud::start());
    let secrets = pod.read("secrets.properties");
    let seed = pod.cloud.table()["/seed"].clone();
    pod.cloud.remove("/seed");
    pod.store("/url", "second");
    let mut sidecar = pod.sidecar();
    let line = sidecar.line("secret.bsycorp.com/seed");
    assert!(line.contains("a refresh creates nothing"), "{line}");
    sidecar.line("the refresh failed, and the files keep their values");
    sidecar.line("the refresh failed, and the files keep their values");
    assert!(!pod.cloud.table().contains_key("/seed"));
    assert_eq!(pod.read("secrets.properties"), secrets);
    assert_eq!(pod.read("url"), "first");
    let message = pod.container.read("termination-log");
    assert!(
        message.starts_with("the last refresh failed; "),
        "{message}"
    );
    assert!(message.contains("secret.bsycorp.com/seed"), "{message}");

    pod.cloud.put("/seed", seed);
    sidecar.line("the files were replaced");
    assert_eq!(pod.read("url"), "second");
    sidecar.line("no value has changed");
    assert_eq!(pod.container.read("termination-log"), "");
}

#[test]
fn a_store_that_denies_keeps_the_files() {
    let denies = Arc::new(AtomicUsize::new(0));
    let script = Arc::clone(&denies);
    let cloud = Cloud::scripted(move |_, _| {
        let is_denied = script.load(Ordering::Relaxed) > 0;
        is_denied.then(|| error_response("AccessDeniedException", "not authorized"))
    });
    let pod = Pod::started(&[SEED, URL], cloud);
    denies.store(1, Ordering::Relaxed);
    pod.store("/url", "second");
    let mut sidecar = pod.sidecar();
    sidecar.line("the refresh failed, and the files keep their values");
    assert_eq!(pod.read("url"), "first");
    denies.store(0, Ordering::Relaxed);
    sidecar.line("the files were replaced");
    assert_eq!(pod.read("url"), "second");
}

#[test]
fn a_refresh_makes_as_many_calls_as_the_first_read() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let cloud = Cloud::scripted(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        None
    });
    let pod = Pod::started(&[SEED, URL], cloud);
    let calls_of = |before: usize| calls.load(Ordering::Relaxed) - before;
    let before = calls_of(0);
    pod.run();
    let first_read = calls_of(before);
    let before = calls_of(0);
    let mut sidecar = pod.sidecar();
    sidecar.line("no value has changed");
    assert_eq!(sidecar.stop(), Some(0));
    assert!(
        calls_of(before) <= first_read,
        "{} > {first_read}",
        calls_of(before)
    );
}

#[test]
fn a_refresh_never_goes_back_to_an_earlier_generation() {
    let pod = Pod::started(&[SEED, URL], Cloud::start());
    let mut sidecar = pod.sidecar();
    sidecar.line("no value has changed");
    let first = pod.cloud.table()["/seed"].clone();
    pod.store("/seed", "sixteen bytes...");
    sidecar.line("the files were replaced");
    let second = pod.read("secrets.properties");
    pod.cloud.put("/seed", first);
    for _ in 0..4 {
        let line = sidecar.line("the store answered with an earlier value");
        assert!(line.contains("secret.bsycorp.com/seed"), "{line}");
    }
    assert_eq!(pod.read("secrets.properties"), second);
}

#[test]
fn a_value_that_its_owner_puts_back_is_taken_at_the_third_read() {
    let pod = Pod::started(&[URL], Cloud::start());
    let mut sidecar = pod.sidecar();
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    sidecar.line("the files were replaced");
    pod.store("/url", "first");
    sidecar.line("the store answered with an earlier value");
    assert_eq!(pod.read("url"), "second");
    sidecar.line("the store answered with an earlier value");
    sidecar.line("the files were replaced");
    assert_eq!(pod.read("url"), "first");
}

#[test]
fn metrics_are_served_on_a_port() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let pod = Pod::started(&[URL], Cloud::start());
    let mut command = pod.command();
    command.env("REFRESH_METRICS_PORT", port.to_string());
    let mut sidecar = Sidecar::start(&mut command);
    sidecar.line("no value has changed");
    // The result is counted before the next read.
    sidecar.line("no value has changed");
    let get = |path: &str| {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        response
    };
    let metrics = get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(
        metrics.contains("kees_refresh_reads_total{result=\"failed\"} 0\n"),
        "{metrics}"
    );
    assert!(
        !metrics.contains("kees_refresh_reads_total{result=\"unchanged\"} 0\n"),
        "{metrics}"
    );
    assert!(get("/").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_sidecar_without_a_period_says_which_variable_is_missing() {
    let pod = Pod::started(&[URL], Cloud::start());
    let mut command = pod.command();
    let (status, stderr) = run(command.env_remove("REFRESH").arg("refresh"));
    assert_eq!(status, 64);
    assert!(
        stderr.contains("REFRESH is missing; name a period"),
        "{stderr}"
    );
}

/// Answers each request with the next of `statuses`, and then with 200. Returns the first lines of the
/// requests.
fn application(statuses: &'static [&'static str]) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut statuses = statuses.iter();
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let is_head =
                |line: &io::Result<String>| line.as_ref().is_ok_and(|line| !line.is_empty());
            lines.take_while(is_head).for_each(drop);
            let status = statuses.next().unwrap_or(&"200 OK");
            let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            connection.write_all(response.as_bytes()).unwrap();
            // The test may have ended.
            let _ = sender.send(first);
        }
    });
    (port, requests)
}

#[test]
fn a_change_is_posted_to_the_application_until_it_succeeds() {
    let pod = Pod::started(&[URL], Cloud::start());
    let (port, requests) = application(&["503 Not Ready", "404 Not Found"]);
    let mut command = pod.command();
    command.env("ON_CHANGE", format!("http://127.0.0.1:{port}/reload?x=1"));
    let mut sidecar = Sidecar::start(&mut command);
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    for _ in 0..3 {
        assert_eq!(requests.recv().unwrap(), "POST /reload?x=1 HTTP/1.1");
        assert_eq!(pod.read("url"), "second");
    }
    sidecar.line("no value has changed");
    sidecar.line("no value has changed");
    assert!(requests.try_recv().is_err(), "one change is posted once");
}

#[test]
fn an_application_that_cannot_be_told_is_told_at_a_later_refresh() {
    let pod = Pod::started(&[URL], Cloud::start());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = pod.command();
    command.env("ON_CHANGE", format!("http://{address}/reload?token=canary"));
    let mut sidecar = Sidecar::start(&mut command);
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    let line = sidecar.line("failed, and is tried again at the next refresh");
    assert!(
        line.contains("gave no answer: Connection refused"),
        "{line}"
    );
    assert!(!line.contains("canary"), "{line}");
    let listener = TcpListener::bind(address).unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    connection.write_all(b"HTTP/1.1 204 Done\r\n\r\n").unwrap();
    let message = pod.container.read("termination-log");
    assert!(message.contains("/reload failed: "), "{message}");
}

#[test]
fn a_change_is_signalled_to_the_named_process() {
    let pod = Pod::started(&[URL], Cloud::start());
    // A copy of the shell, so that no other process has its name.
    let shell = pod.container.path("kees-test-app");
    fs::copy("/bin/sh", &shell).unwrap();
    let script = "trap 'echo reloaded; exit 7' USR1; echo ready; while :; do read line; done";
    let mut app = Command::new(&shell)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(app.stdout.take().unwrap()).lines();
    assert_eq!(output.next().unwrap().unwrap(), "ready");
    let mut command = pod.command();
    command.env("ON_CHANGE", "signal=USR1,process=kees-test-app");
    let mut sidecar = Sidecar::start(&mut command);
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    assert_eq!(output.next().unwrap().unwrap(), "reloaded");
    assert_eq!(app.wait().unwrap().code(), Some(7));
    pod.store("/url", "third");
    let line = sidecar.line("failed, and is tried again");
    assert!(
        line.contains("no process named kees-test-app is there"),
        "{line}"
    );
}

#[test]
fn a_sidecar_asks_for_a_restart_once_by_ending() {
    let pod = Pod::started(&[URL], Cloud::start());
    let restarting = || {
        let mut command = pod.command();
        command.env("ON_CHANGE", "restart");
        Sidecar::start(&mut command)
    };
    let mut sidecar = restarting();
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    sidecar.line("ends, so that the controller restarts the workload");
    assert_eq!(sidecar.child.wait().unwrap().code(), Some(0));
    assert_eq!(pod.read("url"), "second");
    let request = "restart: the files of this pod were replaced";
    assert_eq!(pod.container.read("termination-log"), request);

    // The kubelet gives the next process an empty file.
    fs::write(pod.container.path("termination-log"), "").unwrap();
    let mut next = restarting();
    next.line("no value has changed");
    assert_eq!(pod.container.read("termination-log"), request);
    pod.store("/url", "third");
    next.line("the files were replaced");
    assert_eq!(pod.read("url"), "third");
    pod.cloud.remove("/url");
    next.line("the refresh failed");
    next.line("the refresh failed");
    let message = pod.container.read("termination-log");
    let rest = message.strip_prefix(request).unwrap();
    assert!(rest.starts_with("\nthe last refresh failed; "), "{message}");
    assert_eq!(next.stop(), Some(0));
}

#[test]
fn a_pod_whose_containers_start_again_may_ask_again() {
    let pod = Pod::started(&[URL], Cloud::start());
    for value in ["second", "third"] {
        let mut command = pod.command();
        command.env("ON_CHANGE", "restart");
        let mut sidecar = Sidecar::start(&mut command);
        sidecar.line("no value has changed");
        pod.store("/url", value);
        sidecar.line("ends, so that the controller restarts the workload");
        drop(sidecar);
        pod.run();
    }
}

#[test]
fn a_request_that_cannot_be_written_is_tried_again() {
    let pod = Pod::started(&[URL], Cloud::start());
    let mut command = pod.command();
    let log = pod.container.path("absent/termination-log");
    command
        .env("ON_CHANGE", "restart")
        .env("TERMINATION_LOG", &log);
    let mut sidecar = Sidecar::start(&mut command);
    sidecar.line("no value has changed");
    pod.store("/url", "second");
    let line = sidecar.line("restart failed, and is tried again at the next refresh");
    assert!(
        line.contains("the termination message cannot be written"),
        "{line}"
    );
    fs::create_dir(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    sidecar.line("ends, so that the controller restarts the workload");
}
