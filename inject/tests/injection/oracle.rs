//! An oracle: the same decision made in another way. A typed pod is cloned and changed field by field,
//! and the patch is the difference. Both ways must give the same result for random pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource,
        EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodSpec,
        ResourceRequirements, SeccompProfile, SecurityContext, Volume, VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::pods::{injected, operations, settings};

/// The options of a random pod.
#[derive(Debug, Clone)]
struct PodOptions {
    order: String,
    containers: Option<Vec<String>>,
    mount_path: Option<String>,
    file_mode: Option<String>,
    storage_prefix: Option<String>,
}

impl PodOptions {
    fn path(&self) -> String {
        self.mount_path
            .clone()
            .unwrap_or_else(|| "/bsycorp-init".to_owned())
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let containers = self.containers.as_ref().map(|names| names.join(", "));
        [
            (
                "secret.bsycorp.com/a~b",
                Some("kind=DYNAMIC,type=PASSWORD,size=64".to_owned()),
            ),
            ("resource.bsycorp.com/url", Some(String::new())),
            ("example.com/other/\"", Some("ä\n".to_owned())),
            ("init.bsycorp.com/order", Some(self.order.clone())),
            ("init.bsycorp.com/containers", containers),
            ("init.bsycorp.com/mount-path", self.mount_path.clone()),
            ("init.bsycorp.com/file-mode", self.file_mode.clone()),
            (
                "init.bsycorp.com/storage-prefix",
                self.storage_prefix.clone(),
            ),
        ]
        .into_iter()
        .map(|(key, value)| {
            (
                key.replace("secret.bsycorp.com/a~b", "secret.bsycorp.com/a.b"),
                value,
            )
        })
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// Injects a typed pod.
fn inject(pod: &mut Pod, options: &PodOptions) {
    let mut added = init_container(pod.spec.as_ref().unwrap(), options);
    let spec = pod.spec.as_mut().unwrap();
    let init = spec.init_containers.get_or_insert_default();
    let index_of = |name: &str| init.iter().position(|c| c.name == name).unwrap();
    let position = match options.order.split_once('=') {
        None if options.order == "last" => init.len(),
        None => 0,
        Some(("after", name)) => index_of(name) + 1,
        Some((_, name)) => index_of(name),
    };
    let mut readers: Vec<&mut Container> = match &options.containers {
        None => spec
            .containers
            .iter_mut()
            .chain(init.iter_mut().skip(position))
            .collect(),
        Some(names) => spec
            .containers
            .iter_mut()
            .chain(init.iter_mut())
            .filter(|c| names.contains(&c.name))
            .collect(),
    };
    let of_pod = spec.security_context.clone().unwrap_or_default();
    let security = |c: &Container| c.security_context.clone().unwrap_or_default();
    let users: Vec<_> = readers
        .iter()
        .map(|c| security(c).run_as_user.or(of_pod.run_as_user))
        .collect();
    let groups: Vec<_> = readers
        .iter()
        .map(|c| security(c).run_as_group.or(of_pod.run_as_group))
        .collect();
    let same = |ids: &[Option<i64>]| {
        ids.iter()
            .all(|id| *id == ids[0])
            .then_some(ids[0])
            .flatten()
    };
    let (user, group, mode) = match same(&users) {
        Some(user) if user > 0 => (user, same(&groups), "0400"),
        _ if of_pod.fs_group.is_some() => (65532, Some(65532), "0440"),
        _ => (65532, Some(65532), "0444"),
    };
    let context = added.security_context.as_mut().unwrap();
    (context.run_as_user, context.run_as_group) = (Some(user), group);
    let mode = options.file_mode.as_deref().unwrap_or(mode);
    let variables = added.env.as_mut().unwrap();
    variables
        .iter_mut()
        .find(|v| v.name == "FILE_MODE")
        .unwrap()
        .value = Some(mode.to_owned());

    for container in &mut readers {
        container.volume_mounts.get_or_insert_default().push(mount(
            "kees-secrets",
            &options.path(),
            true,
        ));
    }
    init.insert(position, added);
    spec.volumes.get_or_insert_default().extend(kees_volumes());
    pod.metadata
        .annotations
        .get_or_insert_default()
        .insert("init.bsycorp.com/injected".to_owned(), "0.1.0".to_owned());
}

fn kees_volumes() -> [Volume; 2] {
    let annotations = DownwardAPIVolumeFile {
        path: "annotations".to_owned(),
        field_ref: Some(field("metadata.annotations")),
        ..Default::default()
    };
    let memory = EmptyDirVolumeSource {
        medium: Some("Memory".to_owned()),
        size_limit: Some(Quantity("4Mi".to_owned())),
    };
    [
        Volume {
            name: "kees-podinfo".to_owned(),
            downward_api: Some(DownwardAPIVolumeSource {
                items: Some(vec![annotations]),
                default_mode: None,
            }),
            ..Default::default()
        },
        Volume {
            name: "kees-secrets".to_owned(),
            empty_dir: Some(memory),
            ..Default::default()
        },
    ]
}

/// The init container without the owner and the mode of the files.
fn init_container(spec: &PodSpec, options: &PodOptions) -> Container {
    let path = options.path();
    let prefix = options.storage_prefix.as_deref().unwrap_or("/");
    let literal = |(name, value): (&str, &str)| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    };
    let of_pod = |(name, path): (&str, &str)| EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(field(path)),
            ..Default::default()
        }),
    };
    let mut env = Vec::from_iter(
        [
            ("POD_NAME", "metadata.name"),
            ("POD_NAMESPACE", "metadata.namespace"),
            ("POD_UID", "metadata.uid"),
        ]
        .map(of_pod),
    );
    env.extend(
        [
            ("ANNOTATION_DOMAIN", "bsycorp.com"),
            ("ANNOTATIONS_FILE", "/podinfo/annotations"),
            ("SECRETS_FILE", &format!("{path}/secrets.properties")),
            ("RESOURCES_FILE", &format!("{path}/resources.properties")),
            ("LEASES_FILE", &format!("{path}/leases.properties")),
            ("RESOURCES_FILE_PATH", &path),
            ("LEASES_FILE_PATH", &path),
            ("FORMAT", "properties"),
            ("FILE_MODE", ""),
            ("STORE", "dynamodb"),
            ("STORES", "dynamodb"),
            ("REFERENCES", "none"),
            ("CREATE", "init"),
            ("STORAGE_PREFIX", prefix),
            ("LOCAL_MODE", "deny"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("ENV_LABEL", "dev"),
        ]
        .map(literal),
    );
    let mut mounts = vec![
        mount("kees-podinfo", "/podinfo", true),
        mount("kees-secrets", &path, false),
        mount(
            "kees-podinfo",
            "/var/run/secrets/kubernetes.io/serviceaccount",
            true,
        ),
    ];
    if let Some(container) = spec.containers.iter().find(|c| c.env.is_some()) {
        env.extend(container.env.clone().unwrap());
        let token = container
            .volume_mounts
            .iter()
            .flatten()
            .find(|m| m.name == "aws-iam-token");
        mounts.push(token.unwrap().clone());
    }
    Container {
        name: "kees-init".to_owned(),
        image: Some("registry.example.com/kees-init:0.1.0".to_owned()),
        env: Some(env),
        resources: init_resources(spec),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                add: None,
                drop: Some(vec!["ALL".to_owned()]),
            }),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..Default::default()
        }),
        volume_mounts: Some(mounts),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Default::default()
    }
}

