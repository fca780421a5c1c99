//! The time of a review grows with the length of the body and not with its square. The time is that of
//! the processor in this thread, which other programs hardly change. A quadratic decision would take
//! sixteen times as long for a body four times as long.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use kees_inject::{ClassAccess, Classes, InjectSettings, Lookup, review, review_with_classes};
use kees_secret_provider_class::ClassSpec;
use rstest::rstest;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// How much longer the second body is.
const GROWTH: usize = 4;

/// How much longer its review may take.
const LIMIT: f64 = 9.0;

/// How often each body is reviewed. The shortest time counts.
const REPEATS: usize = 3;

/// A review of a pod with an entry, after `change`.
fn body(change: impl FnOnce(&mut Value)) -> String {
    let mut pod = json!({
        "metadata": {"annotations": {
            "secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256",
        }},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    });
    change(&mut pod);
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "a-1", "operation": "CREATE", "namespace": "team-a", "resource": resource, "object": pod},
    })
    .to_string()
}

fn annotated(pod: &mut Value, count: usize, annotation: impl Fn(usize) -> (String, String)) {
    for (key, value) in (0..count).map(annotation) {
        pod["metadata"]["annotations"][key] = value.into();
    }
}

fn elements(count: usize, element: impl Fn(usize) -> Value) -> Value {
    (0..count).map(element).collect()
}

/// A pod that looks as if it were injected.
fn existing(pod: &mut Value) {
    let files = json!({"name": "kees-secrets", "mountPath": "/bsycorp-init"});
    pod["spec"]["initContainers"] = json!([{"name": "kees-init", "volumeMounts": [files]}]);
}

/// The time of the processor that reviews of `body` take.
fn cost(body: &str, settings: &InjectSettings) -> Duration {
    cost_of(|| drop(review(body.as_bytes(), settings)))
}

/// The time of the processor that this takes.
fn cost_of(work: impl Fn()) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap_or_default()
    };
    let one = |_| {
        let begun = now();
        work();
        now().saturating_sub(begun)
    };
    (0..REPEATS).map(one).min().unwrap_or_default()
}

