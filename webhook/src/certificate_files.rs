//! The certificate from two PEM files, as a source that is loaded again when they change.

use std::path::{Path, PathBuf};

use kees_server::{Contents, Source};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::{WebhookError, health, metrics::Watched};

/// The paths of the certificate and its key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The certificate chain in PEM, leaf first.
    pub cert: PathBuf,
    /// The private key of the leaf in PEM.
    pub key: PathBuf,
    /// The DNS name by which the API server calls the webhook, if it is known.
    pub dns_name: Option<String>,
}

/// A certificate that was loaded.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain and its key.
    pub(crate) pair: CertifiedKey,
    /// The end of the leaf's validity, in seconds since 1970.
    pub(crate) expires: i64,
}

impl Source for CertificateFiles {
    type Loaded = Certificate;
    type Error = WebhookError;

    fn name(&self) -> &'static str {
        Watched::Certificate.as_str()
    }

    fn paths(&self) -> Vec<&Path> {
        vec![&self.cert, &self.key]
    }

    fn load(&self, contents: &Contents) -> Result<Certificate, WebhookError> {
        let (cert, key) = (&contents[0], &contents[1]);
        let chain = self.chain(cert)?;
        let expires = self.check_dates(&chain[0])?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|source| WebhookError::Pem {
            path: self.key.clone(),
            expected: "private key",
            source,
        })?;
        let provider = aws_lc_rs::default_provider();
        let pair =
            CertifiedKey::from_der(chain, key, &provider).map_err(|source| WebhookError::Pair {
                cert: self.cert.clone(),
                key: self.key.clone(),
                source,
            })?;
        if let Some(warning) = self.name_warning(&pair.cert[0]) {
            tracing::warn!("{warning}");
        }
        Ok(Certificate { pair, expires })
    }
}

impl CertificateFiles {
    /// The certificates in `pem`, at least one.
    fn chain(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, WebhookError> {
        let failed = |source| WebhookError::Pem {
            path: self.cert.clone(),
            expected: "certificate",
            source,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        if chain.is_empty() {
            return Err(failed(rustls::pki_types::pem::Error::NoItemsFound));
        }
        Ok(chain)
    }

    /// Checks that the leaf is valid now. Returns the end of its validity in seconds since 1970.
    fn check_dates(&self, leaf: &CertificateDer<'_>) -> Result<i64, WebhookError> {
        let (_, leaf) =
            X509Certificate::from_der(leaf).map_err(|source| WebhookError::Certificate {
                path: self.cert.clone(),
                source,
            })?;
        let validity = leaf.validity();
        let (from, to) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        if (from..=to).contains(&health::now()) {
            return Ok(to);
        }
        Err(WebhookError::NotValidNow {
            path: self.cert.clone(),
            not_before: validity.not_before.to_string(),
            not_after: validity.not_after.to_string(),
        })
    }

    /// A warning if clients that call the Service reject the certificate. It is no error, because the
    /// webhook may be called by another name.
    fn name_warning(&self, leaf: &CertificateDer<'_>) -> Option<String> {
        let dns_name = self.dns_name.as_deref()?;
        let server_name = ServerName::try_from(dns_name).ok()?;
        let end_entity = rustls::server::ParsedCertificate::try_from(leaf).ok()?;
        rustls::client::verify_server_name(&end_entity, &server_name).err()?;
        let path = self.cert.display();
        let found = dns_names(leaf);
        let found = if found.is_empty() {
            "no DNS name".to_owned()
        } else {
            found.join(", ")
        };
        Some(format!(
            "the certificate in {path} is not for {dns_name}, but for {found}: the API server rejects \
             it when it calls the Service; add that DNS name, or set --service-name and --namespace"
        ))
    }
}

/// The DNS names of a certificate.
fn dns_names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return Vec::new();
    };
    let Ok(Some(names)) = leaf.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use zeroize::Zeroizing;

    use super::*;

    struct Pem {
        cert: String,
        key: String,
    }

    fn pem(years: std::ops::Range<i32>) -> Pem {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["kees".to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        Pem {
            cert: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn load(cert: &str, key: &str) -> Result<Certificate, WebhookError> {
        let files = CertificateFiles {
            cert: "tls.crt".into(),
            key: "tls.key".into(),
            dns_name: None,
        };
        files.load(&vec![
            Zeroizing::new(cert.as_bytes().to_vec()),
            Zeroizing::new(key.as_bytes().to_vec()),
        ])
    }

    #[test]
    fn a_matching_pair_is_loaded_with_its_expiry() {
        let pem = pem(2020..2120);
        // 2120-01-01T00:00:00Z
        assert_eq!(load(&pem.cert, &pem.key).unwrap().expires, 4_733_510_400);
    }

    #[test]
    fn a_key_of_another_certificate_is_rejected() {
        let error = load(&pem(2020..2120).cert, &pem(2020..2120).key).unwrap_err();
        insta::assert_snapshot!(error, @"the key in tls.key does not belong to the certificate in tls.crt");
    }

    #[test]
    fn an_expired_certificate_is_rejected() {
        let pem = pem(2000..2001);
        let error = load(&pem.cert, &pem.key).unwrap_err();
        insta::assert_snapshot!(error, @"the certificate in tls.crt is valid from Jan  1 00:00:00 2000 +00:00 to Jan  1 00:00:00 2001 +00:00, which is not now; renew it, or set the clock");
    }

    #[test]
    fn a_certificate_that_is_not_valid_yet_is_rejected() {
        let pem = pem(2110..2120);
        assert!(matches!(
            load(&pem.cert, &pem.key),
            Err(WebhookError::NotValidNow { .. })
        ));
    }

    #[test]
    fn the_error_names_an_empty_file() {
        let pem = pem(2020..2120);
        insta::assert_snapshot!(load("", &pem.key).unwrap_err(), @"tls.crt contains no certificate in PEM");
        insta::assert_snapshot!(load(&pem.cert, "").unwrap_err(), @"tls.key contains no private key in PEM");
    }
}
