//! Tests of writing all files or none.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    sync::Barrier,
};

use proptest::prelude::*;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

fn file(path: impl Into<PathBuf>, content: &str) -> OutputFile {
    OutputFile {
        mode: None,
        is_salted: false,
        path: path.into(),
        content: Zeroizing::new(content.as_bytes().to_vec()),
    }
}

fn write_all(files: &[OutputFile]) -> Result<(), WriteError> {
    write_in(files, &BTreeSet::new(), FileMode::GROUP)
}

fn write_in(
    files: &[OutputFile],
    folders: &BTreeSet<PathBuf>,
    mode: FileMode,
) -> Result<(), WriteError> {
    block_on(write(files, folders, mode, Duration::from_mins(1)))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

/// Every file below `folder` except the record, with its content.
fn content(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = content(&entry.path());
            files.extend(
                below
                    .into_iter()
                    .map(|(inner, text)| (format!("{name}/{inner}"), text)),
            );
        } else if name != ".kees" {
            files.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
    files
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into()
}

#[test]
fn files_have_the_mode_that_was_asked_for() {
    let folder = TempDir::new().unwrap();
    write_all(&[file(folder.path().join("a"), "1")]).unwrap();
    let mode = fs::metadata(folder.path().join("a"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o440);
    assert_eq!(content(folder.path()), pairs([("a", "1")]));
}

#[test]
fn a_second_run_replaces_files_and_keeps_files_of_others() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("foreign"), "theirs").unwrap();
    write_all(&[file(at("a"), "1"), file(at("b"), "2")]).unwrap();
    let before = fs::metadata(at("a")).unwrap().ino();
    write_all(&[file(at("a"), "3"), file(at("c"), "4")]).unwrap();
    assert_ne!(
        fs::metadata(at("a")).unwrap().ino(),
        before,
        "replaced, not written into"
    );
    assert_eq!(
        content(folder.path()),
        pairs([("a", "3"), ("c", "4"), ("foreign", "theirs")])
    );
}

#[test]
fn files_are_removed_from_a_folder_that_nothing_is_written_to_any_more() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    write_all(&[file(one.join("a"), "1"), file(two.join("b"), "2")]).unwrap();
    let folders = BTreeSet::from([one.clone(), two, folder.path().join("never-created")]);
    write_in(&[file(one.join("a"), "1")], &folders, FileMode::ALL).unwrap();
    assert_eq!(content(folder.path()), pairs([("one/a", "1")]));
    assert!(!folder.path().join("never-created").exists());
}

#[test]
fn a_directory_with_the_name_of_a_file_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_all(&[file(at("a"), "old")]).unwrap();
    fs::create_dir_all(at("b/inside")).unwrap();
    let error = write_all(&[file(at("a"), "new"), file(at("b"), "x")]).unwrap_err();
    assert!(
        matches!(&error, WriteError::IsFolder { path } if path.ends_with("b")),
        "{error}"
    );
    assert_eq!(content(folder.path()), pairs([("a", "old")]));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        3,
        "a, b and the record"
    );
}

#[test]
fn if_a_file_cannot_be_renamed_those_that_were_are_removed_and_named() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_all(&[file(at("a"), "old")]).unwrap();
    let (one, two) = (file(at("a"), "1"), file(at("b"), "2"));
    let names = Names::from([(OsStr::new("a"), &one), (OsStr::new("b"), &two)]);
    let open = block_on(Folder::open(folder.path(), Instant::now())).unwrap();
    let change = Change::stage(&open, &names, FileMode::ALL, &mut (0..)).unwrap();
    // Another process creates it after the check.
    fs::create_dir(at("b")).unwrap();
    let error = put_in_place(&[change]).unwrap_err();
    let WriteError::Partial {
        replaced,
        removed,
        source,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((replaced, removed), (vec![], vec![at("a")]));
    assert!(matches!(*source, WriteError::File { path, .. } if path == at("b")));
    assert_eq!(content(folder.path()), pairs([]));
    fs::remove_dir(at("b")).unwrap();
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "only the record"
    );
}

#[test]
fn if_the_first_file_cannot_be_renamed_nothing_was_changed() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let one = file(at("a"), "1");
    let names = Names::from([(OsStr::new("a"), &one)]);
    let open = block_on(Folder::open(folder.path(), Instant::now())).unwrap();
    let change = Change::stage(&open, &names, FileMode::ALL, &mut (0..)).unwrap();
    fs::create_dir(at("a")).unwrap();
    let error = put_in_place(&[change]).unwrap_err();
    assert!(matches!(error, WriteError::File { .. }), "{error}");
}

