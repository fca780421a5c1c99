//! The memory that a review of the largest body takes. This program has one test, because the
//! allocator counts the memory of the whole process.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use kees_inject::{
    ClassAccess, Classes, InjectSettings, Lookup, Outcome, review, review_with_classes,
};
use kees_secret_provider_class::ClassSpec;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most bytes of a body that the webhook accepts.
const BODY: usize = 3 << 20;

/// The most memory that a review may take besides its body. `SECURITY.md` names it.
const LIMIT: usize = 4_000_000;

/// A review of a pod with one entry. `metadata` and `spec` are the members besides that.
fn body(metadata: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{
        "uid": "a-1", "operation": "CREATE", "namespace": "team-a",
        "resource": {{"group": "", "version": "v1", "resource": "pods"}},
        "object": {{"metadata": {{"annotations": {{
            "secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256"{metadata}
        }}}}, "spec": {{{spec}}}}}}}}}"#
    )
}

/// As many of `item` as fit into a body, between `before` and `after` in the pod's spec.
fn spec(before: &str, item: &str, after: &str) -> String {
    let place = body("", &[before, after].concat()).len();
    let count = (BODY - place) / (item.len() + 1);
    let items = vec![item; count].join(",");
    body("", &[before, &items, after].concat())
}

fn annotations(item: impl Fn(usize) -> String, count: usize) -> String {
    let items: Vec<_> = (0..count).map(item).collect();
    body(&format!(",{}", items.join(",")), "")
}

const INIT: &str = r#"{"name": "kees-init", "volumeMounts": [{"name": "kees-secrets", "mountPath": "/bsycorp-init"}]"#;

