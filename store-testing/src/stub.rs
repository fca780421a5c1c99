//! AWS at HTTP level: answers that AWS documents, and that the servers which stand in for AWS in
//! other tests do not give.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig};
use serde_json::Value;

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GetSecretValue`: the operation in `X-Amz-Target`; empty for STS.
    pub operation: String,
    /// The URL.
    pub url: String,
    /// The body: JSON, or, for STS, the text of a form.
    pub body: Value,
}

/// A response.
#[derive(Debug)]
pub enum Answer {
    /// A status and a body, JSON or not.
    Http(u16, String),
    /// The connection fails instead.
    NoResponse(ConnectorError),
}

impl Answer {
    /// Success.
    pub fn ok(body: &Value) -> Self {
        Self::Http(200, body.to_string())
    }

    /// An error in the JSON protocol of DynamoDB and Secrets Manager.
    pub fn error_response(status: u16, code: &str, message: &str) -> Self {
        Self::Http(
            status,
            serde_json::json!({"__type": code, "message": message}).to_string(),
        )
    }
}

type Answers = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// A service whose responses a test decides. It records every request.
#[derive(Clone)]
pub struct Stub {
    answers: Answers,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl std::fmt::Debug for Stub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stub")
    }
}

impl Stub {
    /// A service that responds to each request with what `answers` returns.
    pub fn new(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            answers: Arc::new(answers),
            asked: Arc::default(),
        }
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The operations so far, in order.
    pub fn operations(&self) -> Vec<String> {
        self.asked()
            .into_iter()
            .map(|asked| asked.operation)
            .collect()
    }

    /// A configuration of the SDK whose calls end here.
    pub fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("AKIDEXAMPLE", "example", None, None, "stub");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let asked = Asked {
            url: request.uri().to_owned(),
            operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(body)
                .unwrap_or_else(|_| String::from_utf8_lossy(body).into()),
        };
        let answer = (self.answers)(&asked);
        self.asked.lock().unwrap().push(asked);
        HttpConnectorFuture::ready(match answer {
            Answer::Http(status, body) => Ok(HttpResponse::new(
                StatusCode::try_from(status).unwrap(),
                SdkBody::from(body),
            )),
            Answer::NoResponse(error) => Err(error),
        })
    }
}
