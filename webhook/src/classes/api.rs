//! The objects in the Kubernetes API, and what is taken from them.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ServiceAccount;
use kees_inject::ROLE_ANNOTATION;
use kees_secret_provider_class::{API_GROUP, ClassSpec, KIND};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ObjectMeta, PartialObjectMeta},
    core::GroupVersionKind,
};

use super::cache::{Class, Key, Role};

/// The version of the API. `v1alpha1` is deprecated, and the driver converts it.
const VERSION: &str = "v1";

/// The metadata of a ServiceAccount. Nothing else of it is read.
type Account = PartialObjectMeta<ServiceAccount>;

/// Reads classes and the metadata of ServiceAccounts.
#[derive(Clone)]
pub(super) struct ClusterApi {
    client: Client,
    class: ApiResource,
}

impl ClusterApi {
    pub(super) fn new(client: Client) -> Self {
        let kind = GroupVersionKind::gvk(API_GROUP, VERSION, KIND);
        Self {
            client,
            class: ApiResource::from_gvk_with_plural(&kind, "secretproviderclasses"),
        }
    }

    /// The classes of all namespaces.
    pub(super) fn classes(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &self.class)
    }

    /// The ServiceAccounts of all namespaces.
    pub(super) fn service_accounts(&self) -> Api<Account> {
        Api::all(self.client.clone())
    }

    /// Reads one class; `None` if it does not exist.
    pub(super) async fn class(&self, (namespace, name): &Key) -> kube::Result<Option<Class>> {
        if !is_name(name) {
            return Ok(None);
        }
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &self.class);
        Ok(api.get_opt(name).await?.map(class))
    }

    /// Reads the role of one ServiceAccount; `None` if it does not exist.
    pub(super) async fn role(&self, (namespace, name): &Key) -> kube::Result<Option<Role>> {
        if !is_name(name) {
            return Ok(None);
        }
        let api: Api<Account> = Api::namespaced(self.client.clone(), namespace);
        let account = api.get_opt(name).await?;
        Ok(account.as_ref().map(role))
    }
}

/// Whether an object can have this name (DNS subdomain, RFC 1123). kube puts a name into the path as it is, and a pod
/// author can write anything: `../..` is another path, and `?watch=true` another request.
fn is_name(name: &str) -> bool {
    let is_end = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_char = |b: &u8| is_end(b) || matches!(b, b'-' | b'.');
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(is_char)
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
}

/// The most bytes of a class. What is made of it for the init container has 127 KiB at most, so a longer one is useless.
const MAX_CLASS: usize = 512 << 10;

/// What is held of a class.
pub(super) fn class(object: DynamicObject) -> Class {
    let mut data = object.data;
    let spec = data.get_mut("spec").map(serde_json::Value::take);
    let spec: ClassSpec = serde_json::from_value(spec.unwrap_or_default())
        .map_err(|error| format!("its spec cannot be read: {error}"))?;
    let spec = if spec.is_aws() {
        let mut spec = spec;
        spec.drop_unread();
        let bytes = spec.bytes();
        if bytes > MAX_CLASS {
            return Err(format!(
                "its spec has {bytes} bytes, and the webhook reads {MAX_CLASS} at most; make several classes of it"
            ));
        }
        spec
    } else {
        ClassSpec {
            provider: spec.provider,
            ..ClassSpec::default()
        }
    };
    Ok(Arc::new(spec))
}

/// What is held of a ServiceAccount.
pub(super) fn role(account: &Account) -> Role {
    let annotations = account.metadata.annotations.as_ref()?;
    let role = annotations.get(ROLE_ANNOTATION)?;
    (!role.is_empty()).then(|| Arc::from(role.as_str()))
}

/// The namespace and the name of an object.
pub(super) fn key(metadata: &ObjectMeta) -> Key {
    let namespace = metadata.namespace.clone().unwrap_or_default();
    (namespace, metadata.name.clone().unwrap_or_default())
}
