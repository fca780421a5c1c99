//! The fields of a generation.

use std::fmt;

/// One value of a generation: the keys of a key pair, a GPG key's passphrase, the two names of an
/// `api-key`, or the one value of a PASSWORD or RANDOM secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The only value of its generation. What looks like a field is part of the name.
    Whole,
    /// `_public` of a key pair.
    Public,
    /// `_private` of a key pair.
    Private,
    /// `_password` of GPG: the passphrase of the private key.
    Password,
    /// `_consumer` of a RANDOM whose name begins with `api-key`.
    Consumer,
    /// `_provider` of a RANDOM whose name begins with `api-key`.
    Provider,
}

impl Field {
    /// The word after the underscore; empty for [`Field::Whole`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Public => "public",
            Self::Private => "private",
            Self::Password => "password",
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
