//! Reads the Secret and the webhook configuration, takes the next step, and waits for a change.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kees_common::error_chain;
use rustls::{pki_types::CertificateDer, sign::CertifiedKey};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use super::{
    error::KeepError,
    issue,
    material::{self, Material, SecretData},
    objects::{Objects, SecretObject, Webhooks, Written},
    plan::{Bundle, Planner, SecretState, Step, Time},
    settings::OwnCertificates,
    verify::verify,
};
use crate::{
    kube_client::client,
    metrics::{Metrics, ReloadResult, Watched},
    served::Served,
};

/// The longest pause before the objects are read again, in case a watch misses a change.
const POLL: Duration = Duration::from_mins(1);

/// The first pause after an error. It doubles with each further error, up to [`POLL`].
const RETRY: Duration = Duration::from_secs(1);

/// The shortest pause before the objects are read again.
const PAUSE: Duration = Duration::from_millis(100);

/// The most steps without a pause. A new installation takes four, and conflicts with other replicas
/// some more.
const STEPS: u32 = 20;

/// Keeps the certificates until it is dropped.
pub(crate) async fn keep(own: OwnCertificates, served: Arc<Served>, metrics: Metrics) {
    let mut keeper = Keeper {
        dns_name: own.dns_name(),
        planner: Planner::new(own.lifetimes),
        own,
        served,
        metrics,
        chain: Vec::new(),
        errors: Errors::default(),
        warned: None,
    };
    let objects = keeper.connect().await;
    let changed = Arc::new(Notify::new());
    let mut watches = JoinSet::new();
    watches.spawn(watch_secret(objects.clone(), Arc::clone(&changed)));
    watches.spawn(watch_webhooks(objects.clone(), Arc::clone(&changed)));
    loop {
        let pause = match keeper.round(&objects).await {
            Ok(until) => {
                keeper.errors = Errors::default();
                until.saturating_sub(now()).min(POLL)
            }
            Err(error) => keeper.failed(&error),
        };
        // One change often comes as several events.
        sleep(PAUSE).await;
        // A timeout is not an error: it is time for the next step.
        let _ = timeout(pause, changed.notified()).await;
    }
}

struct Keeper {
    own: OwnCertificates,
    dns_name: String,
    planner: Planner,
    served: Arc<Served>,
    metrics: Metrics,
    /// The certificate that is served. Empty if there is none yet.
    chain: Vec<CertificateDer<'static>>,
    errors: Errors,
    /// When the last warning about a changed bundle was logged.
    warned: Option<Instant>,
}

/// The errors since the last success.
#[derive(Debug, Default)]
struct Errors {
    count: u32,
    /// The error that was logged last.
    logged: Option<String>,
}

impl Keeper {
    /// The objects, as soon as there are credentials for the API.
    async fn connect(&mut self) -> Objects {
        loop {
            match client(self.own.client.clone()).map_err(KeepError::Client) {
                Ok(client) => return Objects::new(client, self.own.clone()),
                Err(error) => sleep(self.failed(&error)).await,
            }
        }
    }

    /// Logs and counts an error. Returns the pause until the next attempt.
    fn failed(&mut self, error: &KeepError) -> Duration {
        let message = error_chain::describe(error);
        let pause = (RETRY * 2_u32.saturating_pow(self.errors.count)).min(POLL);
        self.metrics
            .reloaded(Watched::Certificate, ReloadResult::Error);
        if self.chain.is_empty() {
            self.served.not_trusted(message.clone());
        }
        if self.errors.logged.as_ref() != Some(&message) {
            tracing::warn!(
                has_certificate = !self.chain.is_empty(),
                "the certificate cannot be kept up to date, trying again: {message}"
            );
            self.errors.logged = Some(message);
        }
        self.errors.count = self.errors.count.saturating_add(1);
        pause
    }

