//! A certificate authority for tests.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

/// Issues certificates. Clients in the tests trust its own certificate.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Debug)]
pub struct Issued {
    /// The certificate chain.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Authority {
    /// Creates an authority with a new key.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority's own certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Issues a certificate for the given DNS names and addresses.
    pub fn issue(&self, names: &[&str]) -> anyhow::Result<Issued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?
            .signed_by(&key, &self.issuer)?
            .pem();
        Ok(Issued {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// The manifest of the webhook's Secret with this certificate, in JSON.
    pub fn secret(&self, authority: &Authority) -> String {
        let data = |text: &str| BASE64_STANDARD.encode(text);
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "kees-webhook-tls", "namespace": "kees-system"},
            "type": "kubernetes.io/tls",
            "data": {
                "ca.crt": data(authority.certificate()),
                "tls.crt": data(&self.certificate),
                "tls.key": data(&self.key),
            },
        })
        .to_string()
    }

    /// Writes the certificate and the key into a folder, as `tls.crt` and `tls.key`.
    pub fn write_into(&self, folder: &Path) -> std::io::Result<(PathBuf, PathBuf)> {
        let files = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&files.0, &self.certificate)?;
        std::fs::write(&files.1, &self.key)?;
        Ok(files)
    }
}
