//! Checks keys with OpenSSL and GnuPG.

use std::{
    fs::{self, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use tempfile::{Builder, TempDir};

/// Checks that an RSA public key (`SubjectPublicKeyInfo`) and private key (PKCS#8), both in DER,
/// belong together.
pub fn check_rsa_pair(public: &[u8], private: &[u8]) -> anyhow::Result<()> {
    let derived = run(
        Command::new("openssl").args(["pkey", "-inform", "DER", "-pubout", "-outform", "DER"]),
        private,
    )?;
    ensure!(
        derived == public,
        "the public key does not belong to the private key"
    );
    run(
        Command::new("openssl").args(["pkey", "-inform", "DER", "-check", "-noout"]),
        private,
    )?;
    Ok(())
}

/// Checks that a message that is encrypted with an armored public key can be decrypted with the
/// private key and its passphrase.
pub fn check_gpg_pair(public: &[u8], private: &[u8], passphrase: &[u8]) -> anyhow::Result<()> {
    let (sender, receiver) = (Keyring::new()?, Keyring::new()?);
    for (keyring, key) in [(&sender, public), (&receiver, private)] {
        keyring.run(&["--import"], key)?;
    }
    let message = b"to whom it may concern";
    let recipient = sender.file("recipient", public)?;
    let encrypted = sender.run(&["--recipient-file", &recipient, "--encrypt"], message)?;
    let file = receiver.file("passphrase", passphrase)?;
    let options = [
        "--pinentry-mode",
        "loopback",
        "--passphrase-file",
        &file,
        "--decrypt",
    ];
    let decrypted = receiver.run(&options, &encrypted)?;
    ensure!(decrypted == message, "another message was decrypted");
    Ok(())
}

/// The fields of a new RSA key pair, in DER: the public key and the private key.
pub fn rsa_pair() -> anyhow::Result<[Vec<u8>; 2]> {
    let generate = ["genpkey", "-algorithm", "RSA", "-outform", "DER"];
    let private = run(Command::new("openssl").args(generate), b"")?;
    let public = ["pkey", "-inform", "DER", "-pubout", "-outform", "DER"];
    let public = run(Command::new("openssl").args(public), &private)?;
    let encode = [
        "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER",
    ];
    let private = run(Command::new("openssl").args(encode), &private)?;
    Ok([public, private])
}

/// The armored fields of a new OpenPGP key: the public key, and the private key, which `passphrase`
/// protects.
pub fn gpg_pair(user_id: &str, passphrase: &[u8]) -> anyhow::Result<[Vec<u8>; 2]> {
    let keyring = Keyring::new()?;
    let file = keyring.file("passphrase", passphrase)?;
    let with_passphrase = ["--pinentry-mode", "loopback", "--passphrase-file", &file];
    let generate = [
        "--quick-generate-key",
        user_id,
        "rsa2048",
        "cert,sign,encr",
        "never",
    ];
    keyring.run(&[&with_passphrase[..], &generate].concat(), b"")?;
    let public = keyring.run(&["--armor", "--export"], b"")?;
    let export = ["--armor", "--export-secret-keys"];
    let private = keyring.run(&[&with_passphrase[..], &export].concat(), b"")?;
    Ok([public, private])
}

/// A home folder of GnuPG.
struct Keyring(TempDir);

impl Keyring {
    fn new() -> anyhow::Result<Self> {
        let private = Permissions::from_mode(0o700);
        Ok(Self(Builder::new().permissions(private).tempdir()?))
    }

    fn file(&self, name: &str, content: &[u8]) -> anyhow::Result<String> {
        let path = self.0.path().join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Vec<u8>> {
        run(gpg(self.0.path()).args(arguments), input)
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        // GnuPG started an agent for this folder.
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--kill", "all"])
            .status();
    }
}

fn gpg(home: &Path) -> Command {
    let mut gpg = Command::new("gpg");
    gpg.args(["--batch", "--quiet", "--homedir"]).arg(home);
    gpg
}

fn run(command: &mut Command, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    child
        .stdin
        .take()
        .context("the process has no standard input")?
        .write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
