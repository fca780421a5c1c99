//! A model of several replicas, whose reads and writes happen in any order, and of other programs that
//! interfere. It checks the rules of [`plan`](super::plan) in each state that it reaches.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;
use rustls::pki_types::CertificateDer;

use super::plan::{
    Authority, Bundle, BundleCertificate, Leaf, Lifetimes, Planner, SecretState, Step, Time,
    Validity,
};

const LIFETIMES: Lifetimes = Lifetimes {
    certificate: Duration::from_mins(10),
    ca: Duration::from_hours(1),
};

/// So short that all certificates expire within the overlap of longer lifetimes.
const SHORT_LIFETIMES: Lifetimes = Lifetimes {
    certificate: Duration::from_secs(20),
    ca: Duration::from_mins(1),
};

/// The number of a CA. Its "certificate" is this one byte.
type Ca = u8;

/// The CA of somebody else.
const FOREIGN: Ca = 255;

#[derive(Debug, Clone)]
struct Secret {
    /// The signer comes first.
    authorities: Vec<(Ca, Validity)>,
    leaf: Option<(Ca, Validity)>,
}

/// What happens in the model.
#[derive(Debug, Clone)]
enum Event {
    /// A replica reads the Secret.
    Read(usize),
    /// It reads the bundle, chooses what to serve, and decides.
    Decide(usize),
    /// It writes what it decided, unless the object has changed since it was read.
    Write(usize),
    Restart(usize),
    Pass(Duration),
    /// Somebody replaces the bundle.
    Overwrite(Vec<Ca>),
    /// Somebody writes the bundle of an earlier time again.
    Restore(prop::sample::Index),
    DeleteSecret,
}

struct Replica {
    planner: Planner,
    secret: Option<(u32, Option<Secret>)>,
    decided: Option<Decided>,
    serving: Option<(Ca, Validity)>,
}

/// The step that a replica has chosen, when, and the versions of the Secret and of the bundle.
struct Decided {
    step: Step,
    at: Time,
    secret: u32,
    bundle: u32,
}

/// A bundle, and when it was written.
struct Written {
    at: Time,
    bundle: Vec<Ca>,
    by_outsider: bool,
}

struct Model {
    lifetimes: Lifetimes,
    now: Time,
    secret: Option<Secret>,
    secret_version: u32,
    /// The bundles so far. The last one is in effect.
    bundles: Vec<Written>,
    replicas: Vec<Replica>,
    validities: Vec<Validity>,
    /// All certificates that were issued, and by which CA.
    leaves: Vec<(Ca, Validity)>,
    /// CAs that somebody has deleted from the Secret and from the bundle. No replica can know of them.
    lost: BTreeSet<Ca>,
}

