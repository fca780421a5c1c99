//! The program itself: it takes an environment, and gives an exit status, standard error and files.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    canary::has_canary,
    container::{Container, run},
};

const LOCAL: (&str, &str) = ("init/local-mode", "true");
const RANDOM: &str = "kind=DYNAMIC,type=RANDOM,size=288";

#[test]
fn a_pod_in_local_mode_needs_no_store() {
    let gpg = "kind=DYNAMIC,type=GPG,size=2048,userId=user<user@email.com>";
    let rsa = "kind=DYNAMIC,type=RSA,size=2048";
    let container = Container::new(&[
        LOCAL,
        (
            "secret/reference-password",
            "kind=REFERENCE,type=PASSWORD,localModeValue=cGFzc3dvcmQK",
        ),
        (
            "secret/dynamic-password",
            "kind=DYNAMIC,type=PASSWORD,size=128",
        ),
        ("secret/dynamic-random", "kind=DYNAMIC,type=RANDOM,size=128"),
        ("secret/rsa.v1_public", rsa),
        ("secret/rsa.v1_private", rsa),
        ("secret/gpg.v1_private", gpg),
        ("secret/gpg.v1_public", gpg),
        ("secret/gpg.v1_password", gpg),
        (
            "resource/db-url",
            "storageKey=db.url,localModeValue=bG9jYWxob3N0OjU0MzIK",
        ),
    ]);
    let (status, stderr) = run(&mut container.command());
    assert_eq!(
        (status, stderr.as_str()),
        (0, " INFO 9 entries written (9 local) pod=\"web-0\"\n")
    );
    assert_eq!(
        container.volume(),
        [
            ".kees",
            "db-url",
            "leases.properties",
            "resources.properties",
            "secrets.properties"
        ]
    );
    assert_eq!(container.read("volume/db-url"), "localhost:5432\n");
    let secrets = container.read("volume/secrets.properties");
    assert_eq!(secrets.lines().count(), 8);
    assert!(secrets.contains("reference-password=cGFzc3dvcmQK\n"));
    assert_eq!(container.read("termination-log"), "");
}

#[test]
fn a_second_process_finds_what_the_first_one_created() {
    let container = Container::new(&[("secret/seed", RANDOM)]);
    let (status, stderr) = run(&mut container.embedded());
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains("1 entry written (1 created)"), "{stderr}");
    let first = container.read("volume/secrets.properties");
    let (_, stderr) = run(&mut container.embedded());
    assert!(stderr.contains("1 entry written (1 found)"), "{stderr}");
    assert_eq!(container.read("volume/secrets.properties"), first);
}

#[test]
fn an_error_is_on_standard_error_and_in_the_termination_message() {
    let container = Container::new(&[LOCAL, ("resource/url", ""), ("secret/x", "kind=NONE")]);
    let (status, stderr) = run(&mut container.command());
    assert_eq!(status, 65);
    let message = container.read("termination-log");
    assert_eq!(
        message.lines().next(),
        Some("nothing was written: 2 errors, exit 65, an annotation or a stored value is wrong")
    );
    for annotation in ["resource.bsycorp.com/url: ", "secret.bsycorp.com/x: "] {
        assert!(message.contains(annotation), "{message}");
        assert!(stderr.contains(annotation), "{stderr}");
    }
    assert!(container.volume().is_empty());
}

#[test]
fn wrong_usage_is_in_the_termination_message_too() {
    let container = Container::new(&[LOCAL]);
    let (status, stderr) = run(container.command().env("TIMEOUT", "soon"));
    assert_eq!(status, 64);
    let expected = "TIMEOUT (--timeout) is 'soon': use a number of seconds from 0.001 to 86400";
    assert!(stderr.contains(expected), "{stderr}");
    assert!(container.read("termination-log").contains(expected));
}

#[test]
fn a_termination_message_that_cannot_be_written_is_not_an_error_and_not_created() {
    let container = Container::new(&[LOCAL, ("resource/url", "")]);
    let missing = container.path("none");
    let (status, _) = run(container.command().env("TERMINATION_LOG", &missing));
    assert_eq!(status, 65);
    assert!(!missing.exists());
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let container = Container::new(&[LOCAL, ("secret/seed", RANDOM)]);
    let names = [
        "STORE",
        "FORMAT",
        "FILE_MODE",
        "TIMEOUT",
        "STORAGE_PREFIX",
        "KMS_KEY_ID",
        "STORES",
    ];
    let (status, stderr) = run(container.command().envs(names.map(|name| (name, ""))));
    assert_eq!(status, 0, "{stderr}");
}

#[test]
fn a_missing_label_is_wrong_environment() {
    let container = Container::new(&[("secret/seed", RANDOM)]);
    let (status, stderr) = run(container.command().env_remove("ENV_LABEL"));
    assert_eq!(status, 64);
    assert!(stderr.contains("ENV_LABEL is missing"), "{stderr}");
}

#[test]
fn a_target_that_is_a_directory_leaves_the_volume_as_it_was() {
    let container = Container::new(&[LOCAL, ("secret/seed", RANDOM)]);
    fs::create_dir(container.path("volume/secrets.properties")).unwrap();
    let (status, stderr) = run(&mut container.command());
    assert_eq!(status, 73);
    assert!(
        stderr.contains("secrets.properties is a directory"),
        "{stderr}"
    );
    assert_eq!(container.volume(), ["secrets.properties"]);
}

