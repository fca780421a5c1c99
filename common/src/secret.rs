//! A value that must not be seen: wiped when dropped, never printed.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Standard base64: padding is written, and not asked for, as the original's decoder has it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The raw bytes of one stored value.
///
/// It has no `Display` and no `Serialize`, and its `Debug` tells the length alone. The memory is
/// overwritten when the value is dropped; a clone is a second copy that is wiped on its own.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes ownership of `bytes`; nothing is copied.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Decodes standard base64, the encoding of kees's table and files; padding may be missing.
    ///
    /// # Errors
    /// [`ParseBase64Error`], which names no byte of the input.
    pub fn from_base64(text: &str) -> Result<Self, ParseBase64Error> {
        // Sized once: growing would leave unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
        BASE64
            .decode_vec(text, &mut bytes)
            .map_err(|_| ParseBase64Error)?;
        Ok(Self(bytes))
    }

    /// The value as kees's table and files hold it: standard base64 with padding.
    pub fn to_base64(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len().div_ceil(3) * 4));
        BASE64.encode_string(&*self.0, &mut text);
        text
    }

    /// The bytes themselves. The name marks every place where a value leaves its wrapping.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, if it is UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all, which no sound value is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretValue {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretValue({} bytes)", self.0.len())
    }
}

/// A text that should have been base64 and is not. It repeats nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not standard base64")]
pub struct ParseBase64Error;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_round_trips() {
        let value = SecretValue::from_base64("AAEC/w==").unwrap();
        assert_eq!(value.expose(), [0, 1, 2, 255]);
        assert_eq!(*value.to_base64(), "AAEC/w==");
    }

    #[test]
    fn padding_may_be_missing() {
        assert_eq!(SecretValue::from_base64("YWI").unwrap().expose(), b"ab");
        assert_eq!(SecretValue::from_base64("").unwrap().expose(), b"");
        for wrong in ["Y", "YW I=", "YWI_", "YW=I"] {
            assert!(SecretValue::from_base64(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_error_and_a_debug_print_show_nothing_of_the_value() {
        let value = SecretValue::new(b"canary".to_vec());
        assert_eq!(format!("{value:?}"), "SecretValue(6 bytes)");
        let error = SecretValue::from_base64("canary!").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
