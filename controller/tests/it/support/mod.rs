//! A controller in this process, with an API server and a store in memory.

pub mod api;
pub mod log;
mod secrets;
pub mod stores;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use kees_common::StoreName;
use kees_controller::{Config, Controller, PolicyFile, RestartSettings, SecretSyncSettings};
use kees_inject::InjectSettings;
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};

use self::{api::Api, stores::TestStores};

const CONDITION_TIMEOUT: Duration = Duration::from_secs(20);

pub const PASSWORD: (&str, &str) = (
    "secret.bsycorp.com/password",
    "kind=DYNAMIC,type=PASSWORD,size=256",
);

/// The annotation for a prefix.
pub fn prefix(prefix: &str) -> (&str, &str) {
    ("init.bsycorp.com/storage-prefix", prefix)
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + CONDITION_TIMEOUT;
    while !condition() {
        assert!(
            Instant::now() < until,
            "not within {CONDITION_TIMEOUT:?}: {what}"
        );
        sleep(Duration::from_millis(2)).await;
    }
}

/// A controller that runs.
pub struct Running {
    pub admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start(api: &Api, stores: &TestStores) -> Self {
        Self::with_policy(api, stores, None)
    }

    pub fn with_policy(api: &Api, stores: &TestStores, policy: Option<PathBuf>) -> Self {
        let policy = policy.map(PolicyFile::new);
        Self::with(api, stores, |config| Config { policy, ..config })
    }

    /// One of several replicas.
    pub fn replica(api: &Api, stores: &TestStores, name: &str) -> Self {
        Self::with(api, stores, |config| Config {
            leader_lease: Some("kees-controller".to_owned()),
            instance: Some(name.to_owned()),
            ..config
        })
    }

    /// A controller that writes no conditions.
    pub fn without_conditions(api: &Api, stores: &TestStores) -> Self {
        Self::with(api, stores, |config| Config {
            pod_condition: false,
            ..config
        })
    }

    /// A controller that rotates at most once an hour.
    pub fn rotating_hourly(api: &Api, stores: &TestStores) -> Self {
        Self::with(api, stores, |config| Config {
            rotation_minimum: "1h".parse().unwrap(),
            ..config
        })
    }

    /// A controller that restarts workloads, one of several replicas.
    pub fn restarting(api: &Api, stores: &TestStores, name: &str, deadline: Duration) -> Self {
        Self::with(api, stores, |config| Config {
            restart: Some(RestartSettings { deadline }),
            leader_lease: Some("kees-controller".to_owned()),
            instance: Some(name.to_owned()),
            ..config
        })
    }

    /// A controller that writes Kubernetes Secrets and reads their values again after `period`.
    pub fn syncing(api: &Api, stores: &TestStores, period: &str) -> Self {
        Self::syncing_replica(api, stores, period, "kees-controller-1", None)
    }

    /// One of several replicas of such a controller.
    pub fn syncing_replica(
        api: &Api,
        stores: &TestStores,
        period: &str,
        name: &str,
        policy: Option<PathBuf>,
    ) -> Self {
        let policy = policy.map(PolicyFile::new);
        Self::with(api, stores, |config| Config {
            policy,
            secret_sync: Some(SecretSyncSettings {
                period: period.parse().unwrap(),
                region: Some("eu-west-1".to_owned()),
            }),
            leader_lease: Some("kees-controller".to_owned()),
            instance: Some(name.to_owned()),
            ..config
        })
    }

    fn with(api: &Api, stores: &TestStores, change: impl FnOnce(Config) -> Config) -> Self {
        let config = Config {
            admin_listen: "127.0.0.1:0".parse().unwrap(),
            policy: None,
            reload_interval: Duration::from_millis(10),
            concurrency: 64,
            store_timeout: Duration::from_secs(15),
            drain_timeout: CONDITION_TIMEOUT,
            rotation_minimum: "1s".parse().unwrap(),
            restart: None,
            secret_sync: None,
            leader_lease: None,
            pod_condition: true,
            instance: Some("kees-controller-1".to_owned()),
            settings: InjectSettings {
                store: StoreName::Memory,
                ..InjectSettings::new("")
            },
        };
        let controller = Controller::bind(change(config)).unwrap();
        let admin = controller.admin_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let task =
            tokio::spawn(controller.run(api.client(), stores.clone(), stores.regions(), stopped));
        Self {
            admin,
            stop: Some(stop),
            task,
        }
    }

    /// Stops it, and waits until it has ended.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(CONDITION_TIMEOUT, &mut self.task)
            .await
            .unwrap()
            .unwrap();
    }

    /// Ends it at once, as SIGKILL does.
    pub async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Sends a GET to the admin port, and returns the status and the text of the response.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let io = TokioIo::new(TcpStream::connect(self.admin).await.unwrap());
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        let task = tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", "localhost")
            .body(Full::<Bytes>::default());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        task.abort();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The value of a metric with its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
