//! The formats of the files that an application reads.

mod dotenv;
mod yaml;

use std::{
    collections::{BTreeMap, btree_map},
    fmt, io,
    str::FromStr,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use zeroize::Zeroizing;

use crate::{output::dotenv::Quotes, secret::SecretValue};

/// The format of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Format {
    /// `NAME=BASE64` on a line for each entry, as in the original.
    #[default]
    Properties,
    /// `NAME='text'`, for a POSIX shell.
    Env,
    /// `NAME=text` in the notation that all readers of dotenv files share.
    Dotenv,
    /// One JSON object with a member for each entry.
    Json,
    /// One YAML mapping with a pair for each entry.
    Yaml,
    /// One file with raw bytes for each entry.
    Files,
}

impl Format {
    /// Every format, in the order in which messages list them.
    pub const ALL: [Self; 6] = [
        Self::Properties,
        Self::Env,
        Self::Dotenv,
        Self::Json,
        Self::Yaml,
        Self::Files,
    ];

    /// The word in settings and annotations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Properties => "properties",
            Self::Env => "env",
            Self::Dotenv => "dotenv",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Files => "files",
        }
    }

    /// Whether each name is that of a shell variable, and each value is text without NUL.
    pub(crate) fn has_variables(self) -> bool {
        matches!(self, Self::Env | Self::Dotenv)
    }
}

impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, ParseFormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or(ParseFormatError)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not a [`Format`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use properties, env, dotenv, json, yaml or files")]
pub struct ParseFormatError;

/// The list of `entries` in `format`, sorted by name, with a newline at the end unless it is empty.
/// `None` for [`Format::Files`], which has no lists: each value is written to a file with the name of
/// its entry.
///
/// No two entries may have the same name. The buffer has its final size from the
/// start: a buffer that grows leaves copies behind that are not wiped.
///
/// # Errors
/// [`RenderError`], naming the entries and nothing of their values.
pub fn render(
    format: Format,
    entries: &[(&str, &SecretValue)],
) -> Result<Option<Zeroizing<Vec<u8>>>, RenderError> {
    let entries: BTreeMap<&str, &SecretValue> = entries.iter().copied().collect();
    entries
        .iter()
        .try_for_each(|(name, value)| check(format, name, value))?;
    Ok(match format {
        Format::Properties => Some(filled(|put| properties(&entries, put))),
        Format::Env => {
            let variables = variables(format, &entries)?;
            Some(filled(|put| env(&variables, put)))
        }
        Format::Dotenv => {
            let variables = quoted(variables(format, &entries)?)?;
            Some(filled(|put| dotenv(&variables, put)))
        }
        Format::Json => Some(filled(|put| json(&entries, put))),
        Format::Yaml => Some(filled(|put| yaml(&entries, put))),
        Format::Files => None,
    })
}

/// Whether `format` can hold a value that may be a stored text.
fn check(format: Format, name: &str, value: &SecretValue) -> Result<(), RenderError> {
    if !value.is_verbatim() {
        return Ok(());
    }
    let name = name.to_owned();
    match format {
        Format::Properties if value.expose().iter().any(u8::is_ascii_control) => {
            Err(RenderError::NotOneLine { name })
        }
        Format::Properties | Format::Files => Ok(()),
        Format::Env => Err(RenderError::not_base64(name, "format env")),
        Format::Dotenv => Err(RenderError::not_base64(name, "format dotenv")),
        Format::Json => Err(RenderError::not_base64(name, "format json")),
        Format::Yaml => Err(RenderError::not_base64(name, "format yaml")),
    }
}

/// The output of `write`. It runs twice: first to measure the buffer, then to fill it, so that the
/// buffer never grows.
fn filled(write: impl Fn(&mut dyn FnMut(&[u8]))) -> Zeroizing<Vec<u8>> {
    let mut size = 0;
    write(&mut |bytes| size += bytes.len());
    let mut buffer = Zeroizing::new(Vec::with_capacity(size));
    write(&mut |bytes| buffer.extend_from_slice(bytes));
    buffer
}

fn properties(entries: &BTreeMap<&str, &SecretValue>, put: &mut dyn FnMut(&[u8])) {
    for (name, value) in entries {
        put(name.as_bytes());
        put(b"=");
        put(value.to_base64().as_bytes());
        put(b"\n");
    }
}

fn env(variables: &Variables<'_>, put: &mut dyn FnMut(&[u8])) {
    for (variable, (_, text)) in variables {
        put(variable.as_bytes());
        put(b"='");
        // In single quotes, only the single quote itself is special.
        for (i, part) in text.split('\'').enumerate() {
            if i > 0 {
                put(b"'\\''");
            }
            put(part.as_bytes());
        }
        put(b"'\n");
    }
}

fn dotenv(variables: &DotenvVariables<'_>, put: &mut dyn FnMut(&[u8])) {
    for (variable, (quotes, text)) in variables {
        let mark = quotes.mark().as_bytes();
        for piece in [
            variable.as_bytes(),
            b"=",
            mark,
            text.as_bytes(),
            mark,
            b"\n",
        ] {
            put(piece);
        }
    }
}

/// The entry and the text of each variable, sorted by variable.
type Variables<'a> = BTreeMap<String, (&'a str, &'a str)>;

/// The notation and the text of each variable, sorted by variable.
type DotenvVariables<'a> = BTreeMap<String, (Quotes, &'a str)>;

