//! A SecretProviderClass as the API server has it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The group of the API, in front of `/v1` and `/v1alpha1`.
pub const API_GROUP: &str = "secrets-store.csi.x-k8s.io";
/// The kind.
pub const KIND: &str = "SecretProviderClass";
/// The CSI driver whose volumes name a class.
pub const DRIVER: &str = "secrets-store.csi.k8s.io";
/// The attribute of a volume that names the class.
pub const CLASS_ATTRIBUTE: &str = "secretProviderClass";
/// The provider whose classes are read.
const PROVIDER: &str = "aws";

/// The `spec` of a SecretProviderClass. Fields that are not read are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassSpec {
    /// The provider.
    pub provider: Option<String>,
    /// Its parameters.
    pub parameters: Option<BTreeMap<String, String>>,
    /// The Kubernetes Secrets that are made from the files.
    pub secret_objects: Option<Vec<SecretObjectSpec>>,
}

/// An item of `secretObjects`, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretObjectSpec {
    /// The name of the Secret.
    pub secret_name: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub secret_type: Option<String>,
    /// Its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its annotations.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Its keys.
    pub data: Option<Vec<SecretDataSpec>>,
}

/// A key of a Secret, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretDataSpec {
    /// The file that the value is taken from.
    pub object_name: Option<String>,
    /// The key in the Secret.
    pub key: Option<String>,
}

impl ClassSpec {
    /// Whether the class is for AWS's provider. Others are left to their providers.
    pub fn is_aws(&self) -> bool {
        self.provider.as_deref() == Some(PROVIDER)
    }
}
