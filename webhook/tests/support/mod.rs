//! Certificates, reviews, a client, and the server: in this process, or as the real program.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unused_async,
    reason = "each test program uses a part of this module, and a server needs a runtime"
)]

pub mod api;
pub mod class_api;

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use axum::Router;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kees_inject::InjectSettings;
use kees_webhook::{
    CertificateFiles, CertificateSource, ClassSource, Config, KnownCluster, Limits, PodSource,
    PolicyFile, Server, Stop, TlsSettings, WebhookError, metrics::Metrics, mutate,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
    task::{JoinHandle as Task, yield_now},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How long a condition may take to become true on a busy machine.
pub const CONDITION_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until `condition` returns a value.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let wait = async {
        loop {
            ticks.tick().await;
            if let Some(found) = condition().await {
                return found;
            }
        }
    };
    tokio::time::timeout(CONDITION_TIMEOUT, wait)
        .await
        .unwrap_or_else(|_| panic!("timeout: {what}"))
}

/// How long [`router`] waits for a body: the default of the program.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings of all tests.
fn settings() -> InjectSettings {
    let mut settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
    let init_env = &mut settings.init_env;
    init_env.insert("ENV_LABEL".to_owned(), "dev".to_owned());
    settings
}

/// The router of the port for reviews, without a socket.
pub fn router() -> (Router, Metrics) {
    let metrics = Metrics::new();
    // The receiver keeps the last value after its sender is dropped.
    let (_, settings) = watch::channel(Arc::new(settings()));
    let router = mutate::router(
        settings,
        KnownCluster::default(),
        metrics.clone(),
        BODY_TIMEOUT,
    );
    (router, metrics)
}

/// Waits until `number` requests are in flight.
pub async fn in_flight(metrics: &Metrics, number: usize) {
    let in_flight = format!("kees_webhook_requests_in_flight {number}\n");
    while !metrics.render().unwrap().contains(&in_flight) {
        yield_now().await;
    }
}

/// A folder with `tls.crt` and `tls.key`.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub fn new() -> (Self, CertificateDer<'static>) {
        let certificates = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let certificate = certificates.renew();
        (certificates, certificate)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn files(&self) -> CertificateFiles {
        CertificateFiles {
            cert: self.path().join("tls.crt"),
            key: self.path().join("tls.key"),
            dns_name: None,
        }
    }

    /// Writes a new certificate and key, and returns the certificate.
    pub fn renew(&self) -> CertificateDer<'static> {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        self.put("tls.key", pair.signing_key.serialize_pem());
        self.put("tls.crt", pair.cert.pem());
        pair.cert.der().clone()
    }

    /// Replaces a file atomically, as a kubelet does.
    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let (temporary, path) = (self.path().join("temporary"), self.path().join(name));
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(&temporary, &path).unwrap();
        path
    }
}

/// The protocol that a client offers by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

/// A client with one connection.
pub struct Client {
    pub sender: Sender,
    /// The certificate that the server sent in the handshake.
    pub certificate: CertificateDer<'static>,
    pub task: Task<hyper::Result<()>>,
}

pub enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    /// Connects. Only the certificate `trusted` is trusted.
    pub async fn connect(
        address: SocketAddr,
        http: Http,
        trusted: &CertificateDer<'static>,
    ) -> std::io::Result<Self> {
        let stream = tls(address, http, trusted).await?;
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().unwrap()[0].clone().into_owned();
        let chosen = session.alpn_protocol().map(<[u8]>::to_vec);
        let io = TokioIo::new(stream);
        let (sender, task) = match http {
            Http::One => {
                assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]));
                let (sender, connection) = http1::handshake(io).await.unwrap();
                (Sender::One(sender), tokio::spawn(connection))
            }
            Http::Two => {
                assert_eq!(chosen.as_deref(), Some(&b"h2"[..]));
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), io).await.unwrap();
                (Sender::Two(sender), tokio::spawn(connection))
            }
        };
        Ok(Self {
            sender,
            certificate,
            task,
        })
    }

    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Posts a body to `/mutate`, and returns the status and the review of the response.
    pub async fn mutate(&mut self, body: impl Into<Bytes>) -> (StatusCode, Value) {
        let response = self.send(post(body)).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

/// A TLS connection. Only the certificate `trusted` is trusted.
pub async fn tls(
    address: SocketAddr,
    http: Http,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    tls_as(address, http, roots, "localhost").await
}

/// A TLS connection to a server that has a certificate of one of `roots` for `name`.
pub async fn tls_as(
    address: SocketAddr,
    http: Http,
    roots: RootCertStore,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![match http {
        Http::One => b"http/1.1".to_vec(),
        Http::Two => b"h2".to_vec(),
    }];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    tokio::time::timeout(CONDITION_TIMEOUT, handshake).await?
}

/// `POST /mutate`, as the API server sends it.
pub fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("https://localhost/mutate?timeout=3s")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

/// Sends a GET to the admin port, and returns the status and the text of the response.
pub async fn admin(address: SocketAddr, path: &str) -> std::io::Result<(StatusCode, String)> {
    let io = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
    let task = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "localhost")
        .body(Full::<Bytes>::default());
    let response = sender
        .send_request(request.unwrap())
        .await
        .map_err(std::io::Error::other)?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    task.abort();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

/// The value of a metric with its labels, or 0 if it is not exported yet.
pub async fn metric(address: SocketAddr, name: &str) -> f64 {
    let (_, text) = admin(address, "/metrics").await.unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map_or(0.0, |number| number.parse().unwrap())
}

/// A review of the creation of a pod in the namespace `team-a`.
pub fn review(annotations: &Value) -> Vec<u8> {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "team-a",
            "operation": "CREATE",
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations},
                "spec": {"containers": [{"name": "web", "image": "busybox:1"}]}
            },
            "oldObject": null,
            "dryRun": false
        }
    })
    .to_string()
    .into_bytes()
}

