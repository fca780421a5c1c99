//! A pod with values of every kind.

use kees_common::{Domain, Entry, Parsed, SecretValue, members};
use kees_template::{Entries, TemplateError, TemplateValue, TemplateValues, check, render};
use zeroize::Zeroizing;

pub(crate) struct Pod {
    pub(crate) entries: Vec<Entry>,
    values: TemplateValues,
}

const VALUES: [(&str, &str, &[u8]); 7] = [
    (
        "secret.d/db-password",
        "kind=REFERENCE",
        b"p@ss \"w\"/canary",
    ),
    ("secret.d/name", "kind=REFERENCE", b"secret-name"),
    (
        "secret.d/key",
        "kind=DYNAMIC,type=RANDOM,size=32",
        b"\xffcanary\0",
    ),
    (
        "secret.d/db",
        "kind=REFERENCE,property=*",
        br#"{"user":"app","password":"canary","port":5432}"#,
    ),
    ("resource.d/name", "", b"resource-name"),
    (
        "resource.d/pem",
        "",
        b"-----BEGIN-----\ncanary\n-----END-----\n",
    ),
    ("lease.d/worker", "kind=INDEX,rangeStart=0,rangeEnd=9", b"7"),
];

impl Pod {
    pub(crate) fn new() -> Self {
        let domain: Domain = "d".parse().unwrap();
        let annotations = VALUES.map(|(key, text, _)| (key, text));
        let parsed = Parsed::from_annotations(&domain, annotations);
        assert_eq!(
            (parsed.errors, parsed.entries.len()),
            (vec![], VALUES.len())
        );
        let mut values = TemplateValues::default();
        for entry in &parsed.entries {
            let mut all = VALUES.iter();
            let (_, _, bytes) = all.find(|(key, ..)| *key == entry.annotation).unwrap();
            let value = SecretValue::new(bytes.to_vec());
            if entry.has_every_member() {
                let members = members(&value).unwrap();
                let members = members.iter().map(|(name, value)| (name.as_str(), value));
                values.add(entry, &TemplateValue::Members(members.collect()));
            } else {
                values.add(entry, &TemplateValue::One(&value));
            }
        }
        Self {
            entries: parsed.entries,
            values,
        }
    }

    /// With a stored text that is not base64 as the value of `secret.name`.
    pub(crate) fn with_verbatim() -> Self {
        let mut pod = Self::new();
        let value = SecretValue::from_stored_text(Zeroizing::new("canary!".to_owned()));
        let mut entries = pod.entries.iter();
        let entry = entries
            .find(|entry| entry.annotation == "secret.d/name")
            .unwrap();
        pod.values.add(entry, &TemplateValue::One(&value));
        pod
    }

    /// The errors at admission.
    pub(crate) fn errors(&self, source: &str) -> Vec<String> {
        let entries = Entries::new(&self.entries);
        let errors = check(source, Some(&entries));
        errors.map(|error| error.to_string()).collect()
    }

    pub(crate) fn render(&self, source: &str) -> Result<String, TemplateError> {
        render(source, &self.values).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// The error of rendering, which has no value in it.
    pub(crate) fn error(&self, source: &str) -> String {
        let error = self.render(source).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
        error.to_string()
    }
}