#[test]
fn folders_of_a_volume_are_created_and_removed_if_the_run_fails() {
    let folder = TempDir::new().unwrap();
    let deep = folder.path().join("x/y");
    fs::create_dir(folder.path().join("taken")).unwrap();
    let error = write_all(&[
        file(deep.join("a"), "1"),
        file(folder.path().join("taken"), "2"),
    ])
    .unwrap_err();
    assert!(matches!(error, WriteError::IsFolder { .. }), "{error}");
    assert!(!folder.path().join("x").exists());
    write_all(&[file(deep.join("a"), "1")]).unwrap();
    assert_eq!(content(folder.path()), pairs([("x/y/a", "1")]));
}

#[test]
fn a_missing_folder_directly_below_the_root_is_a_missing_volume() {
    let error = write_all(&[file("/kees-no-volume-here/x/a", "1")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the folder /kees-no-volume-here/x is missing; mount a volume there"
    );
    assert!(!Path::new("/kees-no-volume-here").exists());
}

#[test]
fn a_file_with_the_name_of_a_folder_is_an_error() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("f"), "").unwrap();
    let error = write_all(&[file(folder.path().join("f/a"), "1")]).unwrap_err();
    assert!(
        matches!(&error, WriteError::Folder { path, .. } if path.ends_with("f")),
        "{error}"
    );
}

#[test]
fn two_paths_to_one_file_are_an_error() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
    let at = |name: &str| folder.path().join(name);
    let error = write_all(&[file(at("link/a"), "1"), file(at("real/a"), "2")]).unwrap_err();
    assert!(matches!(error, WriteError::SameFile { .. }), "{error}");
    // Two files may have two paths to one folder.
    write_all(&[file(at("link/a"), "1"), file(at("real/b"), "2")]).unwrap();
    assert_eq!(content(&at("real")), pairs([("a", "1"), ("b", "2")]));
}

#[test]
fn temporary_files_of_a_killed_run_are_removed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(".kees.new.0"), "half").unwrap();
    fs::write(folder.path().join(".kees.new.99"), "half").unwrap();
    write_all(&[file(folder.path().join("a"), "1")]).unwrap();
    assert_eq!(content(folder.path()), pairs([("a", "1")]));
}

#[test]
fn a_record_cannot_name_files_of_other_folders() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("volume");
    fs::create_dir(&folder).unwrap();
    fs::write(outer.path().join("precious"), "theirs").unwrap();
    fs::write(folder.join(".kees"), b"../precious\n..\n\n\xff\n.kees\n").unwrap();
    write_all(&[file(folder.join("a"), "1")]).unwrap();
    write_all(&[file(folder.join("b"), "2")]).unwrap();
    assert_eq!(
        content(outer.path()),
        pairs([("precious", "theirs"), ("volume/b", "2")])
    );
}

#[test]
fn runs_in_one_folder_wait_for_each_other() {
    let folder = TempDir::new().unwrap();
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for run in 0..8 {
            let (folder, start) = (folder.path(), &start);
            scope.spawn(move || {
                let text = run.to_string();
                let files: Vec<_> = ["a", "b", "c"]
                    .map(|name| file(folder.join(name), &text))
                    .into();
                start.wait();
                (0..20).for_each(|_| write_all(&files).unwrap());
            });
        }
    });
    let content = content(folder.path());
    assert_eq!(content.len(), 3, "{content:?}");
    assert_eq!(content["a"], content["b"]);
    assert_eq!(content["b"], content["c"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn after_any_runs_the_folder_holds_the_files_of_the_last_run(
        runs in prop::collection::vec(
            prop::collection::btree_map("[a-c]{1,2}", "[a-z]{0,8}", 0..4), 1..6,
        ),
    ) {
        let folder = TempDir::new().unwrap();
        let folders = BTreeSet::from([folder.path().to_owned()]);
        for run in &runs {
            let files: Vec<_> =
                run.iter().map(|(name, text)| file(folder.path().join(name), text)).collect();
            write_in(&files, &folders, FileMode::OWNER).unwrap();
        }
        prop_assert_eq!(Some(&content(folder.path())), runs.last());
    }
}
