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

/// The parameters that are read.
const PARAMETERS: [&str; 6] = [
    "objects",
    "region",
    "failoverRegion",
    "pathTranslation",
    "usePodIdentity",
    "preferredAddressType",
];

impl ClassSpec {
    /// Drops the values of parameters that are not read, so that a program that holds many classes needs less memory.
    /// Their names stay: a class without parameters is wrong in another way.
    pub fn drop_unread(&mut self) {
        for (name, value) in self.parameters.iter_mut().flatten() {
            if !PARAMETERS.contains(&name.as_str()) {
                *value = String::new();
            }
        }
    }

    /// The bytes of all its texts.
    pub fn bytes(&self) -> usize {
        let of_map = |map: &Option<BTreeMap<String, String>>| -> usize {
            let texts = map.iter().flatten();
            texts.map(|(key, value)| key.len() + value.len()).sum()
        };
        let of_text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let objects = self.secret_objects.iter().flatten().map(|object| {
            let data = object.data.iter().flatten();
            let data = data.map(|of| of_text(&of.object_name) + of_text(&of.key));
            of_text(&object.secret_name)
                + of_text(&object.secret_type)
                + of_map(&object.labels)
                + of_map(&object.annotations)
                + data.sum::<usize>()
        });
        of_text(&self.provider) + of_map(&self.parameters) + objects.sum::<usize>()
    }

    /// Whether the class is for AWS's provider. Others are left to their providers.
    pub fn is_aws(&self) -> bool {
        self.provider.as_deref() == Some(PROVIDER)
    }
}