impl Model {
    fn new(replicas: usize, lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            now: Duration::from_hours(400_000),
            secret: None,
            secret_version: 0,
            bundles: vec![Written {
                at: Time::ZERO,
                bundle: Vec::new(),
                by_outsider: true,
            }],
            replicas: std::iter::repeat_with(|| Replica::new(lifetimes))
                .take(replicas)
                .collect(),
            validities: Vec::new(),
            leaves: Vec::new(),
            lost: BTreeSet::new(),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Read(replica) => {
                let secret = (self.secret_version, self.secret.clone());
                self.replica(*replica).secret = Some(secret);
            }
            Event::Decide(replica) => self.decide(*replica),
            Event::Write(replica) => self.write(*replica),
            Event::Restart(replica) => *self.replica(*replica) = Replica::new(self.lifetimes),
            Event::Pass(time) => self.now += *time,
            Event::Overwrite(bundle) => self.overwrite(bundle.clone(), true),
            Event::Restore(index) => {
                let bundle = index.get(&self.bundles).bundle.clone();
                self.overwrite(bundle, true);
            }
            Event::DeleteSecret => {
                self.secret = None;
                self.secret_version += 1;
            }
        }
        if matches!(
            event,
            Event::Overwrite(_) | Event::Restore(_) | Event::DeleteSecret
        ) {
            let in_secret = |ca: &Ca| {
                let secret = self.secret.as_ref();
                secret.is_some_and(|secret| secret.authorities.iter().any(|each| each.0 == *ca))
            };
            let all = 0..u8::try_from(self.validities.len()).unwrap();
            let lost = all.filter(|ca| !self.bundle().contains(ca) && !in_secret(ca));
            let lost: Vec<_> = lost.collect();
            self.lost.extend(lost);
        }
    }

    fn replica(&mut self, index: usize) -> &mut Replica {
        let count = self.replicas.len();
        &mut self.replicas[index % count]
    }

    fn bundle(&self) -> &[Ca] {
        &self.bundles.last().unwrap().bundle
    }

    fn overwrite(&mut self, bundle: Vec<Ca>, by_outsider: bool) {
        self.bundles.push(Written {
            at: self.now,
            bundle,
            by_outsider,
        });
    }

    fn decide(&mut self, index: usize) {
        let (now, version) = (self.now, u32::try_from(self.bundles.len()).unwrap());
        let trusted = self.bundle().to_vec();
        let bundle = self.planner_bundle();
        let replica = self.replica(index);
        let Some((secret_version, secret)) = replica.secret.clone() else {
            return;
        };
        if let Some((issuer, validity)) = secret.as_ref().and_then(|secret| secret.leaf)
            && trusted.contains(&issuer)
            && now < validity.expires
        {
            replica.serving = Some((issuer, validity));
        }
        let state = secret.as_ref().map(Secret::state);
        let step = replica.planner.next(state.as_ref(), &bundle, now);
        replica.decided = Some(Decided {
            step,
            at: now,
            secret: secret_version,
            bundle: version,
        });
    }

    fn planner_bundle(&self) -> Bundle {
        let certificate = |ca: &Ca| BundleCertificate {
            certificate: der(*ca),
            ours: *ca != FOREIGN,
            expires: match self.validities.get(usize::from(*ca)) {
                Some(validity) => validity.expires,
                None => self.now + self.lifetimes.ca,
            },
        };
        Bundle {
            certificates: self.bundle().iter().map(certificate).collect(),
            well_formed: true,
        }
    }

    fn write(&mut self, index: usize) {
        let replica = self.replica(index);
        let secret = replica.secret.take();
        let Some(decided) = replica.decided.take() else {
            return;
        };
        if let Step::Publish(bundle) = decided.step {
            if decided.bundle == u32::try_from(self.bundles.len()).unwrap() {
                let bundle = bundle.iter().map(|each| each[0]).collect();
                self.overwrite(bundle, false);
            }
            return;
        }
        if decided.secret != self.secret_version {
            return;
        }
        let secret = secret.and_then(|(_, secret)| secret);
        let Some(secret) = self.changed(&decided, secret) else {
            return;
        };
        self.secret = Some(secret);
        self.secret_version += 1;
    }

    fn changed(&mut self, decided: &Decided, secret: Option<Secret>) -> Option<Secret> {
        let now = decided.at;
        let validity = |expires| Validity {
            issued: now,
            expires,
        };
        let valid = |(_, validity): &(Ca, Validity)| now < validity.expires;
        match (&decided.step, secret) {
            (Step::AddAuthority, secret) => {
                let validity = validity(now + self.lifetimes.ca);
                let ca = Ca::try_from(self.validities.len()).unwrap();
                self.validities.push(validity);
                let (mut earlier, leaf) = match secret {
                    Some(secret) => (secret.authorities, secret.leaf),
                    None => (Vec::new(), None),
                };
                earlier.retain(valid);
                earlier.insert(0, (ca, validity));
                Some(Secret {
                    authorities: earlier,
                    leaf,
                })
            }
            (Step::IssueLeaf, Some(mut secret)) => {
                let (signer, ca) = secret.authorities[0];
                let expires = (now + self.lifetimes.certificate).min(ca.expires);
                secret.leaf = Some((signer, validity(expires)));
                self.leaves.extend(secret.leaf);
                Some(secret)
            }
            (Step::RemoveExpired, Some(mut secret)) => {
                let signer = secret.authorities.remove(0);
                secret.authorities.retain(valid);
                secret.authorities.insert(0, signer);
                Some(secret)
            }
            _ => None,
        }
    }

    fn is_valid(&self, ca: Ca) -> bool {
        let validity = self.validities.get(usize::from(ca));
        validity.is_some_and(|validity| self.now < validity.expires)
    }

    /// A served certificate is trusted by the bundle, and by each bundle that an API server that is
    /// late may still use.
    fn check(&self) -> Result<(), TestCaseError> {
        let outsider = self.bundles.iter().rposition(|each| each.by_outsider);
        let ours = &self.bundles[outsider.map_or(0, |index| index + 1)..];
        let since = self.now.saturating_sub(self.lifetimes.overlap());
        for (index, written) in ours.iter().enumerate() {
            let replaced = ours.get(index + 1).map(|next| next.at);
            // With a bundle whose CAs have expired, or whose certificates are about to, nothing is
            // accepted for long.
            let lasts = |(ca, validity): &(Ca, Validity)| {
                written.bundle.contains(ca) && self.now < validity.last_renewal()
            };
            if replaced.is_some_and(|replaced| replaced <= since) || !self.leaves.iter().any(lasts)
            {
                continue;
            }
            for replica in &self.replicas {
                let Some((issuer, validity)) = replica.serving else {
                    continue;
                };
                prop_assert!(
                    written.bundle.contains(&issuer)
                        || self.now >= validity.expires
                        || self.lost.contains(&issuer),
                    "a certificate of CA {issuer} is served, and the bundle was {:?}",
                    written.bundle
                );
            }
        }
        Ok(())
    }

    /// Lets all replicas act undisturbed until nothing is left to do.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..100 {
            let mut until = None;
            for index in 0..self.replicas.len() {
                for event in [Event::Read(index), Event::Decide(index)] {
                    self.apply(&event);
                    self.check()?;
                }
                let decided = self.replicas[index].decided.as_ref();
                if let Some(Step::Wait(time)) = decided.map(|decided| &decided.step) {
                    until = Some(until.map_or(*time, |earlier: Time| earlier.min(*time)));
                } else {
                    self.apply(&Event::Write(index));
                    self.check()?;
                    until = None;
                    break;
                }
            }
            if let Some(until) = until {
                if self.all_ready() {
                    return Ok(());
                }
                let overlap = self.lifetimes.overlap();
                prop_assert!(until <= self.now + overlap, "it takes too long");
                self.now = until;
            }
        }
        Err(TestCaseError::fail("it does not settle"))
    }

    /// Lets the replicas act undisturbed, at each `pause`, until they have created the next CA and the
    /// certificate of before has expired.
    fn roll(&mut self, pause: Duration) -> Result<(), TestCaseError> {
        let before = self.validities.len();
        let mut end = None;
        while end.is_none_or(|end| self.now < end) {
            self.now += pause;
            for index in 0..self.replicas.len() {
                for event in [
                    Event::Read(index),
                    Event::Decide(index),
                    Event::Write(index),
                ] {
                    self.apply(&event);
                    self.check()?;
                }
            }
            prop_assert!(self.all_ready(), "a replica is not ready during a roll");
            if end.is_none() && self.validities.len() > before {
                end = self.leaves.last().map(|leaf| leaf.1.expires);
            }
        }
        Ok(())
    }

    fn all_ready(&self) -> bool {
        self.replicas.iter().all(|replica| {
            let serving = replica.serving.as_ref();
            serving.is_some_and(|(issuer, validity)| {
                self.bundle().contains(issuer) && self.now < validity.expires
            })
        })
    }
}

