//! `kees`: what the cluster would do with a manifest, without a cluster.
//!
//! ```text
//! files -> documents -> workloads -> admission -> init's own run -> answer
//!          manifest     workload     inject       container, run
//! ```
//!
//! Every command gives an [`output::Answer`]; nothing but `output` writes to the terminal.

mod admission;
mod args;
mod container;
mod fault;
mod inject;
mod lint;
mod manifest;
mod output;
mod progress;
mod report;
mod run;
mod settings;
mod summary;
mod table;
mod workload;

use std::{alloc::System, process::ExitCode};

use args::{Cli, Command};
use zeroizing_alloc::ZeroAlloc;

/// Overwrites memory when it is freed, as kees-init does: buffers of the AWS SDK hold values too.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    output::start_log(cli.log_level);
    if let Err(error) = forbid_core_dumps() {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
    let answer = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Inject(args) => inject::inject(&args),
        Command::Lint(args) => lint::lint(&args),
    };
    output::give(&answer)
}

/// A core dump would hold every value.
fn forbid_core_dumps() -> rustix::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
}
