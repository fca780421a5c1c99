//! The parts of the documents that come from the code: tables of flags and of metrics. Only tests use
//! this.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use clap::{Arg, Command};

/// Asserts that the part `name` of a page in `docs/` is `content`. With the variable `KEES_BLESS`, writes
/// it. `package` is the one whose test this is.
pub fn compare(package: &str, page: &str, name: &str, content: &str) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let path = docs.join(page);
    let written = fs::read_to_string(&path).unwrap();
    let rendered = replaced(&written, name, content);
    if std::env::var_os("KEES_BLESS").is_some() {
        fs::write(&path, &rendered).unwrap();
    } else {
        assert!(
            written == rendered,
            "docs/{page} differs from the code; run KEES_BLESS=1 cargo test -p {package} documentation -- \
             --test-threads 1, and review the difference\n{rendered}"
        );
    }
}

/// `text` with `content` between `<!-- NAME -->` and `<!-- end of NAME -->`.
fn replaced(text: &str, name: &str, content: &str) -> String {
    let (start, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let (before, rest) = text.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{start}{content}{end}{after}")
}

/// The flags of a program, in a table for each heading.
pub fn flags(command: &Command) -> String {
    let mut expected = String::new();
    let mut heading = None;
    for flag in command
        .get_arguments()
        .filter(|flag| flag.get_env().is_some())
    {
        if flag.get_help_heading() != heading {
            heading = flag.get_help_heading();
            let title = heading.unwrap();
            writeln!(
                expected,
                "\n### {title}\n\n| flag | variable | default | meaning |"
            )
            .unwrap();
            expected.push_str("| --- | --- | --- | --- |\n");
        }
        expected.push_str(&row(flag));
    }
    expected.push('\n');
    expected
}

fn row(flag: &Arg) -> String {
    let name = flag.get_long().unwrap();
    let variable = flag.get_env().unwrap().to_str().unwrap();
    assert_eq!(variable, name.to_uppercase().replace('-', "_"));
    let default: Vec<_> = flag
        .get_default_values()
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    let default = match default[..] {
        [] if flag.is_required_set() => "required".to_owned(),
        [] => String::new(),
        [default] => format!("`{default}`"),
        _ => panic!("{name} has several defaults"),
    };
    let meaning = flag.get_help().unwrap();
    let value = if flag.get_action().takes_values() {
        format!(" {}", flag.get_value_names().unwrap()[0])
    } else {
        String::new()
    };
    format!("| `--{name}{value}` | `{variable}` | {default} | {meaning} |\n")
}

/// The metrics of a program, from their text at its start.
pub fn metrics(text: &str) -> String {
    let mut expected =
        "\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for line in text.lines() {
        let Some((name, meaning)) = line
            .strip_prefix("# HELP ")
            .and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let kind = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")))
            .unwrap();
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let name = format!("{name}{suffix}");
        let labels = labels(text, &name);
        let meaning = meaning.trim_end_matches('.');
        writeln!(expected, "| `{name}` | {kind} | {labels} | {meaning} |").unwrap();
    }
    expected.push('\n');
    expected
}

/// The labels of a metric with all their values, from its series.
fn labels(text: &str, name: &str) -> String {
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for line in text.lines() {
        let series = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('{'));
        let pairs = series.and_then(|series| series.split_once('}'));
        for pair in pairs.into_iter().flat_map(|(pairs, _)| pairs.split(',')) {
            let (label, value) = pair.split_once('=').unwrap();
            labels
                .entry(label)
                .or_default()
                .insert(value.trim_matches('"'));
        }
    }
    let labels: Vec<_> = labels
        .iter()
        .map(|(label, values)| {
            let values = values.iter().filter(|value| !value.is_empty());
            let values: Vec<_> = values.map(|value| format!("`{value}`")).collect();
            match *label {
                // Its values are not part of the reference.
                "version" | "rule" | "sha256" => format!("`{label}`"),
                _ => format!("`{label}`: {}", values.join(", ")),
            }
        })
        .collect();
    labels.join("<br>")
}