    /// Takes steps until there is nothing to do. Returns when there will be.
    async fn round(&mut self, objects: &Objects) -> Result<Time, KeepError> {
        for _ in 0..STEPS {
            let secret = objects.secret().await?;
            let material = self.read(secret.as_ref())?;
            let webhooks = objects.webhooks().await?;
            let bundle = material::bundle(&webhooks.bundles, &self.dns_name);
            let now = now();
            if let Some(material) = &material {
                self.serve(material, &bundle, now);
            }
            self.judge(&bundle, now);
            let state = material.as_ref().map(|material| &material.state);
            let step = self.planner.next(state, &bundle, now);
            if let Step::Wait(until) = step {
                return Ok(until);
            }
            let read = Read {
                secret,
                material,
                webhooks,
            };
            self.take(objects, step, read, now).await?;
        }
        Err(KeepError::Contended {
            object: self.own.configuration_name(),
        })
    }

    fn read(&self, secret: Option<&SecretObject>) -> Result<Option<Material>, KeepError> {
        let Some(secret) = secret else {
            return Ok(None);
        };
        Material::read(&secret.data, &self.dns_name).map_err(|source| KeepError::Secret {
            object: self.own.secret_name(),
            source,
        })
    }

    /// Serves the certificate of the Secret, if clients that use the bundle accept it.
    fn serve(&mut self, material: &Material, bundle: &Bundle, now: Time) {
        let Some(pair) = &material.serving else {
            return;
        };
        if pair.cert == self.chain || !self.is_trusted(&pair.cert, bundle, now) {
            return;
        }
        let Some(expiry) = expiry(pair, &material.state) else {
            return;
        };
        match self.served.replace(pair.clone(), expiry.0, Some(expiry.1)) {
            Ok(()) => {
                self.chain.clone_from(&pair.cert);
                self.metrics
                    .reloaded(Watched::Certificate, ReloadResult::Success);
                tracing::info!(expires = %date(expiry.0), "serving a new certificate");
            }
            Err(error) => {
                let message = error_chain::describe(&error);
                tracing::error!("a certificate cannot be served: {message}");
            }
        }
    }

    /// Tells `/readyz` whether a call through the published bundle would succeed.
    fn judge(&self, bundle: &Bundle, now: Time) {
        if self.chain.is_empty() {
            self.served
                .not_trusted("there is no certificate yet".to_owned());
        } else if self.is_trusted(&self.chain, bundle, now) {
            self.served.trusted();
        } else {
            let object = self.own.configuration_name();
            let reason = format!("the caBundle of {object} does not verify the certificate");
            self.served.not_trusted(reason);
        }
    }

    fn is_trusted(&self, chain: &[CertificateDer<'_>], bundle: &Bundle, now: Time) -> bool {
        let roots = bundle.certificates.iter();
        let roots: Vec<_> = roots.map(|each| each.certificate.clone()).collect();
        bundle.well_formed && verify(chain, &roots, &self.dns_name, now).is_ok()
    }

    async fn take(
        &mut self,
        objects: &Objects,
        step: Step,
        read: Read,
        now: Time,
    ) -> Result<(), KeepError> {
        let Read {
            secret,
            material,
            webhooks,
        } = read;
        if let Step::Publish(certificates) = step {
            let written = objects.publish(&webhooks, &pem(&certificates)).await?;
            if written == Written::Done {
                self.log_published(certificates.len());
            }
            return Ok(());
        }
        let (version, mut data) = match secret {
            Some(secret) => (Some(secret.version), secret.data),
            None => (None, SecretData::default()),
        };
        let Some(done) = self.change(step, &mut data, material, now)? else {
            return Ok(());
        };
        if objects.write_secret(version.as_deref(), &data).await? == Written::Done {
            tracing::info!(secret = self.own.secret, "{done}");
        }
        Ok(())
    }

    /// Makes the changes of `step` in the data of the Secret. Returns what was done.
    fn change(
        &self,
        step: Step,
        data: &mut SecretData,
        material: Option<Material>,
        now: Time,
    ) -> Result<Option<&'static str>, KeepError> {
        let lifetimes = self.own.lifetimes;
        match (step, material) {
            (Step::AddAuthority, material) => {
                let new = issue::authority(&self.dns_name, now, lifetimes.ca)?;
                let earlier = material.map(|material| valid(&material.state, now, true));
                let earlier = pem(&earlier.unwrap_or_default());
                data.ca = [new.certificate, earlier].concat().into_bytes();
                data.ca_key = Zeroizing::new(new.key.as_bytes().to_vec());
                Ok(Some("created a CA"))
            }
            (Step::IssueLeaf, Some(material)) => {
                let expires = material.state.signer.validity.expires;
                let (key, lifetime) = (material.ca_key, lifetimes.certificate);
                let new = issue::leaf(&self.dns_name, key, expires, now, lifetime)?;
                data.leaf = new.certificate.into_bytes();
                data.leaf_key = Zeroizing::new(new.key.as_bytes().to_vec());
                Ok(Some("issued a certificate"))
            }
            (Step::RemoveExpired, Some(material)) => {
                data.ca = pem(&valid(&material.state, now, false)).into_bytes();
                Ok(Some("removed an expired CA"))
            }
            _ => Ok(None),
        }
    }

