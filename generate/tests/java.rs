//! Key pairs, read by a real Java (a JDK, Debian's package `default-jdk-headless`).

use std::{fs, process::Command};

use kees_common::{Encoding, Generated, Spec};
use kees_generate::{generate, local};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/ReadKeyPair.java");

#[test]
fn java_signs_and_verifies_with_each_type_of_key() {
    let specs = [
        (Spec::Rsa { bits: 2048 }, "RSA", "SHA256withRSA"),
        (Spec::Ec { bits: 256 }, "EC", "SHA256withECDSA"),
        (Spec::Ec { bits: 384 }, "EC", "SHA384withECDSA"),
        (Spec::Ed25519, "Ed25519", "Ed25519"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pair: &Generated, encoding: Encoding| {
        let files = pair.iter().map(|(field, value)| {
            let file = folder.path().join(format!("{name}_{field}.{encoding}"));
            let value = encoding.encode(field, value.clone());
            fs::write(&file, value.expose()).unwrap();
            file.to_str().unwrap().to_owned()
        });
        files.collect::<Vec<_>>()
    };
    let mut arguments = Vec::new();
    let mut expected = Vec::new();
    for (index, (spec, key, signature)) in specs.iter().enumerate() {
        for (origin, pair, encoding) in [
            ("generated", generate(spec).unwrap(), Encoding::Der),
            (
                "local",
                local::derive(spec, "signing").unwrap(),
                Encoding::Pem,
            ),
        ] {
            arguments.extend([(*key).to_owned(), (*signature).to_owned()]);
            arguments.extend(write(&format!("{origin}-{index}"), &pair, encoding));
            expected.push(format!("{key} X.509 PKCS#8"));
        }
    }
    let output = Command::new("java")
        .arg(PROGRAM)
        .args(arguments)
        .output()
        .expect("these tests need java, Debian's package default-jdk-headless");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
}
