//! Tests of `kees put`, `show`, `list`, `delete` and `copy`, with the embedded store.

use std::fs;

use rstest::rstest;

use crate::folder::{Ended, Folder, PASSWORD, pod};

const REFERENCE: &str = "secret.bsycorp.com/db: kind=REFERENCE,storageKey=team/db";

fn put(folder: &Folder, path: &str, value: &str) -> Ended {
    folder.kees_reading(value, &["put", path])
}

fn revealed(folder: &Folder, path: &str) -> String {
    let show = ["show", path, "--reveal", "--to-pipe"];
    folder.kees(&show).succeeded().stdout
}

#[test]
fn a_value_that_is_put_is_what_a_reference_gets() {
    let folder = Folder::with(&pod("a", &[REFERENCE]));
    put(&folder, "/team/db", "hunter2-canary\n").succeeded();
    assert_eq!(folder.mode("out"), 0o700);
    assert_eq!(folder.read("out/.gitignore"), "*\n");
    assert_eq!(folder.mode("out/kees.sqlite"), 0o600);
    let run = ["run", "web.yaml", "--format", "files"];
    folder.kees(&run).succeeded();
    let file = "out/default/pod-a/bsycorp-init/db";
    assert_eq!(folder.read(file), "hunter2-canary");
}

#[test]
fn run_names_the_put_for_a_reference_that_is_absent() {
    let folder = Folder::with(&pod("a", &[REFERENCE, PASSWORD]));
    let flags = ["run", "web.yaml", "--timeout", "1"];
    let stderr = folder.kees(&flags).failed(75);
    let hint = "store it by hand: kees put /team/db\n";
    assert!(stderr.contains(hint), "{stderr}");
    assert_eq!(stderr.matches("kees put").count(), 1, "{stderr}");
    put(&folder, "/team/db", "x").succeeded();
    folder.kees(&flags).succeeded();
}

#[test]
fn the_put_that_run_names_has_the_flags_of_its_store() {
    let folder = Folder::with(&pod("a", &[REFERENCE]));
    let flags = ["run", "web.yaml", "--timeout", "1", "--out", "my folder"];
    let stderr = folder.kees(&flags).failed(75);
    let hint = "kees put /team/db --embedded-file 'my folder/kees.sqlite'\n";
    assert!(stderr.contains(hint), "{stderr}");
}

#[test]
fn a_put_replaces_nothing_unless_it_is_told_to() {
    let folder = Folder::new();
    put(&folder, "/a", "one").succeeded();
    let stderr = put(&folder, "/a", "two").failed(65);
    assert!(stderr.contains("embedded has a value at /a; to replace it, give --overwrite"));
    // There is no terminal on which to ask.
    let overwrite = ["put", "/a", "--overwrite"];
    let stderr = folder.kees_reading("two", &overwrite).failed(64);
    assert!(stderr.contains("give --yes"), "{stderr}");
    assert_eq!(revealed(&folder, "/a"), "one");
    let overwrite = ["put", "/a", "--overwrite", "--yes"];
    folder.kees_reading("two", &overwrite).succeeded();
    assert_eq!(revealed(&folder, "/a"), "two");
    // What is absent needs no answer.
    let overwrite = ["put", "/b", "--overwrite"];
    folder.kees_reading("three", &overwrite).succeeded();
    assert_eq!(revealed(&folder, "/b"), "three");
}

#[test]
fn the_bytes_of_a_file_are_stored_unchanged() {
    let folder = Folder::new();
    let bytes = [0, 255, b'\n'];
    fs::write(folder.path("license.bin"), bytes).unwrap();
    let arguments = ["put", "/license", "--file", "license.bin"];
    let stdout = folder.kees(&arguments).succeeded().stdout;
    assert_eq!(
        stdout,
        "stored 3 bytes at /license in embedded (out/kees.sqlite)\n"
    );
    fs::write(folder.path("text"), "text\n").unwrap();
    let arguments = ["put", "/text", "--file", "text", "--keep-line-break"];
    folder.kees(&arguments).succeeded();
    assert_eq!(revealed(&folder, "/text"), "text\n");
}

