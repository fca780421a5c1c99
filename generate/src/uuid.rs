//! UUIDs of version 4 (RFC 9562).

use std::io::Write as _;

use kees_common::SecretValue;
use zeroize::Zeroizing;

/// The length of the text in bytes.
const LENGTH: usize = 36;

/// The UUID of 16 random bytes, in lower case. Six of the bits are replaced by version and variant.
pub(crate) fn version_4(random: [u8; 16]) -> SecretValue {
    let random = Zeroizing::new(u128::from_be_bytes(random));
    let bits = *random & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let bits = Zeroizing::new(bits);
    // The buffer has its final size from the start, because growing leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LENGTH));
    let groups = [
        (*bits >> 96, 8),
        (*bits >> 80 & 0xffff, 4),
        (*bits >> 64 & 0xffff, 4),
        (*bits >> 48 & 0xffff, 4),
        (*bits & 0xffff_ffff_ffff, 12),
    ];
    for (index, (group, digits)) in groups.into_iter().enumerate() {
        if index > 0 {
            text.push(b'-');
        }
        // Writing into a vector does not fail.
        let _ = write!(*text, "{group:0digits$x}");
    }
    text.into()
}

/// Whether `text` has the form of a UUID, of any version and in any case.
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    text.len() == LENGTH
        && text.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case([0; 16], "00000000-0000-4000-8000-000000000000")]
    #[case([0xff; 16], "ffffffff-ffff-4fff-bfff-ffffffffffff")]
    #[case(
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef],
        "01234567-89ab-4def-8123-456789abcdef"
    )]
    fn a_uuid_has_version_4_and_the_variant_of_the_rfc(
        #[case] random: [u8; 16],
        #[case] text: &str,
    ) {
        let uuid = version_4(random);
        assert_eq!(uuid.expose_text(), Some(text));
        assert!(is_uuid(uuid.expose()));
    }

    #[rstest]
    #[case("01234567-89AB-1DEF-0123-456789ABCDEF", true)]
    #[case("0123456789ab4def8123456789abcdef", false)]
    #[case("01234567-89ab-4def-8123-456789abcde", false)]
    #[case("01234567-89ab-4def-8123-456789abcdeg", false)]
    #[case("01234567-89ab-4def-81234-56789abcdef", false)]
    fn a_uuid_has_hexadecimal_digits_in_five_groups(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(is_uuid(text.as_bytes()), is_one);
    }
}
