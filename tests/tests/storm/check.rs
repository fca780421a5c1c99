//! Checks the files of a pod.

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::round::ENTRIES;

/// The content of a pod's list of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output(String);

/// Reads the list in `folder`, if it exists.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<Output>> {
    match fs::read_to_string(folder.join("secrets.properties")) {
        Ok(text) => Ok(Some(Output(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The number of files in `folder` that must exist only while `kees-init` runs.
pub(crate) fn temporary_files(folder: &Path) -> anyhow::Result<usize> {
    let expected = [
        "secrets.properties",
        "resources.properties",
        "leases.properties",
        ".kees",
    ];
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        count += usize::from(!expected.iter().any(|expected| name == *expected));
    }
    Ok(count)
}

impl Output {
    /// Whether each entry has a complete line with valid base64, and the last line ends.
    pub(crate) fn is_complete(&self) -> bool {
        let values = self.values();
        self.0.ends_with('\n')
            && self.0.lines().count() == ENTRIES.len()
            && ENTRIES
                .iter()
                .all(|(name, _)| values.get(*name).is_some_and(|value| !value.is_empty()))
    }

    fn values(&self) -> BTreeMap<&str, Vec<u8>> {
        self.0
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter_map(|(name, value)| Some((name, STANDARD.decode(value).ok()?)))
            .collect()
    }

    /// Checks with OpenSSL and GnuPG that the fields of each generation belong together.
    pub(crate) fn check_pairs(&self, folder: &Path) -> anyhow::Result<()> {
        let values = self.values();
        let value = |name: &str| {
            values
                .get(name)
                .with_context(|| format!("{name} is missing"))
        };
        ensure!(
            value("api-key.v1_consumer")? == value("api-key.v1_provider")?,
            "the two fields of the api-key differ"
        );

        fs::write(folder.join("private.der"), value("signing.v1_private")?)?;
        let of_private = run(Command::new("openssl")
            .args([
                "pkey", "-inform", "DER", "-pubout", "-outform", "DER", "-in",
            ])
            .arg(folder.join("private.der")))?;
        ensure!(
            &of_private == value("signing.v1_public")?,
            "the RSA keys do not belong together"
        );

        let home = tempfile::TempDir::new()?;
        let gpg = || {
            let mut gpg = Command::new("gpg");
            gpg.arg("--homedir").arg(home.path()).args([
                "--batch",
                "--quiet",
                "--pinentry-mode",
                "loopback",
            ]);
            gpg
        };
        let write = |name: &str| -> anyhow::Result<_> {
            let path = home.path().join(name);
            fs::write(&path, value(name)?)?;
            Ok(path)
        };
        fs::write(home.path().join("message"), "storm")?;
        // The public key alone encrypts a message; the private key and the passphrase decrypt it.
        run(gpg().arg("--import").arg(write("mail_public")?))?;
        run(gpg()
            .args([
                "--trust-model",
                "always",
                "--recipient",
                "storm@example.com",
                "--encrypt",
            ])
            .arg(home.path().join("message")))?;
        run(gpg()
            .arg("--passphrase-file")
            .arg(write("mail_password")?)
            .arg("--import")
            .arg(write("mail_private")?))?;
        let read = run(gpg()
            .arg("--passphrase-file")
            .arg(home.path().join("mail_password"))
            .arg("--decrypt")
            .arg(home.path().join("message.gpg")))?;
        let agent = Command::new("gpgconf")
            .arg("--homedir")
            .arg(home.path())
            .args(["--kill", "gpg-agent"])
            .status();
        ensure!(
            agent.is_ok_and(|status| status.success()),
            "the agent of GnuPG did not end"
        );
        ensure!(read == b"storm", "the GPG keys do not belong together");
        Ok(())
    }
}

fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| command.get_program().display().to_string())?;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
