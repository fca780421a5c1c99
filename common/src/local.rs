//! The values of local mode, derived from names: the same as in the original, in each run and on each
//! machine. They are public and must not be used as secrets.
//!
//! The name is hashed as by Java's `String.hashCode`, the hash is the seed of `java.util.Random` (both
//! algorithms are in Java's API documentation), and the bytes are those of its `nextBytes`. Keys are
//! derived in `kees-generate`.

use crate::{entry::Lease, name, secret::SecretValue};

/// The digits of base 62 in the order of the original.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The size of a GPG key's passphrase, as [`password`] takes it.
const PASSPHRASE_BITS: u16 = 128;

/// The `bits / 8` bytes of a RANDOM, and of both fields of an `api-key`.
///
/// `name` is the entry's name without its field ([`crate::EntryName::base`]). As in the original, the
/// seed is `name` without what then looks like a field: the entry `x_y_z` has the seed `x`.
pub fn random(name: &str, bits: u16) -> SecretValue {
    SecretValue::new(bytes(name, usize::from(bits / 8)))
}

/// The `bits / 8` characters of a PASSWORD.
///
/// `bits` bytes (not bits) are read as one unsigned big-endian number and written in base 62. The
/// password consists of the first characters. `name` is as for [`random`].
pub fn password(name: &str, bits: u16) -> SecretValue {
    let mut digits = base62(&bytes(name, usize::from(bits)));
    digits.truncate(usize::from(bits / 8));
    SecretValue::new(digits)
}

/// The passphrase of a GPG key: the PASSWORD of size 128. `name` is as for [`random`].
pub fn passphrase(name: &str) -> SecretValue {
    password(name, PASSPHRASE_BITS)
}

/// The pod's index of `lease`: the sum of the first three bytes for the text `PREFIX/POD`. An index
/// outside the range is wrapped into it, which the original does not do.
///
/// `prefix` is the pod's storage prefix as it is written, with a slash at its end if it has one.
pub fn lease_index(lease: &Lease, prefix: &str, pod: &str) -> i32 {
    let sum: i64 = bytes(&format!("{prefix}/{pod}"), 3)
        .into_iter()
        .map(i64::from)
        .sum();
    let (start, end) = (i64::from(lease.start), i64::from(lease.end));
    let width = (end - start + 1).max(1);
    let index = start + (sum - start).rem_euclid(width);
    // Within start..=end, so within 32 bits.
    i32::try_from(index).unwrap_or(lease.start)
}

/// The first `count` bytes for the seed of `text`.
fn bytes(text: &str, count: usize) -> Vec<u8> {
    let mut random = JavaRandom::new(i64::from(hash_code(name::base(text))));
    let mut bytes = Vec::with_capacity(count + 3);
    while bytes.len() < count {
        bytes.extend_from_slice(&random.next_int().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Java's `String.hashCode`: `31 * hash + unit` over the UTF-16 units, in 32 bits.
fn hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(unit.into())
    })
}

/// `java.util.Random`: a linear congruential generator of 48 bits.
struct JavaRandom(u64);