#[rstest]
#[case(&["put", "/a"], "", 65, "the value is empty")]
#[case(&["put", "/a"], "\n", 65, "the value is empty")]
#[case(&["put", "/a//b"], "x", 64, "empty segment")]
#[case(&["put", "/a", "--file", "absent"], "x", 64, "cannot be read from absent")]
#[case(&["put", "/a", "x"], "", 64, "a value is not an argument")]
#[case(&["put", "/a b", "--store", "secretsmanager"], "x", 64, "use 1 to 512 letters")]
#[case(&["put", "/a", "--store", "memory"], "x", 64, "use embedded")]
#[case(&["put", "/a", "--store", "dynamodb", "--aws-region", "eu-west-1"], "x", 64, "needs --env-label")]
#[case(&["list", "/", "--store", "dynamodb"], "", 64, "needs --env-label")]
#[case(&["put", "/a", "--store", "ssm"], "x", 64, "the AWS Region is not known")]
#[case(&["show", "/a"], "", 64, "there is no file out/kees.sqlite")]
#[case(&["show", "/a", "--reveal"], "", 64, "add --to-pipe")]
#[case(&["list", "/a"], "", 64, "there is no file out/kees.sqlite")]
#[case(&["delete", "/a", "--no-recovery"], "", 64, "leave out --no-recovery with embedded")]
#[case(&["copy", "/", "--from", "ssm", "--to", "ssm"], "", 64, "are both ssm")]
fn what_is_wrong_is_told(
    #[case] arguments: &[&str],
    #[case] input: &str,
    #[case] status: i32,
    #[case] message: &str,
) {
    let folder = Folder::new();
    let ended = folder.kees_reading(input, arguments);
    assert_eq!(ended.stdout, "");
    let stderr = ended.failed(status);
    assert!(stderr.contains(message), "{stderr}");
    assert!(!folder.exists("out"));
}

