//! `kees-init exec`: the real program starts another one in its place.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::container::{Container, run};

const LOCAL: (&str, &str) = ("init/local-mode", "true");
/// `value of a`
const A: (&str, &str) = ("secret/a", "kind=REFERENCE,localModeValue=dmFsdWUgb2YgYQ==");
/// `it's $HOME\n`
const B: (&str, &str) = ("resource/b.c-d", "localModeValue=aXQncyAkSE9NRQo=");

/// A volume that a run has filled, with the program and the values.
fn filled(annotations: &[(&str, &str)]) -> Container {
    let container = Container::new(annotations);
    let (status, stderr) = run(&mut asked(&container));
    assert_eq!(status, 0, "{stderr}");
    container
}

/// A run that is asked for the program and the values.
fn asked(container: &Container) -> Command {
    let mut command = container.command();
    command.env("EXEC_FOLDER", container.path("volume"));
    command
}

/// The program in the volume, as a container starts it: with the variables of the container alone.
fn exec(container: &Container) -> Command {
    let mut command = Command::new(container.path("volume/.kees-init"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("OWN", "kept")
        .arg("exec");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The exit status and the message of a command that is not started.
fn refused(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert_eq!(text(&stdout), "");
    let stderr = text(&stderr);
    let message = stderr.strip_prefix("kees-init: ").unwrap();
    (status.code().unwrap(), message.trim_end().to_owned())
}

/// A copy of the values with other content.
fn values(container: &Container, content: &[u8]) -> PathBuf {
    let file = container.path("values");
    fs::write(&file, content).unwrap();
    file
}

#[test]
fn a_run_that_is_not_asked_places_neither_program_nor_values() {
    let container = Container::new(&[LOCAL, A, ("init/env", "true")]);
    let (status, stderr) = run(&mut container.command());
    assert_eq!(status, 0, "{stderr}");
    let volume = container.volume();
    assert!(
        !volume.iter().any(|name| name.starts_with(".kees-")),
        "{volume:?}"
    );
}

#[test]
fn the_volume_has_the_program_and_the_values_with_their_modes() {
    let container = filled(&[LOCAL, A, B]);
    let mode = |name: &str| {
        let file = fs::metadata(container.path("volume").join(name)).unwrap();
        file.permissions().mode() & 0o7777
    };
    assert_eq!((mode(".kees-init"), mode(".kees-env")), (0o555, 0o444));
    assert_eq!(
        fs::read(container.path("volume/.kees-init")).unwrap(),
        fs::read(env!("CARGO_BIN_EXE_kees-init")).unwrap()
    );
    // A second run replaces both, also while the program is running.
    let mut running = exec(&container);
    let mut running = running
        .args(["--", "cat"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let (status, stderr) = run(asked(&container).env("FILE_MODE", "0440"));
    assert_eq!(status, 0, "{stderr}");
    assert_eq!((mode(".kees-init"), mode(".kees-env")), (0o555, 0o440));
    drop(running.stdin.take());
    assert!(running.wait().unwrap().success());
}

/// The environment of the started program, as the kernel shows it.
fn environment(command: &mut Command) -> BTreeMap<String, String> {
    let output = command
        .args(["--", "cat", "/proc/self/environ"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let environ = text(&output.stdout);
    let variables = environ.strip_suffix('\0').unwrap().split('\0');
    variables
        .map(|variable| {
            let (name, value) = variable.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn the_command_has_its_own_variables_the_values_and_nothing_else() {
    let container = filled(&[LOCAL, A, B]);
    let own = ("OWN", "kept");
    let path = ("PATH", "/usr/bin:/bin");
    assert_eq!(
        environment(&mut exec(&container)),
        pairs([own, path, ("a", "value of a"), ("b_c_d", "it's $HOME\n")])
    );
    let mut listed = exec(&container);
    assert_eq!(
        environment(listed.args(["--env", "SECRET_A=a"])),
        pairs([own, path, ("SECRET_A", "value of a")])
    );
}

#[test]
fn a_value_replaces_a_variable_of_the_image() {
    let container = filled(&[LOCAL, A]);
    let mut command = exec(&container);
    command.args(["--env", "OWN=a"]);
    assert_eq!(environment(&mut command)["OWN"], "value of a");
}

#[test]
fn only_the_entries_that_some_container_lists_are_in_the_file() {
    let random = ("secret/random", "kind=DYNAMIC,type=RANDOM,size=256");
    let container = filled(&[
        LOCAL,
        A,
        B,
        random,
        ("init/env", "A=a"),
        ("init/env.other", "b.c-d"),
        ("init/env.none", "false"),
    ]);
    let variables = environment(&mut exec(&container));
    let names: Vec<_> = variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["OWN", "PATH", "a", "b_c_d"]);
}

#[test]
fn a_previous_value_that_there_is_not_has_no_variable() {
    // Local mode has no previous values.
    let entry = (
        "secret/a",
        "kind=REFERENCE,previous=true,localModeValue=dmFsdWUgb2YgYQ==",
    );
    let container = filled(&[LOCAL, entry, ("init/env", "OLD=a.previous,A=a")]);
    let own = [("OWN", "kept"), ("PATH", "/usr/bin:/bin")];
    let mut listed = exec(&container);
    assert_eq!(
        environment(listed.args(["--env", "OLD=a.previous", "--env", "A=a"])),
        pairs([own[0], own[1], ("A", "value of a")])
    );
    assert_eq!(
        environment(&mut exec(&container)),
        pairs([own[0], own[1], ("a", "value of a")])
    );
    let (status, message) = refused(exec(&container).args(["--env", "b.previous", "--", "true"]));
    assert_eq!(status, 65);
    assert!(message.contains("has no entry b.previous"), "{message}");
}

/// Starts a shell script under `exec`, and waits for its first line.
fn started(command: &mut Command, script: &str) -> (Child, String) {
    let command = command.args(["--", "sh", "-c", script]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (child, line.trim_end().to_owned())
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn the_command_has_the_process_id_and_gets_the_signals() {
    let container = filled(&[LOCAL, A]);
    let script = "trap 'exit 7' TERM; echo $$; while :; do read line; done";
    let (mut child, line) = started(&mut exec(&container), script);
    assert_eq!(line, child.id().to_string());
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(7));

    let (mut child, _) = started(&mut exec(&container), "echo; exec cat");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn the_exit_status_and_the_standard_streams_are_those_of_the_command() {
    let container = filled(&[LOCAL, A]);
    let script = "read word; echo \"$word $a\"; echo error >&2; exit 42";
    let (mut command, mut stdout) = (exec(&container), String::new());
    let mut child = command
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"the\n").unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(42));
    assert_eq!(
        (stdout.as_str(), text(&output.stderr).as_str()),
        ("the value of a\n", "error\n")
    );
}

/// What the kernel shows of a `cat` that is started directly and of one under `exec`.
#[test]
fn nothing_of_the_program_is_left_in_the_process() {
    let container = filled(&[LOCAL, A]);
    let cat = |file: &str, command: &mut Command| {
        let output = command.arg(file).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let both = |file: &str| {
        let mut direct = Command::new("cat");
        let mut wrapped = exec(&container);
        (
            cat(file, &mut direct),
            cat(file, wrapped.args(["--", "cat"])),
        )
    };
    let lines = |text: &str, names: &[&str]| {
        let of_names = |line: &&str| names.iter().any(|name| line.starts_with(name));
        text.lines()
            .filter(of_names)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (direct, wrapped) = both("/proc/self/status");
    let names = [
        "Umask",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "Uid",
        "Gid",
        "Groups",
        "NoNewPrivs",
        "Seccomp",
        "Cap",
        "FDSize",
        "Threads",
    ];
    assert_eq!(lines(&direct, &names), lines(&wrapped, &names));
    assert_eq!(lines(&wrapped, &["SigBlk", "SigIgn"]).len(), 2);
    let (direct, wrapped) = both("/proc/self/limits");
    assert_eq!(direct, wrapped);
    let (_, wrapped) = both("/proc/self/cmdline");
    assert_eq!(wrapped, "cat\0/proc/self/cmdline\0");

    // The test itself may have passed on descriptors of its own, so they are counted in both.
    let open = |command: &mut Command| {
        let output = command.args(["/proc/self/fd"]).output().unwrap();
        text(&output.stdout)
    };
    let mut wrapped = exec(&container);
    assert_eq!(
        open(&mut Command::new("ls")),
        open(wrapped.args(["--", "ls"]))
    );
}

/// The files in `/proc` of a process that may not be dumped belong to root.
#[test]
fn the_command_may_be_dumped_as_if_it_were_started_directly() {
    use std::os::unix::fs::MetadataExt as _;

    let container = filled(&[LOCAL, A]);
    let mut command = exec(&container);
    command.gid(12_345);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (mut child, _) = started(&mut command, "echo; exec cat");
    let group = fs::metadata(format!("/proc/{}/limits", child.id()))
        .unwrap()
        .gid();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(group, 12_345);
}

#[test]
fn a_command_that_cannot_be_started_ends_as_in_a_shell() {
    let container = filled(&[LOCAL, A]);
    let script = container.path("no-interpreter");
    fs::write(&script, "echo no shell reads this\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    let data = container.path("annotations");
    let data = data.to_str().unwrap();
    let folder = container.path("volume");
    let folder = folder.to_str().unwrap();
    for (command, status, words) in [
        ("no-such-command", 127, "not found"),
        ("/no/such/command", 127, "not found"),
        ("", 127, "not found"),
        (data, 126, "Permission denied"),
        (folder, 126, "Permission denied"),
        (script, 126, "Exec format error"),
    ] {
        let refused = refused(exec(&container).args(["--", command]));
        assert_eq!(refused, (status, format!("{command}: {words}")));
    }
}

#[test]
fn a_command_without_a_slash_is_looked_for_in_the_path_of_the_container() {
    let container = filled(&[LOCAL, A]);
    let folder = |name: &str, mode: u32| {
        let folder = container.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(
            folder.join("tool"),
            format!("#!/bin/sh\necho {name} $0 $1\n"),
        )
        .unwrap();
        fs::set_permissions(folder.join("tool"), fs::Permissions::from_mode(mode)).unwrap();
        folder.to_str().unwrap().to_owned()
    };
    let (denied, first, second) = (
        folder("denied", 0o644),
        folder("first", 0o755),
        folder("second", 0o755),
    );
    let mut command = exec(&container);
    command.env("PATH", format!("/none:{denied}:{first}:{second}"));
    let output = command.args(["--", "tool", "argument"]).output().unwrap();
    assert_eq!(
        text(&output.stdout),
        format!("first {first}/tool argument\n")
    );
    // An empty folder of the path is the current one.
    let mut command = exec(&container);
    command.env("PATH", ":/none").current_dir(&second);
    let output = command.args(["--", "tool"]).output().unwrap();
    assert_eq!(text(&output.stdout), "second ./tool\n");
    let mut command = exec(&container);
    let refused = refused(command.env("PATH", &denied).args(["--", "tool"]));
    assert_eq!(refused, (126, "tool: Permission denied".to_owned()));
    // Without a path, as in a shell.
    let mut command = exec(&container);
    let output = command
        .env_remove("PATH")
        .args(["--", "true"])
        .output()
        .unwrap();
    assert!(output.status.success());
}

/// 400 KiB of text, in base64.
fn large() -> String {
    format!("localModeValue={}", "YWFh".repeat(400 * 1024 / 3))
}

#[test]
fn a_value_that_cannot_be_a_variable_is_refused_before_anything_is_written() {
    let large = large();
    for (entry, expected) in [
        // `canary\0`
        (
            "localModeValue=Y2FuYXJ5AA==",
            "the value of bad is not text (UTF-8 without NUL)",
        ),
        (
            "localModeValue=/2NhbmFyeQ==",
            "the value of bad is not text (UTF-8 without NUL)",
        ),
        (
            &large,
            "bad needs 409604 bytes as an environment variable, and Linux allows 131072 for one",
        ),
    ] {
        let container = Container::new(&[LOCAL, A, ("resource/bad", entry)]);
        let (status, stderr) = run(&mut asked(&container));
        assert_eq!(status, 65, "{stderr}");
        assert!(stderr.contains("resource.bsycorp.com/bad: "), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
        assert!(!stderr.contains("canary"), "{stderr}");
        assert!(container.volume().is_empty(), "{:?}", container.volume());
        // An entry that no container asks for may have any value.
        let container = Container::new(&[LOCAL, A, ("resource/bad", entry), ("init/env", "a")]);
        let (status, stderr) = run(&mut asked(&container));
        assert_eq!(status, 0, "{stderr}");
    }
}

#[test]
fn a_bad_file_of_values_is_told_before_the_command_starts() {
    let container = filled(&[LOCAL, A]);
    let long = [b"a 409600\n".to_vec(), vec![b'x'; 409_600], b"\n".to_vec()].concat();
    for (content, status, expected) in [
        (
            b"a 7\ncanary\0\n".as_slice(),
            65,
            "the value of a is not text",
        ),
        (
            b"a 7\ncanary",
            65,
            "it is not a file of values that kees-init writes, or it was cut",
        ),
        (
            b"a=canary\0",
            65,
            "it is not a file of values that kees-init writes, or it was cut",
        ),
        (
            b"a.b 1\nx\na-b 1\ny\n",
            65,
            "a.b and a-b would both be the variable a_b",
        ),
        (
            &long,
            126,
            "a needs 409603 bytes as an environment variable",
        ),
    ] {
        let file = values(&container, content);
        let mut command = exec(&container);
        let (found, message) = refused(
            command
                .arg("--values")
                .arg(file)
                .args(["--", "echo", "started"]),
        );
        assert_eq!(found, status, "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
    let mut command = exec(&container);
    let (status, message) = refused(command.args(["--env", "B=b", "--", "echo"]));
    assert_eq!(
        (
            status,
            message.ends_with("has no entry b; name one of the pod's entries")
        ),
        (65, true),
        "{message}"
    );
    fs::remove_file(container.path("volume/.kees-env")).unwrap();
    let (status, message) = refused(exec(&container).args(["--", "echo"]));
    assert_eq!(status, 66);
    assert!(
        message.contains("the container needs the volume of kees-init"),
        "{message}"
    );
}

#[test]
fn too_many_variables_are_told_with_the_names_of_the_largest() {
    let container = filled(&[LOCAL, A]);
    let mut content = Vec::new();
    for index in 0..30 {
        content.extend(format!("v{index} 100000\n").bytes());
        content.extend(std::iter::repeat_n(b'x', 100_000));
        content.push(b'\n');
    }
    let file = values(&container, &content);
    let mut shell = Command::new("sh");
    let program = container.path("volume/.kees-init");
    shell
        .args([
            "-c",
            "ulimit -s 8192; exec \"$0\" exec --values \"$1\" -- true",
        ])
        .arg(&program)
        .arg(&file);
    let (status, message) = refused(&mut shell);
    assert_eq!(status, 126);
    let expected = "true: Argument list too long: the arguments and the environment need ";
    assert!(message.starts_with(expected), "{message}");
    assert!(
        message.contains("and Linux allows 2097152; the largest variables are v9 (100004 bytes)")
            || message.contains("v29 (100005 bytes)"),
        "{message}"
    );
    // The estimate is no stricter than the kernel: with more stack, the same command starts.
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "ulimit -s 16384 || exit 0; exec \"$0\" exec --values \"$1\" -- true",
        ])
        .arg(&program)
        .arg(&file);
    assert!(shell.status().unwrap().success());
}

#[test]
fn wrong_arguments_are_usage_and_help_is_not_an_error() {
    let container = filled(&[LOCAL, A]);
    for arguments in [&["sh"][..], &["--"], &[], &["--env", "1=a", "--", "sh"]] {
        let (status, message) = refused(exec(&container).args(arguments));
        assert_eq!(status, 64, "{message}");
    }
    let help = exec(&container).arg("--help").output().unwrap();
    assert!(help.status.success() && text(&help.stdout).contains("127"));
}
