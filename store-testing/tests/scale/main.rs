//! Ten thousand pods that start within ten seconds, against the published quotas of AWS.
//!
//! The clients are real: the protocol, the backends and the AWS SDK, one client for each pod. AWS is
//! simulated at HTTP level, with a bucket of tokens for each quota. Time is virtual, so a minute
//! takes as long as its calls take to compute. `docs/scale.md` says what the quotas are and where
//! they are published. This command writes its figures:
//!
//! ```text
//! KEES_SCALE_FOLDER=docs cargo test --release -p kees-store-testing --test scale
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail like this"
)]

mod cloud;
mod draw;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use kees_common::{
    Field, Generated, Generation, Layout, MountPath, Parsed, Plan, PlanSettings, SecretValue,
    StoreName, output::Format,
};
use kees_store::{
    CreateStore, ReadStore, RetryBudget,
    dynamodb::DynamoDb,
    protocol::{Generator, Obtained, Run, Wanted, WhenAbsent, obtain},
    secretsmanager::SecretsManager,
};
use kees_store_testing::One;
use tokio::time::Instant;

use cloud::{Cloud, Identity, Policy, Quotas};

/// One way in which many pods start.
#[derive(Debug, Clone)]
struct Scenario {
    name: &'static str,
    store: StoreName,
    policy: Policy,
    /// Whether the secrets are stored before the pods start.
    existing: bool,
    identity: Identity,
    pods: u32,
    /// The pods of one workload share their secrets.
    pods_of_a_workload: u32,
    secrets_of_a_workload: usize,
    /// The time within which the pods start, evenly.
    ramp: Duration,
    quotas: Quotas,
}

/// How long the pods waited.
#[derive(Debug)]
struct Waits {
    /// Sorted.
    all: Vec<Duration>,
    failed: usize,
    calls: u64,
    throttled: u64,
}

impl Waits {
    fn share(&self, percent: usize) -> Duration {
        let last = self.all.len().saturating_sub(1);
        self.all
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }

    /// How many waited longer than the default of `TIMEOUT`.
    fn over_a_minute(&self) -> usize {
        self.all
            .iter()
            .filter(|wait| **wait > Duration::from_mins(1))
            .count()
    }
}

/// Longer than any pod waits, so that no pod gives up.
const NEVER: Duration = Duration::from_hours(1);

const PODS: u32 = 10_000;

fn scenarios() -> Vec<Scenario> {
    use StoreName::{DynamoDb, SecretsManager};
    let base = Scenario {
        name: "",
        store: SecretsManager,
        policy: Policy::BatchThenSingle,
        existing: true,
        identity: Identity::Given,
        pods: PODS,
        pods_of_a_workload: 10,
        secrets_of_a_workload: 10,
        ramp: Duration::from_secs(10),
        quotas: Quotas::PUBLISHED,
    };
    vec![
        Scenario {
            name: "Secrets Manager, found, a batch and then one by one (what kees does)",
            ..base.clone()
        },
        Scenario {
            name: "Secrets Manager, found, batches alone",
            policy: Policy::BatchOnly,
            ..base.clone()
        },
        Scenario {
            name: "Secrets Manager, found, one by one alone",
            policy: Policy::SingleOnly,
            ..base.clone()
        },
        Scenario {
            name: "Secrets Manager, two secrets a workload created",
            existing: false,
            secrets_of_a_workload: 2,
            ..base.clone()
        },
        Scenario {
            name: "DynamoDB on demand, found",
            store: DynamoDb,
            ..base.clone()
        },
        Scenario {
            name: "DynamoDB on demand, ten secrets a workload created",
            store: DynamoDb,
            existing: false,
            ..base.clone()
        },
        Scenario {
            name: "DynamoDB on demand, found, with a web identity (STS)",
            store: DynamoDb,
            identity: Identity::Sts,
            ..base.clone()
        },
        Scenario {
            name: "DynamoDB on demand, found, with EKS Pod Identity",
            store: DynamoDb,
            identity: Identity::EksAuth,
            ..base
        },
    ]
}

/// Runs a scenario. The clock stands still while something computes.
fn run(scenario: &Scenario) -> Waits {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let cloud = Arc::new(Cloud::new(scenario.quotas, scenario.policy));
        let workloads: Vec<Arc<Plan>> = (0..scenario.pods.div_ceil(scenario.pods_of_a_workload))
            .map(|workload| Arc::new(plan(scenario, workload)))
            .collect();
        if scenario.existing {
            for plan in &workloads {
                cloud.store(plan.items.iter().map(|item| item.locator.path.as_str()));
            }
        }
        let begun = Instant::now();
        let pods: Vec<_> = (0..scenario.pods)
            .map(|pod| {
                let (cloud, plan) = (
                    Arc::clone(&cloud),
                    Arc::clone(&workloads[pod as usize % workloads.len()]),
                );
                let start = scenario.ramp * pod / scenario.pods;
                let (store, identity) = (scenario.store, scenario.identity);
                tokio::spawn(async move {
                    tokio::time::sleep_until(begun + start).await;
                    let begun = Instant::now();
                    cloud.assume_role(identity).await;
                    let aws = cloud.aws();
                    let done = match store {
                        StoreName::DynamoDb => {
                            start_pod(&DynamoDb::new(&aws, "scale"), &plan).await
                        }
                        _ => start_pod(&SecretsManager::new(&aws, None), &plan).await,
                    };
                    done.then(|| begun.elapsed())
                })
            })
            .collect();
        let (mut waits, mut failed) = (Vec::new(), 0);
        for pod in pods {
            match pod.await.unwrap() {
                Some(wait) => waits.push(wait),
                None => failed += 1,
            }
        }
        waits.sort_unstable();
        Waits {
            all: waits,
            failed,
            calls: cloud.calls(),
            throttled: cloud.throttled(),
        }
    })
}

