//! The file from which `kees-init exec` reads the values of environment variables.
//!
//! For each entry it has a line with the name and the length of the value, then the value, then the
//! end of a line. So any bytes can be read back, and a file that was cut is an error. An entry without a
//! value, a previous value that there is not, has a line with the name and `-`.

use zeroize::Zeroizing;

use crate::secret::SecretValue;

/// The name of the file.
pub const VALUES_FILE: &str = ".kees-env";

/// The name of the copy of `kees-init` beside it.
pub const PROGRAM_FILE: &str = ".kees-init";

/// The name of the file that is there when all files are complete, in a pod with `start: fast`.
pub const READY_FILE: &str = ".kees-ready";

/// What stands for the length of a value that there is not.
const ABSENT: &str = "-";

/// An entry of the file: its name, and its value unless it is a previous value that there is not.
pub type StoredValue<'a> = (&'a str, Option<&'a [u8]>);

/// The content of the file. An entry without a value is a previous value that there is not.
pub fn write(entries: &[(&str, Option<&SecretValue>)]) -> Zeroizing<Vec<u8>> {
    let heads: Vec<_> = entries
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name} {}\n", value.len()),
            None => format!("{name} {ABSENT}\n"),
        })
        .collect();
    let size = heads
        .iter()
        .zip(entries)
        .map(|(head, (_, value))| head.len() + value.map_or(0, |value| value.len() + 1))
        .sum();
    // Sized once: a buffer that grows leaves copies behind that are not wiped.
    let mut content = Zeroizing::new(Vec::with_capacity(size));
    for (head, (_, value)) in heads.iter().zip(entries) {
        content.extend_from_slice(head.as_bytes());
        if let Some(value) = value {
            content.extend_from_slice(value.expose());
            content.push(b'\n');
        }
    }
    content
}

/// The entries of a file.
///
/// # Errors
/// [`ParseValuesError`], which says nothing of the values.
pub fn read(mut content: &[u8]) -> Result<Vec<StoredValue<'_>>, ParseValuesError> {
    let mut entries = Vec::new();
    while !content.is_empty() {
        let (entry, rest) = first(content).ok_or(ParseValuesError)?;
        entries.push(entry);
        content = rest;
    }
    Ok(entries)
}

/// The first entry, and what follows it.
fn first(content: &[u8]) -> Option<(StoredValue<'_>, &[u8])> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = content.split_at(end);
    let (name, length) = std::str::from_utf8(head).ok()?.split_once(' ')?;
    let rest = rest.strip_prefix(b"\n")?;
    if name.is_empty() {
        return None;
    }
    if length == ABSENT {
        return Some(((name, None), rest));
    }
    let (value, rest) = rest.split_at_checked(length.parse().ok()?)?;
    let rest = rest.strip_prefix(b"\n")?;
    Some(((name, Some(value)), rest))
}

/// Content that is not what [`write`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a file of values that kees-init writes, or it was cut")]
pub struct ParseValuesError;

/// Whether `value` can be the value of an environment variable `name`, which takes at most `limit`
/// bytes for its name, `=`, its value, and the byte at the end.
///
/// # Errors
/// [`VariableError`], naming the entry and nothing of its value.
pub fn check(entry: &str, variable: &str, value: &[u8], limit: usize) -> Result<(), VariableError> {
    let bytes = variable.len() + value.len() + 2;
    if value.contains(&0) || std::str::from_utf8(value).is_err() {
        Err(VariableError::NotText(entry.to_owned()))
    } else if bytes > limit {
        Err(VariableError::TooLong {
            name: entry.to_owned(),
            bytes,
            limit,
        })
    } else {
        Ok(())
    }
}

/// A value that cannot be the value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// It has a NUL, or is not UTF-8.
    #[error(
        "the value of {0} is not text (UTF-8 without NUL), which an environment variable cannot hold; \
         leave it out of the variables and read its file"
    )]
    NotText(String),
    /// It is a stored text that is not base64.
    #[error(
        "the stored value of {0} is not canonical base64, and an environment variable needs the raw \
         value; store it again in base64, or leave it out of the variables"
    )]
    NotBase64(String),
    /// Linux does not start a program with it.
    #[error(
        "{name} needs {bytes} bytes as an environment variable, and Linux allows {limit} for one; \
         leave it out of the variables and read its file"
    )]
    TooLong {
        /// The entry.
        name: String,
        /// The bytes of the variable.
        bytes: usize,
        /// The most bytes that are possible.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    proptest! {
        #[test]
        fn a_file_reads_back(
            entries in prop::collection::btree_map("[a-z]([a-z0-9._-]{0,9}[a-z0-9])?", any::<Option<Vec<u8>>>(), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let entries: Vec<(String, Option<SecretValue>)> = entries
                .into_iter()
                .map(|(name, value)| (name, value.map(SecretValue::new)))
                .collect();
            let list: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
            let content = write(&list);
            prop_assert_eq!(content.capacity(), content.len());
            let read_back = read(&content).unwrap();
            prop_assert_eq!(read_back.len(), entries.len());
            for ((name, value), (wanted_name, wanted)) in read_back.iter().zip(&entries) {
                prop_assert_eq!(name, wanted_name);
                prop_assert_eq!(*value, wanted.as_ref().map(SecretValue::expose));
            }
            // A file that was cut never has a wrong value: it is an error, or has fewer entries.
            let cut = cut.index(content.len() + 1);
            if let Ok(fewer) = read(&content[..cut]) {
                prop_assert_eq!(&fewer[..], &read_back[..fewer.len()]);
            }
        }
    }

    #[rstest]
    #[case(b"a 1\nx")]
    #[case(b"a 2\nx\n")]
    #[case(b"a -1\n\n")]
    #[case(b"a\nx\n")]
    #[case(b" 1\nx\n")]
    #[case(b"a 99999999999999999999\nx\n")]
    #[case(b"A=b\0")]
    fn what_is_not_such_a_file_is_an_error(#[case] content: &[u8]) {
        assert_eq!(read(content), Err(ParseValuesError));
    }

    #[rstest]
    #[case("text\nü", 16, None)]
    #[case(
        "text\nü",
        10,
        Some("a needs 11 bytes as an environment variable, and Linux allows 10")
    )]
    #[case("canary\0", 16, Some("the value of a is not text"))]
    fn a_variable_is_short_text(
        #[case] value: &str,
        #[case] limit: usize,
        #[case] error: Option<&str>,
    ) {
        match (check("a", "AB", value.as_bytes(), limit), error) {
            (Ok(()), None) => {}
            (Err(found), Some(error)) => {
                let found = found.to_string();
                assert!(
                    found.starts_with(error) && !found.contains("canary"),
                    "{found}"
                );
            }
            (found, _) => panic!("{found:?}"),
        }
    }
}