/// The QoS class is known from the values that the strategy generates.
fn init_resources(spec: &PodSpec) -> Option<ResourceRequirements> {
    let all = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let resources: Vec<_> = all.map(|c| c.resources.clone()).collect();
    let amounts = |amounts: &[(&str, &str)]| {
        let amounts = amounts
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Quantity((*v).to_owned())));
        Some(amounts.collect())
    };
    if resources.iter().all(Option::is_none) {
        return None;
    }
    let guaranteed =
        |r: &Option<ResourceRequirements>| r.as_ref().is_some_and(|r| r.limits.is_some());
    let (requests, limits) = if resources.iter().all(guaranteed) {
        let all = [("cpu", "500m"), ("memory", "64Mi")];
        (amounts(&all), amounts(&all))
    } else {
        (
            amounts(&[("cpu", "10m"), ("memory", "16Mi")]),
            amounts(&[("memory", "64Mi")]),
        )
    };
    Some(ResourceRequirements {
        requests,
        limits,
        claims: None,
    })
}

fn field(path: &str) -> ObjectFieldSelector {
    ObjectFieldSelector {
        api_version: None,
        field_path: path.to_owned(),
    }
}

fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..Default::default()
    }
}

/// A container of a random pod, without its name.
fn container(identity: bool) -> impl Strategy<Value = Value> {
    let security = json!({"runAsUser": 1000, "runAsGroup": 7});
    let securities = [
        json!(null),
        security,
        json!({"runAsUser": 0}),
        json!({"runAsUser": 2000}),
    ];
    let resources = [
        json!(null),
        json!({"requests": {"cpu": "100m"}}),
        json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "500m", "memory": "1Gi"}}),
    ];
    let mounts = [
        json!(null),
        json!([]),
        json!([{"name": "tmp", "mountPath": "/tmp"}]),
    ];
    (
        select(securities.to_vec()),
        select(resources.to_vec()),
        select(mounts.to_vec()),
        prop::bool::weighted(if identity { 0.3 } else { 0.0 }),
    )
        .prop_map(|(security, resources, mounts, identity)| {
            let mut container = json!({"image": "a:1"});
            let members = [
                ("securityContext", security),
                ("resources", resources),
                ("volumeMounts", mounts),
            ];
            for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
                container[name] = value;
            }
            if identity {
                container["env"] = json!([
                    {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
                    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
                ]);
                container["volumeMounts"] =
                    json!([{"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true}]);
            }
            container
        })
}

fn named(prefix: &'static str) -> impl Fn(Vec<Value>) -> Vec<Value> {
    move |mut containers| {
        for (index, container) in containers.iter_mut().enumerate() {
            container["name"] = format!("{prefix}-{index}").into();
        }
        containers
    }
}

/// A valid pod, and its options.
fn pods() -> impl Strategy<Value = (Pod, PodOptions)> {
    let volumes = option::of(prop::collection::vec(
        Just(json!({"name": "tmp", "emptyDir": {}})),
        0..2,
    ));
    let init = option::of(prop::collection::vec(container(false), 0..4).prop_map(named("init")));
    let app = prop::collection::vec(container(true), 1..4).prop_map(named("app"));
    let security = select(vec![
        json!(null),
        json!({"fsGroup": 5}),
        json!({"runAsUser": 1000}),
    ]);
    let options = (
        select(vec![
            "first",
            "last",
            "after=init-0",
            "before=init-0",
            "after=init-1",
        ]),
        option::of(any::<bool>()),
        option::of(select(vec!["/run/kees", "/a b"])),
        option::of(select(vec!["0444", "0400"])),
        option::of(select(vec!["/dev/team-a", "prefix/"])),
    );
    (volumes, init, app, security, options).prop_map(|(volumes, init, app, security, options)| {
        let (order, only_first, mount_path, file_mode, storage_prefix) = options;
        let count = init.as_ref().map_or(0, Vec::len);
        let anchor = order
            .split_once("init-")
            .map_or(0, |(_, n)| n.parse::<usize>().unwrap() + 1);
        let owned = |text: &str| text.to_owned();
        let options = PodOptions {
            order: owned(if anchor <= count { order } else { "first" }),
            containers: only_first.map(|only| {
                let names = app.iter().map(|c| owned(c["name"].as_str().unwrap()));
                if only {
                    names.take(1).collect()
                } else {
                    names.collect()
                }
            }),
            mount_path: mount_path.map(owned),
            file_mode: file_mode.map(owned),
            storage_prefix: storage_prefix.map(owned),
        };
        let mut pod = json!({
            "metadata": {"generateName": "web-", "annotations": options.annotations()},
            "spec": {"containers": app},
        });
        if let Some(volumes) = volumes {
            pod["spec"]["volumes"] = volumes.into();
        }
        if let Some(init) = init {
            pod["spec"]["initContainers"] = init.into();
        }
        if !security.is_null() {
            pod["spec"]["securityContext"] = security;
        }
        (serde_json::from_value(pod).unwrap(), options)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_ways_give_the_same_pod((pod, options) in pods()) {
        let before = serde_json::to_value(&pod).unwrap();
        let mut changed = pod.clone();
        inject(&mut changed, &options);
        let patch = json_patch::diff(&before, &serde_json::to_value(&changed).unwrap());
        let mut by_oracle = before.clone();
        json_patch::patch(&mut by_oracle, &patch).unwrap();

        let by_patch = injected(&before, &settings());
        let typed: Pod = serde_json::from_value(by_patch.clone()).unwrap();
        prop_assert_eq!(&typed, &changed);
        prop_assert_eq!(by_patch, by_oracle);
    }

    #[test]
    fn a_second_call_changes_no_random_pod((pod, _) in pods()) {
        let pod = injected(&serde_json::to_value(&pod).unwrap(), &settings());
        prop_assert_eq!(operations(&pod, &settings()), json!([]));
    }
}
