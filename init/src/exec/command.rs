//! The command: found and executed as `execvp(3)` does it, but never by a shell.

use std::{
    env,
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

use nix::{errno::Errno, sys::signal::SigSet, unistd::execve};

use super::error::ExecError;
use crate::usage::UsageError;

/// Where a command is looked for if the container has no `PATH`, as in glibc.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command and its arguments.
pub(super) struct Command {
    name: OsString,
    /// The command itself first.
    pub(super) arguments: Vec<CString>,
    /// The files that may be the command, in their order.
    pub(super) candidates: Vec<CString>,
}

impl Command {
    pub(super) fn new(command: Vec<OsString>) -> Result<Self, ExecError> {
        let name = command.first().cloned().unwrap_or_default();
        let path = env::var_os("PATH");
        let path = path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH));
        let candidates = candidates(&name, path).into_iter().map(OsString::into_vec);
        Ok(Self {
            candidates: candidates.map(c_string).collect::<Result<_, _>>()?,
            arguments: command
                .into_iter()
                .map(|argument| c_string(argument.into_vec()))
                .collect::<Result<_, _>>()?,
            name,
        })
    }

    /// Starts the command in place of this program. Returns only if that is not possible.
    pub(super) fn exec(&self, variables: &[CString]) -> ExecError {
        // The runtime of this program ignores SIGPIPE, and the next program would too. Handlers of
        // signals end with this program, but blocked signals stay blocked.
        sigpipe::reset();
        let _ = SigSet::empty().thread_set_mask();
        let mut was_denied = false;
        for candidate in &self.candidates {
            let Err(errno) = execve(candidate, &self.arguments, variables);
            match errno {
                Errno::EACCES => was_denied = true,
                Errno::ENOENT
                | Errno::ENOTDIR
                | Errno::ESTALE
                | Errno::ENODEV
                | Errno::ETIMEDOUT => {}
                errno => return self.error(errno),
            }
        }
        if was_denied {
            self.error(Errno::EACCES)
        } else {
            self.error(Errno::ENOENT)
        }
    }

    /// The name of the command.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    fn error(&self, errno: Errno) -> ExecError {
        let command = self.name.clone();
        ExecError::Command { command, errno }
    }
}

/// The files that a command may be. A name with a slash is a file; any other is looked for in `path`,
/// where an empty folder is the current one.
fn candidates(name: &OsStr, path: &OsStr) -> Vec<OsString> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    env::split_paths(path)
        .map(|folder| {
            let is_current = folder.as_os_str().is_empty();
            let folder = if is_current { Path::new(".") } else { &folder };
            folder.join(name).into()
        })
        .collect()
}

fn c_string(text: Vec<u8>) -> Result<CString, UsageError> {
    CString::new(text).map_err(|_| UsageError {
        message: "an argument has a NUL".to_owned(),
        is_help: false,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a", "/x:/y/", &["/x/a", "/y/a"])]
    #[case("a", ":/y", &["./a", "/y/a"])]
    #[case("a", "", &["./a"])]
    #[case("./a", "/x", &["./a"])]
    #[case("b/a", "/x", &["b/a"])]
    #[case("", "/x", &[])]
    fn a_command_is_looked_for_as_execvp_does(
        #[case] name: &str,
        #[case] path: &str,
        #[case] expected: &[&str],
    ) {
        assert_eq!(candidates(OsStr::new(name), OsStr::new(path)), expected);
    }
}
