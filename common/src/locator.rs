//! Where one value is stored.

use crate::{field::Field, path::StoragePath, secret_type::SecretType, store_name::StoreName};

/// Where one value is, for every kind of store. A store with members ([`StoreName::has_members`])
/// uses `member` where there is one, and `path` otherwise; every other store uses `path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locator {
    /// The value's own path: a key of kees's table, the name of a whole secret, or an ARN.
    pub path: StoragePath,
    /// The secret that holds a whole generation, and the member with this value.
    pub member: Option<Member>,
    /// `property=`
    pub property: Option<String>,
    /// `versionStage=`
    pub version_stage: Option<String>,
    /// `versionId=`
    pub version_id: Option<String>,
    /// Whether the generation before the current one is read (`previous=`). It is in the answer only if
    /// the current value is asked for in the same call, and has replaced it.
    pub is_previous: bool,
}

impl Locator {
    /// The name or ARN of the stored value that holds this one, in a store with members.
    pub fn secret_id(&self) -> &StoragePath {
        self.member
            .as_ref()
            .map_or(&self.path, |member| &member.secret)
    }

    /// What `store` calls the stored value that holds this one.
    pub fn name_in(&self, store: StoreName) -> &StoragePath {
        if store.has_members() {
            self.secret_id()
        } else {
            &self.path
        }
    }

    /// Whether the current version is read.
    pub fn is_current(&self) -> bool {
        self.version_stage.is_none() && self.version_id.is_none() && !self.is_previous
    }

    /// The same value in the generation before the current one.
    #[must_use]
    pub fn previous(&self) -> Self {
        Self {
            is_previous: true,
            ..self.clone()
        }
    }

    /// The key of a store in which each value has a name of its own.
    pub fn key(&self) -> StoragePath {
        if self.is_previous {
            self.path.previous()
        } else {
            self.path.clone()
        }
    }
}

/// One member of the JSON object that a store with members holds for a generation with several
/// fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// The name or ARN of the secret.
    pub secret: StoragePath,
    /// The member. [`Field::Whole`] is no member: the whole text, which is base64 of the value in a
    /// store that holds text only.
    pub field: Field,
    /// The type of the generation.
    pub secret_type: SecretType,
}

impl Member {
    /// Whether the member's text is base64 of the value (an RSA key's DER, an api-key's bytes). If
    /// not, the text is the value itself (GPG's armor and passphrase).
    pub fn is_base64(&self) -> bool {
        !self.secret_type.is_text()
    }
}