/// Does what init does with its stores. Returns whether every value was obtained.
async fn start_pod<S: ReadStore + CreateStore>(store: &S, plan: &Plan) -> bool {
    let wanted: Vec<Wanted<'_>> = plan
        .items
        .iter()
        .filter_map(|item| {
            let (at, field) = item.generation?;
            Some(Wanted {
                store: item.store,
                fields: vec![(field, item.locator.clone())],
                previous: Vec::new(),
                generation: plan.generations.get(at),
                when_absent: WhenAbsent::Create,
            })
        })
        .collect();
    let run = Run {
        stores: &One(store),
        generator: &Same,
        observer: &(),
        namespace: None,
        retry_delay: None,
    };
    let obtained = obtain(&wanted, &run, &mut RetryBudget::new(NEVER)).await;
    let is_there =
        |obtained: &Obtained<_>| matches!(obtained, Obtained::Found(_) | Obtained::Created(_));
    obtained.len() == plan.items.len() && obtained.iter().all(is_there)
}

/// Generates the same value for every secret.
struct Same;

impl Generator for Same {
    type Error = std::convert::Infallible;

    async fn generate(&self, _: &Generation) -> Result<Generated, Self::Error> {
        let value = SecretValue::new(cloud::VALUE.to_vec());
        Ok(Generated::new(vec![(Field::Whole, value)]))
    }
}

/// The annotations of one workload, planned.
fn plan(scenario: &Scenario, workload: u32) -> Plan {
    let prefix = format!("/scale/{workload}");
    let annotations: Vec<(String, String)> = (0..scenario.secrets_of_a_workload)
        .map(|secret| {
            let key = format!("secret.bsycorp.com/password-{secret}");
            (key, "kind=DYNAMIC,type=PASSWORD,size=128".to_owned())
        })
        .collect();
    let parsed = Parsed::from_annotations(
        &kees_common::Domain::default(),
        annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let settings = PlanSettings {
        prefix: prefix.parse().unwrap(),
        store: scenario.store,
        allowed: Vec::new(),
        references: None,
        local_mode_allowed: false,
        layout: Layout::under(&MountPath::default(), Format::Properties),
    };
    Plan::new(&parsed, &settings).unwrap()
}

#[test]
fn a_storm_of_pods_is_served_within_the_quotas() {
    for scenario in scenarios() {
        // A thousandth of the pods on a thousandth of the quotas.
        let small = Scenario {
            pods: PODS / 1000,
            quotas: scenario.quotas.divided_by(1000),
            ..scenario
        };
        let waits = run(&small);
        assert_eq!(waits.failed, 0, "{}", small.name);
        assert_eq!(waits.all.len(), small.pods as usize, "{}", small.name);
        assert!(waits.calls > 0, "{}", small.name);
    }
}

#[test]
fn pods_that_start_together_do_not_stay_together() {
    let together = Scenario {
        ramp: Duration::ZERO,
        pods: 30,
        pods_of_a_workload: 1,
        quotas: Quotas::PUBLISHED.divided_by(1000),
        ..scenarios().remove(0)
    };
    let waits = run(&together);
    assert!(waits.throttled > 0, "the quotas were never reached");
    let distinct: std::collections::BTreeSet<_> =
        waits.all.iter().map(Duration::as_millis).collect();
    assert!(
        distinct.len() > 15,
        "30 pods finished at {} moments",
        distinct.len()
    );
}

/// Writes the figures of `docs/scale.md`, if `KEES_SCALE_FOLDER` asks for them.
#[test]
fn the_figures_of_the_documentation_are_made() {
    let Some(folder) = std::env::var_os("KEES_SCALE_FOLDER") else {
        return;
    };
    // Tests run in their crate's folder; the variable is relative to the repository's root.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let results: Vec<(Scenario, Waits)> = scenarios()
        .into_iter()
        .map(|scenario| {
            let waits = run(&scenario);
            (scenario, waits)
        })
        .collect();
    let mut table = String::from(
        "| scenario | calls | throttled | p50 | p99 | last | over 60 s | failed |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (scenario, waits) in &results {
        writeln!(
            table,
            "| {} | {} | {} | {:.2} s | {:.2} s | {:.2} s | {} | {} |",
            scenario.name,
            waits.calls,
            waits.throttled,
            waits.share(50).as_secs_f64(),
            waits.share(99).as_secs_f64(),
            waits.share(100).as_secs_f64(),
            waits.over_a_minute(),
            waits.failed,
        )
        .unwrap();
    }
    draw::waits(
        &folder.join("scale.svg"),
        results
            .iter()
            .map(|(scenario, waits)| (scenario.name, waits.all.as_slice())),
    );
    let page = folder.join("scale.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- figures -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of figures -->").unwrap();
    let text = format!("{before}<!-- figures -->\n{table}<!-- end of figures -->{after}");
    std::fs::write(page, text).unwrap();
}
