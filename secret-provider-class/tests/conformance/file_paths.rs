//! Paths of files.

use kees_secret_provider_class::check_file_path;

use crate::{cases, list, text};

#[test]
fn every_path_has_the_verdict_of_the_driver() {
    for case in list(&cases("file_paths.json"), 14) {
        let path = text(case, "path");
        assert_eq!(check_file_path(path).is_ok(), case["ok"] == true, "{path}");
    }
}
