//! Creates annotated pods through the API server, as a dry run, and counts what becomes of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kees_tests::Kubectl;
use kube::{Api, Client, api::PostParams};
use serde_json::json;

/// Pods that are created at the same time.
const CLIENTS: usize = 8;

/// The pause of a client between two pods. All clients together create about 100 pods a second.
const PAUSE: Duration = Duration::from_millis(60);

/// What became of the pods.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: usize,
    pub(crate) not_injected: usize,
    /// The messages, and how often each came.
    pub(crate) refused: BTreeMap<String, usize>,
    /// Requests that were repeated, because the API server itself did not answer.
    pub(crate) repeated: usize,
}

impl Outcome {
    /// Asserts that all pods were created and injected.
    pub(crate) fn assert_nothing_lost(&self) {
        assert!(self.refused.is_empty(), "pods were refused: {self:?}");
        assert_eq!(self.not_injected, 0, "pods were not injected: {self:?}");
    }
}

/// Creates at least `pods` pods, and continues until `meanwhile` returns.
pub(crate) fn during(
    kubectl: &Kubectl,
    pods: usize,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let runtime = runtime()?;
    let load = Arc::new(Load {
        pods,
        ..Load::default()
    });
    let clients: Vec<_> = {
        let _guard = runtime.enter();
        let client = runtime.block_on(kubectl.client())?;
        std::iter::repeat_with(|| runtime.spawn(Arc::clone(&load).create(client.clone())))
            .take(CLIENTS)
            .collect()
    };
    let result = meanwhile();
    load.enough.store(true, Ordering::Relaxed);
    for client in clients {
        runtime.block_on(client)?;
    }
    result?;
    let outcome = load.outcome();
    report(&outcome);
    Ok(outcome)
}

/// Creates `pods` pods, `rate` in a second, whether or not earlier ones have been created.
pub(crate) fn at_rate(kubectl: &Kubectl, rate: u32, pods: u32) -> anyhow::Result<Outcome> {
    runtime()?.block_on(async {
        let api: Api<Pod> = Api::namespaced(kubectl.client().await?, "default");
        let load = Arc::new(Load::default());
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        let mut created = tokio::task::JoinSet::new();
        for number in 0..pods {
            ticks.tick().await;
            let (load, api) = (Arc::clone(&load), api.clone());
            created.spawn(async move { load.create_one(&api, number as usize).await });
        }
        created.join_all().await;
        Ok(load.outcome())
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build()
}

#[expect(clippy::print_stderr, reason = "docs/reliability.md has these figures")]
fn report(outcome: &Outcome) {
    eprintln!("{outcome:?}");
}

#[derive(Default)]
struct Load {
    started: AtomicUsize,
    enough: AtomicBool,
    pods: usize,
    outcome: Mutex<Outcome>,
}

impl Load {
    async fn create(self: Arc<Self>, client: Client) {
        let api: Api<Pod> = Api::namespaced(client, "default");
        loop {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            if number >= self.pods && self.enough.load(Ordering::Relaxed) {
                return;
            }
            self.create_one(&api, number).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn create_one(&self, api: &Api<Pod>, number: usize) {
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        while !self.note(api.create(&dry_run, &pod(number)).await) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What became of the pods until now.
    fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *outcome)
    }

    /// Counts a result. Returns whether it is one: a request is repeated if the API server itself did
    /// not answer it.
    fn note(&self, result: kube::Result<Pod>) -> bool {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(pod) if is_injected(&pod) => outcome.created += 1,
            Ok(_) => outcome.not_injected += 1,
            Err(error) if is_of_api_server(&error) => {
                outcome.repeated += 1;
                return false;
            }
            Err(error) => *outcome.refused.entry(message(&error)).or_default() += 1,
        }
        true
    }
}

fn pod(number: usize) -> Pod {
    let pod = json!({
        "metadata": {
            "name": format!("load-{number}"),
            "annotations": {"secret.bsycorp.com/password": "kind=DYNAMIC,type=PASSWORD,size=256"},
        },
        "spec": {"containers": [{"name": "app", "image": "localhost/busybox:1"}]},
    });
    serde_json::from_value(pod).unwrap_or_default()
}

fn is_injected(pod: &Pod) -> bool {
    let containers = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.init_containers.as_ref());
    containers.is_some_and(|containers| containers.iter().any(|each| each.name == "kees-init"))
}

/// Whether the API server itself was not there, so that the webhook had no part in the error.
fn is_of_api_server(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            matches!(status.code, 429 | 503) && !status.message.contains("webhook")
        }
        kube::Error::Service(_) | kube::Error::HyperError(_) => true,
        _ => false,
    }
}

/// The message without what differs from pod to pod.
fn message(error: &kube::Error) -> String {
    let text = error.to_string();
    let start = text.find("failed calling").unwrap_or_default();
    text[start..].chars().take(300).collect()
}