impl Replica {
    fn new(lifetimes: Lifetimes) -> Self {
        Self {
            planner: Planner::new(lifetimes),
            secret: None,
            decided: None,
            serving: None,
        }
    }
}

impl Secret {
    fn state(&self) -> SecretState {
        let authority = |(ca, validity): &(Ca, Validity)| Authority {
            certificate: der(*ca),
            validity: *validity,
        };
        let signer = self.authorities[0].0;
        let known = |ca: Ca| self.authorities.iter().any(|each| each.0 == ca);
        let leaf = self.leaf.filter(|(issuer, _)| known(*issuer));
        SecretState {
            signer: authority(&self.authorities[0]),
            earlier: self.authorities[1..].iter().map(authority).collect(),
            leaf: leaf.map(|(issuer, validity)| Leaf {
                by_signer: issuer == signer,
                validity,
            }),
        }
    }
}

fn der(ca: Ca) -> CertificateDer<'static> {
    vec![ca].into()
}

/// What replicas do by themselves.
fn ordinary() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_usize).prop_map(Event::Read),
        6 => (0..3_usize).prop_map(Event::Decide),
        6 => (0..3_usize).prop_map(Event::Write),
        1 => (0..3_usize).prop_map(Event::Restart),
        3 => (1..40_u64).prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
        1 => (1..90_u64).prop_map(|minutes| Event::Pass(Duration::from_mins(minutes))),
    ]
}

/// What others do to the objects.
fn interference() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Overwrite(Vec::new())),
        Just(Event::Overwrite(vec![FOREIGN])),
        any::<prop::sample::Index>().prop_map(Event::Restore),
        Just(Event::DeleteSecret),
    ]
}

fn run(replicas: usize, events: &[Event]) -> Result<(), TestCaseError> {
    let mut model = Model::new(replicas, LIFETIMES);
    for event in events {
        model.apply(event);
        model.check()?;
    }
    model.settle()?;
    prop_assert!(
        model.bundle().iter().all(|ca| model.is_valid(*ca)),
        "an expired or foreign CA stays"
    );
    model.roll(LIFETIMES.overlap() / 2)
}

#[test]
fn each_replica_is_ready_while_longer_lifetimes_take_effect() -> Result<(), TestCaseError> {
    let mut model = Model::new(2, SHORT_LIFETIMES);
    model.settle()?;
    model.lifetimes = LIFETIMES;
    for replica in 0..model.replicas.len() {
        model.apply(&Event::Restart(replica));
    }
    model.settle()?;
    model.roll(SHORT_LIFETIMES.overlap() / 2)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_replica_serves_a_certificate_that_an_api_server_does_not_trust(
        replicas in 1..=3_usize,
        events in prop::collection::vec(ordinary(), 0..150),
    ) {
        run(replicas, &events)?;
    }

    #[test]
    fn nor_does_it_when_others_change_the_objects_and_the_replicas_recover(
        replicas in 1..=3_usize,
        events in prop::collection::vec(prop_oneof![12 => ordinary(), 1 => interference()], 0..150),
    ) {
        run(replicas, &events)?;
    }
}
