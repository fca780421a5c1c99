//! The table of primes for local mode's RSA keys.
//!
//! The search for a prime begins at a number that [`start`] derives from size and index. The table
//! contains, in two bytes, the number of odd numbers between that number and the prime. The program
//! `examples/local_primes.rs` writes the table and checks it.

use rsa::BigUint;

use super::start::{COUNT, SIZES, start};

/// For each of [`SIZES`], for each index below [`COUNT`]: a big-endian number of steps of two.
static STEPS: &[u8] = include_bytes!("primes.bin");

/// Two different primes of `bits`, chosen by `seed`, the greater one first; `None` if the table has no
/// primes of that size.
pub(super) fn pair(bits: u16, seed: u64) -> Option<(BigUint, BigUint)> {
    let first = u16::try_from(seed % u64::from(COUNT)).ok()?;
    let second = u16::try_from(seed / u64::from(COUNT) % u64::from(COUNT - 1)).ok()?;
    // The two must differ, so the first is skipped.
    let second = if second < first { second } else { second + 1 };
    let (one, other) = (prime(bits, first)?, prime(bits, second)?);
    Some(if one > other {
        (one, other)
    } else {
        (other, one)
    })
}

/// Prime `index` of `bits`.
fn prime(bits: u16, index: u16) -> Option<BigUint> {
    let size = SIZES.iter().position(|size| *size == bits)?;
    let at = size * usize::from(COUNT) + usize::from(index);
    let steps = STEPS
        .as_chunks()
        .0
        .get(at)
        .map(|step| u16::from_be_bytes(*step))?;
    Some(BigUint::from_bytes_be(&start(bits, index)) + BigUint::from(2 * u32::from(steps)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use num_bigint_dig::prime::probably_prime;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(1024)]
    #[case(1536)]
    #[case(2048)]
    fn numbers_of_the_table_are_primes_with_the_two_highest_bits_set(#[case] bits: u16) {
        // Some of the table; `local_primes check` checks all of them.
        for index in (0..COUNT).step_by(usize::from(COUNT / 4) - 1) {
            let prime = prime(bits, index).unwrap();
            assert!(
                probably_prime(&prime, 4),
                "number {index} of {bits} bits is not a prime"
            );
            assert_eq!(prime.bits(), usize::from(bits));
            assert_eq!(prime.to_bytes_be()[0] >> 6, 3);
        }
    }

    #[rstest]
    #[case(1024)]
    #[case(1536)]
    #[case(2048)]
    fn no_prime_of_the_table_is_one_modulo_the_public_exponent(#[case] bits: u16) {
        let exponent = BigUint::from(65_537_u32);
        for index in 0..COUNT {
            assert_ne!(
                prime(bits, index).unwrap() % &exponent,
                BigUint::from(1_u32)
            );
        }
    }

    #[test]
    fn the_table_is_complete_and_no_two_numbers_are_equal() {
        assert_eq!(STEPS.len(), SIZES.len() * usize::from(COUNT) * 2);
        let all: HashSet<_> = SIZES
            .into_iter()
            .flat_map(|bits| (0..COUNT).map(move |index| prime(bits, index)))
            .collect();
        assert_eq!(all.len(), SIZES.len() * usize::from(COUNT));
        assert_eq!(prime(512, 0), None);
    }

    #[test]
    fn a_pair_is_two_different_primes_for_every_seed() {
        for seed in (0..u64::from(COUNT))
            .map(|i| i * u64::from(COUNT) + i)
            .chain([u64::MAX])
        {
            let (p, q) = pair(1024, seed).unwrap();
            assert!(p > q);
        }
    }
}
