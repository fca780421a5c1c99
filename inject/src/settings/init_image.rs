//! The image of the init container, as other webhooks may change it: pinned by digest, or replaced by
//! a mirror.

use std::{fmt, str::FromStr};

/// A repository of images, without tag and digest, such as `mirror.example.com/kees-init`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRepository(String);

impl ImageRepository {
    /// The repository as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageRepository {
    type Err = ParseImageRepositoryError;

    fn from_str(text: &str) -> Result<Self, ParseImageRepositoryError> {
        let image = Image::new(text);
        let is_plain = image.tag.is_none() && image.digest.is_none();
        let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"./-_:".contains(&b);
        if is_plain && !text.is_empty() && text.bytes().all(is_valid) {
            Ok(Self(text.to_owned()))
        } else {
            let text = text.escape_debug().to_string();
            Err(ParseImageRepositoryError(text))
        }
    }
}

impl fmt::Display for ImageRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is not a repository of images.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a repository of images; name one without tag and digest, such as \
     mirror.example.com/kees-init"
)]
pub struct ParseImageRepositoryError(String);

/// Whether `other` is the operator's image `own`: its repository and tag pinned by digest, or its tag
/// or digest in one of the mirrors. A digest of the operator stays as it is.
pub(crate) fn is_same_image(own: &str, mirrors: &[ImageRepository], other: &str) -> bool {
    let (own, other) = (Image::new(own), Image::new(other));
    let is_mirror = mirrors.iter().any(|mirror| mirror.0 == other.repository);
    let has_tag = other.tag == own.tag;
    let is_right_version = match (own.digest, other.digest) {
        (Some(own), other) => other == Some(own),
        (None, Some(digest)) => is_digest(digest),
        (None, None) => is_mirror && has_tag,
    };
    (other.repository == own.repository || is_mirror)
        && is_right_version
        && (has_tag || other.tag.is_none())
}

/// An image reference: `REPOSITORY[:TAG][@DIGEST]`.
struct Image<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    fn new(reference: &'a str) -> Self {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        // A colon before the last slash is that of a port.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        Self {
            repository,
            tag,
            digest,
        }
    }
}

fn is_digest(text: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.strip_prefix("sha256:")
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(is_hex))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "sha256:aaaa456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[rstest]
    #[case::pinned("r.io/kees-init:1", "r.io/kees-init@D", true)]
    #[case::pinned_with_its_tag("r.io/kees-init:1", "r.io/kees-init:1@D", true)]
    #[case::pinned_with_another_tag("r.io/kees-init:1", "r.io/kees-init:0@D", false)]
    #[case::another_tag("r.io/kees-init:1", "r.io/kees-init:0", false)]
    #[case::without_tag("r.io/kees-init:1", "r.io/kees-init", false)]
    #[case::another_repository("r.io/kees-init:1", "evil.io/kees-init@D", false)]
    #[case::a_longer_repository("r.io/kees-init:1", "r.io/kees-init/evil@D", false)]
    #[case::not_a_digest("r.io/kees-init:1", "r.io/kees-init@sha256:1", false)]
    #[case::a_port("r.io:5000/kees-init", "r.io:5000/kees-init@D", true)]
    #[case::the_operators_digest("r.io/kees-init:1@D", "r.io/kees-init@D", true)]
    #[case::another_digest("r.io/kees-init:1@D", "r.io/kees-init@E", false)]
    #[case::a_tag_for_a_digest("r.io/kees-init:1@D", "r.io/kees-init:1", false)]
    #[case::a_mirror("r.io/kees-init:1", "mirror:5000/kees:1", true)]
    #[case::a_mirror_with_a_digest("r.io/kees-init:1", "mirror:5000/kees@D", true)]
    #[case::a_mirror_with_another_tag("r.io/kees-init:1", "mirror:5000/kees:2", false)]
    #[case::a_mirror_of_a_digest("r.io/kees-init@D", "mirror:5000/kees@D", true)]
    #[case::a_mirror_of_another_digest("r.io/kees-init@D", "mirror:5000/kees@E", false)]
    fn an_image_is_the_operators_if_repository_and_version_are(
        #[case] own: &str,
        #[case] other: &str,
        #[case] expected: bool,
    ) {
        let of = |text: &str| text.replace("@D", &format!("@{DIGEST}"));
        let (own, other) = (of(own), of(other).replace("@E", &format!("@{OTHER}")));
        let mirrors = ["mirror:5000/kees".parse().unwrap()];
        assert_eq!(is_same_image(&own, &mirrors, &other), expected);
    }

    #[rstest]
    #[case("mirror.example.com/kees-init", true)]
    #[case("mirror:5000/kees-init", true)]
    #[case("mirror/kees-init:1", false)]
    #[case("mirror/kees-init@sha256:1", false)]
    #[case("", false)]
    #[case("a b", false)]
    fn a_repository_has_neither_tag_nor_digest(#[case] text: &str, #[case] is_valid: bool) {
        assert_eq!(text.parse::<ImageRepository>().is_ok(), is_valid);
    }
}
