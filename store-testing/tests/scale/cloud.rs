//! AWS as far as its quotas go: names that exist or not, calls that take a while, and a bucket of
//! tokens for each quota.

use std::{
    collections::HashSet,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig};
use kees_store::{Backoff, aws::Aws};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The value of every secret.
pub(super) const VALUE: &[u8] = b"0123456789abcdef";

/// How long a call takes: a round trip within a Region.
const CALL: Duration = Duration::from_millis(10);

/// The partitions of a new on-demand table. Each has an equal share of the table's throughput.
const PARTITIONS: u32 = 4;

/// Calls or units per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quotas {
    get_secret_value: f64,
    batch_get_secret_value: f64,
    create_secret: f64,
    read_units: f64,
    write_units: f64,
    sts: f64,
    eks_auth: f64,
}

impl Quotas {
    /// As published, or assumed where nothing is published; `docs/scale.md` says which.
    pub(super) const PUBLISHED: Self = Self {
        get_secret_value: 10_000.0,
        batch_get_secret_value: 100.0,
        create_secret: 50.0,
        read_units: 12_000.0,
        write_units: 4_000.0,
        sts: 600.0,
        eks_auth: 100.0,
    };

    pub(super) fn divided_by(self, divisor: u32) -> Self {
        let divisor = f64::from(divisor);
        Self {
            get_secret_value: self.get_secret_value / divisor,
            batch_get_secret_value: self.batch_get_secret_value / divisor,
            create_secret: self.create_secret / divisor,
            read_units: self.read_units / divisor,
            write_units: self.write_units / divisor,
            sts: self.sts / divisor,
            eks_auth: self.eks_auth / divisor,
        }
    }
}

/// How Secrets Manager is read. The client is always the same; the answers to batches differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// A throttled batch says that it is throttled, and the client goes on one by one.
    BatchThenSingle,
    /// A throttled batch answers 503, and the client tries the batch again.
    BatchOnly,
    /// Batches are denied, and the client goes on one by one.
    SingleOnly,
}

/// Where a pod's credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// The pod has them already.
    Given,
    /// STS `AssumeRoleWithWebIdentity`, one call for each pod.
    Sts,
    /// EKS Auth `AssumeRoleForPodIdentity`, one call for each pod.
    EksAuth,
}

/// A bucket that holds the calls of one second and is refilled continuously.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn new(rate: f64) -> Self {
        // A bucket that holds less than one call would never allow one.
        Self {
            rate,
            tokens: rate.max(1.0),
            filled: Instant::now(),
        }
    }

    fn take(&mut self, tokens: f64) -> bool {
        let now = Instant::now();
        let refill = now.duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + refill).min(self.rate.max(1.0));
        self.filled = now;
        // As in DynamoDB, a call that finds anything left may take more than is left.
        let enough = self.tokens >= tokens.min(1.0);
        if enough {
            self.tokens -= tokens;
        }
        enough
    }
}

/// The simulated service.
pub(super) struct Cloud {
    policy: Policy,
    state: Mutex<State>,
}

struct State {
    names: HashSet<String>,
    get_secret_value: Bucket,
    batch_get_secret_value: Bucket,
    create_secret: Bucket,
    sts: Bucket,
    eks_auth: Bucket,
    reads: Vec<Bucket>,
    writes: Vec<Bucket>,
    hasher: RandomState,
    calls: u64,
    throttled: u64,
}

impl Cloud {
    pub(super) fn new(quotas: Quotas, policy: Policy) -> Self {
        let shares = |units: f64| {
            (0..PARTITIONS)
                .map(|_| Bucket::new(units / f64::from(PARTITIONS)))
                .collect()
        };
        Self {
            policy,
            state: Mutex::new(State {
                names: HashSet::new(),
                get_secret_value: Bucket::new(quotas.get_secret_value),
                batch_get_secret_value: Bucket::new(quotas.batch_get_secret_value),
                create_secret: Bucket::new(quotas.create_secret),
                sts: Bucket::new(quotas.sts),
                eks_auth: Bucket::new(quotas.eks_auth),
                reads: shares(quotas.read_units),
                writes: shares(quotas.write_units),
                hasher: RandomState::new(),
                calls: 0,
                throttled: 0,
            }),
        }
    }

