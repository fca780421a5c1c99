//! Recognizes words that are probably a misspelled known word.

use strsim::osa_distance;

/// The known word that `word` is probably meant to be; `None` if `word` is known or if it is too
/// different from all of them.
///
/// Words that differ in letter case only are always close. Otherwise the number of edits (a letter
/// more, less, or other, or two letters exchanged) decides: two in words of at least eight letters,
/// one in shorter ones. In words of four letters another letter often makes another real word
/// (`site` or `time` instead of `size` or `type`), so there only a letter more or two letters
/// exchanged count, and words of fewer letters are never close.
pub fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let mut closest = None;
    for candidate in known {
        if candidate == word {
            return None;
        }
        let distance = distance(word, candidate);
        if distance.is_some_and(|new| closest.is_none_or(|(old, _)| new < old)) {
            closest = distance.map(|distance| (distance, candidate));
        }
    }
    closest.map(|(_, candidate)| candidate)
}

/// The number of edits between the words, if they are close.
fn distance(word: &str, known: &str) -> Option<usize> {
    let length = word.chars().count();
    let known_length = known.chars().count();
    let max = match length.min(known_length) {
        0..4 => 0,
        4..8 => 1,
        8.. => 2,
    };
    // The distance is at least the difference of the lengths. This check keeps the time for long
    // words constant.
    if length.abs_diff(known_length) > max {
        return None;
    }
    let (lower, known) = (word.to_ascii_lowercase(), known.to_ascii_lowercase());
    let distance = osa_distance(&lower, &known);
    let is_other_word = length == 4 && known_length == 4 && !is_permutation(&lower, &known);
    (distance <= max && !is_other_word).then_some(distance)
}

/// Whether both words consist of the same letters.
fn is_permutation(one: &str, other: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::names::{init, keys};

    fn closest_key(word: &str) -> Option<&'static str> {
        closest(word, keys::ALL.iter().map(|key| key.name))
    }

    fn closest_option(word: &str) -> Option<&'static str> {
        closest(word, init::ALL.iter().map(|option| option.name))
    }

    #[rstest]
    #[case("Size", "size")]
    #[case("KIND", "kind")]
    #[case("szie", "size")]
    #[case("tpye", "type")]
    #[case("sizes", "size")]
    #[case("types", "type")]
    #[case("stores", "store")]
    #[case("stroe", "store")]
    #[case("storagekey", "storageKey")]
    #[case("storageky", "storageKey")]
    #[case("storageKy", "storageKey")]
    #[case("storage_key", "storageKey")]
    #[case("storage-key", "storageKey")]
    #[case("storeKey", "storageKey")]
    #[case("storgaeKye", "storageKey")]
    #[case("localModeValu", "localModeValue")]
    #[case("localmodevalue", "localModeValue")]
    #[case("userID", "userId")]
    #[case("propery", "property")]
    #[case("versionID", "versionId")]
    #[case("versionstage", "versionStage")]
    #[case("rangeEnds", "rangeEnd")]
    #[case("storageKeyprefx", "storageKeyPrefix")]
    fn a_misspelled_key_is_recognized(#[case] word: &str, #[case] key: &str) {
        assert_eq!(closest_key(word), Some(key));
    }

    #[rstest]
    #[case("storage-prefx", "storage-prefix")]
    #[case("storagePrefix", "storage-prefix")]
    #[case("storage_prefix", "storage-prefix")]
    #[case("Format", "format")]
    #[case("fromat", "format")]
    #[case("localmode", "local-mode")]
    #[case("mountPath", "mount-path")]
    #[case("container", "containers")]
    #[case("Order", "order")]
    #[case("filemode", "file-mode")]
    #[case("injct", "inject")]
    fn a_misspelled_option_is_recognized(#[case] word: &str, #[case] option: &str) {
        assert_eq!(closest_option(word), Some(option));
    }

    #[rstest]
    #[case("foo")]
    #[case("bar")]
    #[case("key")]
    #[case("kid")]
    #[case("site")]
    #[case("side")]
    #[case("time")]
    #[case("tape")]
    #[case("tier")]
    #[case("king")]
    #[case("mind")]
    #[case("team")]
    #[case("owner")]
    #[case("state")]
    #[case("stage")]
    #[case("user")]
    #[case("version")]
    #[case("properties")]
    #[case("description")]
    #[case("environment")]
    #[case("storage")]
    #[case("secret")]
    #[case("value")]
    #[case("")]
    fn another_word_is_not_close(#[case] word: &str) {
        assert_eq!(closest_key(word), None);
        assert_eq!(closest_option(word), None);
    }

    #[test]
    fn a_known_word_is_not_misspelled() {
        for key in keys::ALL {
            assert_eq!(closest_key(key.name), None);
        }
        for option in init::ALL {
            assert_eq!(closest_option(option.name), None);
        }
    }
}
