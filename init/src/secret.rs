//! The keys and values of the Kubernetes Secret that a pod asks for with `init.DOMAIN/sync`.

use std::collections::BTreeMap;

use kees_common::{
    Domain, Entry, SecretValue, Source, SyncKey, SyncOptions, SyncType, members, names::init,
    output::raw_file,
};
use kees_store::protocol::StoreSet;
use kees_template::render;

use crate::{
    InitError, Progress, Request, RunError,
    files::{
        named::{Named, named},
        templates::values,
    },
    values::stored_again,
};

/// The most bytes that Kubernetes stores as the data of a Secret.
const MAX_BYTES: usize = 1 << 20;

/// The most characters of a key of a Secret.
const MAX_KEY: usize = 253;

/// The keys and values of the Secret that `sync` describes, sorted by key. `request` is one
/// [for a Secret](Request::for_secret).
///
/// # Errors
/// Every error. [`InitError::is_absent`] says which ones may pass when something creates a value.
pub async fn secret_data(
    request: &Request,
    sync: &SyncOptions,
    domain: &Domain,
    stores: &impl StoreSet,
    progress: &dyn Progress,
) -> Result<Vec<(String, SecretValue)>, RunError> {
    // A lease is the number of one pod, so it is in no Secret.
    let read = stored_again(request, stores, progress, |_| Ok(None)).await?;
    let read = request.entries.iter().zip(&read);
    let present = read.filter_map(|(entry, value)| {
        let (value, _) = value.as_ref()?;
        (!matches!(entry.source, Source::Lease(_))).then_some((entry, value))
    });
    let present: Vec<(&Entry, &SecretValue)> = present.collect();
    let named = named(&present).map_err(RunError::new)?;
    let results = if sync.keys.is_empty() {
        named.iter().map(of_entry).collect()
    } else {
        of_templates(&sync.keys, &named)
    };
    let mut errors = Vec::new();
    let mut data = BTreeMap::new();
    for result in results {
        match result {
            Ok((key, value)) => data.extend([(key, value)]),
            Err(error) => errors.push(error),
        }
    }
    RunError::check(errors)?;
    let secret_type = sync.secret_type.unwrap_or_default();
    RunError::check(errors_of(secret_type, &data, sync, domain))?;
    Ok(data.into_iter().collect())
}

type Key = Result<(String, SecretValue), InitError>;

/// The key of a value, which has the same name.
fn of_entry(of: &Named<'_>) -> Key {
    if of.name.len() > MAX_KEY {
        return Err(InitError::SecretKey {
            annotation: of.entry.annotation.clone(),
            error: format!(
                "the name of a member is too long for a key of a Secret, which has {MAX_KEY} characters at most; \
                 use a template"
            ),
        });
    }
    let value = raw_file(&of.name, &of.value).map_err(|source| of.error(source))?;
    Ok((of.name.to_string(), SecretValue::from(value)))
}

