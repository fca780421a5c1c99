//! Paths of mounts, compared as the container runtime resolves them.

use std::borrow::Cow;

/// How one path lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is the other or lies in it.
    Within,
    /// The other lies in it.
    Around,
    /// Neither.
    Apart,
}

impl Relation {
    /// How `path` lies to `other`, segment by segment.
    pub(crate) fn new(path: &str, other: &str) -> Self {
        let (path, other) = (resolved(path), resolved(other));
        let (mut path, mut other) = (segments(path.as_bytes()), segments(other.as_bytes()));
        loop {
            match (path.next(), other.next()) {
                (_, None) => return Self::Within,
                (None, _) => return Self::Around,
                (one, other) if one == other => {}
                _ => return Self::Apart,
            }
        }
    }
}

/// Whether `path` is `folder` or lies in it.
pub(crate) fn is_at_or_below(path: &str, folder: &str) -> bool {
    Relation::new(path, folder) == Relation::Within
}

/// Whether one of them is the other or lies in it, so that a mount at one could hide the other.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    Relation::new(one, other) != Relation::Apart
}

/// How many segments there are from the root.
pub(crate) fn depth(path: &str) -> usize {
    segments(resolved(path).as_bytes()).count()
}

/// Whether a segment is `..`.
pub(crate) fn goes_up(path: &str) -> bool {
    let mut pairs = path.as_bytes().windows(2);
    pairs.any(|pair| pair == b"..") && path.split('/').any(|segment| segment == "..")
}

/// The segments of a path that has no `..`. One that is relative begins at the root as well,
/// which is where the kubelet mounts it.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|segment| !matches!(*segment, b"" | b"."))
}

/// A path without `..`, each of which takes away the segment before it. Links are not followed.
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
    fn a_path_lies_in_a_folder_segment_by_segment(
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
    fn two_mounts_overlap_where_one_lies_in_the_other(
        #[case] one: &str,
        #[case] other: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(overlap(one, other), expected);
    }
}
