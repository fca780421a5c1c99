//! Command lines as people and scripts write them for kiss 0.1.

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use rstest::rstest;

use super::*;
use crate::command_line::with_two_dashes;

#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

fn read(text: &str) -> Result<Command, clap::Error> {
    let command = Program::command();
    let arguments = ["kiss"].into_iter().chain(text.split(' '));
    let arguments = with_two_dashes(&command, arguments.map(Into::into));
    let matches = command.try_get_matches_from(arguments)?;
    Ok(Program::from_arg_matches(&matches)?.command)
}

#[rstest]
#[case("ping -namespace a")]
#[case("list -namespace a -server-addr kiss.example.com:443 -secure=true -timeout 1m30s")]
#[case("create -namespace a -name db -value -x -policy")]
#[case("create -namespace=a -name=db -policy=false -interactive")]
#[case("create-from -namespace a -name db -value ./file -policy")]
#[case("update -namespace a -name db -value x -debug")]
#[case("delete -namespace a -name db -policy -secure=false")]
#[case("bind -namespace a -name db -service-account web -token-path /token")]
#[case("unbind --namespace a --name db --service-account web --token-file /token")]
fn the_flags_of_the_original_are_read(#[case] text: &str) {
    let command = read(text).unwrap();
    assert_eq!(command.client().namespace, "a");
}

#[rstest]
#[case("ping")]
#[case("create -namespace a")]
#[case("create -namespace a -name b -value x -value-file y")]
#[case("bind -namespace a -name b")]
#[case("ping -namespace a -timeout 10")]
fn a_flag_that_is_needed_is_missed(#[case] text: &str) {
    read(text).unwrap_err();
}

#[rstest]
#[case("-secure", true)]
#[case("-secure=1", true)]
#[case("-secure=t", true)]
#[case("-secure=T", true)]
#[case("-secure=true", true)]
#[case("-secure=TRUE", true)]
#[case("-secure=True", true)]
#[case("-secure=0", false)]
#[case("-secure=f", false)]
#[case("-secure=F", false)]
#[case("-secure=false", false)]
#[case("-secure=FALSE", false)]
#[case("-secure=False", false)]
fn a_boolean_is_written_as_in_go(#[case] flag: &str, #[case] expected: bool) {
    for flag in [flag.to_owned(), format!("-{flag}")] {
        let command = read(&format!("ping -namespace a {flag}")).unwrap();
        assert_eq!(command.client().secure, expected, "{flag}");
    }
    let others = flag.replace("secure", "interactive") + " " + &flag.replace("secure", "debug");
    let policy = flag.replace("secure", "policy");
    let command = read(&format!("delete -namespace a -name b {others} {policy}")).unwrap();
    let Command::Delete(args) = &command else {
        panic!("{command:?}");
    };
    let ClientArgs {
        interactive, debug, ..
    } = *command.client();
    assert_eq!([interactive, debug, args.policy.policy], [expected; 3]);
}

/// The flags that each command needs.
fn needed(command: &str) -> String {
    let flags = match command {
        "ping" | "list" => "-namespace a",
        "create-from" => "-namespace a -name a -value a",
        "bind" | "unbind" => "-namespace a -name a -service-account a",
        _ => "-namespace a -name a",
    };
    format!("{command} {flags}")
}

/// The flags with a value, and what they are in the printed arguments.
#[rstest]
#[case("ping", "namespace", "b", "namespace: \"b\"")]
#[case("ping", "server-addr", "b:1", "server_addr: ServerAddress(\"b:1\")")]
#[case("ping", "ca-file", "b", "ca_file: Some(\"b\")")]
#[case("ping", "timeout", "1m", "timeout: 60s")]
#[case("ping", "timeout", "+1.5s", "timeout: 1.5s")]
#[case("ping", "token-path", "b", "token_path: Some(\"b\")")]
#[case("ping", "token-file", "b", "token_path: Some(\"b\")")]
#[case("delete", "name", "b", "name: \"b\"")]
#[case("create", "value-file", "b", "value_file: Some(\"b\")")]
#[case("update", "value-file", "-b", "value_file: Some(\"-b\")")]
#[case("create-from", "value", "b", "value: \"b\"")]
#[case("bind", "service-account", "b", "service_account: \"b\"")]
#[case("unbind", "service-account", "b", "service_account: \"b\"")]
fn a_flag_has_one_dash_or_two_and_the_last_one_counts(
    #[case] command: &str,
    #[case] flag: &str,
    #[case] value: &str,
    #[case] expected: &str,
) {
    let earlier = match flag {
        "server-addr" => "c:2",
        "timeout" => "2s",
        _ => "c",
    };
    for flag in [
        format!("-{flag} {value}"),
        format!("--{flag} {value}"),
        format!("-{flag}={value}"),
        format!("--{flag}={value}"),
        format!("-{flag}={earlier} --{flag} {value}"),
    ] {
        let read = format!(
            "{:?}",
            read(&format!("{} {flag}", needed(command))).unwrap()
        );
        assert!(read.contains(expected), "{flag}: {read}");
    }
}

#[test]
fn the_last_boolean_and_the_last_value_count() {
    let command =
        read("create -namespace a -name b -secure=false -secure -value x -value y").unwrap();
    let Command::Create(args) = command else {
        panic!("no create");
    };
    assert!(args.secret.client.secure);
    assert_eq!(args.value.value.as_deref(), Some("y"));
}

#[rstest]
#[case(
    "-timeout 0",
    "'0' for '--timeout <DURATION>': no call succeeds in no time: name more than 0, for example 10s"
)]
#[case("-timeout 0s", "no call succeeds in no time")]
#[case("-timeout -1s", "no call succeeds in no time")]
#[case(
    "-timeout 10",
    "a duration is a number and a unit (h, m, s, ms), for example 10s or 1m30s"
)]
#[case(
    "-server-addr kiss",
    "'kiss' for '--server-addr <ADDRESS>': the port is missing"
)]
#[case("-secure=maybe", "'maybe' for '--secure")]
#[case("-secure false", "unexpected argument 'false'")]
#[case("-unknown", "unexpected argument '-u'")]
fn a_wrong_flag_is_named(#[case] flag: &str, #[case] expected: &str) {
    let error = read(&format!("ping -namespace a {flag}")).unwrap_err();
    assert!(error.use_stderr());
    let error = error.to_string();
    assert!(error.contains(expected), "{error}");
}

#[rstest]
#[case("help")]
#[case("-h")]
#[case("-help")]
#[case("--help")]
#[case("ping -h")]
#[case("ping -help")]
fn help_is_no_error(#[case] text: &str) {
    assert!(!read(text).unwrap_err().use_stderr());
}

#[test]
fn a_value_is_not_printed_with_its_flags() {
    let command = read("create -namespace a -name b -value marker-7").unwrap();
    assert!(!format!("{command:?}").contains("marker-7"));
}
