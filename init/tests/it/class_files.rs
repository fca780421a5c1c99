//! The files of volumes of classes: names, modes, contents, and what was there before.

use std::{fs, os::unix::fs::symlink, path::Path};

use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::{
    class_volume::{Pod, files},
    container::run,
    refreshing::Sidecar,
};

const OBJECTS: &str = r#"
- objectName: team/db
  objectType: secretsmanager
  filePermission: "0400"
  jmesPath:
    - {path: user, objectAlias: db-user}
    - {path: to_string(port), objectAlias: db-port, filePermission: "4755"}
- {objectName: /team/url, objectType: ssmparameter}
- {objectName: key, objectType: secretsmanager, objectAlias: key.bin, filePermission: "0000"}
"#;

fn pod(annotations: &[(&str, &str)]) -> Pod {
    let mut pod = Pod::new(annotations);
    pod.add("db", OBJECTS, &[]);
    pod.secret("team/db", r#"{"user": "app", "port": 5432}"#);
    pod.parameter("/team/url", "https://example.com");
    // 00 ff
    pod.cloud.put("key", json!({"SecretBinary": "AP8="}));
    pod.secret("/token", "annotated");
    pod
}

#[test]
fn the_files_have_the_names_modes_and_bytes_of_the_class() {
    let pod = pod(&[]);
    // The modes are exact, whatever the umask.
    let mut shell = pod.program("/bin/sh");
    shell.args([
        "-c",
        "umask 077; exec \"$0\"",
        env!("CARGO_BIN_EXE_kees-init"),
    ]);
    let (status, stderr) = run(&mut shell);
    assert_eq!(status, 0, "{stderr}");
    let expected = [
        ("team_db", "0400", r#"{"user": "app", "port": 5432}"#),
        ("db-user", "0400", "app"),
        ("db-port", "4755", "5432"),
        ("_team_url", "0644", "https://example.com"),
        ("key.bin", "0000", "\0\u{fffd}"),
    ];
    assert_eq!(pod.files("db"), files(expected));
    assert_eq!(
        fs::read(pod.container.path("db/key.bin")).unwrap(),
        b"\x00\xff"
    );
    assert!(
        stderr.contains("the volume db (SecretProviderClass class-of-db) filled with 5 files"),
        "{stderr}"
    );
}

#[test]
fn a_pod_with_volumes_of_classes_alone_gets_no_other_file() {
    let pod = pod(&[]);
    // There is no volume for the files of annotations.
    fs::remove_dir(pod.container.path("volume")).unwrap();
    pod.run();
    assert!(!pod.container.path("volume").exists());
    assert_eq!(pod.files("db").len(), 5);
}

#[test]
fn a_pod_can_have_annotations_and_several_volumes() {
    let mut pod = pod(&[("secret/token", "kind=REFERENCE")]);
    pod.add(
        "other",
        "- {objectName: team/token, objectType: secretsmanager}",
        &[],
    );
    pod.secret("team/token", "t0k3n");
    let stderr = pod.run();
    assert!(
        stderr.contains("1 entry written (1 found); the volume db "),
        "{stderr}"
    );
    assert_eq!(pod.files("other"), files([("team_token", "0644", "t0k3n")]));
    assert_eq!(pod.files("db").len(), 5);
    assert!(
        pod.container
            .read("volume/secrets.properties")
            .starts_with("token=")
    );
}

#[test]
fn folders_can_be_entered_by_every_reader() {
    let mut pod = Pod::new(&[]);
    pod.add(
        "db",
        "- {objectName: /a/b/c, objectType: ssmparameter, filePermission: \"0440\"}\n\
         - {objectName: /d, objectType: ssmparameter}",
        &[("pathTranslation", "False")],
    );
    pod.parameter("/a/b/c", "1");
    pod.parameter("/d", "2");
    let mut shell = pod.program("/bin/sh");
    shell.args([
        "-c",
        "umask 077; exec \"$0\"",
        env!("CARGO_BIN_EXE_kees-init"),
    ]);
    let (status, stderr) = run(&mut shell);
    assert_eq!(status, 0, "{stderr}");
    let expected = [
        ("a/", "0755", ""),
        ("a/b/", "0755", ""),
        ("a/b/c", "0440", "1"),
        ("d", "0644", "2"),
    ];
    assert_eq!(pod.files("db"), files(expected));
}

#[test]
fn what_an_earlier_attempt_left_is_replaced_or_removed_and_all_else_stays() {
    let pod = pod(&[]);
    let at = |name: &str| pod.container.path(&format!("db/{name}"));
    fs::create_dir(at("folder")).unwrap();
    for name in ["folder/file", "other", ".kees.new.3", "db-user"] {
        fs::write(at(name), "earlier").unwrap();
    }
    let open = fs::File::open(at("db-user")).unwrap();
    pod.run();
    let names: Vec<_> = pod.files("db").into_keys().collect();
    let expected = [
        "_team_url",
        "db-port",
        "db-user",
        "folder/",
        "folder/file",
        "key.bin",
        "other",
        "team_db",
    ];
    assert_eq!(names, expected);
    // The file was replaced, not changed.
    assert_eq!(std::io::read_to_string(open).unwrap(), "earlier");
    assert_eq!(pod.container.read("db/db-user"), "app");
    let before = pod.files("db");
    pod.run();
    assert_eq!(pod.files("db"), before);
}

#[test]
fn a_link_to_a_file_is_replaced_by_the_file() {
    let pod = pod(&[]);
    fs::write(pod.container.path("elsewhere"), "stays").unwrap();
    symlink(
        pod.container.path("elsewhere"),
        pod.container.path("db/db-user"),
    )
    .unwrap();
    pod.run();
    assert!(
        fs::symlink_metadata(pod.container.path("db/db-user"))
            .unwrap()
            .is_file()
    );
    assert_eq!(pod.container.read("elsewhere"), "stays");
}

#[rstest]
#[case::fifo("a FIFO", |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap())]
#[case::link_to_a_device("a device", |path: &Path| symlink("/dev/null", path).unwrap())]
#[case::folder("a directory", |path: &Path| fs::create_dir(path).unwrap())]
fn what_is_no_file_is_not_replaced(#[case] what: &str, #[case] create: fn(&Path)) {
    let pod = pod(&[]);
    let target = pod.container.path("db/db-user");
    create(&target);
    let before = fs::symlink_metadata(&target).unwrap().file_type();
    let (status, stderr) = run(&mut pod.command());
    assert_eq!(status, 73, "{stderr}");
    assert!(
        stderr.contains(&format!("db/db-user is {what}")),
        "{stderr}"
    );
    assert!(
        stderr.contains("the volume db (SecretProviderClass class-of-db)"),
        "{stderr}"
    );
    assert!(stderr.contains("nothing was written"), "{stderr}");
    assert_eq!(fs::symlink_metadata(&target).unwrap().file_type(), before);
    assert_eq!(pod.files("db").len(), 1);
}

#[test]
fn a_link_in_place_of_a_folder_is_not_followed() {
    let mut pod = Pod::new(&[]);
    let parameters = [("pathTranslation", "False")];
    pod.add(
        "db",
        "- {objectName: /a/b, objectType: ssmparameter}",
        &parameters,
    );
    pod.parameter("/a/b", "1");
    fs::create_dir(pod.container.path("outside")).unwrap();
    symlink(pod.container.path("outside"), pod.container.path("db/a")).unwrap();
    let (status, stderr) = run(&mut pod.command());
    assert_eq!(status, 73, "{stderr}");
    assert!(stderr.contains("db/a cannot be used: "), "{stderr}");
    assert_eq!(
        fs::read_dir(pod.container.path("outside")).unwrap().count(),
        0
    );
}

#[test]
fn a_volume_that_is_not_mounted_is_named() {
    let pod = pod(&[]);
    fs::remove_dir(pod.container.path("db")).unwrap();
    let (status, stderr) = run(&mut pod.command());
    assert_eq!(status, 73, "{stderr}");
    assert!(
        stderr.contains("the volume db (SecretProviderClass class-of-db): "),
        "{stderr}"
    );
    assert!(stderr.contains("mount a volume there"), "{stderr}");
}

#[test]
fn one_volume_that_cannot_be_written_leaves_the_others_as_they_were() {
    let mut pod = pod(&[("secret/token", "kind=REFERENCE")]);
    pod.add(
        "other",
        "- {objectName: team/token, objectType: secretsmanager}",
        &[],
    );
    pod.secret("team/token", "t0k3n");
    fs::create_dir(pod.container.path("other/team_token")).unwrap();
    let (status, stderr) = run(&mut pod.command());
    assert_eq!(status, 73, "{stderr}");
    assert!(pod.files("db").is_empty());
    assert!(pod.container.volume().is_empty());
}

#[test]
fn files_of_annotations_that_cannot_be_written_are_said_to_come_after_the_volumes() {
    let pod = pod(&[("secret/token", "kind=REFERENCE")]);
    fs::create_dir(pod.container.path("volume/secrets.properties")).unwrap();
    let (status, stderr) = run(&mut pod.command());
    assert_eq!(status, 73, "{stderr}");
    assert!(stderr.contains("some files were changed"), "{stderr}");
    assert!(stderr.contains("db/key.bin"), "{stderr}");
}

/// A run in a user namespace, with a memory volume of 64 KiB.
#[test]
fn a_volume_that_is_too_small_says_how_large_it_must_be() {
    let mut pod = Pod::new(&[]);
    pod.add(
        "db",
        "- {objectName: large, objectType: secretsmanager}",
        &[],
    );
    pod.secret("large", &"x".repeat(65_537));
    let script = "mount -t tmpfs -o size=64k none \"$1\" || exit 1; \"$0\"; \
                  code=$?; ls -A \"$1\" >&2; exit $code";
    let mut unshare = pod.program("/usr/bin/unshare");
    let path = pod.container.path("db");
    unshare
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "/bin/sh",
            "-c",
            script,
        ])
        .args([Path::new(env!("CARGO_BIN_EXE_kees-init")), &path])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let (status, stderr) = run(&mut unshare);
    assert_eq!(status, 73, "{stderr}");
    let message = "its files need 68 KiB, old and new ones side by side, and the size limit of the volume \
                   is 64 KiB";
    assert!(stderr.contains(message), "{stderr}");
    assert!(
        stderr.contains("the volume db (SecretProviderClass class-of-db)"),
        "{stderr}"
    );
    assert!(
        stderr.trim_end().ends_with("a file could not be written"),
        "{stderr}"
    );
}

