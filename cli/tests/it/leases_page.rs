//! The manifests of the page docs/leases.md run as they are shown.

use rstest::rstest;

use crate::folder::Folder;

const PAGE: &str = include_str!("../../../docs/leases.md");

/// The manifest that the page calls `name`.
fn manifest(name: &str) -> &'static str {
    let mark = format!("<!-- file: {name} -->\n\n```yaml\n");
    let (_, manifest) = PAGE.split_once(&mark).unwrap();
    manifest.split_once("```").unwrap().0
}

#[rstest]
#[case("web.yaml", "statefulset-web")]
#[case("wired.yaml", "pod-worker-0")]
fn a_pod_of_the_page_gets_a_number_and_keeps_it(#[case] file: &str, #[case] folder_of_pod: &str) {
    let folder = Folder::new();
    folder.write(file, manifest(file));
    let number = || {
        folder.kees(&["run", file]).succeeded();
        let number = folder.read(&format!("out/default/{folder_of_pod}/bsycorp-init/worker"));
        number.parse::<u32>().unwrap()
    };
    let first = number();
    assert!(first < 1024);
    assert_eq!(number(), first);
}
