//! Tests of what every command line should do: completions, manual pages, narrow terminals, Ctrl-C, and
//! messages about files.

use std::{collections::BTreeSet, fs, thread};

use insta::assert_snapshot;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use crate::folder::{Folder, PASSWORD, pod};

#[rstest]
fn a_shell_completes_the_commands(
    #[values("bash", "zsh", "fish", "powershell", "elvish")] shell: &str,
) {
    let folder = Folder::new();
    let script = folder.kees(&["completions", shell]).succeeded().stdout;
    for word in ["export", "iam-policy", "annotation-domain"] {
        assert!(script.contains(word), "{word}");
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = Folder::new();
    folder.write("one/kept", "");
    folder.write("two/kept", "");
    folder.kees(&["man-pages", "one"]).succeeded();
    let environment = [("ENV_LABEL", "marker"), ("COLUMNS", "30")];
    folder
        .kees_with(&environment, &["man-pages", "two"])
        .succeeded();
    let pages = |of: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder.path(of)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "kept").collect()
    };
    for page in ["kees.1", "kees-run.1", "kees-export-iam-policy.1"] {
        assert!(pages("one").contains(page), "{:?}", pages("one"));
    }
    assert_eq!(pages("one"), pages("two"));
    for page in pages("one") {
        let one = folder.read(&format!("one/{page}"));
        assert!(one == folder.read(&format!("two/{page}")), "{page}");
    }
}

#[test]
fn a_file_in_the_place_of_the_manual_pages_is_an_error() {
    let folder = Folder::new();
    folder.write("pages", "");
    let ended = folder.kees(&["man-pages", "pages"]);
    assert_eq!(ended.status, 73);
    assert_snapshot!(ended.stderr);
}

#[test]
fn a_table_is_not_wider_than_the_terminal() {
    let long = "secret.bsycorp.com/a-name-that-is-quite-long-for-a-table: kind=DYNAMIC,type=UUID";
    let folder = Folder::with(&pod("web", &[PASSWORD, long]));
    let ended = folder.kees_with(&[("COLUMNS", "60")], &["run", "web.yaml"]);
    let table: Vec<_> = ended.stdout.lines().skip(1).take(3).collect();
    assert_snapshot!(table.join("\n"));
    let ended = folder.kees(&["run", "web.yaml"]).succeeded();
    assert!(
        ended
            .stdout
            .contains("/a-name-that-is-quite-long-for-a-table  found")
    );
}

/// The longest name that Kubernetes accepts.
#[test]
fn a_pod_name_of_253_characters_runs() {
    let name = "a".repeat(253);
    let folder = Folder::with(&pod(&name, &[PASSWORD]));
    let path = |ended: String| {
        let line = ended.lines().find(|line| line.starts_with("  out/"));
        line.unwrap().trim().to_owned()
    };
    let first = path(folder.kees(&["run", "web.yaml"]).succeeded().stdout);
    let name = first.split('/').nth(2).unwrap();
    assert_eq!(name.len(), 255);
    assert!(folder.exists(&format!("{first}/secrets.properties")));
    let second = path(folder.kees(&["run", "web.yaml"]).succeeded().stdout);
    assert_eq!(second, first);
}

#[test]
fn a_store_that_is_no_database_is_named_with_the_remedy() {
    let folder = Folder::with(&pod("web", &[PASSWORD]));
    folder.write("out/kees.sqlite", &"no database".repeat(100));
    let ended = folder.kees(&["run", "web.yaml"]);
    assert_eq!(ended.status, 69);
    assert_snapshot!(ended.stderr);
}

#[test]
fn the_flags_of_the_init_container_are_checked() {
    let folder = Folder::with(&pod("web", &[PASSWORD]));
    let inject = ["inject", "web.yaml"];
    for (flags, status) in [
        (&["--env-label", "dev", "--init-image="][..], 64),
        (&["--env-label", "dev", "--volume-size", "5x"], 64),
        (&["--env-label", "dev", "--run-as", "0"], 64),
        (&["--env-label", "dev", "--init-env", "STORE=ssm"], 64),
        (&[], 64),
        (&["--env-label", "dev"], 0),
    ] {
        let ended = folder.kees(&[&inject, flags].concat());
        assert_eq!(ended.status, status, "{flags:?} {}", ended.all());
        assert_eq!(ended.stdout.is_empty(), status != 0);
    }
}

/// The first pod gets its files. The second waits for a value that nothing stores, and the third is not
/// begun.
#[test]
fn ctrl_c_says_what_was_created() {
    let absent = "secret.bsycorp.com/given: kind=REFERENCE";
    let manifest = pod("a", &[PASSWORD]) + &pod("b", &[PASSWORD, absent]) + &pod("c", &[PASSWORD]);
    let folder = Folder::with(&manifest);
    let run = folder.start(&["run", "web.yaml", "--timeout", "600"]);
    let files = "out/default/pod-a/bsycorp-init/secrets.properties";
    while !folder.exists(files) {
        thread::yield_now();
    }
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let ended = crate::folder::ended(run);
    assert_eq!(ended.status, 130);
    assert!(
        ended.stdout.contains("1 created, 0 found, 0 local"),
        "{}",
        ended.all()
    );
    assert_snapshot!(ended.stderr);
}
