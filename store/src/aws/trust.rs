//! The certificate authorities that TLS connections to AWS trust.
//!
//! The SDK parses its trust store again for every connector, which takes three milliseconds for the
//! bundle of a system, and it panics at a root that it cannot parse. So it gets few roots, and only
//! those that rustls has parsed here before.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_types::base64;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{error::AwsError, settings::AwsSettings};
use crate::ErrorKind;

/// The five roots of Amazon Trust Services, by the common names in their subjects
/// (<https://www.amazontrust.com/repository/>, which recommends to trust exactly these).
const AMAZON_ROOTS: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// Where the roots for an endpoint come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Roots {
    /// The roots of Amazon Trust Services, for the endpoints of AWS.
    Amazon,
    /// All roots that Mozilla trusts, for other endpoints and for the Regions in China.
    Public,
    /// A file of the operator, instead of the others.
    File {
        /// The variable that named it.
        variable: &'static str,
        /// A PEM file.
        path: PathBuf,
    },
}

impl Roots {
    /// The operator's roots. `AWS_CA_BUNDLE` wins, as in the tools of AWS.
    pub(super) fn of_operator(settings: &AwsSettings) -> Option<Self> {
        let bundle = settings
            .ca_bundle
            .as_ref()
            .map(|path| ("AWS_CA_BUNDLE", path));
        let file = settings
            .ssl_cert_file
            .as_ref()
            .map(|path| ("SSL_CERT_FILE", path));
        bundle.or(file).map(|(variable, path)| Self::File {
            variable,
            path: path.clone(),
        })
    }

    /// The roots for `host` if the operator names no file.
    pub(super) fn of_host(host: &str) -> Self {
        const AMAZON: [&str; 3] = [".amazonaws.com", ".amazonaws.eu", ".api.aws"];
        if AMAZON.iter().any(|domain| host.ends_with(domain)) {
            Self::Amazon
        } else {
            Self::Public
        }
    }

    /// The roots in the form that the SDK needs. Each of them can be parsed.
    pub(super) fn load(&self) -> Result<TlsContext, AwsError> {
        let certificates = match self {
            Self::Amazon => amazon(),
            Self::Public => webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec(),
            Self::File { variable, path } => from_file(variable, path)?,
        };
        context(TrustStore::empty().with_pem_certificate(to_pem(&certificates)))
    }
}

/// No root at all, for connections without TLS.
pub(super) fn no_roots() -> Result<TlsContext, AwsError> {
    context(TrustStore::empty())
}

fn context(store: TrustStore) -> Result<TlsContext, AwsError> {
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| setup(error.to_string(), "report this as a defect of kees"))
}

fn amazon() -> Vec<CertificateDer<'static>> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter(|root| is_amazon(root))
        .cloned()
        .collect()
}

fn is_amazon(root: &CertificateDer<'static>) -> bool {
    let mut store = RootCertStore::empty();
    store.add(root.clone()).is_ok()
        && store.roots.iter().any(|anchor| {
            // The common name is the last part of these subjects.
            AMAZON_ROOTS
                .iter()
                .any(|name| anchor.subject.ends_with(name.as_bytes()))
        })
}

fn from_file(variable: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, AwsError> {
    let remedy = format!("let {variable} name a PEM file with root certificates, or unset it");
    let wrong = |what: String| setup(format!("{variable}: {}: {what}", path.display()), &remedy);
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("not a PEM file: {error}")))?;
    let all = certificates.len();
    if all == 0 {
        return Err(wrong("no certificate in it".to_owned()));
    }
    // Bundles of systems contain old roots that current verifiers reject. They are left out.
    let usable: Vec<_> = certificates
        .into_iter()
        .filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok())
        .collect();
    if usable.is_empty() {
        return Err(wrong(format!(
            "none of its {all} certificates can be parsed"
        )));
    }
    if usable.len() < all {
        let left_out = all - usable.len();
        tracing::warn!(variable, path = %path.display(), left_out, "certificates that cannot be parsed are left out");
    }
    Ok(usable)
}

fn to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in certificates {
        // Writing to a String cannot fail.
        let _ = write!(
            pem,
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            base64::encode(certificate)
        );
    }
    pem
}

fn setup(message: String, remedy: &str) -> AwsError {
    AwsError::new(ErrorKind::Setup, message, remedy)
}

#[cfg(test)]
mod tests;
