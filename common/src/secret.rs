//! A secret value. It is overwritten when it is dropped, and never printed.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Standard base64 as the original's decoder reads it: padding is written, but not required.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Standard base64 as this project writes it: with padding, and nothing in the unused bits. Only
/// such a text is the same again after decoding and encoding.
const CANONICAL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());

/// One value: its raw bytes or, if a store has a text that is not base64 although it should be, that
/// text ([`SecretValue::is_verbatim`]).
///
/// It has no `Display` and no `Serialize`, and its `Debug` shows only the length. The memory is
/// overwritten when the value is dropped; a clone is a second copy that is wiped on its own.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue {
    bytes: Zeroizing<Vec<u8>>,
    is_verbatim: bool,
}

impl SecretValue {
    /// Takes ownership of `bytes`; nothing is copied.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::from(Zeroizing::new(bytes))
    }

    /// The value of a `text` in kees's table: decoded if it is canonical base64, otherwise the text
    /// itself, which the original also writes unchanged.
    pub fn from_stored_text(mut text: Zeroizing<String>) -> Self {
        // Sized once: a buffer that grows leaves copies behind that are not wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
        if CANONICAL.decode_vec(text.as_str(), &mut bytes).is_ok() {
            return Self::from(bytes);
        }
        Self {
            bytes: Zeroizing::new(std::mem::take(&mut *text).into_bytes()),
            is_verbatim: true,
        }
    }

    /// Decodes standard base64, the encoding of kees's files; padding may be missing.
    ///
    /// # Errors
    /// [`ParseBase64Error`], which names no byte of the input.
    pub fn from_base64(text: &str) -> Result<Self, ParseBase64Error> {
        // Sized once: a buffer that grows leaves copies behind that are not wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
        BASE64
            .decode_vec(text, &mut bytes)
            .map_err(|_| ParseBase64Error)?;
        Ok(Self::from(bytes))
    }

    /// The value as kees's table and files hold it: standard base64 with padding, or the stored
    /// text as it is.
    pub fn to_base64(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.bytes.len().div_ceil(3) * 4));
        match self.expose_text() {
            Some(stored) if self.is_verbatim => text.push_str(stored),
            _ => BASE64.encode_string(&*self.bytes, &mut text),
        }
        text
    }

    /// Whether this is a stored text that is not canonical base64. It has no raw bytes: a list of
    /// format `properties` repeats it, and whatever needs raw bytes refuses it.
    pub fn is_verbatim(&self) -> bool {
        self.is_verbatim
    }

    /// The bytes themselves, raw unless [`SecretValue::is_verbatim`]. The name marks every place
    /// where a value leaves its wrapping.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The value as text, if it is UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes at all, which is wrong for a secret.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretValue {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            bytes,
            is_verbatim: false,
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretValue({} bytes)", self.bytes.len())
    }
}

/// A text that is not base64. It repeats nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not standard base64")]
pub struct ParseBase64Error;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// `cGFzc3dvcmQxMg==` is canonical; `password12` has no padding, `hunter2` has an odd length,
    /// `YWJ=` has bits that are dropped.
    #[test]
    fn a_stored_text_that_is_not_canonical_base64_stays_as_it_is() {
        let stored = |text: &str| SecretValue::from_stored_text(Zeroizing::new(text.to_owned()));
        let decoded = stored("cGFzc3dvcmQxMg==");
        assert!(!decoded.is_verbatim());
        assert_eq!(decoded.expose(), b"password12");
        for text in ["password12", "hunter2", "YWJ=", "YWI", "pass word", "über"] {
            let value = stored(text);
            assert!(value.is_verbatim(), "{text}");
            assert_eq!(*value.to_base64(), text);
            assert_ne!(value, SecretValue::new(text.as_bytes().to_vec()));
        }
    }

    proptest! {
        #[test]
        fn what_the_table_holds_is_what_a_list_holds(text: String) {
            let value = SecretValue::from_stored_text(Zeroizing::new(text.clone()));
            prop_assert_eq!(&*value.to_base64(), &text);
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
