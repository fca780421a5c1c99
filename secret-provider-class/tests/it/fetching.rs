//! What is read in which Region, and what is said when it fails.

use kees_common::SecretValue;
use kees_secret_provider_class::{Fetch, FetchError, Mount, OutputFile, Read, Service, Site};

use crate::{class, parse_class, parse_objects};

type Result<T> = std::result::Result<T, Vec<FetchError<&'static str>>>;
type Answer = std::result::Result<Option<&'static str>, &'static str>;

/// An error after which the failover Region is not asked.
const FINAL: &str = "the key is disabled";

/// Fetches a mount. Returns what was read too.
fn fetch(
    mount: &Mount,
    answer: impl Fn(Site, &str) -> Answer,
) -> (Result<Vec<OutputFile>>, Vec<Read>) {
    let mut fetch = Fetch::new(mount);
    let mut all = Vec::new();
    loop {
        let reads = fetch.wanted();
        if reads.is_empty() {
            return (fetch.finish(), all);
        }
        for read in &reads {
            if read.site == Site::Failover {
                assert_eq!(fetch.first_causes(read).len(), read.locators.len());
            }
            let answers = read.locators.iter().map(|locator| {
                let value = answer(read.site, locator.path.as_str())?;
                Ok(value.map(|value| SecretValue::new(value.as_bytes().to_vec())))
            });
            fetch.answer(read, answers.collect(), |error| *error == FINAL);
        }
        all.extend(reads);
    }
}

fn with_failover(objects: &str) -> Mount {
    let parameters = [
        ("objects", objects),
        ("region", "eu-west-1"),
        ("failoverRegion", "eu-west-2"),
    ];
    parse_class(&class(&parameters)).unwrap()
}

fn messages(result: Result<Vec<OutputFile>>) -> Vec<String> {
    let Err(errors) = result else {
        panic!("it was fetched");
    };
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn each_version_is_read_once_in_one_read_of_each_service() {
    let objects = "\
- {objectName: p, objectType: ssmparameter, objectAlias: a}
- {objectName: s, objectType: secretsmanager, objectVersionLabel: AWSPREVIOUS, objectVersion: v}
- {objectName: p, objectType: ssmparameter, objectAlias: b}
- {objectName: p, objectType: ssmparameter, objectAlias: c, objectVersion: 3}
- {objectName: t, objectType: secretsmanager}
";
    let mount = parse_objects(objects).unwrap();
    let (files, reads) = fetch(&mount, |_, _| Ok(Some("x")));
    let paths: Vec<_> = files.unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["a", "s", "b", "c", "t"]);
    let read: Vec<_> = reads
        .iter()
        .map(|read| {
            let locators = read.locators.iter().map(|locator| {
                let version = locator.version_id.as_deref().unwrap_or_default();
                let label = locator.version_stage.as_deref().unwrap_or_default();
                format!("{}#{version}@{label}", locator.path)
            });
            (read.service, locators.collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(
        read,
        [
            (Service::ParameterStore, "p#@ p#3@".to_owned()),
            (Service::SecretsManager, "s#v@AWSPREVIOUS t#@".to_owned()),
        ]
    );
}

#[test]
fn the_failover_region_is_asked_only_for_what_failed() {
    let mount = with_failover(
        "- {objectName: s, objectType: secretsmanager, objectAlias: s, failoverObject: {objectName: o}}\n\
         - {objectName: t, objectType: secretsmanager}\n",
    );
    let (files, reads) = fetch(&mount, |site, name| match (site, name) {
        (Site::Primary, "s") => Err("it is down"),
        (Site::Primary, "t") => Ok(Some("first")),
        (Site::Failover, "o") => Ok(Some("second")),
        other => panic!("{other:?}"),
    });
    let files = files.unwrap();
    let values: Vec<_> = files
        .iter()
        .map(|file| file.content.expose_text())
        .collect();
    assert_eq!(values, [Some("second"), Some("first")]);
    assert_eq!(reads.len(), 2);
}

#[test]
fn an_error_has_the_causes_of_both_regions() {
    let mount = with_failover("- {objectName: s, objectType: secretsmanager}");
    let answer = |site, _: &str| match site {
        Site::Primary => Err("denied: secretsmanager:GetSecretValue is missing"),
        Site::Failover => Ok(None),
    };
    assert_eq!(
        messages(fetch(&mount, answer).0),
        [
            "secretsmanager s in eu-west-1: denied: secretsmanager:GetSecretValue is missing; \
             secretsmanager s in eu-west-2: it does not exist"
        ]
    );
}

#[test]
fn an_error_names_the_version_and_the_label_that_were_asked_for() {
    let objects = "\
- {objectName: s, objectType: secretsmanager, objectAlias: a}
- {objectName: s, objectType: secretsmanager, objectAlias: b, objectVersionLabel: AWSPREVIOUS}
- {objectName: s, objectType: secretsmanager, objectAlias: c, objectVersion: v1}
- {objectName: s, objectType: secretsmanager, objectAlias: d, objectVersion: v1, objectVersionLabel: good}
- {objectName: p, objectType: ssmparameter, objectAlias: e, objectVersion: 3}
- {objectName: p, objectType: ssmparameter, objectAlias: f, objectVersionLabel: good}
";
    let (result, _) = fetch(&parse_objects(objects).unwrap(), |_, _| Ok(None));
    let names: Vec<_> = messages(result)
        .iter()
        .map(|message| message.split(" in ").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "secretsmanager s",
            "secretsmanager s (label AWSPREVIOUS)",
            "secretsmanager s (version v1)",
            "secretsmanager s (version v1, label good)",
            "ssmparameter p:3",
            "ssmparameter p:good",
        ]
    );
}

#[test]
fn the_failover_region_is_not_asked_after_a_final_error() {
    let objects = "- {objectName: s, objectType: secretsmanager}\n\
                   - {objectName: p, objectType: ssmparameter}\n";
    let (result, reads) = fetch(&with_failover(objects), |_, name| match name {
        "s" => Ok(None),
        _ => Err(FINAL),
    });
    assert!(reads.iter().all(|read| read.site == Site::Primary));
    assert_eq!(
        messages(result),
        [
            "secretsmanager s in eu-west-1: it does not exist",
            "ssmparameter p in eu-west-1: the key is disabled",
        ]
    );
}

#[test]
fn a_value_in_which_nothing_is_found_is_asked_for_in_the_failover_region() {
    let mount = with_failover(
        "- {objectName: s, objectType: secretsmanager, jmesPath: [{path: a, objectAlias: a}]}",
    );
    let (files, _) = fetch(&mount, |site, _| match site {
        Site::Primary => Ok(Some("marker")),
        Site::Failover => Ok(Some("{\"a\": \"found\"}")),
    });
    assert_eq!(files.unwrap()[1].content.expose_text(), Some("found"));
    let (result, _) = fetch(&mount, |_, _| Ok(Some("marker")));
    let message = messages(result).concat();
    assert!(message.contains("the value is not JSON"), "{message}");
    assert!(!message.contains("marker"), "{message}");
}

#[test]
fn a_name_that_no_store_has_is_an_error_of_its_object() {
    let objects = "- {objectName: é, objectType: secretsmanager}\n\
                   - {objectName: s, objectType: secretsmanager}\n";
    let (result, reads) = fetch(&parse_objects(objects).unwrap(), |_, _| Ok(Some("x")));
    let messages = messages(result);
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with("secretsmanager é in the default Region: "),
        "{messages:?}"
    );
    assert_eq!(reads.len(), 1);
}
