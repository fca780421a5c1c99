//! Distinguishes a repeated write from the write of another writer.

use std::fmt::Write as _;

/// One for each write request: 128 random bits in hexadecimal. DynamoDB's `ClientRequestToken` has
/// up to 36 characters, that of Secrets Manager 32 to 64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyToken(String);

impl IdempotencyToken {
    /// A token that no other request has.
    ///
    /// # Errors
    /// [`RandomnessError`] if the operating system's random source fails.
    pub fn random() -> Result<Self, RandomnessError> {
        let mut bits = [0; 16];
        aws_lc_rs::rand::fill(&mut bits).map_err(|_| RandomnessError)?;
        let mut text = String::with_capacity(32);
        for byte in bits {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The token as a request carries it: 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The operating system's random source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random source failed")]
pub struct RandomnessError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_32_hexadecimal_digits_and_unlike_the_next() {
        let token = IdempotencyToken::random().unwrap();
        assert_eq!(token.as_str().len(), 32);
        assert!(token.as_str().bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(token, IdempotencyToken::random().unwrap());
    }
}