    fn log_published(&mut self, authorities: usize) {
        let configuration = &self.own.webhook_configuration;
        if self.chain.is_empty() {
            tracing::info!(configuration, authorities, "wrote the caBundle");
        } else if self.warned.is_none_or(|warned| warned.elapsed() > POLL) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                configuration,
                authorities,
                "wrote the caBundle: a CA was added or has expired, or somebody else had changed it"
            );
        }
    }
}

/// What was read for one step.
struct Read {
    secret: Option<SecretObject>,
    material: Option<Material>,
    webhooks: Webhooks,
}

/// The CAs of the Secret, the signer first, and the others while they are valid. With `new_signer`, a
/// signer that has expired is left out too.
fn valid(state: &SecretState, now: Time, new_signer: bool) -> Vec<CertificateDer<'static>> {
    let signer = (!new_signer || now < state.signer.validity.expires).then_some(&state.signer);
    let earlier = state.earlier.iter();
    let earlier = earlier.filter(|each| now < each.validity.expires);
    signer
        .into_iter()
        .chain(earlier)
        .map(|each| each.certificate.clone())
        .collect()
}

fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let line_ending = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    certificates
        .iter()
        .map(|each| pem::Pem::new("CERTIFICATE", each.to_vec()))
        .map(|each| pem::encode_config(&each, line_ending))
        .collect()
}

/// When the serving certificate and the signer expire, in seconds since 1970.
fn expiry(pair: &CertifiedKey, state: &SecretState) -> Option<(i64, i64)> {
    let leaf = material::ParsedCertificate::read(pair.cert.first()?.clone().into_owned()).ok()?;
    let seconds = |time: Time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Some((
        seconds(leaf.validity.expires),
        seconds(state.signer.validity.expires),
    ))
}

fn date(seconds: i64) -> String {
    ASN1Time::from_timestamp(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

async fn watch_secret(objects: Objects, changed: Arc<Notify>) {
    let mut pause = RETRY;
    loop {
        let ended = objects.watch_secret(|| changed.notify_one()).await;
        pause = after_watch(ended, pause).await;
    }
}

async fn watch_webhooks(objects: Objects, changed: Arc<Notify>) {
    let mut pause = RETRY;
    loop {
        let ended = objects.watch_webhooks(|| changed.notify_one()).await;
        pause = after_watch(ended, pause).await;
    }
}

/// Waits before the next watch. Returns the pause after the next error.
async fn after_watch(ended: Result<(), KeepError>, pause: Duration) -> Duration {
    match ended {
        Ok(()) => {
            sleep(PAUSE).await;
            RETRY
        }
        Err(error) => {
            let message = error_chain::describe(&error);
            tracing::debug!("a watch ended: {message}");
            sleep(pause).await;
            (pause * 2).min(POLL)
        }
    }
}

/// The time since 1970.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}
