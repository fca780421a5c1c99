//! The calls: token, then RoleBinding, then names, then the operation; one audit line for each.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::TaskTracker;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};
use zeroize::Zeroizing;

use super::{
    audit::{AuditLog, Call},
    authorization::{Claims, Denied, Rules},
    bindings::Bindings,
    client_address::{FORWARDED, Network, client_address},
    cloud::Cloud,
    metrics::Metrics,
    names::SecretId,
    operations::{Deadline, OperationError, Operations, shown},
    rate::UserRate,
    status,
    token::{ClaimRules, KeyCache, KeySource, TokenError, Unverified},
};
use crate::proto::{
    BindSecretRequest, BindSecretResponse, ClientMeta, CreateSecretIamPolicyRequest,
    CreateSecretIamPolicyResponse, CreateSecretRequest, CreateSecretResponse,
    DeleteSecretIamPolicyRequest, DeleteSecretIamPolicyResponse, DeleteSecretRequest,
    DeleteSecretResponse, ListSecretsRequest, ListSecretsResponse, PingRequest, PingResponse,
    UnbindSecretRequest, UnbindSecretResponse, UpdateSecretRequest, UpdateSecretResponse,
    kiss_server::Kiss,
};

/// The address of the connection's other end, which the listener adds to a request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What the calls need.
pub struct Parts<S, B, C> {
    /// The provider's keys.
    pub keys: Arc<KeyCache<S>>,
    /// What a token must say.
    pub claims: ClaimRules,
    /// Who may use which namespace.
    pub rules: Rules,
    /// The RoleBindings.
    pub bindings: Arc<B>,
    /// What is done.
    pub operations: Operations<C>,
    /// How many calls a user may make.
    pub rate: UserRate,
    /// Proxies whose header is believed.
    pub proxies: Vec<Network>,
    /// The longest time of a call.
    pub longest: Duration,
    /// The most calls at the same time.
    pub concurrency: usize,
    /// The audit log.
    pub audit: AuditLog,
    /// The counters.
    pub metrics: Metrics,
}

/// The service. Its calls go on if their callers go away, so that nothing stays half done.
pub struct Service<S, B, C> {
    core: Arc<Core<S, B, C>>,
    calls: TaskTracker,
}

struct Core<S, B, C> {
    parts: Parts<S, B, C>,
    places: Semaphore,
}

/// A call as it arrives.
struct Arrived {
    token: Result<Zeroizing<String>, TokenError>,
    metadata: Option<ClientMeta>,
    deadline: Deadline,
    begun: Instant,
    call: Call,
}

impl<S: KeySource, B: Bindings, C: Cloud> Service<S, B, C> {
    /// A service of these parts.
    pub fn new(parts: Parts<S, B, C>) -> Self {
        let places = Semaphore::new(parts.concurrency);
        Self {
            core: Arc::new(Core { parts, places }),
            calls: TaskTracker::new(),
        }
    }

    /// The calls that are open, for the end of the server.
    pub fn calls(&self) -> TaskTracker {
        self.calls.clone()
    }

    /// Makes a call: `operation` gets the namespace when the caller may use it.
    async fn run<T, F>(
        &self,
        arrived: Arrived,
        operation: impl FnOnce(Arc<Core<S, B, C>>, String, Deadline) -> F + Send + 'static,
    ) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OperationError>> + Send,
    {
        let core = Arc::clone(&self.core);
        let task = self.calls.spawn(async move {
            let Arrived {
                token,
                metadata,
                deadline,
                begun,
                mut call,
            } = arrived;
            let result = match core.admit(token, metadata, deadline, &mut call).await {
                Ok((namespace, _place)) => operation(Arc::clone(&core), namespace, deadline)
                    .await
                    .map_err(|error| status::of_operation(&error)),
                Err(status) => Err(status),
            };
            core.finish(&call, &result, begun.elapsed());
            result.map(Response::new)
        });
        // The task fails only if it panics.
        task.await
            .unwrap_or_else(|_| Err(Status::internal("the call ended by a defect of the server")))
    }

