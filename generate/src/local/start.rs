//! The number at which the search for each prime of the table begins. The program that writes the
//! table uses this file too.

use aws_lc_rs::digest;

/// How many primes of each size the table has.
pub(crate) const COUNT: u16 = 1024;

/// The sizes of the primes in bits, in the order of the table: for keys of 2048, 3072 and 4096 bits.
pub(crate) const SIZES: [u16; 3] = [1024, 1536, 2048];

/// An odd number, big-endian. Prime `index` of `bits` is the first suitable prime that is not below it.
///
/// It is SHA-256 in counter mode over the size and the index, with the two highest bits set, so
/// that the product of two such primes has exactly twice their bits.
pub(crate) fn start(bits: u16, index: u16) -> Vec<u8> {
    let mut number = Vec::with_capacity(usize::from(bits / 8));
    for block in 0..bits / 256 {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"kees local mode prime");
        for part in [bits, index, block] {
            hash.update(&part.to_be_bytes());
        }
        number.extend_from_slice(hash.finish().as_ref());
    }
    if let Some(first) = number.first_mut() {
        *first |= 0xc0;
    }
    if let Some(last) = number.last_mut() {
        *last |= 1;
    }
    number
}
