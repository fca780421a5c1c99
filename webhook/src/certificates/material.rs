//! What the Secret and the `caBundle` contain, as types.

use rcgen::{KeyPair, PublicKeyData as _};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::prelude::{
    FromDer as _, GeneralName, NameConstraints, ParsedExtension, X509Certificate,
};
use zeroize::Zeroizing;

use super::{
    issue::CA_NAME,
    plan::{Authority, BACKDATE, Bundle, BundleCertificate, Leaf, SecretState, Time, Validity},
    verify::verify,
};

/// The values of the Secret. A key that is absent is empty.
#[derive(Default)]
pub(super) struct SecretData {
    /// `ca.crt`: the signer and the earlier CAs.
    pub(super) ca: Vec<u8>,
    /// `ca.key`: the key of the signer.
    pub(super) ca_key: Zeroizing<Vec<u8>>,
    /// `tls.crt`: the serving certificate.
    pub(super) leaf: Vec<u8>,
    /// `tls.key`: its key.
    pub(super) leaf_key: Zeroizing<Vec<u8>>,
}

/// Why the content of the Secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaterialError {
    /// Somebody else filled the Secret.
    #[error(
        "it has a certificate that this webhook did not create; mount it and set --tls-cert and \
         --tls-key, set another --tls-secret, or delete it"
    )]
    Foreign,
    /// The CA is for another Service.
    #[error("its CA is not for {dns_name}; delete it, and the webhook creates a new one")]
    OtherService { dns_name: String },
    /// `ca.key` cannot be read.
    #[error("its ca.key is not a private key in PEM; delete it, and the webhook creates a new one")]
    Key(#[source] rcgen::Error),
    /// `ca.crt` cannot be read.
    #[error("its ca.crt is not valid; delete it, and the webhook creates a new one")]
    Authority(#[source] ParseCertificatesError),
    /// `ca.crt` has no certificate for `ca.key`.
    #[error(
        "its ca.key does not belong to its ca.crt; delete it, and the webhook creates a new one"
    )]
    Pair,
}

/// The content of the Secret.
pub(super) struct Material {
    pub(super) state: SecretState,
    /// The key of the signer.
    pub(super) ca_key: KeyPair,
    /// The serving certificate with its key, if the two belong together.
    pub(super) serving: Option<CertifiedKey>,
}

impl Material {
    /// Reads the values of the Secret of the webhook that is reached as `dns_name`. Returns `None` if
    /// all are empty.
    pub(super) fn read(data: &SecretData, dns_name: &str) -> Result<Option<Self>, MaterialError> {
        if data.ca_key.is_empty() {
            let empty = data.ca.is_empty() && data.leaf.is_empty() && data.leaf_key.is_empty();
            return if empty {
                Ok(None)
            } else {
                Err(MaterialError::Foreign)
            };
        }
        let ca_key = std::str::from_utf8(&data.ca_key).unwrap_or_default();
        let ca_key = KeyPair::from_pem(ca_key).map_err(MaterialError::Key)?;
        let (signer, earlier) = authorities(&data.ca, &ca_key, dns_name)?;
        let serving = serving(data);
        let leaf = serving
            .as_ref()
            .and_then(|pair| leaf(pair, &signer, &earlier, dns_name));
        let state = SecretState {
            signer,
            earlier,
            leaf,
        };
        Ok(Some(Self {
            state,
            ca_key,
            serving,
        }))
    }
}

/// The CA with the key `ca_key`, and the others.
fn authorities(
    pem: &[u8],
    ca_key: &KeyPair,
    dns_name: &str,
) -> Result<(Authority, Vec<Authority>), MaterialError> {
    let public_key = ca_key.subject_public_key_info();
    let (mut signer, mut earlier) = (None, Vec::new());
    for each in certificates(pem).map_err(MaterialError::Authority)? {
        if !each.is_ca_for(dns_name) {
            let dns_name = dns_name.to_owned();
            return Err(MaterialError::OtherService { dns_name });
        }
        let is_signer = each.public_key == public_key;
        let authority = Authority {
            certificate: each.certificate,
            validity: each.validity,
        };
        if is_signer {
            signer = Some(authority);
        } else {
            earlier.push(authority);
        }
    }
    Ok((signer.ok_or(MaterialError::Pair)?, earlier))
}

