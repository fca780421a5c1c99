//! The arguments of `kees-init exec`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use kees_common::{Environment, EnvironmentVariable, environment::VALUES_FILE};
use kees_settings::{DAY, Seconds};

use super::error::ExecError;
use crate::usage::UsageError;

const AFTER_HELP: &str = "\
Exit status, where the command cannot be started:
  64   wrong usage
  65   the file of the values is not what kees-init writes, or a value cannot be a variable
  66   the file of the values cannot be read, or the files were not complete in time
  71   the operating system could not start the program's runtime
  126  the command cannot be executed, or its arguments and variables are too long
  127  the command was not found
  130, 143  stopped by SIGINT or SIGTERM while it waited

Otherwise the status is that of the command.";

/// Starts a command in place of this program, with the values of the pod's entries as environment
/// variables
#[derive(Debug, Clone, Parser)]
#[command(name = "kees-init exec", after_long_help = AFTER_HELP)]
struct Arguments {
    /// An entry that becomes a variable, with the name of the variable if it is another one; once for
    /// each [default: all entries]
    #[arg(long, value_name = "[VARIABLE=]ENTRY")]
    env: Vec<EnvironmentVariable>,
    /// The file of the values [default: .kees-env in the folder of this program]
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// Seconds that it waits until a sidecar has completed the files [default: they must be there]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<Seconds<0, DAY>>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What `kees-init exec` does.
pub(super) struct ExecSettings {
    pub(super) values_file: PathBuf,
    pub(super) environment: Environment,
    /// How long it waits for the files.
    pub(super) wait: Option<Duration>,
    /// At least one: the command and its arguments.
    pub(super) command: Vec<OsString>,
}

impl ExecSettings {
    /// Parses the arguments, the first of which is the path of this program, and the second `exec`.
    pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ExecError> {
        let mut arguments = arguments.into_iter();
        let program = arguments.next().unwrap_or_default();
        let mut command = Arguments::command();
        let Arguments {
            env,
            values,
            wait,
            command,
        } = command
            .try_get_matches_from_mut(arguments)
            .and_then(|matches| Arguments::from_arg_matches(&matches))
            .map_err(|error| UsageError::new(&error, &command))?;
        Ok(Self {
            values_file: values.unwrap_or_else(|| beside(&program)),
            environment: if env.is_empty() {
                Environment::All
            } else {
                Environment::Listed(env)
            },
            wait: wait.map(Seconds::get),
            command,
        })
    }
}

/// The file of the values in the folder of the program, which the pod names by its whole path.
fn beside(program: &OsString) -> PathBuf {
    let folder = Path::new(program).parent();
    folder.unwrap_or(Path::new("")).join(VALUES_FILE)
}
