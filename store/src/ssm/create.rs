//! Creates parameters: one `PutParameter` for each generation, which fails if the name exists.

use kees_common::SecretValue;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a> {
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
            value: &text,
            r#type: "SecureString",
            overwrite: false,
            key_id: self.kms_key.as_deref(),
            tags: tags(new),
        };
        let call = self.call(PUT, path);
        match self
            .client
            .call::<Put>("PutParameter", &request, &call)
            .await
        {
            Ok(Put {}) => Ok(Creation::Created),
            Err(error) if error.code.as_deref() == Some("ParameterAlreadyExists") => {
                Ok(self.who_created(new, &text).await)
            }
            Err(error) => Err(explain(error, new)),
        }
    }

    /// Finds out who created the existing parameter. If it has the value of this write, this write
    /// created it, and the response was lost: random values are not equal by chance. If this read
    /// fails, the protocol reads the parameter again and reports the error.
    async fn who_created(&self, new: &NewGeneration<'_>, text: &Zeroizing<String>) -> Creation {
        match self.stored_text(&new.generation.path).await {
            Ok(Some(stored)) if stored == *text => Creation::Created,
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

fn explain(mut error: StoreError, new: &NewGeneration<'_>) -> StoreError {
    error.message = without_values(error.message, new);
    if let ErrorKind::Denied { action, resource } = &error.kind
        && action == PUT
    {
        error.remedy =
            format!("allow {PUT} and {TAG} on {resource} in the policy of the role in use");
    }
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
