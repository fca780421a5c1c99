//! Bytes and characters from the operating system's random source.

use aws_lc_rs::rand;
use kees_common::{Alphabet, PasswordRules, SecretValue};
use zeroize::Zeroizing;

use crate::GenerateError;

/// Fills `buffer` from the operating system's random source.
pub(crate) fn fill(buffer: &mut [u8]) -> Result<(), GenerateError> {
    rand::fill(buffer).map_err(|_| GenerateError::Random)
}

/// `length` random bytes.
pub(crate) fn bytes(length: usize) -> Result<SecretValue, GenerateError> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    fill(&mut bytes)?;
    Ok(bytes.into())
}

/// `length` characters by the rules. Every password that follows them is equally likely.
pub(crate) fn password(length: usize, rules: &PasswordRules) -> Result<SecretValue, GenerateError> {
    password_from(length, rules, fill)
}

/// A password of random bytes from `source`.
///
/// Without a bias: each character is drawn uniformly, and a password without one of the classes is
/// dropped as a whole. What remains is distributed uniformly over the passwords that follow the
/// rules. Placing one character of each class, and then filling up, would prefer passwords with
/// exactly one. For the worst rules, one character for each of four classes, 15 passwords are drawn
/// on average.
pub(crate) fn password_from<E>(
    length: usize,
    rules: &PasswordRules,
    mut source: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<SecretValue, E> {
    loop {
        let password = characters_from(length, rules.alphabet, &mut source)?;
        if rules.has_classes(password.expose()) {
            return Ok(password);
        }
    }
}

/// Characters of the alphabet. Bytes that would make some characters more likely are dropped.
fn characters_from<E>(
    length: usize,
    alphabet: Alphabet,
    source: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<SecretValue, E> {
    // The buffer has its final size from the start, because growing leaves copies behind.
    let mut password = Zeroizing::new(Vec::with_capacity(length));
    let mut drawn = Zeroizing::new([0; 64]);
    while password.len() < length {
        source(&mut *drawn)?;
        let missing = length - password.len();
        let drawn = drawn.iter().filter_map(|byte| character(alphabet, *byte));
        password.extend(drawn.take(missing));
    }
    Ok(password.into())
}

/// The lowest bits of a byte as a character; `None` if the alphabet has no character of that number.
fn character(alphabet: Alphabet, byte: u8) -> Option<u8> {
    let chars = alphabet.chars();
    let mask = chars.len().next_power_of_two() - 1;
    chars.get(usize::from(byte) & mask).copied()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, convert::Infallible};

    use rstest::rstest;

    use super::*;

    fn rules(alphabet: Alphabet, classes: &str) -> PasswordRules {
        let classes = classes.parse().unwrap_or_default();
        PasswordRules { alphabet, classes }
    }

    #[rstest]
    #[case(Alphabet::Base62, 4, 8)]
    #[case(Alphabet::Ascii, 2, 68)]
    #[case(Alphabet::Hex, 16, 0)]
    fn every_character_comes_from_as_many_bytes_as_any_other(
        #[case] alphabet: Alphabet,
        #[case] bytes: usize,
        #[case] dropped: usize,
    ) {
        let mut counts = HashMap::new();
        for byte in 0..=u8::MAX {
            *counts.entry(character(alphabet, byte)).or_insert(0) += 1;
        }
        assert_eq!(counts.remove(&None).unwrap_or(0), dropped);
        assert_eq!(counts.len(), alphabet.chars().len());
        assert!(counts.values().all(|count| *count == bytes));
    }

    #[test]
    fn a_byte_without_a_character_is_dropped_and_the_length_is_kept() {
        let mut next = 0_u8;
        let password = password_from(100, &PasswordRules::default(), |buffer| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(1);
            }
            Ok::<_, Infallible>(())
        })
        .unwrap();
        let text = password.expose_text().unwrap();
        assert_eq!(text.len(), 100);
        let base_62 = Alphabet::Base62.chars();
        assert!(text.as_bytes().starts_with(base_62));
        assert_eq!(&text.as_bytes()[62..], &base_62[..38]);
    }

    #[test]
    fn a_source_that_fails_makes_no_password() {
        let rules = PasswordRules::default();
        let failed = password_from(8, &rules, |_| Err("no entropy"));
        assert_eq!(failed, Err("no entropy"));
    }

    #[rstest]
    #[case(Alphabet::Ascii, "lower+upper+digit+symbol", 4)]
    #[case(Alphabet::Base62, "digit", 1)]
    #[case(Alphabet::Hex, "lower+digit", 32)]
    fn a_password_has_a_character_of_each_class(
        #[case] alphabet: Alphabet,
        #[case] classes: &str,
        #[case] length: usize,
    ) {
        let rules = rules(alphabet, classes);
        for _ in 0..100 {
            let password = password(length, &rules).unwrap();
            assert_eq!(password.len(), length);
            assert_eq!(rules.difference(password.expose()), None);
        }
    }

    /// All hexadecimal passwords of two characters with a letter and a digit: 2 * 6 * 10 of them.
    /// Every pair of bytes is drawn equally often, so every password must be too.
    #[test]
    fn every_password_that_follows_the_rules_is_equally_likely() {
        let rules = rules(Alphabet::Hex, "lower+digit");
        let mut counts = HashMap::new();
        for first in 0..16 {
            for second in 0..16 {
                let mut draws = [[first, second], [0x0, 0xa]].into_iter();
                let password = password_from(2, &rules, |buffer| {
                    let draw = draws.next().ok_or("more than one redraw")?;
                    buffer.fill(draw[1]);
                    buffer[0] = draw[0];
                    Ok::<_, &str>(())
                });
                let password = password.unwrap().expose().to_vec();
                *counts.entry(password).or_insert(0) += 1;
            }
        }
        // 136 of the 256 draws lack a class; each of the others is a password of its own.
        assert_eq!(counts.remove(&b"0a"[..]), Some(136 + 1));
        assert_eq!(counts.len(), 2 * 6 * 10 - 1);
        assert!(counts.values().all(|count| *count == 1));
    }

    /// The same with real random bytes: a chi-squared test with 119 degrees of freedom, whose value
    /// is above 250 in one of 10^11 runs.
    #[test]
    fn the_distribution_over_real_random_bytes_is_uniform() {
        const DRAWS: u32 = 60_000;
        const CELLS: u32 = 2 * 6 * 10;

        let rules = rules(Alphabet::Hex, "lower+digit");
        let mut counts = HashMap::new();
        for _ in 0..DRAWS {
            let password = password(2, &rules).unwrap();
            *counts.entry(password.expose().to_vec()).or_insert(0_u32) += 1;
        }
        let expected = f64::from(DRAWS / CELLS);
        let chi_squared: f64 = counts
            .values()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        assert_eq!(counts.len(), CELLS as usize);
        assert!(chi_squared < 250.0, "{chi_squared}");
    }

    #[test]
    fn two_draws_differ() {
        let rules = PasswordRules::default();
        assert_ne!(bytes(32).unwrap(), bytes(32).unwrap());
        assert_ne!(password(32, &rules).unwrap(), password(32, &rules).unwrap());
    }
}
