//! A certificate authority of the tests' own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// It issues certificates, and its own is what clients are told to trust.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one.
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

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for those DNS names and addresses.
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
    /// Writes both into a folder, as `tls.crt` and `tls.key`.
    pub fn write_into(&self, folder: &Path) -> std::io::Result<(PathBuf, PathBuf)> {
        let files = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&files.0, &self.certificate)?;
        std::fs::write(&files.1, &self.key)?;
        Ok(files)
    }
}
