//! A client for services with the protocol AWS JSON 1.1, built on the SDK's runtime.
//!
//! It is for services of which only two or three operations are needed. The generated client of
//! Systems Manager has 348,000 lines, 2.6 times as many as that of DynamoDB, and generated clients
//! already take half of the time of a build (`docs/adr/0013`).

use std::{error::Error, fmt, time::SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::{
    body::SdkBody,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
    timeout::TimeoutConfig,
};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Call,
    classify::{classify, explain_credentials},
    error::AwsError,
};
use crate::{ErrorKind, StoreError};

/// The names of a service in its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The name in the signature and in the host name, `ssm`.
    pub(crate) name: &'static str,
    /// The prefix of the operation in `X-Amz-Target`, `AmazonSSM`.
    pub(crate) target: &'static str,
    /// The variable of the AWS SDKs for the service's URL, `AWS_ENDPOINT_URL_SSM`.
    pub(crate) endpoint_variable: &'static str,
}

/// The client of one service in one Region.
pub(crate) struct JsonClient {
    service: Service,
    region: String,
    endpoint: String,
    credentials: Option<SharedCredentialsProvider>,
    operation: Operation<HttpRequest, Vec<u8>, JsonError>,
}

impl fmt::Debug for JsonClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonClient")
            .field("service", &self.service)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl JsonClient {
    /// A client with the credentials, connections and timeouts of `config`.
    pub(super) fn new(service: Service, config: &SdkConfig, endpoint: String) -> Self {
        let mut operation = Operation::builder()
            .service_name(service.name)
            .operation_name("Call")
            .endpoint_url(&endpoint)
            .no_auth()
            .no_retry()
            .serializer(Ok)
            .deserializer(parse);
        if let Some(client) = config.http_client() {
            operation = operation.http_client(client);
        }
        if let Some(sleep) = config.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        let timeouts = config.timeout_config().cloned();
        operation = operation.timeout_config(timeouts.unwrap_or_else(TimeoutConfig::disabled));
        Self {
            service,
            region: config
                .region()
                .map_or_else(String::new, ToString::to_string),
            endpoint,
            credentials: config.credentials_provider(),
            operation: operation.build(),
        }
    }

    /// Calls `operation`.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        input: &impl Serialize,
        call: &Call<'_>,
    ) -> Result<T, StoreError> {
        let request = self.request(operation, input).await;
        let request = request.map_err(|error| error.of_call(call))?;
        let sent = self.operation.invoke(request).await;
        let answer = Zeroizing::new(sent.map_err(|error| classify(&error, call))?);
        // The parser's error is dropped, because it could contain a value.
        serde_json::from_slice(&answer).map_err(|_| {
            let message = "the answer cannot be parsed";
            let remedy = "see what stands between here and AWS";
            AwsError::new(ErrorKind::Unreachable, message, remedy).of_call(call)
        })
    }

    /// A signed request.
    async fn request(
        &self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<HttpRequest, AwsError> {
        let body = serde_json::to_vec(input).map_err(|_| unbuilt())?;
        let target = format!("{}.{operation}", self.service.target);
        let host = self.endpoint.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default();
        let headers = [
            ("host", host),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let identity = self.credentials().await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| unbuilt())?
            .into();
        let signable = SignableRequest::new(
            "POST",
            "/",
            headers.iter().copied(),
            SignableBody::Bytes(&body),
        )
        .map_err(|_| unbuilt())?;
        let (instructions, _) = sign(signable, &params).map_err(|_| unbuilt())?.into_parts();
        let mut request = http::Request::builder().method("POST").uri("/");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(SdkBody::from(body)).map_err(|_| unbuilt())?;
        instructions.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request).map_err(|_| unbuilt())
    }

    async fn credentials(&self) -> Result<Credentials, AwsError> {
        let provider = self.credentials.as_ref().ok_or_else(unbuilt)?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| explain_credentials(&error))
    }
}

fn unbuilt() -> AwsError {
    AwsError::new(
        ErrorKind::Setup,
        super::error::UNBUILT,
        "check AWS_REGION and AWS_ENDPOINT",
    )
}

/// The body of a successful response, or the code and message of an error.
fn parse(response: &HttpResponse) -> Result<Vec<u8>, OrchestratorError<JsonError>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(body.to_vec());
    }
    let told: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| told.get(key).and_then(serde_json::Value::as_str);
    let header = response.headers().get("x-amzn-errortype");
    let mut meta = ErrorMetadata::builder();
    if let Some(code) = header.or_else(|| text("__type")) {
        // The code may have a namespace before '#', and a URL after ':'.
        let code = code.rsplit('#').next().unwrap_or_default();
        meta = meta.code(code.split(':').next().unwrap_or_default());
    }
    if let Some(message) = text("message").or_else(|| text("Message")) {
        meta = meta.message(message);
    }
    Err(OrchestratorError::operation(JsonError(meta.build())))
}

/// An error response of the service.
#[derive(Debug)]
pub(super) struct JsonError(ErrorMetadata);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for JsonError {}

impl ProvideErrorMetadata for JsonError {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}