/// A review of a valid pod.
pub fn valid_review() -> Vec<u8> {
    review(&json!({"secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256"}))
}

/// A valid review that is too long for the thread that serves connections.
pub fn long_review() -> Vec<u8> {
    review(&json!({
        "secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256",
        "other": "x".repeat(100_000),
    }))
}

/// A review of a pod with one error.
pub fn invalid_review() -> Vec<u8> {
    review(&json!({"secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD"}))
}

/// A server in this process, on free ports.
pub struct Running {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    stop: Option<oneshot::Sender<Stop>>,
    task: Task<Result<(), WebhookError>>,
}

impl Running {
    pub async fn start(certificates: &Certificates, policy: Option<PathBuf>) -> Self {
        let limits = Limits {
            body_timeout: CONDITION_TIMEOUT,
            drain_delay: Duration::ZERO,
            drain_timeout: CONDITION_TIMEOUT,
            ..Limits::default()
        };
        Self::start_with(certificates, policy, limits).await
    }

    pub async fn start_with(
        certificates: &Certificates,
        policy: Option<PathBuf>,
        limits: Limits,
    ) -> Self {
        let tls = TlsSettings {
            http2: true,
            ..TlsSettings::default()
        };
        let certificate = CertificateSource::Files(certificates.files());
        Self::start_as(certificate, tls, policy, limits).await
    }

    pub async fn start_as(
        certificate: CertificateSource,
        tls: TlsSettings,
        policy: Option<PathBuf>,
        limits: Limits,
    ) -> Self {
        Self::start_config(Config {
            tls,
            policy: policy.map(PolicyFile::new),
            limits,
            ..config(certificate)
        })
    }

    /// A server that replaces volumes of classes.
    pub fn start_with_classes(certificates: &Certificates, classes: ClassSource) -> Self {
        let certificate = CertificateSource::Files(certificates.files());
        Self::start_config(Config {
            classes: Some(classes),
            ..config(certificate)
        })
    }

    /// A server that denies pods that want different contents in one Secret.
    pub fn start_with_pods(certificates: &Certificates, pods: PodSource) -> Self {
        let certificate = CertificateSource::Files(certificates.files());
        let config = config(certificate);
        Self::start_config(Config {
            live_pods: Some(pods),
            settings: InjectSettings {
                secret_sync: true,
                ..config.settings
            },
            ..config
        })
    }

    fn start_config(config: Config) -> Self {
        let server = Server::bind(config).unwrap();
        let (address, admin) = (server.address().unwrap(), server.admin_address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move { stopped.await.unwrap_or(Stop::Now) }));
        Self {
            address,
            admin,
            stop: Some(stop),
            task,
        }
    }

    /// Stops the server, and waits until it has ended.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(Stop::Drain).unwrap();
        tokio::time::timeout(CONDITION_TIMEOUT, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// A configuration with free ports.
fn config(certificate: CertificateSource) -> Config {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Config {
        listen: free,
        admin_listen: free,
        certificate,
        tls: TlsSettings::default(),
        classes: None,
        live_pods: None,
        policy: None,
        reload_interval: Duration::from_millis(10),
        limits: Limits {
            drain_delay: Duration::ZERO,
            ..Limits::default()
        },
        settings: settings(),
    }
}

/// The real program, on free ports.
pub struct Program {
    child: Child,
    log: Option<JoinHandle<Vec<String>>>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Program {
    pub fn start(certificates: &Certificates, flags: &[&str]) -> Self {
        let CertificateFiles { cert, key, .. } = certificates.files();
        let mut child = program()
            .arg("--tls-cert")
            .arg(cert)
            .arg("--tls-key")
            .arg(key)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--init-image", "kees-init:0.1.0", "--env-label", "dev"])
            .args(["--log-format", "json", "--http2"])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut early = Vec::new();
        let serving: Value = loop {
            let line = lines.next().unwrap().unwrap();
            let parsed: Value = serde_json::from_str(&line).unwrap();
            if parsed["message"] == "serving" {
                break parsed;
            }
            early.push(line);
        };
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        let (address, admin) = (address("listen"), address("admin_listen"));
        let log = std::thread::spawn(move || {
            let later = lines.map(Result::unwrap);
            early.into_iter().chain(later).collect()
        });
        Self {
            child,
            log: Some(log),
            address,
            admin,
        }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits until the program ends. Returns its exit status, and the log without the line that says
    /// where it serves.
    pub async fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = eventually("the program ends", || {
            let status = self.child.try_wait().unwrap();
            async move { status }
        })
        .await;
        (status, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real program, with an empty environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kees-webhook"));
    command.env_clear();
    command
}