    /// Stores names before the pods start.
    pub(super) fn store<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        self.state()
            .names
            .extend(names.into_iter().map(str::to_owned));
    }

    pub(super) fn calls(&self) -> u64 {
        self.state().calls
    }

    pub(super) fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// A pod's own clients of this service.
    pub(super) fn aws(self: &Arc<Self>) -> Aws {
        let connector = SharedHttpConnector::new(Connector(Arc::clone(self)));
        let credentials = Credentials::new("AKIDEXAMPLE", "example", None, None, "scale");
        Aws::from_config(
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .retry_config(RetryConfig::disabled())
                .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                    TokioSleep::new(),
                ))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .http_client(http_client_fn(move |_, _| connector.clone()))
                .build(),
        )
    }

    /// Obtains credentials, with the pauses that kees makes between attempts.
    pub(super) async fn assume_role(&self, identity: Identity) {
        let mut backoff = Backoff::default();
        while !self.try_assume_role(identity).await {
            sleep(backoff.pause()).await;
        }
    }

    async fn try_assume_role(&self, identity: Identity) -> bool {
        if identity == Identity::Given {
            return true;
        }
        sleep(CALL / 2).await;
        let is_assumed = {
            let mut state = self.state();
            let is_assumed = match identity {
                Identity::EksAuth => state.eks_auth.take(1.0),
                Identity::Sts | Identity::Given => state.sts.take(1.0),
            };
            state.calls += 1;
            state.throttled += u64::from(!is_assumed);
            is_assumed
        };
        sleep(CALL / 2).await;
        is_assumed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, operation: &str, body: &Value) -> Answer {
        let mut state = self.state();
        state.calls += 1;
        let answer = match operation {
            "BatchGetSecretValue" => state.batch_get_secret_value(body, self.policy),
            "GetSecretValue" => state.get_secret_value(body),
            "CreateSecret" => state.create_secret(body),
            "BatchGetItem" => state.batch_get_item(body),
            "GetItem" => state.get_item(body),
            "TransactGetItems" => state.transact_get_items(body),
            "TransactWriteItems" => state.transact_write_items(body),
            other => panic!("the simulation does not know {other}"),
        };
        state.throttled += u64::from(answer.throttled);
        answer
    }
}

struct Answer {
    status: u16,
    body: Value,
    throttled: bool,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body,
            throttled: false,
        }
    }

    fn error_response(code: &str) -> Self {
        Self {
            status: 400,
            body: json!({"__type": code, "message": code}),
            throttled: false,
        }
    }

    fn throttled() -> Self {
        Self {
            throttled: true,
            ..Self::error_response("ThrottlingException")
        }
    }
}

/// A string of a request.
fn text<'b>(body: &'b Value, pointer: &str) -> &'b str {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}"))
}

fn list<'b>(body: &'b Value, pointer: &str) -> &'b [Value] {
    body.pointer(pointer)
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("no {pointer}"))
}

fn held() -> &'static str {
    std::str::from_utf8(VALUE).unwrap()
}

impl State {
    fn batch_get_secret_value(&mut self, body: &Value, policy: Policy) -> Answer {
        match policy {
            Policy::SingleOnly => return Answer::error_response("AccessDeniedException"),
            _ if self.batch_get_secret_value.take(1.0) => {}
            Policy::BatchThenSingle => return Answer::throttled(),
            Policy::BatchOnly => {
                return Answer {
                    status: 503,
                    body: json!({}),
                    throttled: true,
                };
            }
        }
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for id in list(body, "/SecretIdList") {
            let name = id.as_str().unwrap_or_default();
            if self.names.contains(name) {
                values.push(json!({"ARN": "arn", "Name": name, "SecretString": held()}));
            } else {
                errors.push(json!({"SecretId": name, "ErrorCode": "ResourceNotFoundException"}));
            }
        }
        Answer::ok(json!({"SecretValues": values, "Errors": errors}))
    }

    fn get_secret_value(&mut self, body: &Value) -> Answer {
        let name = text(body, "/SecretId");
        if !self.get_secret_value.take(1.0) {
            Answer::throttled()
        } else if self.names.contains(name) {
            Answer::ok(json!({"ARN": "arn", "Name": name, "SecretString": held()}))
        } else {
            Answer::error_response("ResourceNotFoundException")
        }
    }