fn of_templates(keys: &[SyncKey], named: &[Named<'_>]) -> Vec<Key> {
    let values = values(named);
    let key = |key: &SyncKey| match render(&key.source, &values) {
        Ok(content) => Ok((key.key.to_string(), SecretValue::from(content))),
        Err(source) => Err(InitError::Template {
            annotation: key.annotation.clone(),
            source,
        }),
    };
    keys.iter().map(key).collect()
}

/// What Kubernetes, or whoever reads a Secret of the type, does not accept.
fn errors_of(
    secret_type: SyncType,
    data: &BTreeMap<String, SecretValue>,
    sync: &SyncOptions,
    domain: &Domain,
) -> Vec<InitError> {
    let mut errors = Vec::new();
    for key in secret_type.keys() {
        let mut of_keys = sync.keys.iter().filter(|of| of.key.as_str() == *key);
        let annotation = of_keys.next().map(|of| of.annotation.clone());
        let annotation = annotation.unwrap_or_else(|| domain.init(init::SYNC));
        let wrong = match data.get(*key) {
            Some(value) => wrong(key, value),
            None => Some("there is no such value"),
        };
        errors.extend(wrong.map(|wrong| InitError::SecretKey {
            annotation,
            error: format!("the key {key} of a Secret of the type {secret_type}: {wrong}"),
        }));
    }
    let size: usize = data.values().map(SecretValue::len).sum();
    if size > MAX_BYTES {
        errors.push(InitError::SecretKey {
            annotation: domain.init(init::SYNC),
            error: format!(
                "the data of the Secret has {size} bytes, but Kubernetes stores {MAX_BYTES} at most; leave \
                 values out, or use files"
            ),
        });
    }
    errors
}

/// Why `value` cannot be the value of a key that a type needs. No message has a part of the value.
fn wrong(key: &str, value: &SecretValue) -> Option<&'static str> {
    let text = value.expose_text().unwrap_or_default();
    match key {
        "tls.crt" => (!text.contains("-----BEGIN CERTIFICATE-----"))
            .then_some("it has no certificate in PEM"),
        "tls.key" => (!text.contains("PRIVATE KEY-----"))
            .then_some("it has no private key in PEM; add encoding=pem to the entry of the key"),
        _ => {
            let object = members(value).unwrap_or_default();
            let mut auths = object.iter().filter(|(name, _)| name == "auths");
            let has_auths = auths.any(|(_, auths)| auths.expose().starts_with(b"{"));
            (!has_auths).then_some("it is no JSON object with the member auths, which is an object")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kees_common::{LocalMode, Parsed, Plan, PlanSettings, StoreName};
    use kees_store::{Store, Stores, memory::Memory};
    use rstest::rstest;

    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";

    fn stores(values: &[(&str, &[u8])]) -> Stores {
        let memory = Memory::new();
        for (path, value) in values {
            memory.put(path.parse().unwrap(), SecretValue::new(value.to_vec()));
        }
        let mut stores = Stores::default();
        stores.add(Store::Memory(memory));
        stores
    }

    async fn data_of(
        annotations: &[(&str, &str)],
        stores: &Stores,
    ) -> Result<Vec<(String, Vec<u8>)>, RunError> {
        let domain: Domain = "d".parse().unwrap();
        let parsed = Parsed::from_annotations(&domain, annotations.iter().copied());
        let settings = PlanSettings {
            prefix: "/p".parse().unwrap(),
            store: StoreName::Memory,
            allowed: Vec::new(),
            references: None,
            local_mode_allowed: true,
            layout: kees_common::Layout::under(
                &kees_common::MountPath::default(),
                kees_common::output::Format::default(),
            ),
        };
        let plan = Plan::new(&parsed, &settings).unwrap();
        let sync = parsed.options.sync.clone();
        let limit = Duration::from_secs(5);
        let request = Request::for_secret(parsed, plan, "team-a".to_owned(), limit);
        let data = secret_data(&request, &sync, &domain, stores, &()).await?;
        let data = data.into_iter();
        Ok(data
            .map(|(key, value)| (key, value.expose().to_vec()))
            .collect())
    }

    fn lines(error: &RunError) -> Vec<String> {
        error.errors().iter().map(InitError::line).collect()
    }

    #[tokio::test]
    async fn without_templates_there_is_a_key_for_each_value_but_not_for_leases() {
        let stores = stores(&[("/p/a", b"\0\xff"), ("/p/o", b"1")]);
        let annotations = [
            ("secret.d/a", "kind=REFERENCE"),
            ("resource.d/o", ""),
            ("lease.d/n", "kind=INDEX,rangeStart=1,rangeEnd=9"),
            ("init.d/sync", "web"),
        ];
        let data = data_of(&annotations, &stores).await.unwrap();
        let expected: [(&str, &[u8]); 2] = [("a", b"\0\xff"), ("o", b"1")];
        let data: Vec<(&str, &[u8])> = data.iter().map(|(key, of)| (&**key, &**of)).collect();
        assert_eq!(data, expected);
    }

    #[tokio::test]
    async fn with_templates_there_are_their_keys_only() {
        let stores = stores(&[("/p/a", b"x")]);
        let annotations = [
            ("secret.d/a", "kind=REFERENCE"),
            ("init.d/sync", "web"),
            ("init.d/sync-key.url", "db://{{ secret.a }}"),
        ];
        let data = data_of(&annotations, &stores).await.unwrap();
        assert_eq!(data, [("url".to_owned(), b"db://x".to_vec())]);
    }

    #[tokio::test]
    async fn what_is_absent_is_neither_created_nor_waited_for() {
        let stores = stores(&[]);
        let annotations = [
            ("secret.d/a", "kind=DYNAMIC,type=PASSWORD,size=128"),
            ("init.d/sync", "web"),
        ];
        let begun = std::time::Instant::now();
        let error = data_of(&annotations, &stores).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(4));
        assert!(error.errors().iter().all(InitError::is_absent), "{error}");
        let expected = "secret.d/a (memory /p/a): absent; the Secret is written when the pod's init container or a \
                        creator has created it";
        assert_eq!(lines(&error), [expected]);
    }

    #[tokio::test]
    async fn in_local_mode_no_store_is_needed() {
        let annotations = [
            ("secret.d/a", "kind=DYNAMIC,type=PASSWORD,size=128"),
            ("init.d/local-mode", "true"),
            ("init.d/sync", "web"),
        ];
        let data = data_of(&annotations, &Stores::default()).await.unwrap();
        assert_eq!(data.len(), 1);
        assert_eq!(LocalMode::default(), LocalMode::Off);
    }

    #[rstest]
    #[case(
        CERTIFICATE,
        "x",
        Some(
            "init.d/sync-key.tls.key: the key tls.key of a Secret of the type kubernetes.io/tls: it has no private key in PEM; add encoding=pem"
        )
    )]
    #[case(
        "x",
        "-----BEGIN PRIVATE KEY-----",
        Some("init.d/sync-key.tls.crt: the key tls.crt")
    )]
    #[case(CERTIFICATE, "-----BEGIN RSA PRIVATE KEY-----", None)]
    #[tokio::test]
    async fn a_certificate_and_its_key_are_pem(
        #[case] certificate: &str,
        #[case] key: &str,
        #[case] expected: Option<&str>,
    ) {
        let stores = stores(&[("/p/c", certificate.as_bytes()), ("/p/k", key.as_bytes())]);
        let annotations = [
            ("resource.d/c", ""),
            ("secret.d/k", "kind=REFERENCE"),
            ("init.d/sync", "web"),
            ("init.d/sync-type", "kubernetes.io/tls"),
            ("init.d/sync-key.tls.crt", "{{ resource.c }}"),
            ("init.d/sync-key.tls.key", "{{ secret.k }}"),
        ];
        check(data_of(&annotations, &stores).await, expected);
    }

    #[rstest]
    #[case(r#"{"auths": {"r": {"auth": "canary"}}}"#, None)]
    #[case(
        r#"{"auth": {"r": "canary"}}"#,
        Some(
            "init.d/sync-key..dockerconfigjson: the key .dockerconfigjson of a Secret of the type kubernetes.io/dockerconfigjson: it is no JSON object with the member auths"
        )
    )]
    #[case(r#"{"auths": "canary"}"#, Some("init.d/sync-key..dockerconfigjson"))]
    #[case("canary", Some("init.d/sync-key..dockerconfigjson"))]
    #[tokio::test]
    async fn credentials_of_registries_are_json(
        #[case] value: &str,
        #[case] expected: Option<&str>,
    ) {
        let stores = stores(&[("/p/r", value.as_bytes())]);
        let annotations = [
            ("secret.d/r", "kind=REFERENCE"),
            ("init.d/sync", "pull"),
            ("init.d/sync-type", "kubernetes.io/dockerconfigjson"),
            ("init.d/sync-key..dockerconfigjson", "{{ secret.r }}"),
        ];
        check(data_of(&annotations, &stores).await, expected);
    }

    #[tokio::test]
    async fn more_than_a_mebibyte_is_an_error() {
        let half = vec![b'x'; MAX_BYTES / 2];
        let stores = stores(&[("/p/a", &half), ("/p/b", &half), ("/p/c", b"x")]);
        let both = [
            ("secret.d/a", "kind=REFERENCE"),
            ("secret.d/b", "kind=REFERENCE"),
            ("init.d/sync", "web"),
        ];
        assert_eq!(data_of(&both, &stores).await.unwrap().len(), 2);
        let more = [&both[..], &[("secret.d/c", "kind=REFERENCE")]].concat();
        let expected = "init.d/sync: the data of the Secret has 1048577 bytes";
        check(data_of(&more, &stores).await, Some(expected));
    }

    fn check(result: Result<Vec<(String, Vec<u8>)>, RunError>, expected: Option<&str>) {
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                let lines = lines(&error);
                assert!(
                    lines.len() == 1 && lines[0].starts_with(expected),
                    "{error}"
                );
                assert!(!lines[0].contains("canary"), "{error}");
            }
            (result, expected) => panic!("{:?} instead of {expected:?}", result.is_ok()),
        }
    }
}
