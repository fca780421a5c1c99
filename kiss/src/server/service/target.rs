//! What a request names: a namespace, a secret, a ServiceAccount.

use crate::proto::{
    BindSecretRequest, ClientMeta, CreateSecretIamPolicyRequest, CreateSecretRequest,
    DeleteSecretIamPolicyRequest, DeleteSecretRequest, ListSecretsRequest, PingRequest,
    UnbindSecretRequest, UpdateSecretRequest,
};

/// What a request names, whatever its type is. A value is not part of it.
#[derive(Debug)]
pub(super) struct Target {
    /// The name of the call, `CreateSecret`.
    pub(super) method: &'static str,
    /// The message with the namespace.
    pub(super) metadata: Option<ClientMeta>,
    /// The name of the secret.
    pub(super) secret: Option<String>,
    /// The name of the ServiceAccount.
    pub(super) account: Option<String>,
}

macro_rules! targets {
    ($($request:ty: $method:literal $(, $secret:ident $(, $account:ident)?)?;)*) => {$(
        impl From<$request> for Target {
            fn from(request: $request) -> Self {
                Self {
                    method: $method,
                    metadata: request.metadata,
                    secret: targets!(@optional $(request.$secret)?),
                    account: targets!(@optional $($(request.$account)?)?),
                }
            }
        }
    )*};
    (@optional) => { None };
    (@optional $value:expr) => { Some($value) };
}

targets! {
    PingRequest: "Ping";
    ListSecretsRequest: "ListSecrets";
    CreateSecretRequest: "CreateSecret", name;
    UpdateSecretRequest: "UpdateSecret", name;
    DeleteSecretRequest: "DeleteSecret", name;
    CreateSecretIamPolicyRequest: "CreateSecretIAMPolicy", name;
    DeleteSecretIamPolicyRequest: "DeleteSecretIAMPolicy", name;
    BindSecretRequest: "BindSecret", name, service_account_name;
    UnbindSecretRequest: "UnbindSecret", name, service_account_name;
}