    /// Reads what all calls have in common.
    fn arrived<T>(
        &self,
        method: &'static str,
        request: &Request<T>,
        metadata: Option<ClientMeta>,
    ) -> Arrived {
        let parts = &self.core.parts;
        let headers = request.metadata();
        let forwarded: Vec<_> = headers
            .get_all(FORWARDED)
            .iter()
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
        let call = Call {
            method,
            client: client_address(peer, forwarded.into_iter(), &parts.proxies),
            namespace: metadata.as_ref().map(|metadata| metadata.namespace.clone()),
            ..Call::default()
        };
        let time = timeout(headers).unwrap_or(parts.longest);
        Arrived {
            token: token(headers),
            metadata,
            deadline: Deadline::after(time.min(parts.longest)),
            begun: Instant::now(),
            call,
        }
    }
}

impl<S: KeySource, B: Bindings, C: Cloud> Core<S, B, C> {
    /// The namespace of the call, if the caller may use it, and the call's place.
    async fn admit(
        &self,
        token: Result<Zeroizing<String>, TokenError>,
        metadata: Option<ClientMeta>,
        deadline: Deadline,
        call: &mut Call,
    ) -> Result<(String, tokio::sync::SemaphorePermit<'_>), Status> {
        let place = self.places.try_acquire().map_err(|_| {
            Status::resource_exhausted("the server has too many calls just now: try again")
        })?;
        let late = |error: OperationError| status::of_operation(&error);
        let claims = deadline.limit(self.authenticate(token)).await;
        let claims = claims
            .map_err(late)?
            .map_err(|error| status::of_token(&error))?;
        call.user = Some(claims.user.clone());
        if !self.parts.rate.allows(&claims.user) {
            return Err(Status::resource_exhausted(format!(
                "user '{}' makes too many calls: wait a second",
                shown(&claims.user)
            )));
        }
        let metadata = metadata.ok_or_else(|| {
            Status::invalid_argument("the request has no metadata with a namespace")
        })?;
        let namespace = metadata.namespace;
        let decision = deadline.limit(self.authorize(&claims, &namespace)).await;
        decision.map_err(late)??;
        call.is_authorized = true;
        Ok((namespace, place))
    }

    async fn authenticate(
        &self,
        token: Result<Zeroizing<String>, TokenError>,
    ) -> Result<Claims, TokenError> {
        let token = token?;
        let unverified = Unverified::parse(&token)?;
        let keys = self.parts.keys.keys(unverified.key_id()).await?;
        unverified.verify(&keys, &self.parts.claims, now())
    }

    async fn authorize(&self, claims: &Claims, namespace: &str) -> Result<(), Status> {
        let Parts {
            rules, bindings, ..
        } = &self.parts;
        let name = rules.binding_name(namespace);
        let binding = if rules.is_admin(claims) {
            None
        } else {
            bindings.find(namespace, &name).await.map_err(|error| {
                let error = kees_common::error_chain::describe(&error);
                tracing::warn!(error, "a RoleBinding cannot be read");
                Status::unavailable(
                    "server failed to verify namespace claims: the Kubernetes API does not answer",
                )
            })?
        };
        match rules.decide(claims, namespace, binding.as_ref()) {
            Ok(_) => Ok(()),
            Err(Denied::NoBinding) => Err(Status::permission_denied(format!(
                "server failed to verify namespace claims: the namespace '{}' has no RoleBinding '{}'",
                shown(namespace),
                shown(&name),
            ))),
            Err(Denied::NoSubject) => Err(Status::permission_denied(format!(
                "user '{}' is not authorized for namespace '{}': no group of the user is a subject of the \
                 RoleBinding '{}'",
                shown(&claims.user),
                shown(namespace),
                shown(&name),
            ))),
        }
    }

    fn finish<T>(&self, call: &Call, result: &Result<T, Status>, took: Duration) {
        let (code, message) = match result {
            Ok(_) => (Code::Ok, None),
            Err(status) => (status.code(), Some(status.message())),
        };
        self.parts.audit.log(call, code, message, took);
        self.parts.metrics.called(call.method, code, took);
    }
}

