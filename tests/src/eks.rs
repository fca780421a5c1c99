//! A webhook that changes pods as the identity webhooks of EKS do: IRSA and EKS Pod Identity.
//!
//! Source: "IAM roles for service accounts" and "EKS Pod Identities" of the EKS user guide, and the
//! behaviour of aws/amazon-eks-pod-identity-webhook: a container that has one of the variables keeps
//! its own, and a container that mounts the volume gets no second mount.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::{Authority, MACHINE, REGION, runtime, server::free_address};

/// The way in which a pod gets its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EksIdentity {
    /// A role for the ServiceAccount.
    Irsa,
    /// EKS Pod Identity.
    PodIdentity,
}

impl EksIdentity {
    /// The last segment of the webhook's URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Irsa => "irsa",
            Self::PodIdentity => "pod-identity",
        }
    }

    /// The volume of the token.
    pub fn volume(self) -> &'static str {
        match self {
            Self::Irsa => "aws-iam-token",
            Self::PodIdentity => "eks-pod-identity-token",
        }
    }

    fn audience(self) -> &'static str {
        match self {
            Self::Irsa => "sts.amazonaws.com",
            Self::PodIdentity => "pods.eks.amazonaws.com",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Irsa => "/var/run/secrets/eks.amazonaws.com/serviceaccount",
            Self::PodIdentity => "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Irsa => "token",
            Self::PodIdentity => "eks-pod-identity-token",
        }
    }

    /// The variables of the identity. The role of IRSA has the name of the pod's namespace.
    pub fn variables(self, account: &str, namespace: &str) -> [(&'static str, String); 2] {
        let token = format!("{}/{}", self.folder(), self.file());
        match self {
            Self::Irsa => [
                (
                    "AWS_ROLE_ARN",
                    format!("arn:aws:iam::{account}:role/{namespace}"),
                ),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
            ],
            Self::PodIdentity => [
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    "http://169.254.170.23/v1/credentials".to_owned(),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token),
            ],
        }
    }
}

/// The running webhook.
#[derive(Debug)]
pub struct EksWebhook {
    address: SocketAddr,
    ca_bundle: String,
    accepting: JoinHandle<()>,
}

impl EksWebhook {
    /// Starts the webhook on a free port, with a certificate of `authority`. The roles of IRSA are
    /// those of `account`.
    pub fn start(authority: &Authority, account: &'static str) -> anyhow::Result<Self> {
        let issued = authority.issue(&[MACHINE])?;
        let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let address = free_address()?;
        let listener = runtime()
            .block_on(TcpListener::bind(address))
            .context("cannot listen")?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self {
            address,
            ca_bundle: BASE64_STANDARD.encode(authority.certificate()),
            accepting: runtime().spawn(accept(listener, acceptor, account)),
        })
    }

    /// The configuration that sends the pods of labelled namespaces to the webhook. The API server
    /// calls webhooks in the order of the names of their configurations.
    pub fn configuration(
        &self,
        name: &str,
        identity: EksIdentity,
        label: (&str, Option<&str>),
        reinvocation: &str,
    ) -> Value {
        let (key, value) = label;
        let selector = match value {
            Some(value) => json!({"key": key, "operator": "In", "values": [value]}),
            None => json!({"key": key, "operator": "Exists"}),
        };
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": format!("{}.eks.test", identity.path()),
                "clientConfig": {
                    "url": format!("https://{}/{}", self.address, identity.path()),
                    "caBundle": self.ca_bundle,
                },
                "namespaceSelector": {"matchExpressions": [selector]},
                "rules": [{
                    "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
                }],
                "matchConditions": [{
                    "name": "not-mirror",
                    "expression": "!('kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}))",
                }],
                "failurePolicy": "Fail",
                "reinvocationPolicy": reinvocation,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }],
        })
    }
}

impl Drop for EksWebhook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, account: &'static str) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service =
                service_fn(async |request| Ok::<_, Infallible>(respond(request, account).await));
            // A client that closes the connection is not an error.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(request: Request<Incoming>, account: &str) -> Response<Full<Bytes>> {
    let identity = match request.uri().path() {
        "/pod-identity" => EksIdentity::PodIdentity,
        _ => EksIdentity::Irsa,
    };
    let body = request.into_body().collect().await;
    let review = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    let answer = review.map_or_else(Value::default, |review| answer(&review, identity, account));
    Response::new(Full::new(Bytes::from(answer.to_string())))
}

fn answer(review: &Value, identity: EksIdentity, account: &str) -> Value {
    let request = &review["request"];
    let namespace = request["namespace"].as_str().unwrap_or_default();
    let spec = &request["object"]["spec"];
    let mut operations = vec![volume(spec, identity)];
    for list in ["containers", "initContainers"] {
        let mut containers = list_of(&spec[list]);
        for container in &mut containers {
            change(container, identity, &identity.variables(account, namespace));
        }
        if !containers.is_empty() {
            let path = format!("/spec/{list}");
            operations.push(Some(
                json!({"op": "add", "path": path, "value": containers}),
            ));
        }
    }
    let patch = Value::from(operations.into_iter().flatten().collect::<Vec<_>>());
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": request["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": BASE64_STANDARD.encode(patch.to_string()),
        },
    })
}

/// Adds the volume at the beginning of the list, unless it is there.
fn volume(spec: &Value, identity: EksIdentity) -> Option<Value> {
    let volumes = list_of(&spec["volumes"]);
    if has(&volumes, identity.volume()) {
        return None;
    }
    let volume = json!({"name": identity.volume(), "projected": {"sources": [{"serviceAccountToken": {
        "audience": identity.audience(), "expirationSeconds": 86400, "path": identity.file()}}]}});
    Some(if volumes.is_empty() {
        json!({"op": "add", "path": "/spec/volumes", "value": [volume]})
    } else {
        json!({"op": "add", "path": "/spec/volumes/0", "value": volume})
    })
}

fn change(container: &mut Value, identity: EksIdentity, variables: &[(&str, String); 2]) {
    let mut env = list_of(&container["env"]);
    let regional = ("AWS_STS_REGIONAL_ENDPOINTS", "regional".to_owned());
    let regions = ["AWS_DEFAULT_REGION", "AWS_REGION"].map(|name| (name, REGION.to_owned()));
    for group in [&[regional][..], &regions, variables] {
        if group.iter().all(|(name, _)| !has(&env, name)) {
            let added = group.iter();
            env.extend(added.map(|(name, value)| json!({"name": name, "value": value})));
        }
    }
    container["env"] = env.into();
    let mut mounts = list_of(&container["volumeMounts"]);
    if !has(&mounts, identity.volume()) {
        let mount =
            json!({"name": identity.volume(), "readOnly": true, "mountPath": identity.folder()});
        mounts.push(mount);
    }
    container["volumeMounts"] = mounts.into();
}

fn list_of(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Whether a list has an element of that name.
fn has(list: &[Value], name: &str) -> bool {
    list.iter().any(|element| element["name"] == name)
}
