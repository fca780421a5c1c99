//! Volume mounts.

use std::ops::Not;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    decode::{object::nullable, server_default::server_default},
    pod::{container::MountView, text::Text},
};

/// A mount of a whole volume.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VolumeMount<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) mount_path: Text<'a>,
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Not::not"
    )]
    read_only: bool,
    #[serde(default, skip_serializing, deserialize_with = "no_propagation")]
    mount_propagation: (),
    #[serde(default, skip_serializing, deserialize_with = "not_recursive")]
    recursive_read_only: (),
}

impl<'a> VolumeMount<'a> {
    pub(crate) fn read_only(volume: impl Into<Text<'a>>, path: impl Into<Text<'a>>) -> Self {
        Self {
            name: volume.into(),
            mount_path: path.into(),
            read_only: true,
            mount_propagation: (),
            recursive_read_only: (),
        }
    }

    pub(crate) fn writable(volume: impl Into<Text<'a>>, path: impl Into<Text<'a>>) -> Self {
        Self {
            read_only: false,
            ..Self::read_only(volume, path)
        }
    }

    /// Whether `existing` mounts the whole volume in the same way.
    pub(crate) fn matches(&self, existing: &MountView<'_>) -> bool {
        existing.name == self.name
            && existing.mount_path == self.mount_path
            && existing.read_only == self.read_only
            && !existing.has_sub_path()
    }
}

fn no_propagation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &Text::from("None"))
}

fn not_recursive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &Text::from("Disabled"))
}
