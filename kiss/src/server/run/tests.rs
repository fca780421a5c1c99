//! The whole server on ports of its own: TLS, health, reflection, the admin port, and its end.

use std::{convert::Infallible, sync::Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request as HttpRequest, Response as HttpResponse, body::Bytes};
use kube::client::Body;
use serde_json::json;
use tokio::sync::oneshot;
use tonic::{
    Code, Request,
    transport::{Certificate, Channel, ClientTlsConfig},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;
use crate::{
    proto::{ClientMeta, CreateSecretRequest, PingRequest, kiss_client::KissClient},
    server::{
        audit::AuditLog,
        authorization::Rules,
        cloud::memory::MemoryCloud,
        names::Naming,
        operations::Operations,
        rate::UserRate,
        service::tests::{Keys, token_of},
        token::{ClaimRules, KeyLimits},
    },
};

/// A running server.
struct Running {
    address: SocketAddr,
    admin: SocketAddr,
    roots: Mutex<String>,
    folder: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<Result<(), ServeError>>,
}

/// A certificate for `localhost` and its key, PEM.
fn certificate() -> (String, String) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

/// An API server whose every namespace has a RoleBinding for the group `team`. Nothing may be watched.
fn api() -> kube::Client {
    let service = tower::service_fn(async |request: HttpRequest<Body>| {
        let path = request.uri().path().to_owned();
        let parts: Vec<_> = path.split('/').collect();
        let (status, body) = match parts[..] {
            [.., "namespaces", namespace, "rolebindings", name] => (
                200,
                json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                    "metadata": {"namespace": namespace, "name": name},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "any"},
                    "subjects": [{"kind": "Group", "name": "team"}],
                }),
            ),
            _ => (
                403,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "x"}),
            ),
        };
        let body = Full::new(Bytes::from(body.to_string()));
        let response = HttpResponse::builder().status(status).body(body).unwrap();
        Ok::<_, Infallible>(response)
    });
    kube::Client::new(service, "default")
}

async fn start(slow: Option<&'static str>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let (pem, key) = certificate();
    let files = TlsFiles {
        certificate: folder.path().join("tls.crt"),
        key: folder.path().join("tls.key"),
    };
    std::fs::write(&files.certificate, &pem).unwrap();
    std::fs::write(&files.key, key).unwrap();
    let limits = KeyLimits {
        refresh: Duration::from_mins(5),
        unknown: Duration::from_mins(1),
        oldest: Duration::from_hours(1),
    };
    let cloud = MemoryCloud::default();
    if let Some(action) = slow {
        cloud.fail_slowly(action);
    }
    let bindings = WatchedBindings::new(api(), String::new(), Duration::from_secs(30));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let parts = Parts {
        keys: Arc::new(KeyCache::start(Keys, limits).await.ok().unwrap()),
        claims: ClaimRules {
            user: "email".to_owned(),
            groups: "cognito:groups".to_owned(),
            ..ClaimRules::default()
        },
        rules: Rules::default(),
        bindings: Arc::new(bindings),
        operations: Operations::new(cloud, Naming::default()),
        rate: UserRate::new(1000, 1000),
        proxies: vec![],
        longest: Duration::from_secs(30),
        concurrency: 100,
        audit: AuditLog::new(move |line| written.lock().unwrap().push(line.to_owned())),
        metrics: Metrics::new(),
    };
    let settings = ServeSettings {
        tls: Some(files),
        reload_interval: Duration::from_millis(20),
        max_connections: 20,
        max_streams: 100,
        max_metadata: 64 << 10,
        drain_timeout: Duration::from_secs(20),
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let (listener, admin) = (listen(any).await.unwrap(), listen(any).await.unwrap());
    let addresses = (listener.local_addr().unwrap(), admin.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(serve(listener, admin, parts, settings, stopped));
    Running {
        address: addresses.0,
        admin: addresses.1,
        roots: Mutex::new(pem),
        folder,
        lines,
        stop: Some(stop),
        ended,
    }
}

impl Running {
    async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        let roots = Certificate::from_pem(self.roots.lock().unwrap().as_bytes());
        let tls = ClientTlsConfig::new()
            .ca_certificate(roots)
            .domain_name("localhost");
        let endpoint = Channel::from_shared(format!("https://{}", self.address)).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await
    }

    /// The status and the body of the admin port.
    async fn get(&self, path: &str) -> (u16, String) {
        let client =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build_http::<Full<Bytes>>();
        let url = format!("http://{}{path}", self.admin).parse().unwrap();
        let response = client.get(url).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

fn with_token<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = token_of("ada@example.com", &["team"]).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the field of each message is an Option"
)]
fn meta() -> Option<ClientMeta> {
    Some(ClientMeta {
        namespace: "a".to_owned(),
    })
}

/// The services as reflection of the older version names them, which is all that many clients know.
async fn services_of_v1alpha(running: &Running) -> Vec<String> {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let mut reflection = ServerReflectionClient::new(running.channel().await.unwrap());
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection.server_reflection_info(tokio_stream::once(list));
    let mut answers = answers.await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}");
    };
    listed.service.into_iter().map(|each| each.name).collect()
}

