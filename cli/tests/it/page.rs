//! The examples of the page docs/cli.md run as they are shown.

use crate::folder::Folder;

const PAGE: &str = include_str!("../../../docs/cli.md");
const MARK: &str = "<!-- example -->\n```\n";

#[test]
fn the_examples_of_the_page_run() {
    let folder = Folder::new();
    let web = include_str!("../../../examples/web.yaml");
    let policy = include_str!("../../../examples/policy.yaml");
    folder.write("examples/web.yaml", web);
    folder.write("examples/policy.yaml", policy);
    let (_, examples) = PAGE.split_once(MARK).unwrap();
    let (examples, _) = examples.split_once("```").unwrap();
    let commands: Vec<_> = examples.lines().collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        assert_eq!(words[0], "kees");
        folder.kees(&words[1..]).succeeded();
    }
}