#[test]
fn a_fast_start_fills_the_volumes_too() {
    for has_annotations in [true, false] {
        let pod = if has_annotations {
            pod(&[("secret/token", "kind=REFERENCE")])
        } else {
            let pod = pod(&[]);
            fs::remove_dir(pod.container.path("volume")).unwrap();
            pod
        };
        let sidecar = Sidecar::run(pod.command().arg("start"));
        let mut hook = pod.command();
        assert!(hook.arg("wait").status().unwrap().success());
        let ready = if has_annotations { "volume" } else { "db" };
        assert!(pod.container.path(ready).join(".kees-ready").exists());
        assert_eq!(pod.container.read("db/db-user"), "app");
        assert_eq!(sidecar.stop(), Some(0));
        // A sidecar that starts again leaves the files as they are.
        pod.cloud.remove("team/db");
        let mut sidecar = Sidecar::run(pod.command().arg("start"));
        sidecar.line("the files are there");
        assert_eq!(sidecar.stop(), Some(0));
    }
}

#[test]
fn a_refresh_leaves_the_volumes_as_they_are() {
    let pod = pod(&[("secret/token", "kind=REFERENCE")]);
    let mut command = pod.command();
    let (status, stderr) = run(command.env("REFRESH", "1s"));
    assert_eq!(status, 0, "{stderr}");
    pod.secret("/token", "second");
    pod.cloud.remove("team/db");
    let mut command = pod.command();
    let mut sidecar = Sidecar::run(command.env("REFRESH", "1s").arg("refresh"));
    sidecar.line("the files were replaced");
    assert_eq!(sidecar.stop(), Some(0));
    assert_eq!(pod.container.read("db/db-user"), "app");
}
