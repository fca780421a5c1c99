//! Bytes and characters from the operating system's random source.

use aws_lc_rs::rand;
use kees_common::SecretValue;
use zeroize::Zeroizing;

use crate::GenerateError;

/// The alphabet of a PASSWORD: base 62, in ASCII's order.
const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

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

/// `length` characters of base 62, each as likely as any other.
pub(crate) fn password(length: usize) -> Result<SecretValue, GenerateError> {
    password_from(length, fill)
}

/// Takes bytes from `source` and drops those that would favour some characters.
fn password_from<E>(
    length: usize,
    mut source: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<SecretValue, E> {
    // Sized once: growing would leave unwiped copies behind.
    let mut password = Zeroizing::new(Vec::with_capacity(length));
    let mut drawn = Zeroizing::new([0; 64]);
    while password.len() < length {
        source(&mut *drawn)?;
        let missing = length - password.len();
        password.extend(drawn.iter().copied().filter_map(character).take(missing));
    }
    Ok(password.into())
}

/// Six bits of a byte as a character; none for the two of 64 numbers that base 62 has no digit for.
fn character(byte: u8) -> Option<u8> {
    BASE_62.get(usize::from(byte & 0x3f)).copied()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, convert::Infallible};

    use super::*;

    #[test]
    fn every_character_comes_from_as_many_bytes_as_any_other() {
        let mut counts = HashMap::new();
        for byte in 0..=u8::MAX {
            *counts.entry(character(byte)).or_insert(0) += 1;
        }
        assert_eq!(counts.remove(&None), Some(8));
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|count| *count == 4));
    }

    #[test]
    fn a_byte_without_a_character_is_passed_over_and_the_length_is_kept() {
        let mut next = 0_u8;
        let password = password_from(100, |buffer| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(1);
            }
            Ok::<_, Infallible>(())
        })
        .unwrap();
        let text = password.expose_text().unwrap();
        assert_eq!(text.len(), 100);
        assert!(text.as_bytes().starts_with(BASE_62));
        assert_eq!(&text.as_bytes()[62..], &BASE_62[..38]);
    }

    #[test]
    fn a_source_that_fails_makes_no_password() {
        assert_eq!(password_from(8, |_| Err("no entropy")), Err("no entropy"));
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes(32).unwrap(), bytes(32).unwrap());
        assert_ne!(password(32).unwrap(), password(32).unwrap());
    }
}
