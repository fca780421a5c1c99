//! The IAM policies in the documents are those that `kees export iam-policy` prints.

use std::fs;

use serde_json::Value;

use crate::folder::Folder;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
/// A command, and then the block with its output.
const COMMAND: &str = "kees export iam-policy ";
const JSON: &str = "```json\n";

#[test]
fn the_policies_of_the_documents_are_exported() {
    let mut shown = 0;
    for page in ["operators-guide.md", "install.md"] {
        let text = fs::read_to_string(format!("{DOCS}/{page}")).unwrap();
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once(JSON) {
            let before = &rest[..rest.len() - after.len()];
            let (block, after) = after.split_once("```").unwrap();
            rest = after;
            let policy: Value = serde_json::from_str(block).unwrap();
            if policy.get("Version").is_none() {
                continue;
            }
            let (_, command) = before
                .rsplit_once(COMMAND)
                .unwrap_or_else(|| panic!("{page}: no command prints {block}"));
            let (command, _) = command.split_once("```").unwrap();
            let command = command.replace("\\\n", " ").replace('\'', "");
            let arguments: Vec<&str> = command.split_whitespace().collect();
            let arguments = [&["export", "iam-policy"], &arguments[..]].concat();
            let printed = Folder::new().kees(&arguments).succeeded().stdout;
            let printed: Value = serde_json::from_str(&printed).unwrap();
            assert!(
                printed == policy,
                "{page}: {arguments:?} prints {printed:#}"
            );
            shown += 1;
        }
    }
    assert!(shown >= 7, "{shown}");
}
