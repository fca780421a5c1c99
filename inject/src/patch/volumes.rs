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

/// A volume of kees: one of them is there.
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
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    projected: Option<Projected<'a>>,
}

impl Volume<'static> {
    /// A volume with a token of the pod's ServiceAccount.
    pub(crate) fn token(name: &'static str, audience: &'static str, file: &'static str) -> Self {
        let service_account_token = ServiceAccountToken {
            audience: audience.into(),
            expiration_seconds: TOKEN_SECONDS,
            path: file.into(),
        };
        Self {
            name: name.into(),
            downward_api: None,
            empty_dir: None,
            projected: Some(Projected {
                sources: vec![ProjectedToken {
                    service_account_token,
                }],
                default_mode: (),
            }),
        }
    }

    /// A volume in memory.
    pub(crate) fn memory(name: impl Into<Text<'static>>, size: &Quantity) -> Self {
        Self {
            name: name.into(),
            downward_api: None,
            empty_dir: Some(EmptyDir {
                medium: Some("Memory".into()),
                size_limit: Some(size.clone()),
            }),
            projected: None,
        }
    }
}

/// How long a token is valid. The init container needs it for seconds.
const TOKEN_SECONDS: u32 = 3600;

/// The volume with the annotations.
pub(crate) fn podinfo() -> Volume<'static> {
    let annotations = DownwardApiFile {
        path: "annotations".into(),
        field_ref: FieldRef::new("metadata.annotations"),
    };
    Volume {
        name: names::PODINFO.into(),
        downward_api: Some(DownwardApi {
            items: vec![annotations],
            default_mode: (),
        }),
        empty_dir: None,
        projected: None,
    }
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

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Projected<'a> {
    #[serde(borrow, default, deserialize_with = "objects")]
    sources: Vec<ProjectedToken<'a>>,
    #[serde(default, skip_serializing, deserialize_with = "mode_0644")]
    default_mode: (),
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProjectedToken<'a> {
    #[serde(borrow)]
    service_account_token: ServiceAccountToken<'a>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceAccountToken<'a> {
    #[serde(borrow)]
    audience: Text<'a>,
    expiration_seconds: u32,
    #[serde(borrow)]
    path: Text<'a>,
}

fn mode_0644<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &0o644)
}
