//! The user id of a GPG key.

use std::str::FromStr;

/// A GPG user id, `Name <address>`: a text that matches `.+<.+>`, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// The user id as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = ParseUserIdError;

    fn from_str(text: &str) -> Result<Self, ParseUserIdError> {
        // `.+<.+>`: a '<' with something before it and something between it and the last '>'.
        let is_valid = text
            .strip_suffix('>')
            .and_then(|head| {
                head.char_indices()
                    .skip(1)
                    .find(|(_, c)| *c == '<')
                    .map(|(i, _)| head.len() > i + 1)
            })
            .unwrap_or(false)
            && !text.chars().any(char::is_control);
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseUserIdError)
        }
    }
}

/// A text that is not a [`UserId`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use a name and an address in angle brackets, such as Team A <team-a@example.com>")]
pub struct ParseUserIdError;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("user<user@example.com>", true)]
    #[case("Jörg Müller <j@example.com>", true)]
    #[case("a<b<c>", true)]
    #[case("<user@example.com>", false)]
    #[case("user<>", false)]
    #[case("user", false)]
    #[case("user<a>b", false)]
    #[case("us\ner<a>", false)]
    #[case("<<b>", true)]
    fn a_user_id_is_something_then_something_in_angle_brackets(
        #[case] text: &str,
        #[case] ok: bool,
    ) {
        assert_eq!(text.parse::<UserId>().is_ok(), ok);
    }
}