#[rstest]
#[case::entries(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("secret.bsycorp.com/k{i}"), "kind=DYNAMIC,type=RANDOM,size=256".into())))]
#[case::entries_of_one_path(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("secret.bsycorp.com/k{i}"), format!("kind=DYNAMIC,type=PASSWORD,size={},storageKey=x", 256 + i))))]
#[case::fields_of_keys(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("secret.bsycorp.com/k{i}_private"), "kind=DYNAMIC,type=RSA,size=2048".into())))]
#[case::invalid_entries(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("lease.bsycorp.com/k{i}"), "kind=".into())))]
#[case::arns(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("secret.bsycorp.com/k{i}"), format!("kind=REFERENCE,store=secretsmanager,storageKey=arn:aws:secretsmanager:eu-west-1:111122223333:secret:x{i}"))))]
#[case::misspelled_prefixes(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("secrets.bsycorp.com/k{i}"), String::new())))]
#[case::pairs(|n, pod: &mut Value| annotated(pod, 1, |_| ("secret.bsycorp.com/a".into(), (0..5 * n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(","))))]
#[case::pairs_of_one_key(|n, pod: &mut Value| annotated(pod, 1, |_| ("secret.bsycorp.com/a".into(), "size=1,".repeat(8 * n))))]
#[case::a_long_value(|n, pod: &mut Value| annotated(pod, 1, |_| ("secret.bsycorp.com/a".into(), "kind=REFERENCE,storageKey=".to_owned() + &"a/".repeat(20 * n))))]
#[case::a_long_name(|n, pod: &mut Value| annotated(pod, 1, |_| (format!("secret.bsycorp.com/{}", "a_".repeat(20 * n)), "kind=DYNAMIC,type=RSA,size=2048".into())))]
#[case::a_long_prefix(|n, pod: &mut Value| annotated(pod, 1, |_| ("init.bsycorp.com/storage-prefix".into(), "/a".repeat(20 * n))))]
#[case::placed_entries(|n, pod: &mut Value| {
    annotated(pod, n / 4, |i| (format!("secret.bsycorp.com/k{i}"), "kind=REFERENCE".into()));
    annotated(pod, n / 4, |i| (format!("init.bsycorp.com/file.k{i}"), "path=a/b/c".into()));
})]
#[case::templates(|n, pod: &mut Value| annotated(pod, n / 4, |i| (format!("init.bsycorp.com/template.k{i}"), "{{ secret.unknown }}".into())))]
#[case::a_long_template(|n, pod: &mut Value| annotated(pod, 1, |_| ("init.bsycorp.com/template.a".into(), "{{ secret['db-password'] }}x x {{ secret.unknown }}".repeat(2 * n) + "{{ x }}")))]
#[case::a_deep_template(|n, pod: &mut Value| annotated(pod, 1, |_| ("init.bsycorp.com/template.a".into(), "{% if not not secret.a %}".repeat(4 * n))))]
#[case::containers(|n, pod: &mut Value| pod["spec"]["containers"] = elements(n, |i| json!({"name": format!("c{i}")})))]
#[case::named_containers(|n, pod: &mut Value| {
    annotated(pod, 1, |_| ("init.bsycorp.com/containers".into(), (0..8 * n).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",")));
    pod["spec"]["containers"] = elements(n, |i| json!({"name": format!("c{i}")}));
})]
#[case::init_containers(|n, pod: &mut Value| {
    annotated(pod, 1, |_| ("init.bsycorp.com/order".into(), format!("after=c{}", n - 1)));
    pod["spec"]["initContainers"] = elements(n, |i| json!({"name": format!("c{i}"), "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}));
})]
#[case::containers_of_an_existing_pod(|n, pod: &mut Value| {
    existing(pod);
    pod["spec"]["containers"] = elements(n, |i| json!({"name": format!("c{i}"), "volumeMounts": [{"name": "kees-secrets", "mountPath": "/x"}]}));
})]
#[case::mounts_and_volumes(|n, pod: &mut Value| {
    pod["spec"]["containers"] = elements(n, |i| json!({"name": format!("c{i}"), "volumeMounts": [{"name": format!("v{i}"), "mountPath": "/"}]}));
    pod["spec"]["volumes"] = elements(n, |i| json!({"name": format!("v{i}"), "projected": {}}));
})]
#[case::mounts_in_the_way(|n, pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"] = elements(n, |i| json!({"name": format!("v{i}"), "mountPath": format!("/bsycorp-init/{i}")})))]
#[case::mounts_above_a_long_path(|n, pod: &mut Value| {
    annotated(pod, 1, |_| ("init.bsycorp.com/mount-path".into(), "/a".repeat(20 * n)));
    pod["spec"]["containers"][0]["volumeMounts"] = elements(n, |_| json!({"name": "v", "mountPath": "/a"}));
})]
#[case::a_long_mount(|n, pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/a/..".repeat(100 * n)}, {"name": "w", "mountPath": "/"}]))]
#[case::identities(|n, pod: &mut Value| {
    pod["spec"]["containers"] = elements(n / 2, |i| json!({
        "name": format!("c{i}"),
        "env": [{"name": "AWS_ROLE_ARN", "value": format!("arn:aws:iam::111122223333:role/r{i}")}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}],
        "volumeMounts": [{"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"}],
    }));
    pod["spec"]["volumes"] = elements(n, |_| json!({"name": "aws-iam-token", "projected": {"sources": []}}));
})]
#[case::variables_of_an_identity(|n, pod: &mut Value| {
    let container = &mut pod["spec"]["containers"][0];
    container["volumeMounts"] = json!([{"name": "aws-iam-token", "mountPath": "/x"}]);
    container["env"] = elements(50 * n, |_| json!({"name": "AWS_ROLE_ARN", "value": "x"}));
})]
#[case::arguments(|n, pod: &mut Value| {
    existing(pod);
    pod["spec"]["initContainers"][0]["args"] = elements(100 * n, |_| json!(""));
})]
#[case::sources(|n, pod: &mut Value| {
    existing(pod);
    pod["spec"]["volumes"] = json!([{"name": "kees-podinfo", "downwardAPI": {"items": elements(100 * n, |_| json!({}))}}]);
})]
#[case::empty_containers(|n, pod: &mut Value| pod["spec"]["containers"] = elements(100 * n, |_| json!({})))]
#[case::node_selector_terms(|n, pod: &mut Value| {
    let windows = elements(4 * n, |_| json!("windows"));
    let expression = json!({"key": "kubernetes.io/os", "operator": "In", "values": windows});
    let terms = elements(10, |_| json!({"matchExpressions": [expression]}));
    pod["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
})]
#[case::a_long_quantity(|n, pod: &mut Value| pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1".repeat(200 * n)}, "limits": {"cpu": "9".repeat(200 * n)}}))]
#[case::a_long_image(|n, pod: &mut Value| pod["spec"]["initContainers"] = json!([{"name": "a", "image": "/kees-init/".repeat(50 * n)}]))]
#[case::owners(|n, pod: &mut Value| pod["metadata"]["ownerReferences"] = elements(20 * n, |_| json!({"kind": "x"})))]
#[case::a_long_key(|n, pod: &mut Value| { pod["metadata"]["annotations"]["k".repeat(500 * n)] = json!(1); })]
#[case::duplicates_that_are_not_read(|n, pod: &mut Value| pod["spec"]["x"] = elements(100 * n, |_| json!({"name": "a"})))]
fn a_body_four_times_as_long_takes_at_most_nine_times_as_long(
    #[case] swell: fn(usize, &mut Value),
) {
    const FEW: usize = 500;
    let mut settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
    for policy in [
        "{rules: [{namespaces: ['team-*'], storagePrefix: '/{namespace}', references: ['arn:aws:*:x?*', '*:y*']}]}",
        "{mode: warn, rules: [{namespaces: [a, '*'], storagePrefix: /a, maxEntries: 1, maxKeys: 1}]}",
        "{strict: true, rules: [{namespaces: ['*'], storagePrefix: /, optOut: false}]}",
    ] {
        settings.policy = policy.parse().unwrap_or_else(|error| panic!("{error}"));
        let short = cost(&body(|pod| swell(FEW, pod)), &settings);
        let long = cost(&body(|pod| swell(GROWTH * FEW, pod)), &settings);
        let growth = long.as_secs_f64() / short.as_secs_f64();
        assert!(
            growth <= LIMIT,
            "{short:?} and {long:?}: {growth:.1} times, with {policy}"
        );
    }
}

