//! The fields of an `AdmissionReview` request that are read.

use serde::Deserialize;

use crate::{
    decode::{object::optional, scalar::boolean},
    pod::text::Text,
};

/// An `AdmissionReview` whose object has the type `O`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
pub(super) struct Review<'a, O> {
    #[serde(borrow, default)]
    pub(super) api_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow, default = "Option::default", deserialize_with = "optional")]
    pub(super) request: Option<Request<'a, O>>,
}

/// The request of a review.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
pub(super) struct Request<'a, O> {
    #[serde(borrow, default)]
    pub(super) uid: Text<'a>,
    #[serde(borrow, default, deserialize_with = "optional")]
    resource: Option<Resource<'a>>,
    #[serde(borrow, default)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow, default)]
    operation: Text<'a>,
    #[serde(borrow, default)]
    pub(super) namespace: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "optional")]
    user_info: Option<UserInfo<'a>>,
    #[serde(default, deserialize_with = "boolean")]
    pub(super) dry_run: bool,
    #[serde(default = "Option::default")]
    pub(super) object: Option<O>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UserInfo<'a> {
    #[serde(borrow)]
    username: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names of Kubernetes")]
struct Resource<'a> {
    #[serde(borrow)]
    group: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    resource: Text<'a>,
}

impl<'a, O> Request<'a, O> {
    /// The user who sends the request.
    pub(super) fn user(&self) -> Option<&Text<'a>> {
        self.user_info.as_ref().map(|user| &user.username)
    }

    /// Whether the request creates a pod.
    pub(super) fn is_pod_creation(&self) -> bool {
        let is_pods = self.resource.as_ref().is_some_and(|resource| {
            (&*resource.group, &*resource.version, &*resource.resource) == ("", "v1", "pods")
        });
        let has_sub_resource = self.sub_resource.as_deref().is_some_and(|s| !s.is_empty());
        is_pods && !has_sub_resource && &*self.operation == "CREATE"
    }
}
