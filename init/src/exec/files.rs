//! What a run of kees-init puts into the volume for `kees-init exec`: the values, and this program.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use kees_common::{
    Environments,
    environment::{self, PROGRAM_FILE, VALUES_FILE, VariableError},
    output,
};
use rustix::fs::{self, AtFlags, Mode, OFlags, StatVfsMountFlags};

use super::limits::string_limit;
use crate::{
    error::InitError,
    files::named::Named,
    write::{OutputFile, WriteError},
};

/// The file that is executed to start this program.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The name of the copy until it is complete.
const STAGED: &str = ".kees-init.new";

/// The mode of the copy: every user of the pod can execute it, and none can change it.
const PROGRAM_MODE: Mode = Mode::from_bits_truncate(0o555);

/// Where they are put, and which values are needed.
#[derive(Debug, Clone)]
pub(crate) struct ExecFiles {
    pub(crate) folder: PathBuf,
    pub(crate) environments: Environments,
    /// Whether the program is there already.
    pub(crate) has_program: bool,
}

impl ExecFiles {
    /// The file of the values. `absent` are the previous values that there are not.
    ///
    /// # Errors
    /// An error for each value that cannot be a variable.
    pub(crate) fn values(
        &self,
        named: &[Named<'_>],
        absent: &[&str],
    ) -> Result<OutputFile, Vec<InitError>> {
        let selects = |of: &&Named<'_>| self.environments.selects(&of.name);
        let errors: Vec<_> = named.iter().filter(selects).filter_map(error).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let pairs = named.iter().filter(selects).map(Named::pair);
        let pairs = pairs.map(|(name, value)| (name, Some(value)));
        let absent = absent.iter().filter(|name| self.environments.selects(name));
        let pairs: Vec<_> = pairs.chain(absent.map(|name| (*name, None))).collect();
        Ok(OutputFile {
            path: self.folder.join(VALUES_FILE),
            mode: None,
            is_salted: false,
            content: environment::write(&pairs),
        })
    }

    /// Copies this program into the folder, and replaces an older copy.
    pub(crate) fn place_program(&self) -> Result<(), WriteError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            fs::open(&self.folder, flags, Mode::empty()).map_err(|errno| WriteError::Folder {
                path: self.folder.clone(),
                source: errno.into(),
            })?;
        let fail = |source: io::Error| WriteError::File {
            path: self.folder.join(PROGRAM_FILE),
            source,
        };
        let volume = fs::fstatvfs(&folder).map_err(|errno| fail(errno.into()))?;
        if volume.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            let path = self.folder.clone();
            return Err(WriteError::NoExec { path });
        }
        // A run that was killed may have left a part of it.
        let _ = fs::unlinkat(&folder, STAGED, AtFlags::empty());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let copied = fs::openat(&folder, STAGED, flags, Mode::RUSR | Mode::WUSR)
            .map_err(io::Error::from)
            .and_then(|copy| copy_program(File::from(copy)))
            .and_then(|()| Ok(fs::renameat(&folder, STAGED, &folder, PROGRAM_FILE)?));
        copied.map_err(|error| {
            let _ = fs::unlinkat(&folder, STAGED, AtFlags::empty());
            fail(error)
        })
    }
}

/// The error of a value that cannot be a variable.
fn error(of: &Named<'_>) -> Option<InitError> {
    let (name, value) = of.pair();
    let checked = if value.is_verbatim() {
        Err(VariableError::NotBase64(name.to_owned()))
    } else {
        let variable = output::variable_name(name);
        environment::check(name, &variable, value.expose(), string_limit())
    };
    checked.err().map(|source| InitError::Variable {
        annotation: of.entry.annotation.clone(),
        source,
    })
}

fn copy_program(mut copy: File) -> io::Result<()> {
    let mut program = File::open(Path::new(THIS_PROGRAM))?;
    io::copy(&mut program, &mut copy)?;
    fs::fchmod(&copy, PROGRAM_MODE)?;
    Ok(())
}
