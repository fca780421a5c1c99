//! Tests of the forms in which `kees lint` prints its report.

use insta::assert_snapshot;
use rstest::rstest;
use serde_json::Value;

use crate::folder::{Folder, PASSWORD, pod};

const SHORT: &str = "secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD,size=7";

fn sarif(flags: &[&str]) -> Value {
    let folder = Folder::with(&pod("a", &[PASSWORD, SHORT, "secrets.bsycorp.com/y: ''"]));
    folder.write("bad file.yaml", "a: [");
    folder.write("policy.yaml", "rules: 1");
    let files = ["lint", "--format", "sarif", "web.yaml", "bad file.yaml"];
    folder.kees(&[&files, flags].concat()).json()
}

#[test]
fn the_report_can_be_sarif() {
    let mut log = sarif(&[]);
    log["runs"][0]["tool"] = Value::Null;
    assert_snapshot!(serde_json::to_string_pretty(&log).unwrap());
}

/// What GitHub requires of an upload: "SARIF support for code scanning".
#[test]
fn the_sarif_report_has_what_code_scanning_needs() {
    let log = sarif(&[]);
    assert_eq!(log["version"], "2.1.0");
    assert!(
        log["$schema"]
            .as_str()
            .unwrap()
            .ends_with("sarif-2.1.0.json")
    );
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "kees lint");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(rules[index]["shortDescription"]["text"].is_string());
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains(' ') && !uri.starts_with('/'), "{uri}");
        let region = &place["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1);
        if let (Some(start), Some(end)) =
            (region["startColumn"].as_u64(), region["endColumn"].as_u64())
        {
            assert!(start < end, "{region}");
        }
    }
}

#[test]
fn an_error_of_the_policy_file_is_a_notification_of_the_sarif_report() {
    let log = sarif(&["--policy", "policy.yaml"]);
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let message = &invocation["toolConfigurationNotifications"][0]["message"]["text"];
    let message = message.as_str().unwrap();
    assert!(message.contains("policy.yaml is invalid"), "{message}");
}

#[rstest]
#[case::old_name("--output", "table")]
#[case::text("--format", "text")]
fn text_is_the_default(#[case] flag: &str, #[case] form: &str) {
    let folder = Folder::with(&pod("a", &[SHORT]));
    let default = folder.kees(&["lint", "web.yaml"]).all();
    assert_eq!(
        folder.kees(&["lint", flag, form, "web.yaml"]).all(),
        default
    );
}

#[test]
fn nothing_is_coloured_if_standard_output_is_no_terminal() {
    let folder = Folder::with(&pod("a", &[SHORT]));
    assert!(!folder.kees(&["lint", "web.yaml"]).stdout.contains('\u{1b}'));
}

#[test]
fn the_pre_commit_hook_runs() {
    let hooks = include_str!("../../../.pre-commit-hooks.yaml");
    let entry = hooks
        .lines()
        .find_map(|line| line.trim().strip_prefix("entry: "));
    let words: Vec<_> = entry.unwrap().split(' ').collect();
    assert_eq!(words[0], "kees");
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    folder.write("values.yaml", "replicas: 1\n");
    folder.write("package.json", "{\"name\": \"a\"}\n");
    let files = ["web.yaml", "values.yaml", "package.json"];
    folder.kees(&[&words[1..], &files].concat()).succeeded();
}
