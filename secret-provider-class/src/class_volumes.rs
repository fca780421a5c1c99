//! The volumes that an init container fills, as the text of its variable `CLASS_VOLUMES`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::mount::Mount;

/// A volume of a pod, and what a class asks for in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassVolume {
    /// The name of the pod's volume.
    pub name: String,
    /// The name of the SecretProviderClass, for messages.
    pub class: String,
    /// Where the init container mounts the volume: an absolute path.
    pub path: String,
    /// What is read, and the files.
    #[serde(flatten)]
    pub mount: Mount,
}

/// The volumes of a pod. As text it is JSON without the sign `$`, which Kubernetes would expand in a variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassVolumes(pub Vec<ClassVolume>);

impl ClassVolumes {
    /// The longest text in bytes. Linux allows 128 KiB for a variable with its name (`MAX_ARG_STRLEN` in execve(2)).
    pub const MAX_BYTES: usize = 127 * 1024;
}

impl fmt::Display for ClassVolumes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text.replace('$', "\\u0024"))
    }
}

/// The text is not that of the webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the volumes that the webhook writes: {0}")]
pub struct ParseClassVolumesError(String);

impl FromStr for ClassVolumes {
    type Err = ParseClassVolumesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let volumes = serde_json::from_str(text);
        volumes
            .map(Self)
            .map_err(|error| ParseClassVolumesError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_has_no_reference_to_a_variable_and_is_read_again() {
        let volumes = json!([{
            "name": "secrets", "class": "db", "path": "/kees-volumes/secrets",
            "region": "eu-west-1", "identity": "serviceAccountRole",
            "objects": [{"service": "secretsmanager", "name": "$(HOME)$$",
                         "file": {"path": "$(HOME)$$", "mode": "0400"}}],
        }]);
        let volumes = ClassVolumes(serde_json::from_value(volumes).unwrap());
        let text = volumes.to_string();
        assert!(!text.contains('$'));
        assert_eq!(text.parse(), Ok(volumes));
    }
}
