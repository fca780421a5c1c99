//! Tests of replacing all files at one moment.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use tempfile::TempDir;

use super::{super::write, *};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

fn files(folder: &Path, files: &[(&str, &str)]) -> Vec<OutputFile> {
    let file = |(name, text): &(&str, &str)| OutputFile {
        path: folder.join(name),
        mode: None,
        is_salted: false,
        content: Zeroizing::new(text.as_bytes().to_vec()),
    };
    files.iter().map(file).collect()
}

fn put(folder: &Path, texts: &[(&str, &str)]) -> Result<Swapped, WriteError> {
    let timeout = Duration::from_mins(1);
    block_on(swap(
        &files(folder, texts),
        folder,
        FileMode::GROUP,
        timeout,
    ))
}

fn put_plain(folder: &Path, texts: &[(&str, &str)]) {
    let folders = BTreeSet::from([folder.to_owned()]);
    let timeout = Duration::from_mins(1);
    block_on(write(
        &files(folder, texts),
        &folders,
        FileMode::GROUP,
        timeout,
    ))
    .unwrap();
}

/// Every name in the folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The files that a reader finds, by their names.
fn content(folder: &Path) -> BTreeMap<String, String> {
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        (name, text)
    };
    let is_plain = |name: &String| !name.starts_with('.');
    names(folder)
        .into_iter()
        .filter(is_plain)
        .map(read)
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into()
}

#[test]
fn each_file_is_a_link_into_the_current_set() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    assert_eq!(
        put(root, &[("a", "1"), ("b", "2")]).unwrap(),
        Swapped::Replaced
    );
    assert_eq!(content(root), pairs([("a", "1"), ("b", "2")]));
    assert_eq!(names(root), ["..data", "..kees.1", "a", "b"]);
    assert_eq!(
        fs::read_link(root.join("a")).unwrap(),
        Path::new("..data/a")
    );
    let mode = |name: &str| fs::metadata(root.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("a"), mode("..data")), (0o440, 0o755));
}

#[test]
fn nothing_is_written_if_nothing_changed() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let put = |text| put(root, &[("a", text), ("b", "2")]).unwrap();
    put("1");
    let before = fs::metadata(root.join("a")).unwrap().ino();
    assert_eq!(put("1"), Swapped::Unchanged);
    assert_eq!(fs::metadata(root.join("a")).unwrap().ino(), before);
    assert_eq!(put("3"), Swapped::Replaced);
    assert_ne!(fs::metadata(root.join("a")).unwrap().ino(), before);
}

#[test]
fn the_set_before_stays_until_the_next_call() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    put(root, &[("a", "1")]).unwrap();
    put(root, &[("a", "2")]).unwrap();
    assert_eq!(names(root), ["..data", "..kees.1", "..kees.2", "a"]);
    put(root, &[("a", "2")]).unwrap();
    assert_eq!(names(root), ["..data", "..kees.2", "a"]);
    assert_eq!(content(root), pairs([("a", "2")]));
}

#[test]
fn files_come_and_go() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    fs::write(root.join("theirs"), "x").unwrap();
    put(root, &[("a", "1"), ("below/b", "2")]).unwrap();
    assert_eq!(fs::read_to_string(root.join("below/b")).unwrap(), "2");
    put(root, &[("a", "1"), ("c", "3")]).unwrap();
    assert_eq!(
        content(root),
        pairs([("a", "1"), ("c", "3"), ("theirs", "x")])
    );
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    put(root, &[("a", "1")]).unwrap();
    fs::create_dir(root.join("..kees.2")).unwrap();
    fs::write(root.join("..kees.2/a"), "half").unwrap();
    symlink("..kees.2", root.join("..new")).unwrap();
    put(root, &[("a", "2")]).unwrap();
    assert_eq!(content(root), pairs([("a", "2")]));
    assert_eq!(names(root), ["..data", "..kees.1", "..kees.2", "a"]);
}

#[test]
fn a_run_replaces_the_files_of_a_run_of_the_other_kind() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    put_plain(root, &[("a", "1"), ("b", "2")]);
    put(root, &[("b", "3"), ("c", "4")]).unwrap();
    assert_eq!(content(root), pairs([("b", "3"), ("c", "4")]));
    assert_eq!(names(root), ["..data", "..kees.1", "b", "c"]);
    put_plain(root, &[("a", "5"), ("b", "6")]);
    assert_eq!(content(root), pairs([("a", "5"), ("b", "6")]));
    assert_eq!(names(root), [".kees", "a", "b"]);
}

#[test]
fn files_elsewhere_cannot_be_replaced_together() {
    let folder = TempDir::new().unwrap();
    let elsewhere = files(Path::new("/elsewhere"), &[("a", "1")]);
    for wrong in [
        elsewhere,
        files(folder.path(), &[("..data", "1")]),
        files(folder.path(), &[("../a", "1")]),
        files(folder.path(), &[("", "1")]),
    ] {
        let timeout = Duration::from_mins(1);
        let swapped = block_on(swap(&wrong, folder.path(), FileMode::ALL, timeout));
        assert!(
            matches!(swapped, Err(WriteError::Outside { .. })),
            "{swapped:?}"
        );
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_error_leaves_the_files_of_before() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    put(root, &[("a", "1")]).unwrap();
    fs::create_dir(root.join("b")).unwrap();
    let swapped = put(root, &[("a", "2"), ("b", "2")]);
    assert!(
        matches!(swapped, Err(WriteError::IsFolder { .. })),
        "{swapped:?}"
    );
    // The second file has the name of the first one's folder.
    let swapped = put(root, &[("a", "2"), ("c", "2"), ("c/d", "2")]);
    assert!(
        matches!(swapped, Err(WriteError::File { .. })),
        "{swapped:?}"
    );
    assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "1");
    assert_eq!(names(root), ["..data", "..kees.1", "a", "b"]);
}

/// One thread replaces three files again and again; the other opens the folder of the set once and
/// reads them all. There is at most one change while the reader reads the files once.
#[test]
fn a_reader_sees_all_old_or_all_new_files() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let put_all = |text: &str| put(root, &NAMES.map(|name| (name, text))).unwrap();
    put_all("0");
    let (is_over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut distinct = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                let set = fs::canonicalize(root.join("..data")).unwrap();
                let texts = NAMES.map(|name| fs::read_to_string(set.join(name)).unwrap());
                assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
                // Each name alone leads to a complete file, too.
                for name in NAMES {
                    let text = fs::read_to_string(root.join(name)).unwrap();
                    assert!(text.parse::<u32>().is_ok(), "{text:?}");
                }
                distinct.insert(texts[0].clone());
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            distinct.len()
        });
        for number in 1..=300 {
            put_all(&number.to_string());
            let round = rounds.load(Ordering::Relaxed);
            while rounds.load(Ordering::Relaxed) == round && !reader.is_finished() {
                thread::yield_now();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 100, "the reader saw the changes");
    });
}
