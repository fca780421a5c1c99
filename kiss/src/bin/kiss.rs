//! `kiss`: the client with the commands, flags and exit statuses of kiss 0.1.

use std::{
    alloc::System,
    io::{self, Write as _},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use kees_kiss::{
    client::{Command, Output, error_line, run},
    command_line::with_two_dashes,
    process::forbid_core_dumps,
};
use zeroizing_alloc::ZeroAlloc;

/// Overwrites memory when it is freed: values and the token are in buffers of gRPC and TLS too.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// A wrong flag.
const USAGE: u8 = 2;

/// Manages the secrets of your namespaces, with the token that kubectl uses.
///
/// A flag may have one dash.
#[derive(Debug, Parser)]
#[command(name = "kiss", version)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // Without it, a crash could leave the token and a value on the disk, and the command works.
    let _ = forbid_core_dumps();
    let definition = Program::command();
    let arguments = with_two_dashes(&definition, std::env::args_os());
    let matches = definition.try_get_matches_from(arguments);
    let program = match matches.and_then(|matches| Program::from_arg_matches(&matches)) {
        Ok(program) => program,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // If standard error is closed, the exit status is all that can be reported.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut output = Output::default();
    let result = runtime.block_on(async {
        // Without the handler, Ctrl-C ends the program as usual.
        let interrupt = async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        run(program.command, &mut output, interrupt).await
    });
    // If the output is closed, nobody reads it.
    for line in &output.warnings {
        let _ = writeln!(io::stderr(), "{line}");
    }
    for line in &output.lines {
        let _ = writeln!(io::stdout(), "{line}");
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = since.unwrap_or_default().as_secs();
            let _ = writeln!(io::stderr(), "{}", error_line(now, &error));
            ExitCode::FAILURE
        }
    }
}
