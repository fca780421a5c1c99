//! What tells a repeated write from another writer's.

use std::fmt::Write as _;

/// One for each generation that is made: 128 random bits in hexadecimal, within the 36 characters
/// of DynamoDB's `ClientRequestToken` and the 32 to 64 of Secrets Manager's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyToken(String);

impl IdempotencyToken {
    /// A token that no other writer has.
    ///
    /// # Errors
    /// [`RandomnessError`] where the operating system gives none.
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
