//! Verifies a serving certificate as the API server does: with rustls' own verifier.

use std::{sync::Arc, time::Duration};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime},
};

use super::plan::Time;

/// Whether a client that trusts `roots` alone accepts `chain` for `dns_name` at the time `at`.
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    dns_name: &str,
    at: Time,
) -> Result<(), Error> {
    let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let (leaf, intermediates) = chain.split_first().ok_or_else(unknown)?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().map(|each| each.clone().into_owned()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|_| unknown())?;
    let name = ServerName::try_from(dns_name)
        .map_err(|error: InvalidDnsNameError| Error::General(error.to_string()))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_secs()));
    verifier
        .verify_server_cert(leaf, intermediates, &name, &[], at)
        .map(|_| ())
}
