//! A reference to a field of the pod, in a variable or a downward API volume.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{decode::server_default::server_default, pod::text::Text};

/// `fieldRef`
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FieldRef<'a> {
    #[serde(borrow)]
    field_path: Text<'a>,
    #[serde(default, skip_serializing, deserialize_with = "v1")]
    api_version: (),
}

impl<'a> FieldRef<'a> {
    pub(crate) fn new(path: &'a str) -> Self {
        Self {
            field_path: path.into(),
            api_version: (),
        }
    }
}

fn v1<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &Text::from("v1"))
}
