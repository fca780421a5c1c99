//! Pods that Istio or Linkerd injects, before and after this webhook: with and without their CNI
//! plugins, and with and without native sidecars.
//!
//! Source of the shapes: the injection templates of istio/istio and linkerd/linkerd2.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, init_container, injected, mounted, operations, pod, settings, variable};

/// What a mesh adds to a pod.
#[derive(Clone)]
struct Mesh {
    /// Init containers, in their order.
    init: Vec<Value>,
    /// Whether the init containers come before those of the pod.
    init_first: bool,
    containers: Vec<Value>,
    volumes: Value,
}

impl Mesh {
    /// The pod as the mesh's webhook changes it, in any order with other webhooks.
    fn inject(&self, mut pod: Value) -> Value {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let others = list(&pod["spec"]["initContainers"]);
        let init = if self.init_first {
            [self.init.clone(), others].concat()
        } else {
            [others, self.init.clone()].concat()
        };
        pod["spec"]["initContainers"] = init.into();
        let spec = &mut pod["spec"];
        spec["containers"] = [list(&spec["containers"]), self.containers.clone()]
            .concat()
            .into();
        spec["volumes"] = [list(&spec["volumes"]), list(&self.volumes)]
            .concat()
            .into();
        pod
    }
}

fn as_sidecar(mut container: Value) -> Value {
    container["restartPolicy"] = "Always".into();
    container
}

/// The tables of a container that redirects the pod's traffic.
fn redirecting(name: &str, image: &str, uid: i64) -> Value {
    json!({
        "name": name,
        "image": image,
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "privileged": false,
            "runAsGroup": uid,
            "runAsNonRoot": uid != 0,
            "runAsUser": uid,
        },
    })
}

fn istio_proxy() -> Value {
    json!({
        "name": "istio-proxy",
        "image": "docker.io/istio/proxyv2:1.29.0",
        "args": ["proxy", "sidecar"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "ISTIO_CPU_LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
        ],
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsGroup": 1337,
            "runAsNonRoot": true,
            "runAsUser": 1337,
        },
        "volumeMounts": [
            {"name": "workload-socket", "mountPath": "/var/run/secrets/workload-spiffe-uds"},
            {"name": "istiod-ca-cert", "mountPath": "/var/run/secrets/istio"},
            {"name": "istio-envoy", "mountPath": "/etc/istio/proxy"},
            {"name": "istio-token", "mountPath": "/var/run/secrets/tokens"},
            {"name": "istio-podinfo", "mountPath": "/etc/istio/pod"},
        ],
    })
}

/// Istio. Without native sidecars its init container comes last, so that the others have a network.
fn istio(first: Value, is_native: bool) -> Mesh {
    let is_validation = first["name"] == "istio-validation";
    let (init, containers) = if is_native {
        (vec![first, as_sidecar(istio_proxy())], vec![])
    } else {
        (vec![first], vec![istio_proxy()])
    };
    Mesh {
        init,
        init_first: is_native || is_validation,
        containers,
        volumes: json!([
            {"name": "workload-socket"},
            {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
            {"name": "istio-podinfo", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}]}},
            {"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}},
        ]),
    }
}

fn istio_init() -> Value {
    redirecting("istio-init", "docker.io/istio/proxyv2:1.29.0", 0)
}

fn istio_validation() -> Value {
    json!({
        "name": "istio-validation",
        "image": "docker.io/istio/proxyv2:1.29.0",
        "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true},
    })
}

fn linkerd_proxy() -> Value {
    json!({
        "name": "linkerd-proxy",
        "image": "cr.l5d.io/linkerd/proxy:edge",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": 2102,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "linkerd-identity-end-entity", "mountPath": "/var/run/linkerd/identity/end-entity"},
            {"name": "linkerd-identity-token", "mountPath": "/var/run/secrets/tokens"},
        ],
    })
}

/// Linkerd adds its init containers at the end.
fn linkerd(first: Value, is_native: bool) -> Mesh {
    let (init, containers) = if is_native {
        (vec![first, as_sidecar(linkerd_proxy())], vec![])
    } else {
        (vec![first], vec![linkerd_proxy()])
    };
    Mesh {
        init,
        init_first: false,
        containers,
        volumes: json!([
            {"name": "linkerd-proxy-init-xtables-lock", "emptyDir": {}},
            {"name": "linkerd-identity-end-entity", "emptyDir": {"medium": "Memory"}},
            {"name": "linkerd-identity-token", "projected": {"sources": [{"serviceAccountToken": {"audience": "identity.l5d.io", "expirationSeconds": 86400, "path": "linkerd-identity-token"}}]}},
        ]),
    }
}

