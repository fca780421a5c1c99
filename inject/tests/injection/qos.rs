//! Requests and limits of the init container, and what the scheduler reserves with it.

use kees_inject::{Amounts, Quantity, Resources};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{init_container, injected, operations, pod, settings};

const HALF: &str = r#"{"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "0.5", "memory": "1024Mi"}}"#;

#[rstest]
#[case::best_effort(json!({}), json!({}), Value::Null)]
#[case::best_effort_with_zeros(json!({}), json!({"requests": {"cpu": "0"}}), Value::Null)]
#[case::ephemeral_storage_does_not_count(json!({}), json!({"limits": {"ephemeral-storage": "1Gi"}}), Value::Null)]
#[case::burstable(
    json!({}),
    json!({"requests": {"cpu": "100m"}}),
    json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}})
)]
#[case::guaranteed(
    json!({}),
    serde_json::from_str(HALF).unwrap(),
    json!({"requests": {"cpu": "500m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}})
)]
#[case::guaranteed_by_limits_alone(
    json!({}),
    json!({"limits": {"cpu": 1, "memory": "1Gi"}}),
    json!({"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}})
)]
#[case::guaranteed_with_less_cpu_than_configured(
    json!({}),
    json!({"limits": {"cpu": "1m", "memory": "1Gi"}}),
    json!({"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "10m", "memory": "64Mi"}})
)]
#[case::the_pod_has_its_own(
    json!({"limits": {"cpu": "1", "memory": "32Mi"}}),
    json!({"requests": {"cpu": "100m"}}),
    Value::Null
)]
fn the_qos_class_is_kept(
    #[case] of_pod: Value,
    #[case] of_container: Value,
    #[case] expected: Value,
) {
    let mut pod = pod([]);
    pod["spec"]["resources"] = of_pod;
    pod["spec"]["containers"][0]["resources"] = of_container;
    assert_eq!(
        init_container(&injected(&pod, &settings()))["resources"],
        expected
    );
}

#[test]
fn an_init_container_of_the_pod_counts_for_its_qos_class() {
    let mut pod = pod([]);
    pod["spec"]["containers"][0]["resources"] = serde_json::from_str(HALF).unwrap();
    pod["spec"]["initContainers"] =
        json!([{"name": "a", "image": "a", "resources": {"requests": {"cpu": "1"}}}]);
    assert_eq!(
        init_container(&injected(&pod, &settings()))["resources"]["limits"],
        json!({"memory": "64Mi"})
    );
}

#[test]
fn the_operator_can_set_other_amounts() {
    let mut settings = settings();
    settings.resources = Resources {
        requests: Amounts {
            cpu: Some(Quantity::milli(20)),
            memory: None,
        },
        limits: Amounts::default(),
    };
    let mut pod = pod([]);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    assert_eq!(
        init_container(&injected(&pod, &settings))["resources"],
        json!({"requests": {"cpu": "20m"}})
    );
}

/// A container of a Guaranteed pod with this many thousandths of a core.
fn with_cpu(name: &str, cpu: u64) -> Value {
    let amounts = json!({"cpu": format!("{cpu}m"), "memory": "1Gi"});
    json!({"name": name, "image": "a", "resources": {"limits": amounts, "requests": amounts}})
}

fn sidecar(name: &str, cpu: u64) -> Value {
    let mut sidecar = with_cpu(name, cpu);
    sidecar["restartPolicy"] = "Always".into();
    sidecar
}

