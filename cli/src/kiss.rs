//! `kees kiss`: the client of kiss.

use kees_common::error_chain;
use kees_kiss::client::{self, ClientError, Command, Output};

use crate::terminal::CommandOutput;

/// The exit status of a command that fails.
const FAILURE: u8 = 1;

/// Runs a command of kiss.
pub(crate) fn kiss(command: Command) -> (CommandOutput, u8) {
    let mut output = Output::default();
    let result = run(command, &mut output);
    let Output { lines, warnings } = output;
    let mut messages = warnings;
    let status = match result {
        Ok(()) => 0,
        Err(error) => {
            messages.push(error_chain::describe(&error));
            FAILURE
        }
    };
    let output = CommandOutput {
        stdout: lines.into_iter().map(|line| line + "\n").collect(),
        messages,
        exit: None,
    };
    (output, status)
}

fn run(command: Command, output: &mut Output) -> Result<(), ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ClientError::Read {
            path: "the network".to_owned(),
            source,
        })?;
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    runtime.block_on(client::run(command, output, interrupt))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{ArgAction, CommandFactory as _};

    use crate::args::Cli;

    fn read(arguments: &[String]) -> String {
        let arguments = arguments.iter().map(OsString::from);
        match Cli::read(arguments) {
            Ok(cli) => format!("{:?}", cli.command),
            Err(error) => panic!("{error}"),
        }
    }

    /// A value that the flag accepts.
    fn example(flag: &str) -> &'static str {
        match flag {
            "server-addr" => "kiss:443",
            "timeout" => "1m",
            _ => "-x",
        }
    }

    #[test]
    fn every_flag_of_kiss_may_have_one_dash() {
        let kees = Cli::command();
        let kiss = kees.find_subcommand("kiss").unwrap();
        for command in kiss.get_subcommands() {
            let flags: Vec<_> = command.get_arguments().collect();
            let required = flags.iter().filter(|flag| flag.is_required_set());
            let mut needed = vec![
                "kees".to_owned(),
                "kiss".to_owned(),
                command.get_name().to_owned(),
            ];
            needed.extend(required.map(|flag| format!("--{}=a", flag.get_long().unwrap())));
            for flag in &flags {
                let takes_value = matches!(flag.get_action(), ArgAction::Set);
                let (name, value) = (flag.get_long().unwrap(), example(flag.get_long().unwrap()));
                let forms = if takes_value && !flag.is_require_equals_set() {
                    vec![
                        vec![format!("-{name}"), value.to_owned()],
                        vec![format!("-{name}={value}")],
                    ]
                } else {
                    vec![vec![format!("-{name}")], vec![format!("-{name}=true")]]
                };
                let two_dashes = if flag.is_require_equals_set() {
                    format!("--{name}=true")
                } else {
                    format!("--{name}={value}")
                };
                let expected = read(&[&needed[..], &[two_dashes]].concat());
                for form in forms {
                    assert_eq!(read(&[&needed[..], &form].concat()), expected, "{form:?}");
                    let with_log = ["kees", "--log-level", "debug", "kiss"].map(str::to_owned);
                    let with_log = [&with_log[..], &needed[2..], &form].concat();
                    assert_eq!(read(&with_log), expected, "{form:?}");
                }
            }
        }
    }
}