fn variables<'a>(
    format: Format,
    entries: &BTreeMap<&'a str, &'a SecretValue>,
) -> Result<Variables<'a>, RenderError> {
    let mut variables = Variables::new();
    for (name, value) in entries {
        let own = || (*name).to_owned();
        let text = shell_text(value).ok_or_else(|| RenderError::NotText {
            name: own(),
            format,
        })?;
        match variables.entry(variable_name(name)) {
            btree_map::Entry::Vacant(vacant) => vacant.insert((name, text)),
            btree_map::Entry::Occupied(other) => {
                return Err(RenderError::SameVariable {
                    variable: other.key().clone(),
                    name: own(),
                    other: other.get().0.to_owned(),
                });
            }
        };
    }
    Ok(variables)
}

/// `variables` with the notation of each text.
fn quoted(variables: Variables<'_>) -> Result<DotenvVariables<'_>, RenderError> {
    let quoted = |(variable, (name, text)): (String, (&str, _))| match Quotes::of(text) {
        Ok(quotes) => Ok((variable, (quotes, text))),
        Err(found) => Err(RenderError::NotDotenv {
            name: name.to_owned(),
            found,
        }),
    };
    variables.into_iter().map(quoted).collect()
}

/// The value as text that a shell variable can contain.
pub(crate) fn shell_text(value: &SecretValue) -> Option<&str> {
    value.expose_text().filter(|text| !text.contains('\0'))
}

/// `name` with `_` for each character that a POSIX shell does not accept in a variable, and before a
/// digit at the beginning.
pub fn variable_name(name: &str) -> String {
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    let rest = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    digit.then_some('_').into_iter().chain(rest).collect()
}

fn json(entries: &BTreeMap<&str, &SecretValue>, put: &mut dyn FnMut(&[u8])) {
    let written = serde_json::to_writer_pretty(Writer(&mut *put), &JsonObject(entries));
    // The writer accepts everything, and the keys are strings.
    debug_assert!(written.is_ok(), "the object cannot be written");
    put(b"\n");
}

fn yaml(entries: &BTreeMap<&str, &SecretValue>, put: &mut dyn FnMut(&[u8])) {
    if entries.is_empty() {
        put(b"{}\n");
    }
    for (name, value) in entries {
        yaml::scalar(name, put);
        if let Some(text) = value.expose_text() {
            put(b": ");
            yaml::scalar(text, put);
        } else {
            put(b": !!binary ");
            yaml::scalar(&value.to_base64(), put);
        }
        put(b"\n");
    }
}

/// The values as strings: text, or base64 of what is not text.
struct JsonObject<'a>(&'a BTreeMap<&'a str, &'a SecretValue>);

impl Serialize for JsonObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            match value.expose_text() {
                Some(text) => object.serialize_entry(name, text)?,
                None => object.serialize_entry(name, &**value.to_base64())?,
            }
        }
        object.end()
    }
}

