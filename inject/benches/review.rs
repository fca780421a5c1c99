//! From the bytes of a review to the bytes of the response, without the network.
//!
//! For comparison, the typed way for the small review: the pod is decoded as a whole, cloned and
//! changed, and the patch is the difference (`docs/adr/0006`).

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k8s_openapi::api::core::v1::Pod;
use kees_inject::{InjectSettings, Outcome, review};
use serde_json::{Value, json};

/// A Deployment's pod with six entries, as the API server sends it.
const SMALL: &str = include_str!("review-3k.json");

fn settings() -> InjectSettings {
    let mut settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
    settings
        .init_env
        .insert("ENV_LABEL".to_owned(), "dev".to_owned());
    settings
        .init_env
        .insert("AWS_REGION".to_owned(), "ap-southeast-2".to_owned());
    // The default allows 256 entries.
    let policy = "rules: [{namespaces: ['*'], storagePrefix: /, maxEntries: 500}]".parse();
    settings.policy = policy.unwrap_or(settings.policy);
    settings
}

/// A review of 200 KB: 100 containers, 500 entries.
fn large() -> String {
    let annotations: serde_json::Map<_, _> = (0..500)
        .map(|n| {
            let value =
                format!("kind=DYNAMIC,type=PASSWORD,size=256,storageKey=database/{n}/password");
            (
                format!("secret.bsycorp.com/database-password-{n}"),
                Value::from(value),
            )
        })
        .collect();
    let containers: Vec<_> = (0..100)
        .map(|n| {
            let env: Vec<_> = (0..20)
                .map(|n| json!({"name": format!("SETTING_{n}"), "value": "a value of the usual length"}))
                .collect();
            json!({
                "name": format!("app-{n}"),
                "image": "registry.example.com/app:1",
                "env": env,
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            })
        })
        .collect();
    let mut review: Value = serde_json::from_str(SMALL).unwrap_or_default();
    review["request"]["object"]["metadata"]["annotations"] = annotations.into();
    review["request"]["object"]["spec"]["containers"] = containers.into();
    review.to_string()
}

fn reviews(criterion: &mut Criterion) {
    let settings = settings();
    let large = large();
    let mut group = criterion.benchmark_group("review");
    for (name, body) in [
        ("3.4 KB, six entries", SMALL),
        ("200 KB, 500 entries", &large),
    ] {
        let response = review(body.as_bytes(), &settings);
        assert_eq!(
            response.outcome,
            Outcome::Patched,
            "{}",
            String::from_utf8_lossy(&response.json)
        );
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| review(black_box(body.as_bytes()), &settings));
        });
    }
    group.finish();
}

/// The typed way. The change itself is prepared, so its time is not included.
fn typed(criterion: &mut Criterion) {
    let review: Value = serde_json::from_str(SMALL).unwrap_or_default();
    let body = review["request"]["object"].to_string();
    let patched = patched(&review);
    let changed: Pod = serde_json::from_value(patched).unwrap_or_default();
    criterion.bench_function("typed pod, cloned and compared", |bencher| {
        bencher.iter(|| {
            let pod: Pod = serde_json::from_str(black_box(&body)).unwrap_or_default();
            let before = serde_json::to_value(&pod).unwrap_or_default();
            let after = serde_json::to_value(changed.clone()).unwrap_or_default();
            serde_json::to_vec(&json_patch::diff(&before, &after))
        });
    });
}

/// The injected pod of a review.
fn patched(review: &Value) -> Value {
    let object = &review["request"]["object"];
    let text = object.to_string();
    let mut pod = object.clone();
    let view = kees_inject::PodView::from_json(&text).unwrap_or_default();
    if let kees_inject::Decision::Patch { operations, .. } =
        kees_inject::decide(&view, "team-a", &settings())
    {
        let patch: json_patch::Patch =
            serde_json::from_str(operations.as_json()).unwrap_or_default();
        assert!(json_patch::patch(&mut pod, &patch).is_ok());
    }
    assert_ne!(&pod, object);
    pod
}

criterion_group!(benches, reviews, typed);
criterion_main!(benches);
