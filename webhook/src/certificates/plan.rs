//! The decision what to do next about the webhook's own certificates: a pure function of the Secret, the
//! published bundle and the time.
//!
//! Every replica decides for itself, and all of them write the same two objects. These rules keep the
//! certificate of each replica within the bundle that the API server verifies with:
//!
//! 1. A new CA enters the Secret, and with it the bundle, before any certificate is issued under it.
//! 2. A certificate is issued under a CA only after the bundle has held that CA for
//!    [`Lifetimes::overlap`], so that each API server has read the bundle. Only if the certificate under
//!    an earlier CA expires before that, as it can when lifetimes were lengthened or no replica ran for a
//!    while, the next one is issued when a twelfth of its life is left.
//! 3. A replica serves only a certificate that the bundle verifies.
//! 4. A CA leaves the bundle only when it has expired. No certificate under it is valid longer, so none
//!    is in use any more. A CA of ours that is in the bundle and not in the Secret stays too: after
//!    somebody has deleted the Secret, replicas still serve certificates under it.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

/// A point in time, since 1970.
pub(crate) type Time = Duration;

/// How much earlier than now a new certificate becomes valid, because clocks differ.
pub(crate) const BACKDATE: Duration = Duration::from_mins(5);

/// How long new certificates are valid.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// A serving certificate. It is renewed when two thirds have passed.
    pub certificate: Duration,
    /// A CA. The next one is created when two thirds have passed.
    pub ca: Duration,
}

impl Lifetimes {
    /// How long the bundle must hold a CA before a certificate is issued under it: a minute, or a
    /// twelfth of the shorter lifetime.
    pub(crate) fn overlap(self) -> Duration {
        let shorter = self.certificate.min(self.ca);
        (shorter / 12).min(Duration::from_mins(1))
    }
}

/// The validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    /// When it was created, which is [`BACKDATE`] after its validity begins.
    pub(crate) issued: Time,
    /// When it is no longer valid.
    pub(crate) expires: Time,
}

impl Validity {
    /// When it is to be replaced: after two thirds of its life.
    pub(crate) fn renewal(self) -> Time {
        self.issued + self.life() * 2 / 3
    }

    /// When it must be replaced at the latest: a twelfth of its life before it expires.
    pub(crate) fn last_renewal(self) -> Time {
        self.expires.saturating_sub(self.life() / 12)
    }

    fn life(self) -> Duration {
        self.expires.saturating_sub(self.issued)
    }
}

/// A CA that the webhook created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) validity: Validity,
}

/// What the Secret holds, apart from keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretState {
    /// The CA whose key the Secret holds.
    pub(crate) signer: Authority,
    /// Earlier CAs.
    pub(crate) earlier: Vec<Authority>,
    /// The serving certificate, if there is one that clients could accept.
    pub(crate) leaf: Option<Leaf>,
}

/// A serving certificate that one of the CAs of the Secret issued for the Service's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Whether the current signer issued it, and not an earlier CA.
    pub(crate) by_signer: bool,
    pub(crate) validity: Validity,
}

/// The `caBundle` of the webhook configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// The certificates that it holds.
    pub(crate) certificates: Vec<BundleCertificate>,
    /// Whether all webhooks of the configuration have this same bundle, and it has nothing else in it.
    pub(crate) well_formed: bool,
}

/// A certificate in the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BundleCertificate {
    pub(crate) certificate: CertificateDer<'static>,
    /// Whether it is a CA of this webhook: one that can issue for the name of our Service alone.
    pub(crate) ours: bool,
    pub(crate) expires: Time,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create a CA, and write it and its key into the Secret. The earlier CAs that are still valid stay.
    AddAuthority,
    /// Write this bundle into the webhook configuration.
    Publish(Vec<CertificateDer<'static>>),
    /// Issue a serving certificate under the signer, and write it into the Secret.
    IssueLeaf,
    /// Remove expired CAs from the Secret.
    RemoveExpired,
    /// Nothing, until this time or until one of the objects changes.
    Wait(Time),
}

/// Decides the next step of one replica.
#[derive(Debug)]
pub(crate) struct Planner {
    lifetimes: Lifetimes,
    /// The signer, and since when this replica has seen it in the bundle without interruption.
    published: Option<(CertificateDer<'static>, Time)>,
}

impl Planner {
    pub(crate) fn new(lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            published: None,
        }
    }

    /// The next step, for the two objects as they were just read. `secret` is `None` if it is absent
    /// or empty.
    pub(crate) fn next(
        &mut self,
        secret: Option<&SecretState>,
        bundle: &Bundle,
        now: Time,
    ) -> Step {
        let Some(secret) = secret else {
            self.published = None;
            return Step::AddAuthority;
        };
        let signer = &secret.signer;
        let since = self.published_since(signer, bundle, now);
        if signer.validity.renewal() <= now {
            return Step::AddAuthority;
        }
        let wanted = wanted(secret, bundle, now);
        if !bundle.well_formed || !holds_exactly(bundle, &wanted) {
            return Step::Publish(wanted);
        }
        let expiries = secret.earlier.iter().map(|each| each.validity.expires);
        let next_expiry = expiries.min();
        if next_expiry.is_some_and(|expiry| expiry <= now) {
            return Step::RemoveExpired;
        }
        // If the bundle has no other CA, there is no certificate to which another API server may still
        // be bound, and nothing to wait for.
        let usable = if wanted.len() == 1 {
            now
        } else {
            since.unwrap_or(now) + self.lifetimes.overlap()
        };
        let issue = match &secret.leaf {
            Some(leaf) if leaf.by_signer => usable.max(leaf.validity.renewal()),
            Some(leaf) => usable.min(leaf.validity.last_renewal()),
            None => usable,
        };
        if issue <= now {
            return Step::IssueLeaf;
        }
        let next = issue.min(signer.validity.renewal());
        Step::Wait(next_expiry.map_or(next, |expiry| next.min(expiry)))
    }

    /// Since when the bundle has held the signer. `None` if it does not.
    fn published_since(&mut self, signer: &Authority, bundle: &Bundle, now: Time) -> Option<Time> {
        if !bundle.well_formed || !bundle.holds(&signer.certificate) {
            self.published = None;
            return None;
        }
        match &self.published {
            Some((certificate, since)) if *certificate == signer.certificate => Some(*since),
            _ => {
                self.published = Some((signer.certificate.clone(), now));
                Some(now)
            }
        }
    }
}

impl Bundle {
    /// Whether it holds `certificate`.
    pub(crate) fn holds(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut all = self.certificates.iter();
        all.any(|each| each.certificate == *certificate)
    }
}

/// What the bundle should hold: the CAs of the Secret, and those of ours that are in it already, while
/// they are valid. The signer comes first.
fn wanted(secret: &SecretState, bundle: &Bundle, now: Time) -> Vec<CertificateDer<'static>> {
    let mut wanted = vec![secret.signer.certificate.clone()];
    let earlier = secret.earlier.iter();
    let earlier = earlier.map(|each| (&each.certificate, each.validity.expires));
    let published = bundle.certificates.iter().filter(|each| each.ours);
    let published = published.map(|each| (&each.certificate, each.expires));
    for (certificate, expires) in earlier.chain(published) {
        if now < expires && !wanted.contains(certificate) {
            wanted.push(certificate.clone());
        }
    }
    wanted
}

fn holds_exactly(bundle: &Bundle, wanted: &[CertificateDer<'_>]) -> bool {
    bundle.certificates.len() == wanted.len()
        && wanted.iter().all(|certificate| bundle.holds(certificate))
}