/// Passes each piece on without a copy of the value.
struct Writer<'a>(&'a mut dyn FnMut(&[u8]));

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Entries that a format cannot contain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Two names have the same shell variable.
    #[error(
        "{name} and {other} would both be the shell variable {variable}; rename one of them or use \
         another format"
    )]
    SameVariable {
        /// The variable.
        variable: String,
        /// The one entry.
        name: String,
        /// The other entry.
        other: String,
    },
    /// A member of a JSON object has the name of another value of its list.
    #[error("its value {name} has the name of a value of {other}; rename one of them")]
    SameName {
        /// The value.
        name: String,
        /// The annotation of the other value.
        other: String,
    },
    /// A member of a JSON object has a file that exists already.
    #[error("the file {file} of its value {name} is also another file; rename one of them")]
    SameFile {
        /// The value.
        name: String,
        /// The file.
        file: String,
    },
    /// A stored text that is not canonical base64, where the raw value is needed.
    #[error(
        "the stored text of {name} is not canonical base64, and {needed_by} needs the raw value; \
         store the base64 of the value"
    )]
    NotBase64 {
        /// The entry.
        name: String,
        /// What needs the raw value.
        needed_by: &'static str,
    },
    /// A stored text that is not canonical base64 and has a line break or another control character.
    #[error(
        "the stored text of {name} is not canonical base64 and has a control character, which a \
         line of format properties cannot hold; store the base64 of the value in one line"
    )]
    NotOneLine {
        /// The entry.
        name: String,
    },
    /// A value that a shell variable cannot contain.
    #[error(
        "the value of {name} is not text (UTF-8 without NUL), which format {format} cannot hold; use \
         another format"
    )]
    NotText {
        /// The entry.
        name: String,
        /// The format of the list.
        format: Format,
    },
    /// A value that readers of dotenv files read in different ways.
    #[error(
        "the value of {name} has {found}, which readers of dotenv files read in different ways; use \
         another format"
    )]
    NotDotenv {
        /// The entry.
        name: String,
        /// What the value has, of which nothing is shown.
        found: &'static str,
    },
}

impl RenderError {
    fn not_base64(name: String, needed_by: &'static str) -> Self {
        Self::NotBase64 { name, needed_by }
    }

    /// The entry that the error is about; the first of two.
    pub fn name(&self) -> &str {
        match self {
            Self::SameVariable { name, .. }
            | Self::SameName { name, .. }
            | Self::SameFile { name, .. }
            | Self::NotBase64 { name, .. }
            | Self::NotOneLine { name }
            | Self::NotText { name, .. }
            | Self::NotDotenv { name, .. } => name,
        }
    }
}

