//! The container of the program: its annotations, its volume and its variables.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::pod::annotations_file;

/// The files of a container that matter to the program.
pub(crate) struct Container {
    folder: TempDir,
}

impl Container {
    pub(crate) fn new(annotations: &[(&str, &str)]) -> Self {
        let container = Self {
            folder: TempDir::new().unwrap(),
        };
        fs::write(container.path("annotations"), annotations_file(annotations)).unwrap();
        // The kubelet creates this file.
        fs::write(container.path("termination-log"), "").unwrap();
        fs::create_dir(container.path("volume")).unwrap();
        container
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The variables of a pod that was wired by hand.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("ANNOTATIONS_FILE", self.path("annotations")),
            ("SECRETS_FILE", self.path("volume/secrets.properties")),
            ("RESOURCES_FILE", self.path("volume/resources.properties")),
            ("LEASES_FILE", self.path("volume/leases.properties")),
            ("RESOURCES_FILE_PATH", self.path("volume")),
            ("LEASES_FILE_PATH", self.path("volume")),
            ("TERMINATION_LOG", self.path("termination-log")),
            ("ENV_LABEL", PathBuf::from("local")),
            ("POD_NAME", PathBuf::from("web-0")),
        ]
    }

    pub(crate) fn command(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_kees-init"))
    }

    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment());
        command
    }

    pub(crate) fn embedded(&self) -> Command {
        let mut command = self.command();
        command
            .env("STORE", "embedded")
            .env("EMBEDDED_FILE", self.path("kees.db"));
        command
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn volume(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path("volume"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The exit status and standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stderr,
        stdout,
    } = command.output().unwrap();
    assert_eq!(stdout, b"", "standard output is empty");
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}
