//! The README shows what its first command prints.

use crate::folder::Folder;

const README: &str = include_str!("../../../README.md");
const COMMAND: &str = "$ cargo run -p kees -- run examples/web.yaml\n";

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let folder = Folder::new();
    folder.write(
        "examples/web.yaml",
        include_str!("../../../examples/web.yaml"),
    );
    let arguments = ["run", "examples/web.yaml"];
    let printed = folder
        .called("target/debug/kees", "", &arguments)
        .succeeded();
    let (_, shown) = README.split_once(COMMAND).unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert_eq!(
        without_sizes(&printed.stdout),
        without_sizes(shown),
        "the README shows something else than:\n{}",
        printed.stdout
    );
}

/// Removes the sizes of keys, which differ by a few bytes from key to key.
fn without_sizes(text: &str) -> String {
    let line = |line: &str| match line.strip_suffix(" B") {
        Some(row) if row.contains(" RSA ") || row.contains(" GPG ") => row
            .trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ')
            .to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|l| line(l) + "\n").collect()
}
