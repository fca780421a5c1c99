//! The calls of the API server for single Secrets.
//!
//! The client would log a response that it cannot decode, so the responses are decoded here.

use std::time::Duration;

use kube::Client;
use serde_json::Value;
use tokio::time::timeout;

use super::stored::Stored;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A call that failed. No message has a part of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    #[error(
        "RBAC denies it: {0}; give the controller the permissions of docs/kubernetes-secrets.md"
    )]
    Denied(String),
    #[error("the API server does not accept it: {0}")]
    Refused(String),
    #[error("the API server: {0}")]
    Other(String),
    #[error("the API server gave no response in {} s", TIMEOUT.as_secs())]
    NoResponse,
}

impl ApiError {
    /// Whether the API server itself is the reason, so that nobody who looks at a pod can do anything.
    pub(super) fn is_of_server(&self) -> bool {
        matches!(self, Self::Other(_) | Self::NoResponse)
    }
}

/// Whether a Secret was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// It was, and has this version.
    Done(String),
    /// Somebody else changed, created or removed it since it was read.
    Conflict,
}

/// The Secrets of the cluster.
#[derive(Clone)]
pub(super) struct Secrets(pub(super) Client);

impl Secrets {
    /// The Secret, or `None` if it does not exist.
    pub(super) async fn get(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Stored>, ApiError> {
        let request = http::Request::get(path(namespace, name)).body(Vec::new());
        match self.call(request).await {
            Ok(object) => Ok(Some(Stored(object))),
            Err(Failed::Status(status)) if status.is_not_found() => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Creates a Secret that did not exist.
    pub(super) async fn create(&self, namespace: &str, new: &Stored) -> Result<Written, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/secrets?fieldManager=kees-controller");
        let request = http::Request::post(path);
        let created = self.call(with_body(request, new)).await;
        written(created)
    }

    /// Replaces a Secret, if it still has the version that was read.
    pub(super) async fn replace(
        &self,
        namespace: &str,
        name: &str,
        next: &Stored,
    ) -> Result<Written, ApiError> {
        let path = format!("{}?fieldManager=kees-controller", path(namespace, name));
        let request = http::Request::put(path);
        let replaced = self.call(with_body(request, next)).await;
        written(replaced)
    }

    async fn call(
        &self,
        request: Result<http::Request<Vec<u8>>, http::Error>,
    ) -> Result<Value, Failed> {
        let request = request.map_err(|_| Failed::Invalid)?;
        let response = timeout(TIMEOUT, self.0.request_text(request)).await;
        let text = match response {
            Ok(Ok(text)) => text,
            Ok(Err(kube::Error::Api(status))) => return Err(Failed::Status(status)),
            Ok(Err(error)) => return Err(Failed::Other(error.to_string())),
            Err(_) => return Err(Failed::NoResponse),
        };
        // The error of the parser is dropped, because it may have a part of the response.
        serde_json::from_str(&text).map_err(|_| Failed::Invalid)
    }
}

enum Failed {
    Status(Box<kube::core::Status>),
    Other(String),
    Invalid,
    NoResponse,
}

impl From<Failed> for ApiError {
    fn from(failed: Failed) -> Self {
        match failed {
            // A quota and a namespace that ends are 403 too.
            Failed::Status(status)
                if status.is_forbidden() && status.message.contains("cannot") =>
            {
                Self::Denied(status.message.clone())
            }
            Failed::Status(status) if (400..500).contains(&status.code) && status.code != 429 => {
                Self::Refused(status.message.clone())
            }
            Failed::Status(status) => Self::Other(status.message.clone()),
            Failed::Other(error) => Self::Other(error),
            Failed::Invalid => Self::Other("the response is not a Secret".to_owned()),
            Failed::NoResponse => Self::NoResponse,
        }
    }
}

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

fn with_body(
    request: http::request::Builder,
    secret: &Stored,
) -> Result<http::Request<Vec<u8>>, http::Error> {
    let body = secret.0.to_string().into_bytes();
    request
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
}

fn written(result: Result<Value, Failed>) -> Result<Written, ApiError> {
    match result {
        Ok(object) => {
            let version = Stored(object).version().unwrap_or_default().to_owned();
            Ok(Written::Done(version))
        }
        Err(Failed::Status(status))
            if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
        {
            Ok(Written::Conflict)
        }
        Err(failed) => Err(failed.into()),
    }
}
