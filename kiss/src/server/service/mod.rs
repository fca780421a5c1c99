//! The calls: token, then RoleBinding, then names, then the operation; one audit line for each.

mod admit;
mod calls;
mod open;
mod target;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, service::Routes};

use self::{open::OpenCall, target::Target};
use super::{
    audit::{AuditLog, Call},
    authorization::Rules,
    bindings::Bindings,
    client_address::Network,
    cloud::Cloud,
    frame::{Arrival, Frame, FrameSettings, Place},
    metrics::Metrics,
    names::SecretId,
    operations::{Deadline, OperationError, Operations, shown},
    rate::UserRate,
    status,
    token::{ClaimRules, KeyCache, KeySource},
};
use crate::proto::kiss_server::KissServer;

/// The most bytes of a message: the largest value, and names.
const LARGEST_MESSAGE: usize = 128 << 10;

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
    places: Arc<Semaphore>,
}

/// A call whose caller may use the namespace.
struct Admitted<S, B, C> {
    core: Arc<Core<S, B, C>>,
    namespace: String,
    /// Empty if the request has none.
    secret: String,
    /// Empty if the request has none.
    account: String,
    deadline: Deadline,
}

impl<S: KeySource, B: Bindings, C: Cloud> Service<S, B, C> {
    /// A service of these parts.
    pub fn new(parts: Parts<S, B, C>) -> Self {
        let places = Arc::new(Semaphore::new(parts.concurrency));
        Self {
            core: Arc::new(Core { parts, places }),
            calls: TaskTracker::new(),
        }
    }

    /// The calls that are open, for the end of the server.
    pub fn calls(&self) -> TaskTracker {
        self.calls.clone()
    }

    /// The service as `tonic` serves it, with its limit for messages. It must be within [`Service::frame`].
    pub fn into_server(self) -> KissServer<Self> {
        KissServer::new(self).max_decoding_message_size(LARGEST_MESSAGE)
    }

    /// The frame of this service around `routes`, which takes calls with up to `largest_metadata` bytes of metadata.
    pub fn frame(
        &self,
        largest_metadata: u32,
    ) -> impl FnOnce(Routes) -> Frame<Routes> + use<S, B, C> {
        let parts = &self.core.parts;
        let settings = FrameSettings {
            proxies: parts.proxies.clone(),
            longest: parts.longest,
            largest_metadata: largest_metadata.try_into().unwrap_or(usize::MAX),
            places: Arc::clone(&self.core.places),
            audit: parts.audit.clone(),
            metrics: parts.metrics.clone(),
        };
        |routes| Frame::new(routes.prepare(), settings)
    }

    /// Makes a call: `operation` is done if the caller may use the namespace.
    async fn run<Q, T, F>(
        &self,
        mut request: Request<Q>,
        operation: impl FnOnce(Admitted<S, B, C>) -> F + Send + 'static,
    ) -> Result<Response<T>, Status>
    where
        Target: From<Q>,
        T: Send + 'static,
        F: Future<Output = Result<T, OperationError>> + Send,
    {
        let extensions = request.extensions_mut();
        let framed = extensions.remove::<Arrival>().zip(extensions.remove());
        let (arrival, place): (Arrival, Place) =
            framed.ok_or_else(|| Status::internal("the call has no frame"))?;
        let token = admit::token(request.metadata());
        let Target {
            method,
            metadata,
            secret,
            account,
        } = request.into_inner().into();
        let call = Call {
            method: method.into(),
            client: arrival.client,
            namespace: metadata.as_ref().map(|metadata| metadata.namespace.clone()),
            secret: secret.clone(),
            service_account: account.clone(),
            ..Call::default()
        };
        arrival.take();
        let Arrival {
            begun, deadline, ..
        } = arrival.clone();
        let core = Arc::clone(&self.core);
        let log = (core.parts.audit.clone(), core.parts.metrics.clone());
        let mut open = OpenCall::new(log, call, begun, deadline.clone());
        let task = self.calls.spawn(async move {
            let _place = place;
            let admitted = core.admit(token, metadata, &deadline, open.call());
            let result = match admitted.await {
                Ok(namespace) => {
                    let admitted = Admitted {
                        core: Arc::clone(&core),
                        namespace,
                        secret: secret.unwrap_or_default(),
                        account: account.unwrap_or_default(),
                        deadline,
                    };
                    let done = operation(admitted).await;
                    done.map_err(|error| status::of_operation(&error))
                }
                Err(status) => Err(status),
            };
            open.finish(&result);
            result.map(Response::new)
        });
        // The task fails only if it panics.
        task.await.unwrap_or_else(|_| {
            arrival.give_back();
            Err(Status::internal("the call ended by a defect of the server"))
        })
    }
}

impl<S, B, C> Admitted<S, B, C> {
    fn operations(&self) -> &Operations<C> {
        &self.core.parts.operations
    }

    /// The secret of the request.
    fn id(&self) -> Result<SecretId, OperationError> {
        SecretId::new(&self.namespace, &self.secret).map_err(|source| OperationError::Name {
            input: format!("{}/{}", shown(&self.namespace), shown(&self.secret)),
            source,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
