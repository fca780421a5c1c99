//! The CSI volume of a pod that names a class.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::class::{CLASS_ATTRIBUTE, DRIVER};

/// The `csi` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiVolume {
    /// The driver of the volume.
    pub driver: Option<String>,
    /// Whether it is read-only.
    pub read_only: Option<bool>,
    /// The name of the class, and parameters that replace those of the class.
    pub volume_attributes: Option<BTreeMap<String, String>>,
}

/// Why the driver mounts nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// `readOnly` is not true.
    #[error("the volume must be read-only; set readOnly: true")]
    NotReadOnly,
    /// No class.
    #[error("the volume names no class; set secretProviderClass in its volumeAttributes")]
    NoClass,
}

impl VolumeError {
    /// The field of `csi` that it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::NotReadOnly => "readOnly",
            Self::NoClass => "volumeAttributes",
        }
    }
}

impl CsiVolume {
    /// A volume with these attributes that had no errors when another volume took its place.
    pub fn replaced(attributes: BTreeMap<String, String>) -> Self {
        Self {
            driver: Some(DRIVER.to_owned()),
            read_only: Some(true),
            volume_attributes: Some(attributes),
        }
    }

    /// Whether it is a volume of the Secrets Store CSI driver.
    pub fn is_of_driver(&self) -> bool {
        self.driver.as_deref() == Some(DRIVER)
    }

    /// The name of its class, in the namespace of the pod.
    pub fn class(&self) -> Option<&str> {
        let class = self.volume_attributes.as_ref()?.get(CLASS_ATTRIBUTE)?;
        Some(class.as_str()).filter(|class| self.is_of_driver() && !class.is_empty())
    }

    /// What is wrong with a volume of the driver.
    pub fn errors(&self) -> Vec<VolumeError> {
        let is_writable = self.read_only != Some(true);
        let not_read_only = is_writable.then_some(VolumeError::NotReadOnly);
        let no_class = self.class().is_none().then_some(VolumeError::NoClass);
        not_read_only.into_iter().chain(no_class).collect()
    }
}
