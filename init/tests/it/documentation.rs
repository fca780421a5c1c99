//! Every test that `docs/reliability.md` names exists.

use std::{fs, path::Path};

#[test]
fn every_test_that_the_page_names_exists() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(repository.join("docs/reliability.md")).unwrap();
    let (_, cases) = page.split_once("<!-- cases -->").unwrap();
    let (cases, _) = cases.split_once("<!-- end of cases -->").unwrap();
    let mut count = 0;
    for row in cases.lines().filter(|line| line.starts_with("| ")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for of_file in tests.split("<br>").filter(|text| text.starts_with('`')) {
            let mut names = of_file.split('`').skip(1).step_by(2);
            let file = names.next().unwrap();
            let source = fs::read_to_string(repository.join(file)).unwrap_or_default();
            for name in names {
                assert!(
                    source.contains(&format!("fn {name}")),
                    "{name} is not in {file}"
                );
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count} tests are named");
}