fn bodies() -> Vec<(&'static str, Outcome, String)> {
    let init = |member: &str| format!(r#""initContainers": [{INIT}, "{member}": ["#);
    let volume = |member: &str| {
        format!(r#""initContainers": [{INIT}}}], "volumes": [{{"name": "kees-secrets", {member}["#)
    };
    let web = r#""containers": [{"name": "web", "volumeMounts": ["#;
    let mounts = [r#"{"volumeMounts":["#, &vec!["{}"; 500].join(","), "]}"].concat();
    let in_the_way = format!(
        r#"{{"name":"{}","mountPath":"/bsycorp-init/x"}}"#,
        "\u{1f600}".repeat(64)
    );
    let identity = r#""containers": [{"volumeMounts": [{"name": "aws-iam-token"}], "env": ["#;
    let deep = (BODY - 2000) / 2;
    let deep = ["[".repeat(deep), "]".repeat(deep)].concat();
    vec![
        (
            "arguments",
            Outcome::Patched,
            spec(&init("args"), r#""""#, "]}]"),
        ),
        (
            "variables",
            Outcome::Patched,
            spec(&init("env"), "{}", "]}]"),
        ),
        (
            "variables of an identity",
            Outcome::Patched,
            spec(identity, "{}", "]}]"),
        ),
        (
            "sources",
            Outcome::Patched,
            spec(&volume(r#""emptyDir": {}, "projected": "#), "{}", "]}]"),
        ),
        (
            "volumes",
            Outcome::Denied,
            spec(r#""volumes": ["#, "{}", "]"),
        ),
        (
            "containers",
            Outcome::Denied,
            spec(r#""containers": ["#, "{}", "]"),
        ),
        ("mounts", Outcome::Denied, spec(web, "{}", "]}]")),
        (
            "mounts of all containers",
            Outcome::Denied,
            spec(r#""containers": ["#, &mounts, "]"),
        ),
        (
            "mounts in the way",
            Outcome::Denied,
            spec(web, &in_the_way, "]}]"),
        ),
        (
            "annotations",
            Outcome::Denied,
            annotations(|_| r#""b":"""#.to_owned(), 400_000),
        ),
        (
            "escapes",
            Outcome::Denied,
            annotations(|_| r#""\u0062":"\u0063""#.to_owned(), 150_000),
        ),
        (
            "entries",
            Outcome::Denied,
            annotations(|n| format!(r#""secret.bsycorp.com/{n}":"""#), 4000),
        ),
        (
            "arrays in a volume",
            Outcome::Patched,
            body("", &format!(r#""volumes": [{{"emptyDir": {deep}}}]"#)),
        ),
        (
            "arrays in an unknown field",
            Outcome::Patched,
            body("", &format!(r#""x": {deep}"#)),
        ),
        (
            "arrays in a known field",
            Outcome::Malformed,
            body("", &format!(r#""containers": {deep}"#)),
        ),
    ]
}

/// Bodies that consist of one text.
fn long_texts() -> Vec<(&'static str, Outcome, String)> {
    vec![
        (
            "a long key of an annotation",
            Outcome::Malformed,
            annotations(
                |_| format!(r#""{}": 1"#, "\u{80}".repeat(BODY / 2 - 1000)),
                1,
            ),
        ),
        (
            "a long text with escapes",
            Outcome::Patched,
            body(
                "",
                &format!(
                    r#""containers": [{{"image": "{}"}}]"#,
                    r"\n".repeat(BODY / 2 - 1000)
                ),
            ),
        ),
        (
            "a long text",
            Outcome::Malformed,
            body(
                "",
                &format!(r#""containers": "{}""#, "\u{80}".repeat(BODY / 2 - 1000)),
            ),
        ),
    ]
}

/// The most memory that a review with classes may take.
const LIMIT_WITH_CLASSES: usize = 16_000_000;

/// A cluster with one class.
struct Cluster(Arc<ClassSpec>);

impl Classes for Cluster {
    fn class(&self, _: &str, _: &str) -> Lookup<Arc<ClassSpec>> {
        Lookup::Found(Arc::clone(&self.0))
    }

    fn role(&self, _: &str, _: &str) -> Lookup<Arc<str>> {
        Lookup::Missing
    }
}

/// The most bytes of a class that the API server stores.
const CLASS: usize = 1_400_000;

/// As many of `item` as fit into a class, after `before`.
fn class(before: &str, item: &str) -> Cluster {
    class_of(before, item, CLASS)
}

/// The same for a class of `bytes`.
fn class_of(before: &str, item: &str, bytes: usize) -> Cluster {
    let count = (bytes - before.len()) / item.len().max(1);
    let objects = [before, &item.repeat(count)].concat();
    let parameters = [("objects".to_owned(), objects)].into();
    Cluster(Arc::new(ClassSpec {
        provider: Some("aws".to_owned()),
        parameters: Some(parameters),
        secret_objects: None,
    }))
}

/// A review of a pod with this many volumes of a class.
fn body_with_volumes(count: usize, more: &str) -> String {
    let volume = |index| {
        format!(
            r#"{{"name": "v{index}", "csi": {{"driver": "secrets-store.csi.k8s.io", "readOnly": true,
            "volumeAttributes": {{"secretProviderClass": "db"}}}}}}"#
        )
    };
    let volumes: Vec<_> = (0..count).map(volume).collect();
    body("", &format!(r#""volumes": [{}]{more}"#, volumes.join(",")))
}

fn with_classes() -> Vec<(&'static str, Cluster, String)> {
    let one = "- {objectName: a, objectType: secretsmanager}\n";
    let small = Cluster(Arc::new(
        serde_json::from_value(serde_json::json!({
            "provider": "aws",
            "parameters": {"objects": one},
            "secretObjects": [{"secretName": "s", "type": "Opaque"}],
        }))
        .unwrap_or_default(),
    ));
    let env =
        vec![r#"{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}"#; 20_000].join(",");
    let env = format!(r#", "containers": [{{"env": [{env}]}}]"#);
    let long = "x".repeat(400_000);
    let alias = "- {objectName: *a, objectType: secretsmanager}\n";
    let aliases = format!("- {{objectName: &a {long}, objectType: secretsmanager}}\n");
    vec![
        ("empty objects", class("[", "{},"), body_with_volumes(1, "")),
        ("lists", class("", "- []\n"), body_with_volumes(1, "")),
        (
            "paths",
            class_of(
                "- {objectName: a, objectType: secretsmanager, jmesPath: [",
                "{},",
                290_000,
            ),
            body_with_volumes(1, ""),
        ),
        ("values", class("- {x: [", "a,"), body_with_volumes(1, "")),
        (
            "long names",
            class(&aliases, alias),
            body_with_volumes(1, ""),
        ),
        (
            "wrong types",
            class("", "- {objectName: abc, objectType: x}\n"),
            body_with_volumes(1, ""),
        ),
        ("objects", class("", one), body_with_volumes(1, "")),
        ("a comment", class(one, "# x\n"), body_with_volumes(4, "")),
        ("volumes", class(one, ""), body_with_volumes(4000, "")),
        ("variables", small, body_with_volumes(1, &env)),
    ]
}

#[test]
fn the_memory_of_a_review_is_bounded() {
    let settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
    for (name, cluster, body) in with_classes() {
        assert!(body.len() <= BODY, "{name}: {} bytes", body.len());
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let access = ClassAccess::On {
            classes: &cluster,
            requested: true,
        };
        let response = review_with_classes(body.as_bytes(), &settings, access);
        let took = MEMORY.peak_usage() - before;
        assert!(took <= LIMIT_WITH_CLASSES, "{name}: {took} bytes");
        assert!(
            response.json.len() < 2_000_000,
            "{name}: {} bytes",
            response.json.len()
        );
    }
    for (name, outcome, body) in bodies().into_iter().chain(long_texts()) {
        assert!(body.len() <= BODY, "{name}: {} bytes", body.len());
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let response = review(body.as_bytes(), &settings);
        let took = MEMORY.peak_usage() - before;
        let text = String::from_utf8_lossy(&response.json);
        let text = &text[..text.floor_char_boundary(500)];
        assert_eq!(response.outcome, outcome, "{name}: {text}");
        assert!(took <= LIMIT, "{name}: {took} bytes");
        assert!(
            response.json.len() < 200_000,
            "{name}: {} bytes",
            response.json.len()
        );
    }
}