impl JavaRandom {
    const MULTIPLIER: u64 = 0x0005_deec_e66d;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> Self {
        Self((seed.cast_unsigned() ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn next_int(&mut self) -> u32 {
        self.0 = (self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xb)) & Self::MASK;
        let [_, _, high @ .., _, _] = self.0.to_be_bytes();
        u32::from_be_bytes(high)
    }
}

/// `bytes`, an unsigned big-endian number, in base 62, the most significant digit first.
fn base62(bytes: &[u8]) -> Vec<u8> {
    /// The number of digits that one division gives. The divisor 62⁵ fits into 32 bits.
    const STEP: usize = 5;
    const DIVISOR: u64 = 62_u64.pow(5);

    // Limbs of 32 bits, the most significant first.
    let mut limbs: Vec<u32> = bytes
        .rchunks(4)
        .rev()
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |limb, byte| limb << 8 | u32::from(*byte))
        })
        .collect();
    let mut digits = Vec::with_capacity(bytes.len() * 3 / 2 + STEP);
    let mut number = limbs.as_mut_slice();
    while let Some(first) = number.iter().position(|limb| *limb != 0) {
        number = &mut number[first..];
        let mut remainder = 0_u64;
        for limb in number.iter_mut() {
            let dividend = remainder << 32 | u64::from(*limb);
            // Below 2³², because the remainder is below the divisor.
            *limb = u32::try_from(dividend / DIVISOR).unwrap_or(u32::MAX);
            remainder = dividend % DIVISOR;
        }
        for _ in 0..STEP {
            digits.push(DIGITS[usize::try_from(remainder % 62).unwrap_or(0)]);
            remainder /= 62;
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() {
        digits.push(b'0');
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::EntryName;

    fn base(name: &str) -> String {
        name.parse::<EntryName>().unwrap().base().to_owned()
    }

    #[rstest]
    #[case(
        "app.service.blah",
        288,
        "JuTNTwzlgOWVLXk6aG8LQiZ6JXuGlPpaXvEKJkk7jDjsrJpC"
    )]
    #[case("service-b.api-key", 128, "sk5qlMR6Es7mPM3msyNx9Q==")]
    #[case(
        "common.thing",
        288,
        "yE+yS8YCxsbERhg1N2Vq64qqHgmhh9M/TLlZtTK83uWtqSMY"
    )]
    #[case("api-key.test.v1_consumer", 128, "+ghlgXxIrJgCYVjkb6Co3w==")]
    #[case("api-key.test.v1_provider", 128, "+ghlgXxIrJgCYVjkb6Co3w==")]
    fn a_random_is_that_of_the_original(
        #[case] name: &str,
        #[case] bits: u16,
        #[case] base64: &str,
    ) {
        assert_eq!(*random(&base(name), bits).to_base64(), base64);
    }

    #[test]
    fn a_password_is_that_of_the_original() {
        assert_eq!(
            password("app.service.blah", 128).expose(),
            b"8ekD64eU9hDqA5kz"
        );
    }

    #[test]
    fn a_passphrase_is_that_of_the_original() {
        assert_eq!(
            *passphrase(&base("common.gpg.v1_password")).to_base64(),
            "SmRGbU5tSUh0MjhZc3RXcQ=="
        );
    }

    #[test]
    fn the_seed_loses_what_still_looks_like_a_field() {
        assert_eq!(random(&base("x_y_z"), 128), random("x", 128));
        assert_ne!(random(&base("x_y_z"), 128), random("x_y_1", 128));
    }

    #[rstest]
    #[case(0, 1000, 430)]
    #[case(430, 430, 430)]
    #[case(431, 431, 431)]
    #[case(0, 9, 0)]
    #[case(1, 10, 10)]
    #[case(500, 509, 500)]
    #[case(-9, 0, 0)]
    #[case(i32::MIN, i32::MAX, 430)]
    #[case(i32::MAX, i32::MAX, i32::MAX)]
    fn a_lease_is_that_of_the_original_wrapped_into_its_range(
        #[case] start: i32,
        #[case] end: i32,
        #[case] index: i32,
    ) {
        let lease = Lease {
            key_prefix: "x".to_owned(),
            start,
            end,
        };
        assert_eq!(lease_index(&lease, "local", "test-pod-name"), index);
    }

    #[test]
    fn a_hash_goes_over_utf_16_units_and_wraps() {
        assert_eq!(hash_code(""), 0);
        assert_eq!(hash_code("polygenelubricants"), i32::MIN);
        assert_eq!(hash_code("😀"), 31 * 0xd83d + 0xde00);
    }

    #[rstest]
    #[case(&[], "0")]
    #[case(&[0, 0, 0, 0, 0], "0")]
    #[case(&[61], "z")]
    #[case(&[62], "10")]
    #[case(&[0, 0, 0, 0, 62], "10")]
    #[case(&[1, 0, 0, 0, 0], "4gfFC4")]
    #[case(&[0xff; 8], "LygHa16AHYF")]
    fn base_62_has_digits_then_capitals_then_small_letters(
        #[case] bytes: &[u8],
        #[case] text: &str,
    ) {
        assert_eq!(base62(bytes), text.as_bytes());
    }

    #[test]
    fn the_largest_password_has_an_eighth_as_many_characters() {
        let password = password("x", 8192);
        let text = password.expose_text().unwrap();
        assert_eq!(text.len(), 1024);
        // Worked out with another program's big numbers.
        assert!(
            text.starts_with("GFkPVq9qMQ49cTTT") && text.ends_with("sAg4aI1nvdGVUqwu"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn base_62_reads_back_as_the_number(number in any::<u128>()) {
            let read = base62(&number.to_be_bytes()).iter().fold(0_u128, |number, digit| {
                let value = DIGITS.iter().position(|d| d == digit).unwrap();
                number * 62 + u128::try_from(value).unwrap()
            });
            prop_assert_eq!(read, number);
        }

        #[test]
        fn a_lease_is_in_its_range(start: i32, end: i32, pod in "[a-z0-9-]{1,20}") {
            prop_assume!(start <= end);
            let lease = Lease { key_prefix: String::new(), start, end };
            prop_assert!((start..=end).contains(&lease_index(&lease, "/dev", &pod)));
        }
    }
}
