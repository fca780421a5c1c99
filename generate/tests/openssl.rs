//! Key pairs, read by the real `openssl` (Debian's package `openssl`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use kees_common::{Encoding, Field, Generated, Spec};
use kees_generate::{generate, local};
use rstest::rstest;

/// Runs openssl with `input`, and returns its standard output.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need openssl, Debian's package openssl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Checks that openssl reads both keys of `pair` and finds them valid, and returns its description of
/// the public key.
fn description_of_valid(pair: &Generated) -> String {
    let private = pair.get(Field::Private).unwrap().expose();
    let public = pair.get(Field::Public).unwrap().expose();

    // PKCS#8 and nothing else: this command reads no traditional form.
    openssl(
        &["pkcs8", "-inform", "DER", "-nocrypt", "-out", "/dev/null"],
        private,
    );
    // `-check` looks at primes and exponents too.
    openssl(&["pkey", "-inform", "DER", "-check", "-noout"], private);
    assert_eq!(
        openssl(
            &["pkey", "-inform", "DER", "-pubout", "-outform", "DER"],
            private
        ),
        public
    );
    let shown = openssl(
        &["pkey", "-pubin", "-inform", "DER", "-text", "-noout"],
        public,
    );
    String::from_utf8(shown).unwrap()
}

#[rstest]
#[case::generated_2048(generate(&Spec::Rsa { bits: 2048 }).unwrap(), 2048)]
#[case::generated_4096(generate(&Spec::Rsa { bits: 4096 }).unwrap(), 4096)]
#[case::local_2048(local::derive(&Spec::Rsa { bits: 2048 }, "signing").unwrap(), 2048)]
#[case::local_4096(local::derive(&Spec::Rsa { bits: 4096 }, "signing").unwrap(), 4096)]
fn openssl_reads_both_rsa_keys_and_finds_them_valid(#[case] pair: Generated, #[case] bits: u16) {
    let shown = description_of_valid(&pair);
    assert!(
        shown.contains(&format!("Public-Key: ({bits} bit)")),
        "{shown}"
    );
    assert!(shown.contains("Exponent: 65537"), "{shown}");
    let public = pair.get(Field::Public).unwrap().expose();
    let parsed = openssl(&["asn1parse", "-inform", "DER"], public);
    assert!(
        String::from_utf8(parsed)
            .unwrap()
            .contains(":rsaEncryption")
    );
}

#[rstest]
#[case::ec_256(Spec::Ec { bits: 256 }, "ASN1 OID: prime256v1")]
#[case::ec_384(Spec::Ec { bits: 384 }, "ASN1 OID: secp384r1")]
#[case::ed25519(Spec::Ed25519, "ED25519 Public-Key:")]
fn openssl_reads_both_keys_on_a_curve_and_finds_them_valid(
    #[case] spec: Spec,
    #[case] description: &str,
) {
    for pair in [generate(&spec), local::derive(&spec, "signing")] {
        let shown = description_of_valid(&pair.unwrap());
        assert!(shown.contains(description), "{shown}");
    }
}

#[rstest]
#[case::rsa(Spec::Rsa { bits: 2048 })]
#[case::ec(Spec::Ec { bits: 384 })]
#[case::ed25519(Spec::Ed25519)]
fn openssl_reads_and_writes_the_same_pem(#[case] spec: Spec) {
    let pair = local::derive(&spec, "signing").unwrap();
    let pem = |field| Encoding::Pem.encode(field, pair.get(field).unwrap().clone());
    let (public, private) = (pem(Field::Public), pem(Field::Private));
    assert_eq!(openssl(&["pkey"], private.expose()), private.expose());
    assert_eq!(
        openssl(&["pkey", "-pubin", "-pubout"], public.expose()),
        public.expose()
    );
}