/// A cluster in which every class is this one.
struct Cluster(Arc<ClassSpec>);

impl Classes for Cluster {
    fn class(&self, _: &str, _: &str) -> Lookup<Arc<ClassSpec>> {
        Lookup::Found(Arc::clone(&self.0))
    }

    fn role(&self, _: &str, _: &str) -> Lookup<Arc<str>> {
        Lookup::Found("arn:aws:iam::111122223333:role/web".into())
    }
}

fn csi(index: usize) -> Value {
    json!({"name": format!("v{index}"), "csi": {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "db"},
    }})
}

fn object(index: usize) -> String {
    format!("- {{objectName: team-a/secret-{index}, objectType: secretsmanager}}\n")
}

#[rstest]
#[case::volumes(|n, pod: &mut Value| {
    pod["spec"]["volumes"] = elements(n, csi);
    pod["spec"]["containers"][0]["volumeMounts"] = elements(n, |i| json!({"name": format!("v{i}"), "mountPath": format!("/{i}")}));
    object(0)
})]
#[case::replaced_volumes(|n, pod: &mut Value| {
    pod["spec"]["volumes"] = elements(n, |i| json!({"name": format!("v{i}"), "emptyDir": {}}));
    let recorded: Value = (0..n).map(|i| (format!("v{i}"), json!({"secretProviderClass": "db"}))).collect::<serde_json::Map<_, _>>().into();
    pod["metadata"]["annotations"]["init.bsycorp.com/class-volumes"] = recorded.to_string().into();
    object(0)
})]
#[case::objects(|n, pod: &mut Value| {
    pod["spec"]["volumes"] = elements(1, csi);
    (0..n).map(object).collect::<Vec<_>>().concat()
})]
#[case::a_long_class(|n, pod: &mut Value| {
    pod["spec"]["volumes"] = elements(1, csi);
    format!("# {}\n{}", "x".repeat(500 * n), object(0))
})]
#[case::secrets(|n, pod: &mut Value| {
    pod["spec"]["volumes"] = elements(1, csi);
    pod["spec"]["containers"][0]["env"] = elements(4 * n, |i| json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": format!("s{i}"), "key": "k"}}}));
    object(0)
})]
#[case::labels(|n, pod: &mut Value| {
    pod["spec"]["volumes"] = elements(1, csi);
    pod["metadata"]["labels"] = (0..20 * n).map(|i| (format!("l{i}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    object(0)
})]
fn volumes_and_classes_four_times_as_long_take_at_most_nine_times_as_long(
    #[case] swell: fn(usize, &mut Value) -> String,
) {
    const FEW: usize = 500;
    let mut settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
    let policy = "{rules: [{namespaces: ['team-*'], storagePrefix: '/{namespace}', classObjects: ['{namespace}/x?*', '*/y*']}]}";
    settings.policy = policy.parse().unwrap_or_else(|error| panic!("{error}"));
    let cost = |count| {
        let mut objects = String::new();
        let body = body(|pod| objects = swell(count, pod));
        let class = json!({
            "provider": "aws",
            "parameters": {"objects": objects},
            "secretObjects": [{"secretName": "s1", "type": "Opaque"}],
        });
        let class = serde_json::from_value(class).unwrap_or_default();
        let cluster = Cluster(Arc::new(class));
        cost_of(|| {
            let access = ClassAccess::On {
                classes: &cluster,
                requested: true,
            };
            drop(review_with_classes(body.as_bytes(), &settings, access));
        })
    };
    let (short, long) = (cost(FEW), cost(GROWTH * FEW));
    let growth = long.as_secs_f64() / short.as_secs_f64();
    assert!(growth <= LIMIT, "{short:?} and {long:?}: {growth:.1} times");
}