/// The serving certificate. An invalid one counts as absent: a new one is issued.
fn serving(data: &SecretData) -> Option<CertifiedKey> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&data.leaf)
        .collect::<Result<_, _>>()
        .ok()?;
    let key = PrivateKeyDer::from_pem_slice(&data.leaf_key).ok()?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).ok()
}

/// What the plan needs to know of the serving certificate. `None` if no CA of the Secret issued it for
/// `dns_name`.
fn leaf(
    pair: &CertifiedKey,
    signer: &Authority,
    earlier: &[Authority],
    dns_name: &str,
) -> Option<Leaf> {
    let validity = ParsedCertificate::read(pair.cert.first()?.clone().into_owned())
        .ok()?
        .validity;
    let issued_by = |authority: &Authority| {
        let roots = std::slice::from_ref(&authority.certificate);
        verify(&pair.cert, roots, dns_name, validity.issued).is_ok()
    };
    let by_signer = issued_by(signer);
    (by_signer || earlier.iter().any(issued_by)).then_some(Leaf {
        by_signer,
        validity,
    })
}

/// Reads the `caBundle` of each webhook of a configuration.
pub(super) fn bundle(bundles: &[Vec<u8>], dns_name: &str) -> Bundle {
    let mut bundle = Bundle {
        certificates: Vec::new(),
        well_formed: bundles.windows(2).all(|pair| pair[0] == pair[1]),
    };
    for pem in bundles {
        let Ok(certificates) = certificates(pem) else {
            bundle.well_formed = false;
            continue;
        };
        for each in certificates {
            if !bundle.holds(&each.certificate) {
                bundle.certificates.push(BundleCertificate {
                    ours: each.is_ca_for(dns_name),
                    expires: each.validity.expires,
                    certificate: each.certificate,
                });
            }
        }
    }
    bundle
}

/// Text that is not a list of certificates in PEM.
#[derive(Debug, thiserror::Error)]
pub(super) enum ParseCertificatesError {
    /// It is not PEM.
    #[error("it is not PEM")]
    Pem(#[source] pem::Error),
    /// It is PEM, but not of X.509 certificates.
    #[error("it is not a certificate")]
    Certificate,
}

fn certificates(pem: &[u8]) -> Result<Vec<ParsedCertificate>, ParseCertificatesError> {
    CertificateDer::pem_slice_iter(pem)
        .map(|each| ParsedCertificate::read(each.map_err(ParseCertificatesError::Pem)?))
        .collect()
}

/// The parts of a certificate that matter here.
pub(super) struct ParsedCertificate {
    certificate: CertificateDer<'static>,
    pub(super) validity: Validity,
    public_key: Vec<u8>,
    /// The DNS name to which a CA of ours is constrained.
    constrained_to: Option<String>,
}

impl ParsedCertificate {
    pub(super) fn read(
        certificate: CertificateDer<'static>,
    ) -> Result<Self, ParseCertificatesError> {
        let (_, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|_| ParseCertificatesError::Certificate)?;
        let time = |seconds: i64| Time::from_secs(seconds.try_into().unwrap_or_default());
        let dates = parsed.validity();
        let validity = Validity {
            issued: time(dates.not_before.timestamp()) + BACKDATE,
            expires: time(dates.not_after.timestamp()),
        };
        let mut names = parsed.subject().iter_common_name();
        let is_named = names.any(|name| name.as_str() == Ok(CA_NAME));
        let constrained_to = (is_named && parsed.is_ca())
            .then(|| constraint(&parsed))
            .flatten();
        let public_key = parsed.public_key().raw.to_vec();
        drop(names);
        Ok(Self {
            certificate,
            validity,
            public_key,
            constrained_to,
        })
    }

    fn is_ca_for(&self, dns_name: &str) -> bool {
        self.constrained_to.as_deref() == Some(dns_name)
    }
}

/// The DNS name to which the certificate is constrained, if there is just one.
fn constraint(parsed: &X509Certificate<'_>) -> Option<String> {
    let constraints = parsed.iter_extensions().find_map(|each| {
        let ParsedExtension::NameConstraints(constraints) = each.parsed_extension() else {
            return None;
        };
        Some(constraints)
    })?;
    let NameConstraints {
        permitted_subtrees, ..
    } = constraints;
    match permitted_subtrees.as_deref()? {
        [only] => match only.base {
            GeneralName::DNSName(name) => Some(name.to_owned()),
            _ => None,
        },
        _ => None,
    }
}
