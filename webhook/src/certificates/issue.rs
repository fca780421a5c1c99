//! Creates CAs and serving certificates.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use zeroize::Zeroizing;

use super::plan::{BACKDATE, Time};

/// The common name of each CA. Two CAs differ in their keys and serial numbers.
pub(super) const CA_NAME: &str = "kees-webhook CA";

/// A certificate and its key, in PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: Zeroizing<String>,
}

/// A new CA. It can issue certificates for `dns_name` only.
pub(super) fn authority(
    dns_name: &str,
    now: Time,
    lifetime: Duration,
) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = authority_params();
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(dns_name.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    set_validity(&mut params, now, now + lifetime);
    Ok(issued(&params.self_signed(&key)?, &key))
}

/// A new serving certificate for `dns_name`, issued by the CA with the key `ca_key`. It does not outlive
/// the CA.
pub(super) fn leaf(
    dns_name: &str,
    ca_key: KeyPair,
    ca_expires: Time,
    now: Time,
    lifetime: Duration,
) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![dns_name.to_owned()])?;
    params.distinguished_name = named("kees-webhook");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, (now + lifetime).min(ca_expires));
    let issuer = Issuer::new(authority_params(), ca_key);
    Ok(issued(&params.signed_by(&key, &issuer)?, &key))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams, now: Time, expires: Time) {
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + whole_seconds(now.saturating_sub(BACKDATE));
    params.not_after = epoch + whole_seconds(expires);
}

/// X.509 knows whole seconds only.
fn whole_seconds(time: Time) -> Time {
    Duration::from_secs(time.as_secs())
}

fn issued(certificate: &rcgen::Certificate, key: &KeyPair) -> Issued {
    Issued {
        certificate: certificate.pem(),
        key: Zeroizing::new(key.serialize_pem()),
    }
}
