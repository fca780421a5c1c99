//! Whether a call is made: the token, the rate of the user, and the RoleBinding.

use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Status, metadata::MetadataMap};
use zeroize::Zeroizing;

use super::{Bindings, Cloud, Core, KeySource, Parts};
use crate::{
    proto::ClientMeta,
    server::{
        audit::Call,
        authorization::{Claims, Denied},
        operations::{Deadline, OperationError, shown},
        status,
        token::{TokenError, Unverified},
    },
};

impl<S: KeySource, B: Bindings, C: Cloud> Core<S, B, C> {
    /// The namespace of the call, if the caller may use it.
    pub(super) async fn admit(
        &self,
        token: Result<Zeroizing<String>, TokenError>,
        metadata: Option<ClientMeta>,
        deadline: &Deadline,
        call: &mut Call,
    ) -> Result<String, Status> {
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
        Ok(namespace)
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
}

/// The token of a call.
pub(super) fn token(headers: &MetadataMap) -> Result<Zeroizing<String>, TokenError> {
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

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