    fn create_secret(&mut self, body: &Value) -> Answer {
        if !self.create_secret.take(1.0) {
            Answer::throttled()
        } else if self.names.insert(text(body, "/Name").to_owned()) {
            Answer::ok(json!({"ARN": "arn", "Name": text(body, "/Name"), "VersionId": "1"}))
        } else {
            Answer::error_response("ResourceExistsException")
        }
    }

    fn partition(&self, name: &str) -> usize {
        usize::try_from(self.hasher.hash_one(name) % u64::from(PARTITIONS)).unwrap_or_default()
    }

    fn batch_get_item(&mut self, body: &Value) -> Answer {
        let (table, keys) = body
            .pointer("/RequestItems")
            .and_then(Value::as_object)
            .and_then(|tables| tables.iter().next())
            .expect("a batch names a table");
        let (mut items, mut unprocessed) = (Vec::new(), Vec::new());
        let keys = list(keys, "/Keys");
        for key in keys {
            let name = text(key, "/secretName/S");
            let partition = self.partition(name);
            // A consistent read of up to 4 KB is one unit.
            if !self.reads[partition].take(1.0) {
                unprocessed.push(key.clone());
            } else if self.names.contains(name) {
                items.push(item(name));
            }
        }
        if unprocessed.len() == keys.len() {
            return Answer {
                throttled: true,
                ..Answer::error_response("ProvisionedThroughputExceededException")
            };
        }
        let unprocessed = match unprocessed.as_slice() {
            [] => json!({}),
            keys => json!({table.as_str(): {"Keys": keys, "ConsistentRead": true}}),
        };
        Answer::ok(json!({"Responses": {table.as_str(): items}, "UnprocessedKeys": unprocessed}))
    }

    fn get_item(&mut self, body: &Value) -> Answer {
        let name = text(body, "/Key/secretName/S");
        let partition = self.partition(name);
        if !self.reads[partition].take(1.0) {
            return Answer::throttled();
        }
        Answer::ok(if self.names.contains(name) {
            json!({"Item": item(name)})
        } else {
            json!({})
        })
    }

    fn transact_get_items(&mut self, body: &Value) -> Answer {
        let mut responses = Vec::new();
        for get in list(body, "/TransactItems") {
            let name = text(get, "/Get/Key/secretName/S");
            let partition = self.partition(name);
            // A transactional read is two units.
            if !self.reads[partition].take(2.0) {
                return Answer::throttled();
            }
            responses.push(if self.names.contains(name) {
                json!({"Item": item(name)})
            } else {
                json!({})
            });
        }
        Answer::ok(json!({"Responses": responses}))
    }

    fn transact_write_items(&mut self, body: &Value) -> Answer {
        let names: Vec<&str> = list(body, "/TransactItems")
            .iter()
            .map(|put| text(put, "/Put/Item/secretName/S"))
            .collect();
        for name in &names {
            let partition = self.partition(name);
            // A transactional write of up to 1 KB is two units.
            if !self.writes[partition].take(2.0) {
                return Answer::throttled();
            }
        }
        if names.iter().any(|name| self.names.contains(*name)) {
            let reasons: Vec<Value> = names
                .iter()
                .map(|name| {
                    let exists = self.names.contains(*name);
                    json!({"Code": if exists { "ConditionalCheckFailed" } else { "None" }})
                })
                .collect();
            let mut answer = Answer::error_response("TransactionCanceledException");
            answer.body["CancellationReasons"] = Value::Array(reasons);
            return answer;
        }
        self.names.extend(names.into_iter().map(str::to_owned));
        Answer::ok(json!({}))
    }
}

fn item(name: &str) -> Value {
    let value = kees_common::SecretValue::new(VALUE.to_vec()).to_base64();
    json!({"secretName": {"S": name}, "secretValue": {"S": value.as_str()}})
}

#[derive(Clone)]
struct Connector(Arc<Cloud>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
        let cloud = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            sleep(CALL / 2).await;
            let answer = cloud.answer(&operation, &body);
            sleep(CALL / 2).await;
            Ok(HttpResponse::new(
                StatusCode::try_from(answer.status).unwrap(),
                SdkBody::from(answer.body.to_string()),
            ))
        })
    }
}
