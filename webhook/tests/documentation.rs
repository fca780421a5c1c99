//! `docs/webhook.md` lists every flag and every metric.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{fmt::Write, fs};

use clap::{Arg, CommandFactory};
use kees_webhook::{Args, metrics::Metrics};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhook.md");

#[test]
fn the_page_lists_every_flag_and_every_metric() {
    let written = fs::read_to_string(PAGE).unwrap();
    let rendered = replaced(
        &replaced(&written, "flags", &flags()),
        "metrics",
        &metrics(),
    );
    if std::env::var_os("KEES_BLESS").is_some() {
        fs::write(PAGE, &rendered).unwrap();
    } else {
        assert!(
            written == rendered,
            "docs/webhook.md differs from the code; run KEES_BLESS=1 cargo test -p kees-webhook \
             --test documentation, and review the difference\n{rendered}"
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

fn flags() -> String {
    let command = Args::command();
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

fn metrics() -> String {
    let text = Metrics::new().render().unwrap();
    let mut expected = "\n| metric | type | meaning |\n| --- | --- | --- |\n".to_owned();
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
        let meaning = meaning.trim_end_matches('.');
        writeln!(expected, "| `{name}{suffix}` | {kind} | {meaning} |").unwrap();
    }
    expected.push('\n');
    expected
}