/// The thousandths of a core that the scheduler reserves for a pod, as in the documentation of
/// sidecar containers.
fn reserved(pod: &Value) -> u64 {
    let cpu = |container: &Value| {
        let text = container["resources"]["requests"]["cpu"].as_str().unwrap();
        match text.strip_suffix('m') {
            Some(milli) => milli.parse::<u64>().unwrap(),
            None => text.parse::<u64>().unwrap() * 1000,
        }
    };
    let none = Vec::new();
    let init = pod["spec"]["initContainers"].as_array().unwrap_or(&none);
    let sidecars = |until: usize| -> u64 {
        let sidecars = init[..until]
            .iter()
            .filter(|c| c["restartPolicy"] == "Always");
        sidecars.map(cpu).sum()
    };
    let app: u64 = pod["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(cpu)
        .sum();
    let together = app + sidecars(init.len());
    let one_by_one = (0..init.len()).map(|i| cpu(&init[i]) + sidecars(i));
    one_by_one.chain([together]).max().unwrap()
}

#[rstest]
#[case::before_a_large_sidecar("first", &[sidecar("a", 2000)], "2000m")]
#[case::after_a_large_sidecar("last", &[sidecar("a", 2000)], "500m")]
#[case::after_a_small_sidecar("last", &[sidecar("a", 300)], "500m")]
#[case::between_sidecars("after=a", &[sidecar("a", 700), sidecar("b", 600)], "700m")]
#[case::between_a_large_and_a_small_sidecar("after=a", &[sidecar("a", 2000), sidecar("b", 600)], "600m")]
#[case::after_a_large_init_container("last", &[with_cpu("a", 3000)], "3000m")]
#[case::beside_a_large_init_container("after=a", &[sidecar("a", 400), with_cpu("b", 3000)], "3000m")]
fn the_init_container_has_the_largest_cpu_limit_that_fits(
    #[case] order: &str,
    #[case] init: &[Value],
    #[case] expected: &str,
) {
    let mut pod = pod([("order", order)]);
    pod["spec"]["containers"] = json!([with_cpu("app", 500)]);
    pod["spec"]["initContainers"] = init.into();
    let after = injected(&pod, &settings());
    assert_eq!(
        init_container(&after)["resources"]["limits"]["cpu"],
        expected
    );
    assert_eq!(reserved(&after), reserved(&pod));
    assert_eq!(operations(&after, &settings()), json!([]));
}

#[test]
fn without_configured_memory_the_largest_limit_that_fits_is_used() {
    let mut settings = settings();
    settings.resources = Resources {
        requests: Amounts::default(),
        limits: Amounts::default(),
    };
    let mut pod = pod([("order", "last")]);
    pod["spec"]["containers"] = json!([with_cpu("app", 500)]);
    pod["spec"]["initContainers"] = json!([sidecar("a", 100)]);
    for list in ["requests", "limits"] {
        pod["spec"]["initContainers"][0]["resources"][list]["memory"] = "4Gi".into();
    }
    assert_eq!(
        init_container(&injected(&pod, &settings))["resources"]["limits"]["memory"],
        "1Gi"
    );
}

proptest! {
    #[test]
    fn a_guaranteed_pod_reserves_no_more_cpu_than_before_or_configured(
        init in prop::collection::vec((any::<bool>(), 1u64..4000), 0..5),
        app in prop::collection::vec(1u64..4000, 1..4),
        order in 0usize..6,
    ) {
        let order = order.min(init.len());
        let mut pod = match order {
            0 => pod([]),
            after => pod([("order", &*format!("after=i{}", after - 1))]),
        };
        let init: Vec<_> = init.iter().enumerate().map(|(index, (is_sidecar, cpu))| {
            let name = format!("i{index}");
            if *is_sidecar { sidecar(&name, *cpu) } else { with_cpu(&name, *cpu) }
        }).collect();
        pod["spec"]["containers"] = app.iter().enumerate().map(|(index, cpu)| with_cpu(&format!("a{index}"), *cpu)).collect();
        pod["spec"]["initContainers"] = init.into();

        let after = injected(&pod, &settings());
        let mut configured = after.clone();
        configured["spec"]["initContainers"][order]["resources"]["requests"]["cpu"] = "10m".into();
        prop_assert_eq!(reserved(&after), reserved(&configured));
        prop_assert_eq!(operations(&after, &settings()), json!([]));
    }
}