#[tokio::test]
async fn calls_health_reflection_and_the_admin_port_answer() {
    let running = start(None).await;
    let channel = running.channel().await.unwrap();
    let mut client = KissClient::new(channel.clone());
    client
        .ping(with_token(PingRequest { metadata: meta() }))
        .await
        .unwrap();

    let mut health = HealthClient::new(channel.clone());
    for service in ["", "kiss.resources.KISS"] {
        let service = service.to_owned();
        let checked = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(checked.into_inner().status, 1);
    }
    let service = "other".to_owned();
    let unknown = health.check(HealthCheckRequest { service }).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);

    let mut reflection = ServerReflectionClient::new(channel);
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = reflection
        .server_reflection_info(tokio_stream::once(list))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = listed.service.into_iter().map(|each| each.name).collect();
    assert!(
        names.contains(&"kiss.resources.KISS".to_owned()),
        "{names:?}"
    );

    let older = services_of_v1alpha(&running).await;
    assert!(older.contains(&names[0]), "{older:?}");

    // Those of health and reflection are not audited.
    let lines = running.lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("/kiss.resources.KISS/Ping: authorized"));

    assert_eq!(running.get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(running.get("/readyz").await, (200, "ok\n".to_owned()));
    let (status, metrics) = running.get("/metrics").await;
    assert_eq!(status, 200);
    let counted = r#"kees_kiss_calls_total{method="Ping",code="OK"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_client_without_tls_gets_nothing() {
    let running = start(None).await;
    let endpoint = Channel::from_shared(format!("http://{}", running.address)).unwrap();
    let mut client = match endpoint.connect().await {
        Ok(channel) => KissClient::new(channel),
        Err(_) => return,
    };
    client
        .ping(with_token(PingRequest { metadata: meta() }))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_certificate_that_changes_is_served() {
    let running = start(None).await;
    running.channel().await.unwrap();
    let (pem, key) = certificate();
    std::fs::write(running.folder.path().join("tls.key"), key).unwrap();
    std::fs::write(running.folder.path().join("tls.crt"), &pem).unwrap();
    *running.roots.lock().unwrap() = pem;
    let connected = async {
        while running.channel().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), connected).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_open_is_finished_before_the_end() {
    let mut running = start(Some("create_secret")).await;
    let mut client = KissClient::new(running.channel().await.unwrap());
    let create = CreateSecretRequest {
        metadata: meta(),
        name: "db".to_owned(),
        value: "x".to_owned(),
    };
    let call = tokio::spawn(async move { client.create_secret(with_token(create)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.stop.take().unwrap().send(()).unwrap();
    let not_ready = async {
        while running.get("/readyz").await.0 == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(4), not_ready).await.unwrap();
    call.await.unwrap().unwrap();
    timeout(Duration::from_secs(10), running.ended)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
