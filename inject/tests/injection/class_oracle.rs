//! An oracle for volumes of classes: a typed pod is changed field by field, and both ways must give the same result for
//! random pods. The init container itself is that of the snapshots; here it is compared by what differs between pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Container, EmptyDirVolumeSource, Pod, ProjectedVolumeSource, ServiceAccountTokenProjection,
        Volume, VolumeMount, VolumeProjection,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, csi},
    pods::settings,
};

const DRIVER: &str = "secrets-store.csi.k8s.io";

/// Replaces the volumes of classes of a typed pod. Returns their names.
fn replace(pod: &mut Pod) -> Vec<String> {
    let spec = pod.spec.as_mut().unwrap();
    let mut recorded = BTreeMap::new();
    for volume in spec.volumes.iter_mut().flatten() {
        let Some(source) = volume.csi.take_if(|csi| csi.driver == DRIVER) else {
            continue;
        };
        let attributes = source.volume_attributes.clone().unwrap();
        if attributes["secretProviderClass"] == "vault" {
            volume.csi = Some(source);
            continue;
        }
        volume.empty_dir = Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity("4Mi".to_owned())),
        });
        recorded.insert(volume.name.clone(), attributes);
    }
    let others = spec.init_containers.iter_mut().flatten();
    for container in spec.containers.iter_mut().chain(others) {
        for mount in container.volume_mounts.iter_mut().flatten() {
            if recorded.contains_key(&mount.name) {
                mount.read_only = Some(true);
            }
        }
    }
    let annotations = pod.metadata.annotations.get_or_insert_default();
    if !recorded.is_empty() {
        let text = serde_json::to_string(&recorded).unwrap();
        annotations.insert("init.bsycorp.com/class-volumes".to_owned(), text);
        annotations.insert("init.bsycorp.com/injected".to_owned(), "0.1.0".to_owned());
    }
    recorded.into_keys().collect()
}

/// The volumes that are added.
fn added(has_files: bool) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = vec![
        serde_json::from_value(json!({"name": "kees-podinfo", "downwardAPI": {"items": [
            {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}]}}))
        .unwrap(),
    ];
    if has_files {
        volumes.push(Volume {
            name: "kees-secrets".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".to_owned()),
                size_limit: Some(Quantity("4Mi".to_owned())),
            }),
            ..Volume::default()
        });
    }
    let token = ServiceAccountTokenProjection {
        audience: Some("sts.amazonaws.com".to_owned()),
        expiration_seconds: Some(3600),
        path: "token".to_owned(),
    };
    volumes.push(Volume {
        name: "kees-aws-token".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(token),
                ..VolumeProjection::default()
            }]),
            default_mode: None,
        }),
        ..Volume::default()
    });
    volumes
}

fn volume(index: usize) -> impl Strategy<Value = Value> {
    let name = format!("v{index}");
    let other = json!({"name": name, "csi": {"driver": "ebs.csi.aws.com"}});
    select(vec![
        csi(&name, "db"),
        csi(&name, "api"),
        csi(&name, "vault"),
        json!({"name": name, "emptyDir": {}}),
        other,
    ])
}

fn container(name: String) -> impl Strategy<Value = Value> {
    let mount = (0..4_usize, any::<Option<bool>>(), any::<bool>()).prop_map(
        |(volume, read_only, sub_path)| {
            let mut mount =
                json!({"name": format!("v{volume}"), "mountPath": format!("/m{volume}")});
            if let Some(read_only) = read_only {
                mount["readOnly"] = read_only.into();
            }
            if sub_path {
                mount["subPath"] = "a".into();
            }
            mount
        },
    );
    prop::collection::vec(mount, 0..4)
        .prop_map(move |mounts| json!({"name": name, "image": "a:1", "volumeMounts": mounts}))
}

/// A pod, and whether it has annotations that ask for values.
fn pods() -> impl Strategy<Value = (Pod, bool)> {
    let volumes = (volume(0), volume(1), volume(2), volume(3));
    let containers = (
        container("a".to_owned()),
        container("b".to_owned()),
        container("i".to_owned()),
    );
    (volumes, containers, any::<bool>(), any::<bool>()).prop_map(
        |((v0, v1, v2, v3), (a, b, init), has_files, has_annotations)| {
            let mut pod = json!({
                "metadata": {"generateName": "web-"},
                "spec": {"containers": [a, b], "initContainers": [init], "volumes": [v0, v1, v2, v3]},
            });
            if has_annotations {
                pod["metadata"]["annotations"]["example.com/a~b"] = "x".into();
            }
            if has_files {
                pod["metadata"]["annotations"]["secret.bsycorp.com/a"] =
                    "kind=DYNAMIC,type=PASSWORD,size=64".into();
            }
            (serde_json::from_value(pod).unwrap(), has_files)
        },
    )
}

/// Takes the init container out of an injected pod.
fn without_init(pod: &mut Pod) -> Container {
    let containers = pod.spec.as_mut().unwrap().init_containers.as_mut().unwrap();
    let init = containers.remove(0);
    assert_eq!(init.name, "kees-init");
    init
}

fn typed(pod: Value) -> Pod {
    serde_json::from_value(pod).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_operations_and_the_typed_pod_give_the_same_result((pod, has_files) in pods()) {
        let cluster = Cluster::new();
        let mut expected = pod.clone();
        let replaced = replace(&mut expected);
        let json = serde_json::to_value(&pod).unwrap();
        if replaced.is_empty() {
            prop_assume!(!has_files);
            let decision = cluster.decision(&json, &settings());
            let is_skipped = matches!(decision, kees_inject::Decision::Skip { .. });
            prop_assert!(is_skipped);
            return Ok(());
        }
        let wants_role = true;
        let injected = cluster.injected(&json, &settings());
        prop_assert_eq!(cluster.operations(&injected, &settings()), json!([]));

        let mut actual = typed(injected);
        let init = without_init(&mut actual);
        let spec = expected.spec.as_mut().unwrap();
        spec.volumes.as_mut().unwrap().extend(added(has_files).into_iter().filter(|_| wants_role));
        if has_files {
            let others = spec.init_containers.iter_mut().flatten();
            for container in spec.containers.iter_mut().chain(others) {
                container.volume_mounts.get_or_insert_default().push(VolumeMount {
                    name: "kees-secrets".to_owned(),
                    mount_path: "/bsycorp-init".to_owned(),
                    read_only: Some(true),
                    ..VolumeMount::default()
                });
            }
        }
        prop_assert_eq!(actual, expected);

        let mounts = init.volume_mounts.unwrap();
        let of_classes: Vec<_> = mounts.iter().filter(|mount| mount.mount_path.starts_with("/kees-volumes/")).collect();
        let names: Vec<_> = of_classes.iter().map(|mount| mount.name.clone()).collect();
        prop_assert_eq!(names, replaced);
        prop_assert!(of_classes.iter().all(|mount| mount.read_only.is_none()));
    }
}
