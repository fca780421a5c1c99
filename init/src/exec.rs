//! `kees-init exec`: starts another program in place of this one, with the values in its environment.
//!
//! ```text
//! arguments -> (wait) -> values of the volume -> variables -> size -> execve
//! ```
//!
//! The other program has the same process id, standard streams and signals as if it had been started
//! directly, and finds nothing of this one except the variables.

mod command;
mod error;
mod files;
mod limits;
mod settings;
mod size;
mod variables;

use std::{
    env,
    ffi::{CString, OsString},
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use zeroize::Zeroizing;

pub use self::error::ExecError;
pub(crate) use self::files::ExecFiles;
use self::{command::Command, settings::ExecSettings, variables::Variables};
use crate::{process::until_stopped, ready::ReadyFile};

/// Starts the program that `arguments` name, after the name of this program and `exec`. Returns only
/// if there is an error.
pub fn exec(arguments: impl IntoIterator<Item = OsString>) -> ExecError {
    match prepare(arguments) {
        Ok((command, variables)) => command.exec(&variables),
        Err(error) => error,
    }
}

fn prepare(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(Command, Vec<CString>), ExecError> {
    // The kernel makes the other program dumpable again. The limit on core dumps would stay, so it is
    // not changed.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let ExecSettings {
        values_file,
        environment,
        wait,
        command,
    } = ExecSettings::read(arguments)?;
    let command = Command::new(command)?;
    if let Some(longest) = wait {
        wait_for(&ReadyFile::beside(&values_file), longest)?;
    }
    let content = read(&values_file).map_err(|source| ExecError::NoValues {
        path: values_file.clone(),
        source,
    })?;
    let variables = Variables::new(&values_file, &content, &environment)?;
    let variables = variables.joined(env::vars_os())?;
    size::check(&command, &variables)?;
    let variables = variables.into_iter().map(|variable| variable.text);
    Ok((command, variables.collect()))
}

/// Waits until the files of the volume are complete. A signal ends it: the first process of a container
/// ignores signals that it has no handler for.
fn wait_for(ready: &ReadyFile, longest: Duration) -> Result<(), ExecError> {
    if ready.exists() {
        return Ok(());
    }
    match until_stopped(ready.wait(longest)).map_err(ExecError::Runtime)? {
        Ok(true) => Ok(()),
        Ok(false) => Err(ExecError::NotReady {
            path: ready.path().to_owned(),
            waited: longest,
        }),
        Err(stopped) => Err(ExecError::Stopped(stopped)),
    }
}

/// The content of a file.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    // A buffer that grows leaves copies behind that are not wiped.
    let mut content = Zeroizing::new(Vec::with_capacity(size + 1));
    file.read_to_end(&mut content)?;
    Ok(content)
}
