//! Calls over a connection, from the client that `tonic` generates to AWS in memory.

mod aws_stub;
mod calls;
mod deadlines;
mod leaks;
mod limits;
mod partition;
mod raw;
mod refused;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::{Code, metadata::MetadataValue, transport::Channel};
use zeroize::Zeroizing;

use super::*;
use crate::{
    proto::{
        BindSecretRequest, ClientMeta, CreateSecretIamPolicyRequest, CreateSecretRequest,
        DeleteSecretIamPolicyRequest, DeleteSecretRequest, ListSecretsRequest, PingRequest,
        UnbindSecretRequest, UpdateSecretRequest, kiss_client::KissClient,
    },
    server::{
        authorization::{Binding, GroupExpression},
        bindings::BindingsError,
        cloud::memory::MemoryCloud,
        listen::connections,
        names::{Naming, Separator},
        run::http2,
        service::admit::now,
        token::{FetchError, KeyLimits, KeySet, tests::PROVIDER},
    },
};

/// What must not be in any line, error or message.
const MARKER: &str = "marker-5d41402abc4b";

/// The provider of the tests.
pub(crate) struct Keys;

impl KeySource for Keys {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        Ok(PROVIDER.keys())
    }
}

/// The most bytes of metadata in these tests.
const METADATA: u32 = 64 << 10;

/// RoleBindings without an API server. That of `slow` takes long, and that of `defect` panics.
#[derive(Default)]
struct Fixed {
    /// The calls that wait for the RoleBinding of `slow`.
    open: AtomicUsize,
    /// The most of them at the same time.
    most: AtomicUsize,
}

impl Bindings for Fixed {
    async fn find(&self, namespace: &str, name: &str) -> Result<Option<Binding>, BindingsError> {
        assert_ne!(namespace, "defect", "a defect of the test");
        if namespace == "slow" {
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(open, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
        let binding = |subject: &str| Binding {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subjects: vec![format!("oidc:{subject}")],
        };
        Ok(match namespace {
            "a" | "a-b" | "slow" => Some(binding(&format!("team-{namespace}"))),
            _ => None,
        })
    }
}

/// A running server, and a connection with it.
pub(crate) struct Running<C = MemoryCloud> {
    pub(crate) address: std::net::SocketAddr,
    client: KissClient<Channel>,
    lines: Arc<Mutex<Vec<Value>>>,
    core: Arc<Core<Keys, Fixed, C>>,
}

async fn start_with(change: impl FnOnce(&mut Parts<Keys, Fixed, MemoryCloud>)) -> Running {
    let cloud = MemoryCloud::default();
    cloud.state().roles.insert("k8s-sa_a_web".to_owned());
    start_on(cloud, 2000, change).await
}

/// A server whose connections have `streams` calls at the same time.
async fn start_on<C: Cloud>(
    cloud: C,
    streams: u32,
    change: impl FnOnce(&mut Parts<Keys, Fixed, C>),
) -> Running<C> {
    let limits = KeyLimits {
        refresh: Duration::from_mins(5),
        unknown: Duration::from_mins(1),
        oldest: Duration::from_hours(1),
    };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let naming = Naming {
        secret_prefix: "k8s-secret".to_owned(),
        role_prefix: "k8s-sa".to_owned(),
        separator: Separator::Dash,
    };
    let mut parts = Parts {
        keys: Arc::new(KeyCache::start(Keys, limits).await.ok().unwrap()),
        claims: ClaimRules {
            user: "email".to_owned(),
            groups: "cognito:groups".to_owned(),
            ..ClaimRules::default()
        },
        rules: Rules {
            expression: Some(GroupExpression::new("oidc:(.*)").unwrap()),
            admin_namespace: Some("admins".to_owned()),
            binding_prefix: "k-".to_owned(),
        },
        bindings: Arc::new(Fixed::default()),
        operations: Operations::new(cloud, naming),
        rate: UserRate::new(1000, 1000),
        proxies: vec!["127.0.0.1".parse().unwrap()],
        longest: Duration::from_secs(30),
        concurrency: 2000,
        audit: AuditLog::new(move |line| {
            let mut lines = written.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap());
        }),
        metrics: Metrics::new(),
    };
    change(&mut parts);
    let service = Service::new(parts);
    let core = Arc::clone(&service.core);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let frame = service.frame(METADATA);
    let server = http2(streams, METADATA).serve_with_incoming(
        frame(Routes::new(service.into_server())),
        connections(listener, None, 100),
    );
    tokio::spawn(server);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    Running {
        address,
        client: KissClient::new(channel.connect().await.unwrap()),
        lines,
        core,
    }
}

pub(crate) async fn start() -> Running {
    start_with(|_| {}).await
}

pub(crate) fn token_of(user: &str, groups: &[&str]) -> String {
    let claims = json!({"exp": now() + 600, "email": user, "cognito:groups": groups});
    PROVIDER.token(&claims)
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = MetadataValue::try_from(token).unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

/// A call of somebody of the team of the namespace `a`.
fn of_team_a<T>(message: T) -> Request<T> {
    with_token(
        &token_of("ada@example.com", &["other", "oidc:team-a"]),
        message,
    )
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the field of each message is an Option"
)]
fn meta(namespace: &str) -> Option<ClientMeta> {
    Some(ClientMeta {
        namespace: namespace.to_owned(),
    })
}

fn create(namespace: &str, name: &str, value: &str) -> CreateSecretRequest {
    CreateSecretRequest {
        metadata: meta(namespace),
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn ping(namespace: &str) -> PingRequest {
    PingRequest {
        metadata: meta(namespace),
    }
}

impl<C: Cloud> Running<C> {
    pub(crate) fn cloud(&self) -> &C {
        self.core.parts.operations.cloud()
    }

    /// Waits for the first audit line.
    async fn has_a_line(&self) {
        self.has_lines(1).await;
    }

    /// Waits for `number` audit lines.
    async fn has_lines(&self, number: usize) {
        let written = async {
            while self.lines.lock().unwrap().len() < number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), written).await;
        waited.expect("the calls are audited");
    }

    /// The counters.
    fn metrics(&self) -> String {
        let rendered = self.core.parts.metrics.render(Duration::ZERO, true);
        rendered.unwrap()
    }

    /// The audit lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    fn last_line(&self) -> Value {
        self.lines.lock().unwrap().last().unwrap().clone()
    }
}