fn linkerd_init() -> Value {
    redirecting("linkerd-init", "cr.l5d.io/linkerd/proxy-init:v2.4.1", 65534)
}

fn linkerd_validator() -> Value {
    json!({
        "name": "linkerd-network-validator",
        "image": "cr.l5d.io/linkerd/proxy:edge",
        "securityContext": {"runAsUser": 65534, "runAsGroup": 65534, "runAsNonRoot": true},
    })
}

/// A pod whose containers run as uid 1000, with an init container of its own.
fn app<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let mut pod = pod(options);
    pod["spec"]["securityContext"] = json!({"runAsUser": 1000, "runAsGroup": 1000});
    pod["spec"]["initContainers"] = json!([{"name": "migrate", "image": "app:1"}]);
    pod
}

/// The application reads the files, the mesh does not, and its proxy does not decide their owner.
fn assert_only_the_application_reads(pod: &Value) {
    for list in ["initContainers", "containers"] {
        for name in mounted(pod, list) {
            let reads = name.ends_with(" reads");
            let is_application = name.starts_with("app") || name.starts_with("migrate");
            assert_eq!(reads, is_application, "{list}: {name}");
        }
    }
    let security = &init_container(pod)["securityContext"];
    assert_eq!(
        (&security["runAsUser"], &security["runAsGroup"]),
        (&1000.into(), &1000.into())
    );
    assert_eq!(variable(pod, "FILE_MODE"), Some("0400"));
}

fn names(pod: &Value) -> Vec<&str> {
    let containers = pod["spec"]["initContainers"].as_array().unwrap();
    containers
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect()
}

#[rstest]
#[case::istio(istio(istio_init(), false))]
#[case::istio_native(istio(istio_init(), true))]
#[case::istio_cni(istio(istio_validation(), false))]
#[case::istio_cni_native(istio(istio_validation(), true))]
#[case::linkerd(linkerd(linkerd_init(), false))]
#[case::linkerd_native(linkerd(linkerd_init(), true))]
#[case::linkerd_cni(linkerd(linkerd_validator(), false))]
#[case::linkerd_cni_native(linkerd(linkerd_validator(), true))]
fn a_mesh_before_or_after_reads_no_files_and_the_init_container_is_first(#[case] mesh: Mesh) {
    let before = injected(&mesh.inject(app([])), &settings());
    // The API server calls again, because the mesh changed the pod after the first call.
    let after = mesh.inject(injected(&app([]), &settings()));
    let again = operations(&after, &settings());
    // A move, and the resources: with those of the mesh, the pod is no longer BestEffort.
    assert!(again.as_array().unwrap().len() <= 2, "{again}");
    let after = injected(&after, &settings());
    for pod in [&before, &after] {
        assert_only_the_application_reads(pod);
        assert_eq!(names(pod)[0], "kees-init");
        assert_eq!(operations(pod, &settings()), json!([]));
    }
}

#[rstest]
#[case::istio_cni(istio(istio_validation(), true), "after=istio-proxy", "istio-proxy")]
#[case::linkerd_cni(
    linkerd(linkerd_validator(), true),
    "after=linkerd-proxy",
    "linkerd-proxy"
)]
fn behind_a_cni_plugin_the_init_container_can_run_after_the_native_sidecar(
    #[case] mesh: Mesh,
    #[case] order: &str,
    #[case] proxy: &str,
) {
    let pod = injected(&mesh.inject(app([("order", order)])), &settings());
    let names = names(&pod);
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    assert_eq!(at("kees-init"), at(proxy) + 1, "{names:?}");
    assert_eq!(mounted(&pod, "containers"), ["app reads"]);
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn the_order_names_a_container_that_the_pod_must_have_at_the_first_call() {
    let errors = errors(&app([("order", "after=linkerd-proxy")]), &settings());
    let expected = "init.bsycorp.com/order: the pod has no init container linkerd-proxy; use the name of \
                    one, first or last";
    assert_eq!(errors, [expected]);
}

#[test]
fn the_proxy_keeps_its_own_environment_and_mounts() {
    let pod = injected(&istio(istio_init(), true).inject(app([])), &settings());
    let containers = pod["spec"]["initContainers"].as_array().unwrap();
    let proxy = containers
        .iter()
        .find(|c| c["name"] == "istio-proxy")
        .unwrap();
    assert_eq!(*proxy, as_sidecar(istio_proxy()));
}
