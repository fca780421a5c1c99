//! The memory that a review of the largest body takes. This program has one test, because the
//! allocator counts the memory of the whole process.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use kees_inject::{InjectSettings, Outcome, review};
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

#[test]
fn the_memory_of_a_review_is_bounded() {
    let settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
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
