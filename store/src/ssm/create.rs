//! Creates parameters: one `PutParameter` for each generation, which fails if the name exists.

use kees_common::{SecretValue, StoragePath};
use serde::{Deserialize, Serialize};

use super::{PARAMETER, Ssm};
use crate::{
    Creation, ErrorKind, NewGeneration, StoreError,
    members::{Payload, invalid, without_values},
};

/// The most bytes of a standard parameter (Systems Manager User Guide, "Managing parameter
/// tiers"). An advanced parameter has up to 8 KB, but costs money, so kees does not create one.
const LARGEST: usize = 4096;

const PUT: &str = "ssm:PutParameter";
/// The permission that is needed in addition to [`PUT`], because the parameter gets tags.
const TAG: &str = "ssm:AddTagsToResource";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutParameter<'a> {
    name: &'a str,
    value: &'a str,
    r#type: &'static str,
    overwrite: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag<'a> {
    key: &'static str,
    value: &'a str,
}

/// The response has nothing that is needed.
#[derive(Deserialize)]
struct Put {}

impl Ssm {
    pub(super) async fn create_parameter(
        &self,
        new: &NewGeneration<'_>,
    ) -> Result<Creation, StoreError> {
        let path = &new.generation.path;
        let text = match Payload::new(new, PARAMETER)? {
            Payload::Text(text) => text,
            Payload::Binary(bytes) => SecretValue::from(bytes).to_base64(),
        };
        let put = self.put_parameter(path, &text, false, tags(new)).await;
        put.map_err(|error| explain(error, new))
    }

    /// Stores `text`. A parameter that exists is replaced if `overwrite` says so; a request that
    /// replaces can have no tags.
    pub(super) async fn put_parameter(
        &self,
        path: &StoragePath,
        text: &str,
        overwrite: bool,
        tags: Vec<Tag<'_>>,
    ) -> Result<Creation, StoreError> {
        if text.len() > LARGEST {
            let size = text.len();
            let message =
                format!("the value has {size} bytes, and a standard parameter holds {LARGEST}");
            let remedy = "ask for a smaller size, use a store without this limit, or create an \
                          advanced parameter (8 KB) with this value yourself";
            return Err(invalid(path, PARAMETER, message, remedy));
        }
        let request = PutParameter {
            name: path.as_str(),
            value: text,
            r#type: "SecureString",
            overwrite,
            key_id: self.kms_key.as_deref(),
            tags,
        };
        let call = self.call(PUT, path);
        match self
            .client
            .call::<Put>("PutParameter", &request, &call)
            .await
        {
            Ok(Put {}) => Ok(Creation::Created),
            Err(error) if error.code.as_deref() == Some("ParameterAlreadyExists") => {
                Ok(self.who_created(path, text).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Finds out who created the existing parameter. If it has the value of this write, this write
    /// created it, and the response was lost: random values are not equal by chance. If this read
    /// fails, the protocol reads the parameter again and reports the error.
    async fn who_created(&self, path: &StoragePath, text: &str) -> Creation {
        match self.stored_text(path).await {
            Ok(Some(stored)) if *stored == text => Creation::Created,
            _ => Creation::Exists,
        }
    }
}

fn tags<'a>(new: &NewGeneration<'a>) -> Vec<Tag<'a>> {
    let secret_type = new.generation.spec.secret_type().as_str();
    let mut tags = vec![Tag {
        key: "kees/managed-by",
        value: "kees",
    }];
    tags.extend(new.namespace.map(|value| Tag {
        key: "kees/namespace",
        value,
    }));
    tags.push(Tag {
        key: "kees/type",
        value: secret_type,
    });
    tags
}

/// The error of a parameter with tags.
fn explain(error: StoreError, new: &NewGeneration<'_>) -> StoreError {
    let values = new.values.iter().map(|(_, value)| value);
    let mut error = explain_put(error, values);
    if let ErrorKind::Denied { action, resource } = &error.kind
        && action == PUT
    {
        error.remedy =
            format!("allow {PUT} and {TAG} on {resource} in the policy of the role in use");
    }
    error
}

pub(super) fn explain_put<'a>(
    mut error: StoreError,
    values: impl IntoIterator<Item = &'a SecretValue>,
) -> StoreError {
    error.message = without_values(error.message, values);
    match error.code.as_deref() {
        Some("InvalidKeyId") => StoreError {
            kind: ErrorKind::Setup,
            remedy:
                "check that the KMS key exists and is enabled, and that the role in use may use it"
                    .to_owned(),
            ..error
        },
        Some("TooManyUpdates") => StoreError {
            kind: ErrorKind::Throttled,
            ..error
        },
        Some("ParameterLimitExceeded" | "HierarchyLevelLimitExceededException") => StoreError {
            kind: ErrorKind::Setup,
            ..error
        },
        _ => error,
    }
}
