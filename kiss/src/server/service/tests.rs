//! Calls over a connection, from the client that `tonic` generates to AWS in memory.

use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::{
    metadata::MetadataValue,
    transport::{Channel, Server},
};

use super::*;
use crate::{
    proto::{kiss_client::KissClient, kiss_server::KissServer},
    server::{
        authorization::{Binding, GroupExpression},
        bindings::BindingsError,
        cloud::{CloudErrorKind, memory::MemoryCloud},
        listen::connections,
        names::{Naming, Separator},
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

/// RoleBindings without an API server.
struct Fixed;

impl Bindings for Fixed {
    async fn find(&self, namespace: &str, name: &str) -> Result<Option<Binding>, BindingsError> {
        let binding = |subject: &str| Binding {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subjects: vec![format!("oidc:{subject}")],
        };
        Ok(match namespace {
            "a" | "a-b" => Some(binding(&format!("team-{namespace}"))),
            _ => None,
        })
    }
}

/// A running server, and a connection with it.
pub(crate) struct Running {
    pub(crate) address: std::net::SocketAddr,
    client: KissClient<Channel>,
    lines: Arc<Mutex<Vec<Value>>>,
    core: Arc<Core<Keys, Fixed, MemoryCloud>>,
}

async fn start_with(change: impl FnOnce(&mut Parts<Keys, Fixed, MemoryCloud>)) -> Running {
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
    let cloud = MemoryCloud::default();
    cloud.state().roles.insert("k8s-sa_a_web".to_owned());
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
        bindings: Arc::new(Fixed),
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
    let server = Server::builder()
        .http2_max_header_list_size(64 << 10)
        .add_service(KissServer::new(service).max_decoding_message_size(128 << 10))
        .serve_with_incoming(connections(listener, None, 100));
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

impl Running {
    pub(crate) fn cloud(&self) -> &MemoryCloud {
        self.core.parts.operations.cloud()
    }

    /// Waits for the first audit line.
    async fn has_a_line(&self) {
        let written = async {
            while self.lines.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), written).await;
        waited.expect("the call is audited");
    }

    /// The audit lines.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    fn last_line(&self) -> Value {
        self.lines.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test]
async fn every_call_works_for_the_team_of_the_namespace() {
    let mut running = start().await;
    let client = &mut running.client;
    let (metadata, name) = (meta("a"), "db".to_owned());
    client.ping(of_team_a(ping("a"))).await.unwrap();
    client
        .create_secret(of_team_a(create("a", "db", MARKER)))
        .await
        .unwrap();
    let update = UpdateSecretRequest {
        metadata: metadata.clone(),
        name: name.clone(),
        value: format!("{MARKER}2"),
    };
    client.update_secret(of_team_a(update)).await.unwrap();
    let list = ListSecretsRequest {
        metadata: metadata.clone(),
    };
    let listed = client.list_secrets(of_team_a(list)).await.unwrap();
    assert_eq!(listed.into_inner().secrets, ["db"]);
    let create_policy = CreateSecretIamPolicyRequest {
        metadata: metadata.clone(),
        name: name.clone(),
    };
    client
        .create_secret_iam_policy(of_team_a(create_policy))
        .await
        .unwrap();
    let bind = BindSecretRequest {
        metadata: metadata.clone(),
        name: name.clone(),
        service_account_name: "web".to_owned(),
    };
    client.bind_secret(of_team_a(bind.clone())).await.unwrap();
    let unbind = UnbindSecretRequest {
        metadata: metadata.clone(),
        name: name.clone(),
        service_account_name: "web".to_owned(),
    };
    client.unbind_secret(of_team_a(unbind)).await.unwrap();
    client.bind_secret(of_team_a(bind)).await.unwrap();
    let delete_policy = DeleteSecretIamPolicyRequest {
        metadata: metadata.clone(),
        name: name.clone(),
    };
    client
        .delete_secret_iam_policy(of_team_a(delete_policy))
        .await
        .unwrap();
    let delete = DeleteSecretRequest { metadata, name };
    client.delete_secret(of_team_a(delete)).await.unwrap();

    let lines = running.lines.lock().unwrap();
    let methods: Vec<_> = lines
        .iter()
        .map(|line| line["method"].as_str().unwrap())
        .collect();
    assert_eq!(
        methods,
        [
            "Ping",
            "CreateSecret",
            "UpdateSecret",
            "ListSecrets",
            "CreateSecretIAMPolicy",
            "BindSecret",
            "UnbindSecret",
            "BindSecret",
            "DeleteSecretIAMPolicy",
            "DeleteSecret",
        ]
    );
    for line in lines.iter() {
        assert_eq!(line["outcome"], "OK");
        assert_eq!(line["user"], "ada@example.com");
        assert_eq!(line["namespace"], "a");
        assert!(!line.to_string().contains(MARKER), "{line}");
        assert!(!line.to_string().contains("eyJ"), "{line}");
    }
    assert_eq!(lines[1]["secret"], "db");
    assert_eq!(lines[5]["service_account"], "web");
    assert_eq!(
        lines[0]["message"],
        "/kiss.resources.KISS/Ping: authorized user 'ada@example.com' (from host '127.0.0.1') on namespace 'a'"
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_done_and_it_is_audited() {
    let mut running = start().await;
    for (value, message) in [
        (
            None,
            "the call has no token: send it in the metadata `authorization`",
        ),
        (Some("x"), "the token is no JSON Web Token"),
        (
            Some("Bearer x"),
            "the metadata `authorization` must be the token alone, without `Bearer`",
        ),
    ] {
        let mut request = Request::new(create("a", "db", MARKER));
        if let Some(value) = value {
            let value = MetadataValue::try_from(value).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let status = running.client.create_secret(request).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, message)
        );
        let line = running.last_line();
        assert_eq!(line["outcome"], "UNAUTHENTICATED");
        assert_eq!(line["authorized"], false);
        assert_eq!(line["secret"], "db");
        assert!(line.get("user").is_none());
        assert!(!line.to_string().contains(MARKER));
    }
    assert!(
        running
            .core
            .parts
            .operations
            .cloud()
            .state()
            .secrets
            .is_empty()
    );
}

#[rstest]
#[case("a", &["oidc:team-b"], Code::PermissionDenied, "user 'eve' is not authorized for namespace 'a': no group of the user is a subject of the RoleBinding 'k-a'")]
#[case("b", &["oidc:team-a"], Code::PermissionDenied, "server failed to verify namespace claims: the namespace 'b' has no RoleBinding 'k-b'")]
#[case("A\u{202e}", &["oidc:team-a"], Code::PermissionDenied, "server failed to verify namespace claims: the namespace 'A\\u{202e}' has no RoleBinding 'k-A\\u{202e}'")]
#[case("A", &["oidc:admins"], Code::InvalidArgument, "invalid input 'A/db': the namespace must have 1 to 63 characters of a-z, 0-9 and -, and begin and end with a letter or digit")]
#[tokio::test]
async fn a_call_for_another_namespace_is_denied(
    #[case] namespace: &str,
    #[case] groups: &[&str],
    #[case] code: Code,
    #[case] message: &str,
) {
    let mut running = start().await;
    let request = with_token(&token_of("eve", groups), create(namespace, "db", "x"));
    let status = running.client.create_secret(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (code, message));
    assert_eq!(running.last_line()["user"], "eve");
}

#[tokio::test]
async fn an_administrator_may_use_a_namespace_without_a_binding() {
    let mut running = start().await;
    let request = with_token(&token_of("root", &["oidc:admins"]), create("b", "db", "x"));
    running.client.create_secret(request).await.unwrap();
}

#[tokio::test]
async fn a_request_without_metadata_is_a_status() {
    let mut running = start().await;
    let request = of_team_a(PingRequest { metadata: None });
    let status = running.client.ping(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn errors_have_the_codes_of_the_original() {
    let mut running = start().await;
    let client = &mut running.client;
    client
        .create_secret(of_team_a(create("a", "db", "x")))
        .await
        .unwrap();
    let exists = client
        .create_secret(of_team_a(create("a", "db", "x")))
        .await
        .unwrap_err();
    assert_eq!(
        (exists.code(), exists.message()),
        (Code::AlreadyExists, "resource 'a/db' already exists")
    );
    let bad = client
        .create_secret(of_team_a(create("a", "D", "x")))
        .await
        .unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    assert!(bad.message().starts_with("invalid input 'a/D'"));
    let delete = |name: &str| {
        of_team_a(DeleteSecretRequest {
            metadata: meta("a"),
            name: name.to_owned(),
        })
    };
    let absent = client.delete_secret(delete("none")).await.unwrap_err();
    assert_eq!(
        (absent.code(), absent.message()),
        (Code::NotFound, "resource 'a/none' not found")
    );
    let cloud = running.core.parts.operations.cloud();
    for (kind, code) in [
        (CloudErrorKind::State, Code::FailedPrecondition),
        (CloudErrorKind::Other, Code::Unknown),
    ] {
        cloud.fail("create_secret", 0, kind);
        let failed = client
            .create_secret(of_team_a(create("a", "new", MARKER)))
            .await
            .unwrap_err();
        assert_eq!(failed.code(), code);
        assert!(!failed.message().contains(MARKER));
    }
    cloud.fail("delete_secret", 0, CloudErrorKind::Other);
    let failed = client.delete_secret(delete("db")).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unknown);
    assert!(
        failed
            .message()
            .starts_with("failed to delete secret for unknown reasons")
    );
    cloud.fail("secrets", 0, CloudErrorKind::Other);
    let list = of_team_a(ListSecretsRequest {
        metadata: meta("a"),
    });
    let failed = client.list_secrets(list).await.unwrap_err();
    assert!(failed.message().starts_with("failed to list secrets"));
}

#[tokio::test]
async fn a_value_of_64_kib_is_stored_and_one_byte_more_is_not() {
    let mut running = start().await;
    let largest = "x".repeat(65_536);
    let client = &mut running.client;
    client
        .create_secret(of_team_a(create("a", "db", &largest)))
        .await
        .unwrap();
    let larger = of_team_a(create("a", "more", &format!("{largest}x")));
    let status = client.create_secret(larger).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let huge = of_team_a(create("a", "more", &"x".repeat(1 << 20)));
    let status = client.create_secret(huge).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
}

/// The token of somebody with ten thousand groups is larger than what HTTP/2 takes as metadata.
#[tokio::test]
async fn metadata_that_is_too_large_fails_the_call_alone() {
    let mut running = start().await;
    let groups: Vec<_> = (0..10_000).map(|number| format!("team-{number}")).collect();
    let groups: Vec<_> = groups.iter().map(String::as_str).collect();
    let request = with_token(&token_of("ada", &groups), ping("a"));
    running.client.ping(request).await.unwrap_err();
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_answered() {
    let running = start().await;
    let calls = (0..1000).map(|_| {
        let mut client = running.client.clone();
        async move { client.ping(of_team_a(ping("a"))).await }
    });
    for answer in join_all(calls).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn calls_of_one_user_are_limited() {
    let mut running = start_with(|parts| parts.rate = UserRate::new(1, 2)).await;
    for _ in 0..2 {
        running.client.ping(of_team_a(ping("a"))).await.unwrap();
    }
    let status = running.client.ping(of_team_a(ping("a"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let other = with_token(&token_of("bob", &["oidc:team-a"]), ping("a"));
    running.client.ping(other).await.unwrap();
}

#[tokio::test]
async fn a_server_without_a_place_says_so() {
    let mut running = start_with(|parts| parts.concurrency = 0).await;
    let status = running.client.ping(of_team_a(ping("a"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_deadline_of_a_millisecond_changes_nothing() {
    let mut running = start_with(|parts| {
        let mut cloud = MemoryCloud::default();
        cloud.delay = Duration::from_millis(50);
        parts.operations = Operations::new(cloud, Naming::default());
    })
    .await;
    let delete = DeleteSecretRequest {
        metadata: meta("a"),
        name: "db".to_owned(),
    };
    let mut request = of_team_a(delete);
    request.set_timeout(Duration::from_millis(1));
    let status = running.client.delete_secret(request).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
    // The call ends by itself, and is audited.
    running.has_a_line().await;
    assert_eq!(running.last_line()["outcome"], "DEADLINE_EXCEEDED");
}

/// What is begun is finished, although the caller has gone.
#[tokio::test]
async fn a_call_that_is_cancelled_is_not_half_done() {
    let mut running = start_with(|parts| {
        let cloud = MemoryCloud::default();
        cloud
            .state()
            .roles
            .extend(["a_x", "a_y"].map(str::to_owned));
        parts.operations = Operations::new(cloud, Naming::default());
    })
    .await;
    let core = Arc::clone(&running.core);
    let operations = &core.parts.operations;
    let soon = || Deadline::after(Duration::from_secs(9));
    let db = SecretId::new("a", "db").unwrap();
    operations
        .create(&db, Zeroizing::new("x".to_owned()), soon())
        .await
        .unwrap();
    operations.create_policy(&db, soon()).await.unwrap();
    operations.bind(&db, "x", soon()).await.unwrap();
    operations.bind(&db, "y", soon()).await.unwrap();
    // The deletion takes several calls of AWS. It is cancelled when the first role is detached.
    let delete = DeleteSecretIamPolicyRequest {
        metadata: meta("a"),
        name: "db".to_owned(),
    };
    let state = || operations.cloud().state();
    let is_begun = async {
        while state()
            .policies
            .values()
            .any(|policy| policy.roles.len() == 2)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = is_begun => {}
        done = running.client.delete_secret_iam_policy(of_team_a(delete)) => drop(done),
    }
    running.has_a_line().await;
    assert!(state().policies.is_empty());
    assert_eq!(running.last_line()["outcome"], "OK");
}

#[rstest]
#[case("1H", Some(3_600_000))]
#[case("2M", Some(120_000))]
#[case("3S", Some(3000))]
#[case("4m", Some(4))]
#[case("5000u", Some(5))]
#[case("6000000n", Some(6))]
#[case("123456789S", None)]
#[case("S", None)]
#[case("1", None)]
#[case("1é", None)]
#[case("-1S", None)]
fn a_timeout_is_read_as_grpc_writes_it(#[case] text: &str, #[case] milliseconds: Option<u64>) {
    let mut headers = MetadataMap::new();
    if let Ok(value) = text.parse() {
        headers.insert("grpc-timeout", value);
    }
    assert_eq!(timeout(&headers), milliseconds.map(Duration::from_millis));
}
