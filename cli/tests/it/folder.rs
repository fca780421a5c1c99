//! A temporary folder for each test, in which the program runs.

use std::{
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder with manifests.
pub(crate) struct Folder(TempDir);

/// The output and the exit status of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one manifest, `web.yaml`.
    pub(crate) fn with(manifest: &str) -> Self {
        let folder = Self::new();
        folder.write("web.yaml", manifest);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// Runs `kees` in the folder, without environment variables.
    pub(crate) fn kees(&self, arguments: &[&str]) -> Ended {
        self.kees_reading("", arguments)
    }

    /// Runs `kees` in the folder, with `input` on standard input.
    pub(crate) fn kees_reading(&self, input: &str, arguments: &[&str]) -> Ended {
        self.called("kees", input, arguments)
    }

    /// Runs `kees` in the folder, with these environment variables and no others.
    pub(crate) fn kees_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut kees = self.command(arguments);
        kees.envs(variables.iter().copied());
        end(kees, "")
    }

    /// Runs `kees` in the folder under another program name.
    pub(crate) fn called(&self, program: &str, input: &str, arguments: &[&str]) -> Ended {
        let mut kees = self.command(arguments);
        kees.arg0(program);
        end(kees, input)
    }

    /// Starts `kees` in the folder, without environment variables.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        start(self.command(arguments), "")
    }

    /// The program in the folder, without environment variables.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut kees = Command::new(env!("CARGO_BIN_EXE_kees"));
        kees.arg0("kees")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear();
        kees
    }
}

/// Runs a program until it ends.
fn end(program: Command, input: &str) -> Ended {
    ended(start(program, input))
}

fn start(mut program: Command, input: &str) -> Child {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    child
}

/// Waits until a program has ended.
pub(crate) fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    Ended {
        status: output
            .status
            .code()
            .expect("the program must not be killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// Output and exit status as one text, for snapshots.
    pub(crate) fn all(&self) -> String {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        format!("{stdout}--- standard error\n{stderr}--- exit {status}\n")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that the program succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.all());
        self
    }

    /// Asserts the exit status, and returns standard error.
    #[track_caller]
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!(self.status, status, "{}", self.all());
        self.stderr
    }
}

/// A pod with these annotations, each a line of YAML.
pub(crate) fn pod(name: &str, annotations: &[&str]) -> String {
    let lines = annotations.join("\n    ");
    format!(
        "---\nkind: Pod\nmetadata:\n  name: {name}\n  annotations:\n    {lines}\nspec:\n  containers:\n  - \
         name: app\n    image: app:1\n"
    )
}

/// An annotation for a DYNAMIC password.
pub(crate) const PASSWORD: &str =
    "secret.bsycorp.com/db-password: kind=DYNAMIC,type=PASSWORD,size=256";
