//! Command lines of Go programs: a flag may have one dash, and `-flag=false` switches off.

use std::{ffi::OsString, time::Duration};

use clap::{Arg, Command};

/// `arguments` (the first is the program's name) as clap reads them: each flag of `command`, or of the
/// subcommand that they name, gets two dashes, and its value is joined to it, whatever it begins with.
pub fn with_two_dashes(
    command: &Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut read: Vec<_> = arguments.next().into_iter().collect();
    let mut command = command;
    while let Some(argument) = arguments.next() {
        let Some(text) = argument.to_str() else {
            read.push(argument);
            continue;
        };
        if text == "--" {
            read.push(argument);
            break;
        }
        let Some(flag) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
            if let Some(subcommand) = command.find_subcommand(text) {
                command = subcommand;
            }
            read.push(argument);
            continue;
        };
        let name = flag.split_once('=').map_or(flag, |(name, _)| name);
        let Some(known) = find(command, name) else {
            read.push(argument);
            continue;
        };
        let mut joined = OsString::from(format!("--{flag}"));
        let needs_value = known.get_action().takes_values() && !known.is_require_equals_set();
        if needs_value
            && name == flag
            && let Some(value) = arguments.next()
        {
            joined.push("=");
            joined.push(value);
        }
        read.push(joined);
    }
    read.extend(arguments);
    read
}

/// The flag with this long name. `-h` is `--help` in Go too, and needs nothing.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| {
        argument.get_long() == Some(name)
            || argument
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&name))
    })
}

/// A text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number and a unit (h, m, s, ms), for example 10s or 1m30s")]
pub struct ParseDurationError;

/// Reads a duration as Go does: `10s`, `1.5m`, `1m30s`.
///
/// # Errors
/// It is none, or longer than 1000 days.
pub fn duration(text: &str) -> Result<Duration, ParseDurationError> {
    const LONGEST: f64 = 86_400_000.0;
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(ParseDurationError)?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number: f64 = number.parse().map_err(|_| ParseDurationError)?;
        seconds += number
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(ParseDurationError),
            };
        rest = after;
    }
    if text.is_empty() || seconds > LONGEST {
        return Err(ParseDurationError);
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, value_parser};
    use rstest::rstest;

    use super::*;

    fn command() -> Command {
        let text = |name: &'static str| Arg::new(name).long(name);
        let switch = Arg::new("secure")
            .long("secure")
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(value_parser!(bool));
        let create = Command::new("create").args([text("name"), text("value"), switch]);
        Command::new("kiss").arg(text("host")).subcommand(create)
    }

    #[rstest]
    #[case(&["-host", "h"], &["--host=h"])]
    #[case(&["--host", "h"], &["--host=h"])]
    #[case(&["-host=h"], &["--host=h"])]
    #[case(&["create", "-name", "n", "-value", "-secret"], &["create", "--name=n", "--value=-secret"])]
    #[case(&["create", "-value", "-name", "-name", "n"], &["create", "--value=-name", "--name=n"])]
    #[case(&["create", "-secure", "-name", "n"], &["create", "--secure", "--name=n"])]
    #[case(&["create", "-secure=false"], &["create", "--secure=false"])]
    #[case(&["create", "-value="], &["create", "--value="])]
    #[case(&["create", "-unknown", "x"], &["create", "-unknown", "x"])]
    #[case(&["create", "-name"], &["create", "--name"])]
    #[case(&["create", "--", "-name"], &["create", "--", "-name"])]
    #[case(&["-h"], &["-h"])]
    fn one_dash_is_as_good_as_two(#[case] given: &[&str], #[case] expected: &[&str]) {
        let given = ["kiss"].iter().chain(given).map(OsString::from);
        let read = with_two_dashes(&command(), given);
        assert_eq!(read[1..], *expected);
    }

    #[test]
    fn clap_reads_the_result() {
        let given = [
            "kiss",
            "create",
            "-secure=false",
            "-value",
            "--secure",
            "-name",
            "x",
        ];
        let matches = command()
            .try_get_matches_from(with_two_dashes(&command(), given.map(OsString::from)))
            .unwrap();
        let (_, create) = matches.subcommand().unwrap();
        assert_eq!(create.get_one::<bool>("secure"), Some(&false));
        assert_eq!(create.get_one::<String>("value").unwrap(), "--secure");
    }

    #[rstest]
    #[case("10s", 10.0)]
    #[case("1m30s", 90.0)]
    #[case("1.5h", 5400.0)]
    #[case("250ms", 0.25)]
    #[case("1h2m3s4ms", 3723.004)]
    fn a_duration_is_read_as_in_go(#[case] text: &str, #[case] seconds: f64) {
        assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)));
    }

    #[rstest]
    #[case("")]
    #[case("10")]
    #[case("s")]
    #[case("-1s")]
    #[case("1d")]
    #[case("..s")]
    #[case("99999999h")]
    fn another_text_is_no_duration(#[case] text: &str) {
        assert_eq!(duration(text), Err(ParseDurationError));
    }
}
