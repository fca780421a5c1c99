//! `kees`: what a cluster would do with a manifest, without a cluster.
//!
//! ```text
//! files -> documents -> workloads -> admission decision -> run of init -> output
//!          manifest     workload     admission             run
//! ```
//!
//! Every command returns a [`terminal::CommandOutput`].

mod admission;
mod args;
mod class_admission;
mod class_source;
mod classes;
mod doctor;
mod error;
mod error_place;
mod explain;
mod export;
mod export_error;
mod files;
mod hooks;
mod inject;
mod inject_settings;
mod input;
mod json;
mod kiss;
mod lint;
mod location;
mod manifest;
mod manual;
mod place;
mod pod_templates;
mod pod_types;
mod put_command;
mod restarts;
mod run;
mod sarif;
mod snippet;
mod source;
mod spark;
mod terminal;
mod tree;
mod unlimited_starts;
mod values;
mod version;
mod workload;

use std::{alloc::System, process::ExitCode};

use args::{Cli, Command};
use kees_init::Exit;
use kees_kiss::process::forbid_core_dumps;
use terminal::CommandOutput;
use zeroizing_alloc::ZeroAlloc;

/// Overwrites memory when it is freed, because buffers of the AWS SDK contain secret values.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return terminal::print_usage(&error),
    };
    terminal::start_log(cli.log_level());
    if let Err(error) = forbid_core_dumps() {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
    let (output, status) = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Inject(args) => with_status(inject::inject(&args)),
        Command::Lint(args) => with_status(lint::lint(&args)),
        Command::Explain(args) => with_status(explain::explain(&args)),
        Command::Export(what) => with_status(export::export(&what)),
        Command::Put(args) => with_status(values::put(&args)),
        Command::Show(args) => with_status(values::show(&args)),
        Command::List(args) => with_status(values::list(&args)),
        Command::Delete(args) => with_status(values::delete(&args)),
        Command::Copy(args) => with_status(values::copy(&args)),
        Command::Rotate(args) => with_status(values::rotate(&args)),
        Command::Kiss(command) => kiss::kiss(command),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions(args) => with_status(manual::completions(&args)),
        Command::ManPages(args) => with_status(manual::man_pages(&args)),
        Command::Version(args) => version::version(&args),
    };
    terminal::print(&output, status)
}

/// The exit status of a command that works like kees-init.
fn with_status(output: CommandOutput) -> (CommandOutput, u8) {
    let status = output.exit.map_or(0, Exit::code);
    (output, status)
}