/// The content of a file that holds one value only: its raw bytes.
///
/// # Errors
/// [`RenderError::NotBase64`] where the value has none.
pub fn raw_file(name: &str, value: &SecretValue) -> Result<Zeroizing<Vec<u8>>, RenderError> {
    if value.is_verbatim() {
        let name = name.to_owned();
        return Err(RenderError::not_base64(name, "a file of its own"));
    }
    Ok(Zeroizing::new(value.expose().to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn rendered(format: Format, entries: &[(&str, &[u8])]) -> Result<String, RenderError> {
        let entries: Vec<(&str, SecretValue)> = entries
            .iter()
            .map(|(name, value)| (*name, SecretValue::new(value.to_vec())))
            .collect();
        let entries: Vec<_> = entries.iter().map(|(name, value)| (*name, value)).collect();
        render(format, &entries).map(|file| String::from_utf8(file.unwrap().to_vec()).unwrap())
    }

    #[test]
    fn properties_are_base64_sorted_by_name() {
        let file = rendered(
            Format::Properties,
            &[("b", b"\xff\0"), ("a.x_public", b"text")],
        );
        assert_eq!(file.unwrap(), "a.x_public=dGV4dA==\nb=/wA=\n");
    }

    #[test]
    fn env_is_quoted_for_a_posix_shell() {
        let file = rendered(
            Format::Env,
            &[("b.c-d", b"it's $HOME\n`x`"), ("1a", "ü".as_bytes())],
        );
        assert_eq!(file.unwrap(), "_1a='ü'\nb_c_d='it'\\''s $HOME\n`x`'\n");
    }

    #[test]
    fn env_as_a_shell_reads_it_is_the_value() {
        let value = "'\"$(false)\\ \n\t*'' ü;&|<>\u{1}";
        let file = rendered(Format::Env, &[("a.b", value.as_bytes())]).unwrap();
        let script = format!("{file}printf %s \"$a_b\"");
        let shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), value);
    }

    #[test]
    fn two_names_that_become_one_variable_are_both_named() {
        let error = rendered(Format::Env, &[("a.b", b"1"), ("a-b", b"2")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.b and a-b would both be the shell variable a_b; rename one of them or use another \
             format"
        );
    }

    #[rstest]
    #[case(b"\xffcanary")]
    #[case(b"can\0ary")]
    fn env_refuses_what_is_not_text_and_shows_nothing_of_it(#[case] value: &[u8]) {
        let error = rendered(Format::Env, &[("a", value)]).unwrap_err();
        assert_eq!(
            error,
            RenderError::NotText {
                name: "a".to_owned(),
                format: Format::Env,
            }
        );
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn json_is_one_object_with_base64_for_what_is_not_text() {
        let file = rendered(
            Format::Json,
            &[("b", b"\xff"), ("a", b"1\"\\\n\x01\0 \xc3\xbc")],
        );
        assert_eq!(
            file.unwrap(),
            "{\n  \"a\": \"1\\\"\\\\\\n\\u0001\\u0000 ü\",\n  \"b\": \"/w==\"\n}\n"
        );
    }

    #[test]
    fn dotenv_has_quotes_only_where_a_value_needs_them() {
        let values: [(&str, &[u8]); 4] = [
            ("a.b", b"plain"),
            ("pem", b"-----BEGIN\nAA==\n"),
            ("quote", b"it's"),
            ("1", b"$HOME # \"x\""),
        ];
        assert_eq!(
            rendered(Format::Dotenv, &values).unwrap(),
            "_1='$HOME # \"x\"'\na_b=plain\npem='-----BEGIN\nAA==\n'\nquote=\"it's\"\n"
        );
    }

    #[test]
    fn dotenv_refuses_what_its_readers_read_differently_and_shows_nothing_of_it() {
        let error = rendered(Format::Dotenv, &[("a", b"canary's \"x\"")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the value of a has a single quote beside a double quote, a backtick, a backslash or a $, \
             which readers of dotenv files read in different ways; use another format"
        );
    }

    #[test]
    fn yaml_is_one_mapping_with_binary_for_what_is_not_text() {
        let values: [(&str, &[u8]); 3] =
            [("no", b"true"), ("b", b"\xff"), ("a", b"1\n\0 \xc3\xbc")];
        assert_eq!(
            rendered(Format::Yaml, &values).unwrap(),
            "\"a\": \"1\\n\\x00 ü\"\n\"b\": !!binary \"/w==\"\n\"no\": \"true\"\n"
        );
    }

    /// `hunter2` is what somebody stored without encoding it.
    #[rstest]
    #[case(Format::Properties, "hunter2", Ok("a=hunter2\n"))]
    #[case(Format::Properties, "canary\nb=x", Err("control character"))]
    #[case(Format::Env, "hunter2", Err("format env needs the raw value"))]
    #[case(Format::Dotenv, "hunter2", Err("format dotenv needs the raw value"))]
    #[case(Format::Json, "hunter2", Err("format json needs the raw value"))]
    #[case(Format::Yaml, "hunter2", Err("format yaml needs the raw value"))]
    fn a_stored_text_is_copied_into_a_list_of_properties_and_refused_elsewhere(
        #[case] format: Format,
        #[case] text: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let value = SecretValue::from_stored_text(Zeroizing::new(text.to_owned()));
        let file = render(format, &[("a", &value)]);
        match (file, expected) {
            (Ok(file), Ok(expected)) => assert_eq!(*file.unwrap(), expected.as_bytes()),
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                assert!(
                    error.contains(expected) && !error.contains("canary"),
                    "{error}"
                );
            }
            (file, _) => panic!("{file:?}"),
        }
        assert!(raw_file("a", &value).is_err());
    }

    #[rstest]
    #[case(Format::Properties, "")]
    #[case(Format::Env, "")]
    #[case(Format::Dotenv, "")]
    #[case(Format::Json, "{}\n")]
    #[case(Format::Yaml, "{}\n")]
    fn no_entries_are_a_sound_file(#[case] format: Format, #[case] file: &str) {
        assert_eq!(rendered(format, &[]).unwrap(), file);
    }

    #[test]
    fn files_have_no_list() {
        assert_eq!(render(Format::Files, &[]), Ok(None));
    }

    #[test]
    fn a_format_prints_as_it_was_written() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("Env".parse::<Format>().is_err());
    }

    proptest! {
        #[test]
        fn json_reads_back(entries in prop::collection::btree_map("[a-z0-9]([a-zA-Z0-9._-]{0,9}[a-z0-9])?", any::<String>(), 0..6)) {
            let list: Vec<_> = entries.iter().map(|(k, v)| (k.as_str(), v.as_bytes())).collect();
            let file = rendered(Format::Json, &list).unwrap();
            let read: BTreeMap<String, String> = serde_json::from_str(&file).unwrap();
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn a_buffer_never_grows(value: Vec<u8>, text in "[^\0]*") {
            let check = |format, value: SecretValue| {
                let file = render(format, &[("a", &value)]).unwrap().unwrap();
                // A buffer that grew by doubling has room to spare.
                assert_eq!(file.capacity(), file.len());
            };
            check(Format::Properties, SecretValue::new(value.clone()));
            check(Format::Json, SecretValue::new(value.clone()));
            check(Format::Yaml, SecretValue::new(value));
            check(Format::Env, SecretValue::new(text.into_bytes()));
        }
    }
}
