//! `alphabet=` and `classes=` of a PASSWORD.

use std::{fmt, str::FromStr};

/// The characters of a PASSWORD, and the classes of which it has at least one character.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct PasswordRules {
    /// `alphabet=`
    pub alphabet: Alphabet,
    /// `classes=`
    pub classes: Classes,
}

impl PasswordRules {
    /// Whether `password` has at least one character of each class.
    pub fn has_classes(&self, password: &[u8]) -> bool {
        self.classes
            .iter()
            .all(|class| password.iter().any(|byte| class.contains(*byte)))
    }

    /// How `password` differs from these rules, as a message says it.
    pub fn difference(&self, password: &[u8]) -> Option<String> {
        let chars = self.alphabet.chars();
        if !password.iter().all(|byte| chars.contains(byte)) {
            let description = self.alphabet.description();
            return Some(format!("it has characters other than {description}"));
        }
        let has = |class: CharClass| password.iter().any(|byte| class.contains(*byte));
        self.classes
            .iter()
            .find(|class| !has(*class))
            .map(|class| format!("it has no character of the class {class}"))
    }
}

/// The characters of a PASSWORD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Alphabet {
    /// Digits and letters, as in the original.
    #[default]
    Base62,
    /// Every visible ASCII character.
    Ascii,
    /// Hexadecimal digits in lower case.
    Hex,
}

impl Alphabet {
    /// Every alphabet, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Base62, Self::Ascii, Self::Hex];

    /// The word in an annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base62 => "base62",
            Self::Ascii => "ascii",
            Self::Hex => "hex",
        }
    }

    /// The characters, each once.
    pub fn chars(self) -> &'static [u8] {
        match self {
            Self::Base62 => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Self::Ascii => {
                b"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
            }
            Self::Hex => b"0123456789abcdef",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Base62 => "0-9, A-Z and a-z",
            Self::Ascii => "visible ASCII characters",
            Self::Hex => "0-9 and a-f",
        }
    }

    /// Whether a password of this alphabet can have a character of `class`.
    pub(crate) fn has_class(self, class: CharClass) -> bool {
        self.chars().iter().any(|byte| class.contains(*byte))
    }
}

impl FromStr for Alphabet {
    type Err = ParseAlphabetError;

    fn from_str(text: &str) -> Result<Self, ParseAlphabetError> {
        Self::ALL
            .into_iter()
            .find(|alphabet| alphabet.as_str() == text)
            .ok_or(ParseAlphabetError)
    }
}

impl fmt::Display for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not an [`Alphabet`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use base62, ascii or hex")]
pub struct ParseAlphabetError;

/// A class of ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CharClass {
    /// `a-z`
    Lower,
    /// `A-Z`
    Upper,
    /// `0-9`
    Digit,
    /// Every other visible character.
    Symbol,
}

impl CharClass {
    /// Every class, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Lower, Self::Upper, Self::Digit, Self::Symbol];

    /// The word in an annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Digit => "digit",
            Self::Symbol => "symbol",
        }
    }

    /// Whether `byte` is a character of this class.
    pub fn contains(self, byte: u8) -> bool {
        match self {
            Self::Lower => byte.is_ascii_lowercase(),
            Self::Upper => byte.is_ascii_uppercase(),
            Self::Digit => byte.is_ascii_digit(),
            Self::Symbol => byte.is_ascii_punctuation(),
        }
    }
}

impl fmt::Display for CharClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Classes of characters, `lower+digit`. A comma would end the pair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Classes(Vec<CharClass>);

impl Classes {
    /// The classes, each once and in the order of [`CharClass::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = CharClass> {
        self.0.iter().copied()
    }

    /// How many classes there are: a password has at least as many characters.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no class is required.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Classes {
    type Err = ParseClassesError;

    fn from_str(text: &str) -> Result<Self, ParseClassesError> {
        let class = |word: &str| {
            let mut classes = CharClass::ALL.into_iter();
            classes.find(|class| class.as_str() == word)
        };
        let classes: Option<Vec<_>> = text.split('+').map(|word| class(word.trim())).collect();
        let mut classes = classes.ok_or(ParseClassesError)?;
        classes.sort_unstable();
        classes.dedup();
        Ok(Self(classes))
    }
}

impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(CharClass::as_str).collect();
        f.write_str(&words.join("+"))
    }
}

/// A text that is not a list of [`Classes`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use lower, upper, digit or symbol, or several of them such as lower+digit")]
pub struct ParseClassesError;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;

    #[test]
    fn an_alphabet_prints_as_it_was_written() {
        for alphabet in Alphabet::ALL {
            assert_eq!(alphabet.to_string().parse(), Ok(alphabet));
        }
        assert_eq!("ASCII".parse::<Alphabet>(), Err(ParseAlphabetError));
    }

    #[rstest]
    #[case(Alphabet::Base62, 62, "lower+upper+digit")]
    #[case(Alphabet::Ascii, 94, "lower+upper+digit+symbol")]
    #[case(Alphabet::Hex, 16, "lower+digit")]
    fn an_alphabet_has_each_character_once_and_in_one_class(
        #[case] alphabet: Alphabet,
        #[case] count: usize,
        #[case] classes: &str,
    ) {
        let chars: BTreeSet<_> = alphabet.chars().iter().collect();
        assert_eq!((chars.len(), alphabet.chars().len()), (count, count));
        let in_classes = |byte: u8| CharClass::ALL.iter().filter(|c| c.contains(byte)).count();
        assert!(chars.iter().all(|byte| in_classes(**byte) == 1));
        let classes: Classes = classes.parse().unwrap();
        for class in CharClass::ALL {
            let is_listed = classes.iter().any(|listed| listed == class);
            assert_eq!(alphabet.has_class(class), is_listed, "{class}");
        }
    }

    #[rstest]
    #[case("lower", "lower")]
    #[case("digit+lower", "lower+digit")]
    #[case("symbol + upper+symbol", "upper+symbol")]
    fn classes_are_sorted_and_without_repetition(#[case] text: &str, #[case] printed: &str) {
        assert_eq!(text.parse::<Classes>().unwrap().to_string(), printed);
    }

    #[rstest]
    #[case("")]
    #[case("lower+")]
    #[case("Lower")]
    #[case("lower upper")]
    fn a_text_that_is_not_a_list_of_classes_is_invalid(#[case] text: &str) {
        assert_eq!(text.parse::<Classes>(), Err(ParseClassesError));
    }

    #[rstest]
    #[case("aB3", None)]
    #[case("a-B3", Some("it has characters other than 0-9, A-Z and a-z"))]
    #[case("ab3", Some("it has no character of the class upper"))]
    fn a_password_may_differ_from_the_rules(#[case] text: &str, #[case] expected: Option<&str>) {
        let rules = PasswordRules {
            alphabet: Alphabet::Base62,
            classes: "upper+digit".parse().unwrap(),
        };
        assert_eq!(rules.difference(text.as_bytes()).as_deref(), expected);
        assert!(!rules.has_classes(b"aB"));
    }
}
