//! The nine calls: what each does when the caller may use the namespace.

use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::{Bindings, Cloud, KeySource, Service};
use crate::proto::{
    BindSecretRequest, BindSecretResponse, CreateSecretIamPolicyRequest,
    CreateSecretIamPolicyResponse, CreateSecretRequest, CreateSecretResponse,
    DeleteSecretIamPolicyRequest, DeleteSecretIamPolicyResponse, DeleteSecretRequest,
    DeleteSecretResponse, ListSecretsRequest, ListSecretsResponse, PingRequest, PingResponse,
    UnbindSecretRequest, UnbindSecretResponse, UpdateSecretRequest, UpdateSecretResponse,
    kiss_server::Kiss,
};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<S: KeySource, B: Bindings, C: Cloud> Kiss for Service<S, B, C> {
    async fn ping(&self, request: Request<PingRequest>) -> Answer<PingResponse> {
        self.run(request, |_| async { Ok(PingResponse {}) }).await
    }

    async fn list_secrets(
        &self,
        request: Request<ListSecretsRequest>,
    ) -> Answer<ListSecretsResponse> {
        self.run(request, |call| async move {
            let operations = call.operations();
            let secrets = operations.list(&call.namespace, call.deadline.clone());
            let secrets = secrets.await?;
            Ok(ListSecretsResponse { secrets })
        })
        .await
    }

    async fn create_secret(
        &self,
        mut request: Request<CreateSecretRequest>,
    ) -> Answer<CreateSecretResponse> {
        let value = Zeroizing::new(std::mem::take(&mut request.get_mut().value));
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations()
                .create(&id, value, call.deadline.clone())
                .await?;
            Ok(CreateSecretResponse {})
        })
        .await
    }

    async fn update_secret(
        &self,
        mut request: Request<UpdateSecretRequest>,
    ) -> Answer<UpdateSecretResponse> {
        let value = Zeroizing::new(std::mem::take(&mut request.get_mut().value));
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations()
                .update(&id, value, call.deadline.clone())
                .await?;
            Ok(UpdateSecretResponse {})
        })
        .await
    }

    async fn delete_secret(
        &self,
        request: Request<DeleteSecretRequest>,
    ) -> Answer<DeleteSecretResponse> {
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations().delete(&id, call.deadline.clone()).await?;
            Ok(DeleteSecretResponse {})
        })
        .await
    }

    async fn create_secret_iam_policy(
        &self,
        request: Request<CreateSecretIamPolicyRequest>,
    ) -> Answer<CreateSecretIamPolicyResponse> {
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations()
                .create_policy(&id, call.deadline.clone())
                .await?;
            Ok(CreateSecretIamPolicyResponse {})
        })
        .await
    }

    async fn delete_secret_iam_policy(
        &self,
        request: Request<DeleteSecretIamPolicyRequest>,
    ) -> Answer<DeleteSecretIamPolicyResponse> {
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations()
                .delete_policy(&id, call.deadline.clone())
                .await?;
            Ok(DeleteSecretIamPolicyResponse {})
        })
        .await
    }

    async fn bind_secret(&self, request: Request<BindSecretRequest>) -> Answer<BindSecretResponse> {
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations()
                .bind(&id, &call.account, call.deadline.clone())
                .await?;
            Ok(BindSecretResponse {})
        })
        .await
    }

    async fn unbind_secret(
        &self,
        request: Request<UnbindSecretRequest>,
    ) -> Answer<UnbindSecretResponse> {
        self.run(request, |call| async move {
            let id = call.id()?;
            call.operations()
                .unbind(&id, &call.account, call.deadline.clone())
                .await?;
            Ok(UnbindSecretResponse {})
        })
        .await
    }
}
