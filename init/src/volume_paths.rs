//! The paths at which volumes of classes are mounted.

use std::path::Path;

use kees_common::names::env;
use kees_secret_provider_class::ClassVolume;

use crate::error::InitError;

/// Errors of the paths at which volumes are mounted.
pub(crate) fn check(volumes: &[ClassVolume]) -> Vec<InitError> {
    let error = |(index, volume): (usize, &ClassVolume)| {
        let path = Path::new(&volume.path);
        let is_whole = path.is_absolute() && path.file_name().is_some();
        let mut others = volumes.iter().take(index);
        let same = others.find(|other| {
            let other = Path::new(&other.path);
            path.starts_with(other) || other.starts_with(path)
        });
        let (name, path) = (&volume.name, &volume.path);
        let error = match same {
            _ if !is_whole => format!("has the path '{path}' for the volume {name}; name a folder"),
            Some(other) => format!(
                "has the path {path} for the volume {name} and {} for {}; mount them side by side",
                other.path, other.name
            ),
            None => return None,
        };
        let variable = env::CLASS_VOLUMES;
        Some(InitError::Setting { variable, error })
    };
    volumes.iter().enumerate().filter_map(error).collect()
}
