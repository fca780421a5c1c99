//! GPG keys, used by the real `gpg` (Debian's package `gnupg`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use kees_common::{Field, Generated, Spec};
use kees_generate::{generate, local};
use rstest::rstest;
use tempfile::TempDir;

const USER_ID: &str = "Jörg Müller-Lüdenscheidt <jörg@example.com>";
const MESSAGE: &[u8] = b"what only the owner of the key reads\n";

fn spec(bits: u16) -> Spec {
    Spec::Gpg {
        bits,
        user_id: USER_ID.parse().unwrap(),
    }
}

/// A separate `GNUPGHOME`. Dropping it stops its agent.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("gpg")
            .tempdir_in("/tmp")
            .unwrap();
        // Without this, each agent measures for a second how many times to hash a passphrase.
        fs::write(home.path().join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs gpg with `input`, and returns its standard output, or its standard error if it fails.
    fn gpg(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = Command::new("gpg")
            .env("GNUPGHOME", self.path())
            .env("LC_ALL", "C.UTF-8")
            .args([
                "--batch",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
                "--trust-model",
                "always",
            ])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need gpg, Debian's package gnupg");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Like [`Self::gpg`], with the passphrase.
    fn gpg_as_owner(
        &self,
        passphrase: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Vec<u8>, String> {
        self.gpg(&[&["--passphrase", passphrase], arguments].concat(), input)
    }

    fn with(key: &Generated, field: Field) -> Self {
        let home = Self::new();
        let passphrase = text(key, Field::Password);
        home.gpg_as_owner(passphrase, &["--import"], text(key, field).as_bytes())
            .unwrap();
        home
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let stop = Command::new("gpgconf")
            .env("GNUPGHOME", self.path())
            .args(["--kill", "all"])
            .status();
        drop(stop);
    }
}

fn text(key: &Generated, field: Field) -> &str {
    key.get(field).unwrap().expose_text().unwrap()
}

#[rstest]
#[case::generated_2048(generate(&spec(2048)).unwrap(), 2048)]
#[case::generated_3072(generate(&spec(3072)).unwrap(), 3072)]
#[case::generated_4096(generate(&spec(4096)).unwrap(), 4096)]
#[case::local_2048(local::derive(&spec(2048), "common.gpg.v1").unwrap(), 2048)]
#[case::local_3072(local::derive(&spec(3072), "common.gpg.v1").unwrap(), 3072)]
#[case::local_4096(local::derive(&spec(4096), "common.gpg.v1").unwrap(), 4096)]
fn gnupg_imports_signs_and_decrypts(#[case] key: Generated, #[case] bits: u16) {
    let owner = Home::with(&key, Field::Private);
    let other = Home::with(&key, Field::Public);
    let passphrase = text(&key, Field::Password);

    let signed = owner
        .gpg_as_owner(passphrase, &["--sign"], MESSAGE)
        .unwrap();
    let verified = other
        .gpg(&["--status-fd", "1", "--decrypt"], &signed)
        .unwrap();
    assert!(String::from_utf8_lossy(&verified).contains("[GNUPG:] GOODSIG "));

    let encrypted = other
        .gpg(&["--encrypt", "--recipient", "example.com"], MESSAGE)
        .unwrap();
    assert_eq!(
        owner
            .gpg_as_owner(passphrase, &["--decrypt"], &encrypted)
            .unwrap(),
        MESSAGE
    );
    let status = owner
        .gpg_as_owner(passphrase, &["--status-fd", "1", "--decrypt"], &encrypted)
        .unwrap();
    // An integrity check (2) and AES-256 (9), RFC 4880.
    assert!(String::from_utf8_lossy(&status).contains("[GNUPG:] DECRYPTION_INFO 2 9"));

    let listed = other.gpg(&["--with-colons", "--list-keys"], b"").unwrap();
    assert_is_one_primary_key(std::str::from_utf8(&listed).unwrap(), bits);
}

/// One key without subkeys and expiry, with one user id. It certifies, signs and encrypts. GnuPG's
/// doc/DETAILS explains the fields.
fn assert_is_one_primary_key(listed: &str, bits: u16) {
    let records: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split(':').collect())
        .collect();
    let of = |kind| records.iter().filter(|r| r[0] == kind).collect::<Vec<_>>();
    let keys = of("pub");
    assert_eq!(
        (keys.len(), of("sub").len(), of("uid").len()),
        (1, 0, 1),
        "{listed}"
    );
    assert_eq!(keys[0][2], bits.to_string());
    assert_eq!(keys[0][3], "1", "the algorithm is RSA");
    assert_eq!(keys[0][6], "", "no expiry");
    assert_eq!(keys[0][11], "escESC");
    assert_eq!(of("uid")[0][9], USER_ID);
}

#[test]
fn without_the_passphrase_gnupg_reads_nothing() {
    let key = local::derive(&spec(2048), "a").unwrap();
    let owner = Home::new();
    // GnuPG imports the key without the passphrase, and asks for it when the key is used.
    owner
        .gpg(&["--import"], text(&key, Field::Private).as_bytes())
        .unwrap();
    let encrypted = owner
        .gpg(&["--encrypt", "--recipient", "example.com"], MESSAGE)
        .unwrap();
    let error = owner
        .gpg_as_owner("wrong", &["--decrypt"], &encrypted)
        .unwrap_err();
    assert!(error.contains("Bad passphrase"), "{error}");
}

#[test]
fn the_private_key_is_protected_as_documented() {
    let key = generate(&spec(2048)).unwrap();
    let packets = Home::new()
        .gpg(&["--list-packets"], text(&key, Field::Private).as_bytes())
        .unwrap();
    let packets = String::from_utf8_lossy(&packets).into_owned();
    assert!(
        packets.contains("iter+salt S2K, algo: 9, SHA1 protection, hash: 8"),
        "{packets}"
    );
    assert!(packets.contains("pref-sym-algos: 9 8 7"), "{packets}");
    assert_eq!(text(&key, Field::Password).len(), 16);
}