#[test]
fn a_list_has_the_paths_of_whole_segments() {
    let folder = Folder::new();
    for path in ["/dev/team-a/x", "/dev/team-ab/x", "/dev/team-a/deep/y"] {
        put(&folder, path, "canary").succeeded();
    }
    let stdout = folder.kees(&["list", "/dev/team-a"]).succeeded().stdout;
    insta::assert_snapshot!(stdout, @r"
      PATH                CHANGED  VERSION  SIZE
      /dev/team-a/deep/y  -        -         6 B
      /dev/team-a/x       -        -         6 B
    ");
    let json = folder.kees(&["list", "/", "--output", "json"]).succeeded();
    let values = json.json();
    assert_eq!(values["values"].as_array().unwrap().len(), 3);
    assert_eq!(values["values"][2]["path"], "/dev/team-ab/x");
    let none = folder.kees(&["list", "/prod"]).succeeded();
    assert_eq!(
        none.stderr,
        "embedded (out/kees.sqlite) has no value below /prod\n"
    );
}

#[test]
fn a_value_is_shown_only_if_it_is_asked_for() {
    let folder = Folder::new();
    put(&folder, "/a", "canary").succeeded();
    let shown = folder.kees(&["show", "/a"]).succeeded();
    assert_eq!(
        shown.stdout,
        "path     /a\nstore    embedded\nsize     6 B\n"
    );
    let json = folder.kees(&["show", "/a", "--output", "json"]).succeeded();
    let expected = serde_json::json!({"store": "embedded", "path": "/a", "size": 6});
    assert_eq!(json.json(), expected);
    let refused = folder.kees(&["show", "/a", "--reveal"]);
    assert!(!refused.all().contains("canary"), "{refused:?}");
    refused.failed(64);
    assert_eq!(revealed(&folder, "/a"), "canary");
    let stderr = folder.kees(&["show", "/b"]).failed(75);
    assert!(stderr.contains("embedded has no value at /b"), "{stderr}");
}

#[test]
fn a_delete_asks_or_is_told_not_to() {
    let folder = Folder::new();
    put(&folder, "/a", "canary-of-the-file").succeeded();
    let stderr = folder.kees(&["delete", "/a"]).failed(64);
    assert!(stderr.contains("nothing was changed"), "{stderr}");
    let stdout = folder.kees(&["delete", "/a", "--yes"]).succeeded().stdout;
    assert_eq!(stdout, "deleted /a from embedded (out/kees.sqlite)\n");
    folder.kees(&["delete", "/a", "--yes"]).failed(75);
    folder.kees(&["delete", "/a"]).failed(75);
    let file = fs::read(folder.path("out/kees.sqlite")).unwrap();
    let canary = b"canary-of-the-file";
    assert!(!file.windows(canary.len()).any(|part| part == canary));
}

/// The records of leases in the embedded store are rows of the same table.
#[test]
fn people_see_who_holds_the_number_of_a_lease() {
    let folder = Folder::new();
    let (number, pod) = ("/dev/leases/node.7", "/dev/leases/node/shop/web-0/0-9");
    let holder = r#"{"value":"web-0","podNamespace":"shop","podUid":"u-1"}"#;
    put(&folder, number, holder).succeeded();
    put(&folder, pod, &holder.replacen("web-0", "7", 1)).succeeded();
    let listed = folder.kees(&["list", "/dev/leases"]).succeeded().stdout;
    assert!(listed.contains(number) && listed.contains(pod), "{listed}");
    for path in [number, pod] {
        let shown = folder.kees(&["show", path]).succeeded().stdout;
        let expected = "number   7\nholder   shop/web-0\nuid      u-1\n";
        assert!(shown.ends_with(expected), "{shown}");
        let json = folder.kees(&["show", path, "--output", "json"]);
        let expected =
            serde_json::json!({"number": "7", "pod": "web-0", "namespace": "shop", "uid": "u-1"});
        assert_eq!(json.succeeded().json()["lease"], expected);
    }
    put(&folder, "/dev/leases/node.8", "canary").succeeded();
    let shown = folder.kees(&["show", "/dev/leases/node.8"]).succeeded();
    let expected = "size     6 B\nnote     it is no record of a lease\n";
    assert!(shown.stdout.ends_with(expected), "{shown:?}");
}

#[test]
fn a_delete_of_a_number_says_that_a_pod_may_hold_it() {
    let folder = Folder::new();
    let path = "/dev/leases/node.7";
    put(&folder, path, r#"{"value":"web-0"}"#).succeeded();
    let deleted = folder.kees(&["delete", path, "--yes"]).succeeded();
    let warning =
        "warning: /dev/leases/node.7: it is a number of a lease: a living pod may hold it";
    assert!(deleted.stderr.contains(warning), "{deleted:?}");
    put(&folder, "/dev/node.7", "x").succeeded();
    let deleted = folder.kees(&["delete", "/dev/node.7", "--yes"]).succeeded();
    assert!(!deleted.stderr.contains("lease"), "{deleted:?}");
}

#[test]
fn no_message_and_no_log_has_a_value() {
    let folder = Folder::new();
    for arguments in [
        &["put", "/a"][..],
        &["put", "/a"],
        &["put", "/a", "--overwrite", "--yes"],
        &["show", "/a"],
        &["list", "/"],
        &[
            "put",
            "/a",
            "--store",
            "ssm",
            "--aws-region",
            "x",
            "--aws-endpoint",
            "http://127.0.0.1:9",
            "--timeout",
            "1",
        ],
        &["delete", "/a", "--yes"],
    ] {
        let arguments = [arguments, &["--log-level", "debug"]].concat();
        let all = folder.kees_reading("canary", &arguments).all();
        for canary in ["canary", "Y2FuYXJ5"] {
            assert!(!all.contains(canary), "{all}");
        }
    }
}
