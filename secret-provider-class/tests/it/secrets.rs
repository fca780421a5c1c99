//! Kubernetes Secrets of type `kubernetes.io/tls`: the split of PEM and PKCS#12.

use std::collections::BTreeMap;

use kees_common::SecretValue;
use kees_secret_provider_class::{
    SecretData, SecretDataError, SecretObject, TLS, TlsError, secret_data,
};
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey,
    PrivateKeyChain,
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use rstest::rstest;

fn secret(keys: &[(&str, &str)], secret_type: &str) -> SecretObject {
    let data = keys.iter().map(|(key, file)| SecretData {
        key: (*key).to_owned(),
        file: (*file).to_owned(),
    });
    SecretObject {
        name: "s".to_owned(),
        secret_type: secret_type.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        data: data.collect(),
    }
}

/// `tls.crt` and `tls.key` from one file.
fn split(content: &[u8]) -> Result<[String; 2], Vec<SecretDataError>> {
    let content = SecretValue::new(content.to_vec());
    let secret = secret(&[("tls.crt", "f"), ("tls.key", "f")], TLS);
    let data = secret_data(&secret, |file| (file == "f").then_some(&content))?;
    let text = |index: usize| data[index].1.expose_text().unwrap().to_owned();
    Ok([text(0), text(1)])
}

fn certificate(key: &KeyPair) -> rcgen::Certificate {
    let parameters = CertificateParams::new(["server.example.com".to_owned()]).unwrap();
    parameters.self_signed(key).unwrap()
}

#[rstest]
#[case(&PKCS_RSA_SHA256, "RSA PRIVATE KEY")]
#[case(&PKCS_ECDSA_P256_SHA256, "EC PRIVATE KEY")]
#[case(&PKCS_ED25519, "PRIVATE KEY")]
fn certificates_and_key_are_cut_out_of_pem(
    #[case] algorithm: &'static rcgen::SignatureAlgorithm,
    #[case] label: &str,
) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let leaf = certificate(&key).pem().replace("\r\n", "\n");
    let issuer = certificate(&KeyPair::generate().unwrap())
        .pem()
        .replace("\r\n", "\n");
    let bundle = format!(
        "subject=x\n{leaf}{}# the issuer\n{issuer}",
        key.serialize_pem()
    );
    let [tls_crt, tls_key] = split(bundle.as_bytes()).unwrap();
    assert_eq!(tls_crt, format!("{leaf}{issuer}"));
    let block = pem::parse(&tls_key).unwrap();
    assert_eq!(block.tag(), label);
    // The key is the same, in the form that its label says.
    let again = KeyPair::from_pem_and_sign_algo(&tls_key, algorithm).unwrap();
    assert_eq!(again.public_key_raw(), key.public_key_raw());
    // A key that is already in this form stays as it is.
    let [_, same] = split(format!("{leaf}{tls_key}").as_bytes()).unwrap();
    assert_eq!(same, tls_key);
}

#[test]
fn certificates_and_key_are_cut_out_of_a_keystore() {
    let key = KeyPair::generate().unwrap();
    let leaf = certificate(&key);
    let chain = [Certificate::from_der(leaf.der()).unwrap()];
    let private = PrivateKey::from_der(key.serialized_der()).unwrap();
    let mut keystore = KeyStore::new();
    let chain = PrivateKeyChain::new("a", private, chain);
    keystore.add_entry("a", KeyStoreEntry::PrivateKeyChain(chain));
    let [tls_crt, tls_key] = split(&keystore.writer("").write().unwrap()).unwrap();
    assert_eq!(tls_crt, leaf.pem().replace("\r\n", "\n"));
    let again = KeyPair::from_pem_and_sign_algo(&tls_key, &PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(again.public_key_raw(), key.public_key_raw());
    let old = keystore
        .writer("")
        .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
        .mac_algorithm(MacAlgorithm::HmacSha1);
    assert_eq!(split(&old.write().unwrap()).unwrap(), [tls_crt, tls_key]);
    let locked = keystore.writer("password").write().unwrap();
    assert_eq!(tls_errors(&locked), [TlsError::Format, TlsError::Format]);
}

fn tls_errors(content: &[u8]) -> Vec<TlsError> {
    let errors = split(content).unwrap_err().into_iter();
    let errors = errors.map(|error| match error {
        SecretDataError::Tls { error, .. } => error,
        other => panic!("{other}"),
    });
    errors.collect()
}

#[rstest]
#[case::nothing("", &[TlsError::Format, TlsError::Format])]
#[case::text("marker", &[TlsError::Format, TlsError::Format])]
#[case::no_key(
    "-----BEGIN PRIVATE KEY-----\nbWFya2Vy\n-----END PRIVATE KEY-----\n",
    &[TlsError::Format, TlsError::Key]
)]
fn a_file_without_certificates_or_key_is_an_error(
    #[case] content: &str,
    #[case] expected: &[TlsError],
) {
    assert_eq!(tls_errors(content.as_bytes()), expected);
    let messages: Vec<_> = split(content.as_bytes())
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(!messages.concat().contains("marker"), "{messages:?}");
}

#[test]
fn every_other_type_has_the_whole_files() {
    let value = SecretValue::new(vec![0, 159, 146]);
    let secret = secret(&[("a", "f"), ("b", "f")], "Opaque");
    let data = secret_data(&secret, |_| Some(&value)).unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data[1].1.expose(), value.expose());
}

#[test]
fn a_secret_over_a_mebibyte_is_an_error() {
    let value = SecretValue::new(vec![0; (1 << 19) + 1]);
    let secret = secret(&[("a", "f"), ("b", "f")], "Opaque");
    let Err(errors) = secret_data(&secret, |_| Some(&value)) else {
        panic!("it is not too large");
    };
    assert_eq!(errors, [SecretDataError::TooLarge((1 << 20) + 2)]);
}