#[test]
fn a_file_that_cannot_be_written_completely_is_removed() {
    let large = "YWFh".repeat(16 * 1024);
    let container = Container::new(&[
        LOCAL,
        ("resource/large", &format!("localModeValue={large}")),
    ]);
    // A limit of 8 blocks on the size of a file has the effect of a full volume.
    let mut shell = container.program("/bin/sh");
    let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\"";
    shell.args(["-c", limited, env!("CARGO_BIN_EXE_kees-init")]);
    let (status, stderr) = run(&mut shell);
    assert_eq!(status, 73, "{stderr}");
    assert!(stderr.contains("cannot be written"), "{stderr}");
    assert!(container.volume().is_empty(), "{:?}", container.volume());
    assert!(container.read("termination-log").contains("volume/large"));
}

#[test]
fn the_annotations_file_has_to_be_there() {
    let container = Container::new(&[]);
    fs::remove_file(container.path("annotations")).unwrap();
    let (status, stderr) = run(&mut container.command());
    assert_eq!(status, 64);
    assert!(
        stderr.contains("mount the pod's annotations there"),
        "{stderr}"
    );
}

#[test]
fn a_store_that_is_down_is_unavailable_at_the_deadline() {
    let container = Container::new(&[("secret/seed", RANDOM)]);
    // The parent is a file, so this file can never be opened.
    let file = container.path("annotations/kees.db");
    let mut command = container.embedded();
    let (status, stderr) = run(command.env("EMBEDDED_FILE", file).env("TIMEOUT", "1"));
    assert_eq!(status, 69, "{stderr}");
    assert!(
        stderr.contains("secret.bsycorp.com/seed (embedded /seed): "),
        "{stderr}"
    );
}

#[test]
fn what_stays_absent_ends_the_run_at_the_deadline() {
    let container = Container::new(&[("secret/token", "kind=REFERENCE")]);
    let (status, stderr) = run(container.embedded().env("TIMEOUT", "0.5"));
    assert_eq!(status, 75, "{stderr}");
    assert!(container.volume().is_empty());
}

#[test]
fn a_run_that_waits_is_ended_by_a_signal_and_never_dumps_core() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let container = Container::new(&[("secret/token", "kind=REFERENCE")]);
        let mut child = container
            .embedded()
            .env("TIMEOUT", "600")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("waiting for values that are absent: secret.bsycorp.com/token") {
            line.clear();
            assert_ne!(
                stderr.read_line(&mut line).unwrap(),
                0,
                "it ended without waiting"
            );
        }
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        assert_eq!(
            core.split_whitespace().collect::<Vec<_>>()[4..6],
            ["0", "0"],
            "{core}"
        );

        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("; nothing was written"), "{rest}");
        assert!(container.volume().is_empty());
    }
}

#[test]
fn the_log_has_levels_and_can_be_json() {
    let container = Container::new(&[LOCAL, ("secret/seed", &format!("{RANDOM},foo=bar"))]);
    let (_, info) = run(&mut container.command());
    assert!(
        info.contains("WARN") && info.contains("'foo' is unknown"),
        "{info}"
    );
    let (_, error) = run(container.command().env("LOG_LEVEL", "error"));
    assert_eq!(error, "");
    let (_, json) = run(container.command().env("LOG_FORMAT", "json"));
    assert!(
        json.lines()
            .all(|line| line.starts_with('{') && line.ends_with('}')),
        "{json}"
    );
}

/// Searches the log at the lowest level for the values in the files.
#[test]
fn no_log_shows_a_value() {
    let container = Container::new(&[
        ("secret/seed", RANDOM),
        ("secret/tls_private", "kind=DYNAMIC,type=RSA,size=2048"),
    ]);
    for status in [0, 0, 73] {
        if status == 73 {
            let target = container.path("volume/leases.properties");
            fs::remove_file(&target).unwrap();
            fs::create_dir(&target).unwrap();
        }
        let (got, stderr) = run(container.embedded().env("LOG_LEVEL", "trace"));
        assert_eq!(got, status, "{stderr}");
        let secrets = container.read("volume/secrets.properties");
        for line in secrets.lines() {
            let value = line.split_once('=').unwrap().1;
            assert!(!stderr.contains(&value[..24]), "{stderr}");
        }
    }
    let canary = "canary-in-the-coal-mine";
    let encoded = "Y2FuYXJ5LWluLXRoZS1jb2FsLW1pbmU=";
    let container = Container::new(&[
        LOCAL,
        (
            "secret/good",
            &format!("kind=REFERENCE,localModeValue={encoded}"),
        ),
        (
            "secret/bad",
            &format!("kind=REFERENCE,localModeValue={canary}"),
        ),
    ]);
    let (status, stderr) = run(container.command().env("LOG_LEVEL", "trace"));
    assert_eq!(status, 65);
    assert!(!has_canary(&stderr), "{stderr}");
    assert!(!has_canary(&container.read("termination-log")));
}

#[test]
fn help_and_version_are_not_errors() {
    for argument in ["--help", "-h", "--version"] {
        let output = Command::new(env!("CARGO_BIN_EXE_kees-init"))
            .arg(argument)
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn the_example_of_the_help_runs() {
    let program = Path::new(env!("CARGO_BIN_EXE_kees-init"));
    let help = Command::new(program).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, example) = help.split_once("Example, without any store:\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("sh")
        .args(["-e", "-c", example])
        .current_dir(&folder)
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", program.parent().unwrap().display()),
        )
        .status()
        .unwrap();
    assert!(status.success());
    let written = fs::read_to_string(folder.path().join("out/secrets.properties")).unwrap();
    assert!(written.starts_with("db-password="), "{written}");
}
