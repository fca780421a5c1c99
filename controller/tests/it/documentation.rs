//! `docs/controller.md` lists every flag and every metric.

use std::{fmt::Write as _, fs};

use clap::{Arg, CommandFactory as _};
use kees_controller::{Args, metrics::Metrics};

#[test]
fn the_page_lists_every_flag() {
    compare("flags", &flags());
}

#[test]
fn the_page_lists_every_metric_with_its_series() {
    compare("metrics", &metrics());
}

/// Asserts that the part `name` of the page is `content`, or writes it.
fn compare(name: &str, content: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/controller.md");
    let written = fs::read_to_string(path).unwrap();
    let (start, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let (before, rest) = written.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    let rendered = format!("{before}{start}{content}{end}{after}");
    if std::env::var_os("KEES_BLESS").is_some() {
        fs::write(path, &rendered).unwrap();
    } else {
        assert!(
            written == rendered,
            "docs/controller.md differs from the code; run KEES_BLESS=1 cargo test -p kees-controller documentation \
             -- --test-threads 1, and review the difference\n{rendered}"
        );
    }
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
        [] => String::new(),
        [default] => format!("`{default}`"),
        _ => panic!("{name} has several defaults"),
    };
    let meaning = flag.get_help().unwrap();
    let value = &flag.get_value_names().unwrap()[0];
    format!("| `--{name} {value}` | `{variable}` | {default} | {meaning} |\n")
}

fn metrics() -> String {
    let text = Metrics::new().render().unwrap();
    let mut expected =
        "\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    let helps = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    for (name, meaning) in helps {
        let of_type = |line: &str| {
            line.strip_prefix(&format!("# TYPE {name} "))
                .map(str::to_owned)
        };
        let kind = text.lines().find_map(of_type).unwrap();
        let suffix = match &*kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let name = format!("{name}{suffix}");
        let series = text.lines().filter_map(|line| {
            let (labels, _) = line
                .strip_prefix(&name)?
                .strip_prefix('{')?
                .split_once('}')?;
            Some(labels)
        });
        let mut labels: Vec<_> = series
            .filter(|labels| !labels.starts_with("version="))
            .collect();
        labels.sort_unstable();
        let labels: Vec<_> = labels.iter().map(|labels| format!("`{labels}`")).collect();
        let labels = labels.join("<br>").replace(",reason=\"\"", "");
        let meaning = meaning.trim_end_matches('.');
        writeln!(expected, "| `{name}` | {kind} | {labels} | {meaning} |").unwrap();
    }
    expected.push('\n');
    expected
}