/// The token of a call.
fn token(headers: &MetadataMap) -> Result<Zeroizing<String>, TokenError> {
    let mut tokens = headers.get_all("authorization").iter();
    let token = tokens.next().ok_or(TokenError::Absent)?;
    if tokens.next().is_some() {
        return Err(TokenError::Metadata);
    }
    let token = token.to_str().map_err(|_| TokenError::Metadata)?;
    if token.is_empty() {
        return Err(TokenError::Absent);
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// The time that the caller gives the call (gRPC over HTTP/2, `grpc-timeout`).
fn timeout(headers: &MetadataMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// The secret `name` of `namespace`.
fn id(namespace: &str, name: &str) -> Result<SecretId, OperationError> {
    SecretId::new(namespace, name).map_err(|source| OperationError::Name {
        input: format!("{}/{}", shown(namespace), shown(name)),
        source,
    })
}

#[tonic::async_trait]
impl<S: KeySource, B: Bindings, C: Cloud> Kiss for Service<S, B, C> {
    async fn ping(
        &self,
        mut request: Request<PingRequest>,
    ) -> Result<Response<PingResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let arrived = self.arrived("Ping", &request, metadata);
        self.run(arrived, |_, _, _| async { Ok(PingResponse {}) })
            .await
    }

    async fn list_secrets(
        &self,
        mut request: Request<ListSecretsRequest>,
    ) -> Result<Response<ListSecretsResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let arrived = self.arrived("ListSecrets", &request, metadata);
        self.run(arrived, |core, namespace, deadline| async move {
            let secrets = core.parts.operations.list(&namespace, deadline).await?;
            Ok(ListSecretsResponse { secrets })
        })
        .await
    }

    async fn create_secret(
        &self,
        mut request: Request<CreateSecretRequest>,
    ) -> Result<Response<CreateSecretResponse>, Status> {
        let value = Zeroizing::new(std::mem::take(&mut request.get_mut().value));
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("CreateSecret", &request, metadata);
        let CreateSecretRequest { name, .. } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts.operations.create(&id, value, deadline).await?;
            Ok(CreateSecretResponse {})
        })
        .await
    }

    async fn update_secret(
        &self,
        mut request: Request<UpdateSecretRequest>,
    ) -> Result<Response<UpdateSecretResponse>, Status> {
        let value = Zeroizing::new(std::mem::take(&mut request.get_mut().value));
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("UpdateSecret", &request, metadata);
        let UpdateSecretRequest { name, .. } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts.operations.update(&id, value, deadline).await?;
            Ok(UpdateSecretResponse {})
        })
        .await
    }

    async fn delete_secret(
        &self,
        mut request: Request<DeleteSecretRequest>,
    ) -> Result<Response<DeleteSecretResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("DeleteSecret", &request, metadata);
        let DeleteSecretRequest { name, .. } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts.operations.delete(&id, deadline).await?;
            Ok(DeleteSecretResponse {})
        })
        .await
    }

    async fn create_secret_iam_policy(
        &self,
        mut request: Request<CreateSecretIamPolicyRequest>,
    ) -> Result<Response<CreateSecretIamPolicyResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("CreateSecretIAMPolicy", &request, metadata);
        let CreateSecretIamPolicyRequest { name, .. } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts.operations.create_policy(&id, deadline).await?;
            Ok(CreateSecretIamPolicyResponse {})
        })
        .await
    }

    async fn delete_secret_iam_policy(
        &self,
        mut request: Request<DeleteSecretIamPolicyRequest>,
    ) -> Result<Response<DeleteSecretIamPolicyResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("DeleteSecretIAMPolicy", &request, metadata);
        let DeleteSecretIamPolicyRequest { name, .. } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts.operations.delete_policy(&id, deadline).await?;
            Ok(DeleteSecretIamPolicyResponse {})
        })
        .await
    }

    async fn bind_secret(
        &self,
        mut request: Request<BindSecretRequest>,
    ) -> Result<Response<BindSecretResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("BindSecret", &request, metadata);
        let BindSecretRequest {
            name,
            service_account_name: account,
            ..
        } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        arrived.call.service_account = Some(account.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts.operations.bind(&id, &account, deadline).await?;
            Ok(BindSecretResponse {})
        })
        .await
    }

    async fn unbind_secret(
        &self,
        mut request: Request<UnbindSecretRequest>,
    ) -> Result<Response<UnbindSecretResponse>, Status> {
        let metadata = request.get_mut().metadata.take();
        let mut arrived = self.arrived("UnbindSecret", &request, metadata);
        let UnbindSecretRequest {
            name,
            service_account_name: account,
            ..
        } = request.into_inner();
        arrived.call.secret = Some(name.clone());
        arrived.call.service_account = Some(account.clone());
        self.run(arrived, |core, namespace, deadline| async move {
            let id = id(&namespace, &name)?;
            core.parts
                .operations
                .unbind(&id, &account, deadline)
                .await?;
            Ok(UnbindSecretResponse {})
        })
        .await
    }
}

#[cfg(test)]
pub(crate) mod tests;
