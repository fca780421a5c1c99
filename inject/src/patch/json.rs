//! JSON written straight into a text, in the order of the calls, without a tree in between.

use base64_simd::STANDARD;

/// Writes one JSON value after the other; commas come by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JsonWriter(String);

impl JsonWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Bytes as text in standard base64.
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.open('"');
        STANDARD.encode_append(bytes, &mut self.0);
        self.0.push('"');
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.open('{');
        members(self);
        self.0.push('}');
    }

    pub(crate) fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.open('[');
        elements(self);
        self.0.push(']');
    }

    /// A member of an object: its name, of our own choice and so without escapes, and whatever value
    /// is written next.
    pub(crate) fn key(&mut self, name: &'static str) -> &mut Self {
        self.open('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self
    }

    /// A member whose value is text.
    pub(crate) fn member(&mut self, name: &'static str, value: &str) {
        self.key(name).string(value);
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.open('"');
        self.escaped(text);
        self.0.push('"');
    }

    /// What needs no escape and is a value already: a number, `true`, another writer's text.
    pub(crate) fn raw(&mut self, json: &str) {
        self.separate();
        self.0.push_str(json);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    fn open(&mut self, bracket: char) {
        self.separate();
        self.0.push(bracket);
    }

    /// A comma, unless this is the first value in its place. Text ends in a quote, so what is
    /// looked at here is never a character of a string.
    fn separate(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(',');
        }
    }

    fn escaped(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        // Nearly every text is plain.
        if is_plain(text.as_bytes()) {
            self.0.push_str(text);
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.bytes().position(is_special) {
            let (plain, special) = rest.split_at(at);
            self.0.push_str(plain);
            // The byte found is ASCII, a character of its own.
            let byte = special.as_bytes().first().copied().unwrap_or_default();
            match byte {
                b'"' => self.0.push_str("\\\""),
                b'\\' => self.0.push_str("\\\\"),
                b'\n' => self.0.push_str("\\n"),
                other => {
                    self.0.push_str("\\u00");
                    self.0.push(char::from(HEX[usize::from(other >> 4)]));
                    self.0.push(char::from(HEX[usize::from(other & 15)]));
                }
            }
            rest = special.get(1..).unwrap_or_default();
        }
        self.0.push_str(rest);
    }
}

/// Whether a byte cannot stand in a string as it is (RFC 8259, section 7).
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Whether no byte is special. Eight are looked at in one step.
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let special = words
        .iter()
        .fold(0, |found, word| found | specials(u64::from_ne_bytes(*word)));
    special == 0 && !rest.iter().copied().any(is_special)
}

/// Not zero where one of eight bytes is special, by subtraction: a byte that is less than another
/// borrows, which sets its highest bit, and only the first that does can mislead those above it.
fn specials(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let below = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & (EACH * 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn commas_stand_between_values_alone() {
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("a", "{");
            json.key("b").array(|json| {
                json.raw("1");
                json.object(|_| {});
                json.bool(true);
            });
        });
        assert_eq!(json.as_str(), r#"{"a":"{","b":[1,{},true]}"#);
    }

    #[test]
    fn what_is_special_is_found_wherever_it_stands() {
        for others in [b' ', b'!', b'#', b'a', 0x7f, 0x80, 0xff] {
            for byte in 0..=u8::MAX {
                for at in 0..20 {
                    let mut text = [others; 20];
                    text[at] = byte;
                    assert_eq!(
                        is_plain(&text),
                        !is_special(byte),
                        "{byte} at {at} of {others}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(one in any::<String>(), two in "\\PC*[\\x00-\\x1f\"\\\\]*") {
            let mut json = JsonWriter::default();
            json.array(|json| {
                json.string(&one);
                json.string(&two);
            });
            prop_assert_eq!(serde_json::from_str::<Value>(json.as_str()).unwrap(), json!([one, two]));
        }
    }
}
