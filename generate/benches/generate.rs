//! Measures generating, deriving and verifying values.

#![expect(clippy::unwrap_used, reason = "a failure must not be measured")]

use criterion::{Criterion, criterion_group, criterion_main};
use kees_common::Spec;
use kees_generate::{generate, local, verify};

/// The specs that are measured, by name.
fn specs() -> Vec<(&'static str, Spec)> {
    let user_id = "Team A <team-a@example.com>".parse().unwrap();
    vec![
        ("rsa-2048", Spec::Rsa { bits: 2048 }),
        ("rsa-4096", Spec::Rsa { bits: 4096 }),
        (
            "gpg-4096",
            Spec::Gpg {
                bits: 4096,
                user_id,
            },
        ),
        ("password-256", Spec::Password { bits: 256 }),
    ]
}

fn generating(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("generate");
    group.sample_size(20);
    for (name, spec) in specs() {
        group.bench_function(name, |bench| bench.iter(|| generate(&spec).unwrap()));
    }
    group.finish();
}

fn deriving(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("derive");
    for (name, spec) in specs() {
        group.bench_function(name, |bench| {
            bench.iter(|| local::derive(&spec, "common.key.v1").unwrap());
        });
    }
    group.finish();
}

fn verifying(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    for (name, spec) in specs() {
        let generated = local::derive(&spec, "common.key.v1").unwrap();
        let values: Vec<_> = generated.iter().collect();
        group.bench_function(name, |bench| {
            bench.iter(|| verify(spec.secret_type(), &values).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, generating, deriving, verifying);
criterion_main!(benches);
