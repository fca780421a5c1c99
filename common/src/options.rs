//! The pod's `init.DOMAIN/*` annotations.

use std::{fmt, str::FromStr};

use crate::{
    StoragePrefix, StoreName, annotation::Collector, fault::AnnotationErrorKind, names::init,
};

/// What a pod says about itself beside its entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// `inject: "false"`: the webhook leaves the pod alone.
    pub opted_out: bool,
    /// `storage-prefix`
    pub storage_prefix: Option<StoragePrefix>,
    /// `local-mode`
    pub local_mode: LocalMode,
    /// `mount-path`
    pub mount_path: Option<MountPath>,
    /// `containers`
    pub containers: Option<ContainerNames>,
    /// `order`
    pub order: Order,
    /// `file-mode`
    pub file_mode: Option<FileMode>,
    /// `store`
    pub store: Option<StoreName>,
    /// `format`
    pub format: Option<crate::output::Format>,
}

impl Options {
    /// Takes in one `init.DOMAIN/NAME` annotation.
    pub(crate) fn read(&mut self, name: &str, value: &str, collect: &mut Collector<'_>) {
        let whole = value;
        let value = value.trim();
        match name {
            // To the letter, as the API server's match conditions compare it.
            init::INJECT => self.opted_out = whole == "false",
            init::STORAGE_PREFIX => match value.parse() {
                Ok(prefix) => self.storage_prefix = Some(prefix),
                Err(problem) => collect.fault(AnnotationErrorKind::path(value, problem)),
            },
            init::LOCAL_MODE => self.local_mode = LocalMode::from_annotation(value),
            init::MOUNT_PATH => self.mount_path = collect.parsed(init::MOUNT_PATH, value),
            init::CONTAINERS => self.containers = collect.parsed(init::CONTAINERS, value),
            init::ORDER => self.order = collect.parsed(init::ORDER, value).unwrap_or_default(),
            init::FILE_MODE => self.file_mode = collect.parsed(init::FILE_MODE, value),
            init::STORE => match value.parse() {
                Ok(store) => self.store = Some(store),
                Err(unknown) => collect.fault(AnnotationErrorKind::ParseStoreNameError(unknown)),
            },
            init::FORMAT => self.format = collect.parsed(init::FORMAT, value),
            init::INJECTED => {}
            _ => collect.warn("unknown, ignored".to_owned()),
        }
    }
}

/// `local-mode`: whether values come from a store or from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalMode {
    /// Values come from the store.
    #[default]
    Off,
    /// `true`: no store at all.
    On,
    /// `remote-then-local`: the local value where the store says that there is none.
    RemoteThenLocal,
}

impl LocalMode {
    /// Anything but the two words means the store, as in the original.
    fn from_annotation(value: &str) -> Self {
        match value {
            "true" => Self::On,
            "remote-then-local" => Self::RemoteThenLocal,
            _ => Self::Off,
        }
    }
}

/// An absolute folder inside a container, without `.`, `..` or empty segments, and not `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MountPath(String);

impl MountPath {
    /// `/bsycorp-init`, where the original has it.
    pub const DEFAULT: &str = "/bsycorp-init";

    /// The path, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> String {
        [&self.0, "/", name].concat()
    }
}

impl Default for MountPath {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for MountPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let right = || {
            "use an absolute path such as /bsycorp-init, without '.', '..', ':' or empty segments"
                .to_owned()
        };
        let path = text.strip_suffix('/').unwrap_or(text);
        // The path stands in every container of the pod, and nothing has looked at it yet.
        if path.len() > 512 {
            return Err("use a path of 512 bytes at most".to_owned());
        }
        let sound = path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|s| !matches!(s, "" | "." | ".."))
                && !rest.contains(|c: char| c.is_control() || c == ':')
        });
        if sound {
            Ok(Self(path.to_owned()))
        } else {
            Err(right())
        }
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names of containers, by comma; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerNames(Vec<String>);

impl ContainerNames {
    /// The names in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|n| n == name)
    }
}

impl FromStr for ContainerNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().all(|name| is_label(name)) {
            Ok(Self(names))
        } else {
            Err("use the names of containers of this pod, separated by commas".to_owned())
        }
    }
}

/// `order`: the place of our init container among the pod's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// Before all others.
    #[default]
    First,
    /// After all others.
    Last,
    /// Right before the init container of that name.
    Before(String),
    /// Right after the init container of that name.
    After(String),
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |make: fn(String) -> Self, name: &str| {
            let name = name.trim();
            is_label(name).then(|| make(name.to_owned()))
        };
        match text.split_once('=') {
            None if text == "first" => Some(Self::First),
            None if text == "last" => Some(Self::Last),
            Some((word, name)) if word.trim() == "before" => named(Self::Before, name),
            Some((word, name)) if word.trim() == "after" => named(Self::After, name),
            _ => None,
        }
        .ok_or_else(|| {
            "use first, last, before=NAME or after=NAME with the name of an init container"
                .to_owned()
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Last => f.write_str("last"),
            Self::Before(name) => write!(f, "before={name}"),
            Self::After(name) => write!(f, "after={name}"),
        }
    }
}

/// The mode of the files: four octal digits, readable by somebody, executable and writable by
/// nobody but, for writing, the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

impl FileMode {
    /// Readable by the owner alone.
    pub const OWNER: Self = Self(0o400);
    /// Readable by owner and group.
    pub const GROUP: Self = Self(0o440);
    /// Readable by all: the default of a pod that was wired by hand.
    pub const ALL: Self = Self(0o444);

    /// The permission bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let right = || {
            "use four octal digits such as 0400, 0440 or 0444: readable by the owner, writable by no one else, executable by no one".to_owned()
        };
        if text.len() != 4 || !text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            return Err(right());
        }
        let bits = u32::from_str_radix(text, 8).map_err(|_| right())?;
        if bits & 0o7133 != 0 || bits & 0o400 == 0 {
            return Err(right());
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A name that Kubernetes takes for a container (RFC 1123 label).
fn is_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0400", Some(0o400))]
    #[case("0640", Some(0o640))]
    #[case("0644", Some(0o644))]
    #[case("0666", None)]
    #[case("0755", None)]
    #[case("4400", None)]
    #[case("400", None)]
    #[case("0040", None)]
    #[case("0008", None)]
    fn a_file_mode_is_four_octal_digits_that_open_nothing(
        #[case] text: &str,
        #[case] bits: Option<u32>,
    ) {
        assert_eq!(text.parse::<FileMode>().ok().map(FileMode::bits), bits);
    }

    #[rstest]
    #[case("/bsycorp-init", Some("/bsycorp-init"))]
    #[case("/a/b/", Some("/a/b"))]
    #[case("/", None)]
    #[case("a", None)]
    #[case("/a/../b", None)]
    #[case("/a//b", None)]
    #[case("/a:b", None)]
    #[case(&format!("/{}", "a".repeat(512)), None)]
    fn a_mount_path_is_absolute_and_plain(#[case] text: &str, #[case] path: Option<&str>) {
        assert_eq!(
            text.parse::<MountPath>()
                .ok()
                .as_ref()
                .map(MountPath::as_str),
            path
        );
    }

    #[rstest]
    #[case("first")]
    #[case("last")]
    #[case("before=istio-init")]
    #[case("after=istio-init")]
    fn an_order_prints_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<Order>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("First")]
    #[case("before=")]
    #[case("after=A B")]
    #[case("")]
    fn an_order_that_says_nothing_is_refused(#[case] text: &str) {
        assert!(text.parse::<Order>().is_err());
    }
}
