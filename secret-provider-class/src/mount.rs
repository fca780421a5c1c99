//! What a volume of a class asks for: reads, and files. It can be written as JSON, for the program that does it.

use std::fmt;

use serde::{Deserialize, Serialize};

use kees_common::Service;

/// Everything that one volume asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// The Region that is asked first. `None` if it was not known when the class was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The Region that is asked if the first one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_region: Option<String>,
    /// As whom AWS is asked.
    pub identity: Identity,
    /// The objects, in the order of the class.
    pub objects: Vec<Object>,
}

/// As whom AWS is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// IAM roles for service accounts: the role that the pod's service account names.
    ServiceAccountRole,
    /// EKS Pod Identity, with the addresses at which its agent is looked for.
    PodIdentity(AddressType),
}

/// `preferredAddressType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressType {
    /// IPv4 first, then IPv6.
    Auto,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

impl AddressType {
    /// Whatever is not known is `auto`, as in the provider.
    pub fn read(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            _ => Self::Auto,
        }
    }
}

/// One secret or parameter, and the files that it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// The service that has it.
    pub service: Service,
    /// What is read in the first Region.
    #[serde(flatten)]
    pub selector: Selector,
    /// What is read in the failover Region, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Selector>,
    /// The file for the whole value.
    pub file: File,
    /// The files for parts of the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extracts: Vec<Extract>,
}

/// A name with the version that is meant. Without one it is the current version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// The name or ARN.
    pub name: String,
    /// The version's id, or its number for a parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A file of the volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The path within the volume.
    pub path: String,
    /// Its permissions.
    pub mode: Mode,
}

/// A part of a value, which must be JSON, in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// The JMESPath expression. Its result must be text.
    pub expression: String,
    /// The file for the result.
    pub file: File,
}

/// The permissions of a file: any four octal digits, as the provider accepts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u16);

impl Mode {
    /// The mode of a file whose object names none.
    pub const DEFAULT: Self = Self(0o644);

    /// Four octal digits.
    pub fn read(text: &str) -> Option<Self> {
        let is_octal = text.len() == 4 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        let bits = u16::from_str_radix(text, 8).ok().filter(|_| is_octal);
        bits.map(Self)
    }

    /// The permission bits.
    pub fn bits(self) -> u32 {
        self.0.into()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

impl TryFrom<String> for Mode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("a mode is four octal digits")
    }
}

impl Mount {
    /// All files, in the order of the class.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.objects.iter().flat_map(Object::files)
    }
}

impl Object {
    /// Its files, that of the whole value first.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        let extracts = self.extracts.iter().map(|extract| &extract.file);
        std::iter::once(&self.file).chain(extracts)
    }

    /// What is read in the failover Region.
    pub fn failover_selector(&self) -> &Selector {
        self.failover.as_ref().unwrap_or(&self.selector)
    }
}
