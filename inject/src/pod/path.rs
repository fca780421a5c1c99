//! Comparison of mount paths, as the container runtime resolves them.

use std::borrow::Cow;

/// The relation of one path to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// The path is equal to the other or below it.
    AtOrBelow,
    /// The path is above the other.
    Above,
    /// Neither is below the other.
    Separate,
}

impl Relation {
    /// The relation of `path` to `other`, compared by segments.
    pub(crate) fn new(path: &str, other: &str) -> Self {
        let (path, other) = (resolved(path), resolved(other));
        let (mut path, mut other) = (segments(path.as_bytes()), segments(other.as_bytes()));
        loop {
            match (path.next(), other.next()) {
                (_, None) => return Self::AtOrBelow,
                (None, _) => return Self::Above,
                (one, other) if one == other => {}
                _ => return Self::Separate,
            }
        }
    }
}

/// Whether `path` is equal to `folder` or below it.
pub(crate) fn is_at_or_below(path: &str, folder: &str) -> bool {
    Relation::new(path, folder) == Relation::AtOrBelow
}

/// Whether the paths are equal or one is below the other, so that a mount at one can hide the other.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    Relation::new(one, other) != Relation::Separate
}

/// The number of segments.
pub(crate) fn depth(path: &str) -> usize {
    segments(resolved(path).as_bytes()).count()
}

/// Whether a segment of the path is `..`.
pub(crate) fn goes_up(path: &str) -> bool {
    let mut pairs = path.as_bytes().windows(2);
    pairs.any(|pair| pair == b"..") && path.split('/').any(|segment| segment == "..")
}

/// The segments of a path without `..`. The kubelet mounts a relative path below the root, so both
/// kinds have the same segments.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|segment| !matches!(*segment, b"" | b"."))
}

/// The path with every `..` resolved. Symbolic links are not followed.
fn resolved(path: &str) -> Cow<'_, str> {
    if !goes_up(path) {
        return Cow::Borrowed(path);
    }
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    Cow::Owned(kept.join("/"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/data", "/data", true)]
    #[case("/data/", "/data", true)]
    #[case("/data", "/data/", true)]
    #[case("/data/x", "/data", true)]
    #[case("/./data//x", "/data", true)]
    #[case("data/x", "/data", true)]
    #[case("/x/../data", "/data", true)]
    #[case("/../data", "/data", true)]
    #[case("/data/x", "/data/y/..", true)]
    #[case("/data", "/", true)]
    #[case("/data/..", "/data", false)]
    #[case("/database", "/data", false)]
    #[case("/data..", "/data", false)]
    #[case("/", "/data", false)]
    fn a_path_is_compared_with_a_folder_by_segments(
        #[case] path: &str,
        #[case] folder: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_at_or_below(path, folder), expected);
    }

    #[rstest]
    #[case("/a", "/a/b", true)]
    #[case("/a/b", "/a", true)]
    #[case("/a", "/a/../a/", true)]
    #[case("/a/b", "/a/c", false)]
    fn two_paths_overlap_if_one_is_at_or_below_the_other(
        #[case] one: &str,
        #[case] other: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(overlap(one, other), expected);
    }
}
