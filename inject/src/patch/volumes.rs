//! The volumes that are added to a pod.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    decode::{
        object::{objects, optional},
        server_default::server_default,
    },
    names,
    patch::field_ref::FieldRef,
    pod::{quantity::Quantity, text::Text},
};

/// A volume of kees.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Volume<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(
        rename = "downwardAPI",
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    downward_api: Option<DownwardApi<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    empty_dir: Option<EmptyDir<'a>>,
}

/// The volumes in the order of [`names::VOLUMES`]. `size` is the size limit of the files.
pub(crate) fn volumes(size: &Quantity) -> [Volume<'static>; 2] {
    let annotations = DownwardApiFile {
        path: "annotations".into(),
        field_ref: FieldRef::new("metadata.annotations"),
    };
    let podinfo = Volume {
        name: names::PODINFO.into(),
        downward_api: Some(DownwardApi {
            items: vec![annotations],
            default_mode: (),
        }),
        empty_dir: None,
    };
    let secrets = Volume {
        name: names::SECRETS.into(),
        downward_api: None,
        empty_dir: Some(EmptyDir {
            medium: Some("Memory".into()),
            size_limit: Some(size.clone()),
        }),
    };
    [podinfo, secrets]
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DownwardApi<'a> {
    #[serde(borrow, default, deserialize_with = "objects")]
    items: Vec<DownwardApiFile<'a>>,
    #[serde(default, skip_serializing, deserialize_with = "mode_0644")]
    default_mode: (),
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DownwardApiFile<'a> {
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(borrow)]
    field_ref: FieldRef<'a>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct EmptyDir<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    medium: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_limit: Option<Quantity>,
}

fn mode_0644<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &0o644)
}
