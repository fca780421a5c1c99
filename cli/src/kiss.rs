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
