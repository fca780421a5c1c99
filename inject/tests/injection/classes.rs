//! Pods with volumes of `SecretProviderClass` objects.

use kees_inject::{Decision, Lookup, SkipReason};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, csi, pod},
    pods::{decision, init_container, settings, variable, warnings, with_policy},
};

const ENTRY: (&str, &str) = (
    "secret.bsycorp.com/db-password",
    "kind=DYNAMIC,type=PASSWORD,size=256",
);

fn annotated(mut pod: Value) -> Value {
    pod["metadata"]["annotations"] = json!({ENTRY.0: ENTRY.1});
    pod
}

/// The pod as the API server has it after the call: with its defaults.
fn with_defaults(mut pod: Value) -> Value {
    for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
        for kind in ["projected", "downwardAPI"] {
            if let Some(source) = volume.get_mut(kind) {
                source["defaultMode"] = 420.into();
            }
        }
    }
    for variable in pod["spec"]["initContainers"][0]["env"]
        .as_array_mut()
        .unwrap()
    {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            field["apiVersion"] = "v1".into();
        }
    }
    pod
}

fn volumes(pod: &Value) -> Vec<&str> {
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    volumes
        .iter()
        .map(|volume| volume["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_pod_with_a_volume_alone_gets_an_init_container_that_fills_it() {
    insta::assert_json_snapshot!(Cluster::new().operations(&pod(), &settings()));
}

#[test]
fn a_pod_with_annotations_too_has_one_init_container_for_both() {
    let pod = Cluster::new().injected(&annotated(pod()), &settings());
    let containers = pod["spec"]["initContainers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let mounts = init_container(&pod)["volumeMounts"].as_array().unwrap();
    let mounts: Vec<_> = mounts
        .iter()
        .map(|mount| {
            (
                mount["name"].as_str().unwrap(),
                mount["mountPath"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        mounts,
        [
            ("kees-podinfo", "/podinfo"),
            ("kees-secrets", "/bsycorp-init"),
            (
                "kees-podinfo",
                "/var/run/secrets/kubernetes.io/serviceaccount"
            ),
            ("kees-aws-token", "/var/run/secrets/kees/sts"),
            ("secrets", "/kees-volumes/secrets"),
        ]
    );
    assert_eq!(
        volumes(&pod),
        ["secrets", "kees-podinfo", "kees-secrets", "kees-aws-token"]
    );
}

#[rstest]
#[case::alone(pod())]
#[case::with_annotations(annotated(pod()))]
fn a_second_call_changes_nothing(#[case] pod: Value) {
    let mut cluster = Cluster::new();
    let once = cluster.injected(&pod, &settings());
    // The second call may come by the other path.
    for requested in [true, false] {
        cluster.requested = requested;
        assert_eq!(cluster.operations(&once, &settings()), json!([]));
        assert_eq!(cluster.warnings(&once, &settings()), Vec::<String>::new());
        assert_eq!(
            cluster.operations(&with_defaults(once.clone()), &settings()),
            json!([])
        );
    }
}

#[test]
fn what_an_earlier_call_wrote_is_worked_out_again_from_the_class() {
    let cluster = Cluster::new();
    let once = cluster.injected(&pod(), &settings());
    let objects = "- {objectName: team-a/other, objectType: secretsmanager}";
    let cluster = cluster.with("db", &json!({"objects": objects, "region": "eu-west-1"}));
    let again = cluster.injected(&once, &settings());
    assert_eq!(again, cluster.injected(&pod(), &settings()));
    assert!(
        variable(&again, "CLASS_VOLUMES")
            .unwrap()
            .contains("team-a/other")
    );
}

#[test]
fn an_init_container_and_a_volume_that_somebody_forged_are_replaced() {
    let cluster = Cluster::new();
    let honest = cluster.injected(&pod(), &settings());
    let mut forged = honest.clone();
    forged["spec"]["initContainers"][0]["image"] = "evil:1".into();
    forged["spec"]["initContainers"][0]["env"][0] =
        json!({"name": "AWS_ENDPOINT", "value": "http://evil"});
    forged["spec"]["volumes"][0] = json!({"name": "secrets", "emptyDir": {}});
    forged["spec"]["volumes"][2]["projected"]["sources"][0]["serviceAccountToken"]["audience"] =
        "evil".into();
    assert_eq!(cluster.injected(&forged, &settings()), honest);
}

#[test]
fn only_volumes_of_kees_can_be_recorded() {
    let mut pod = Cluster::new().injected(&pod(), &settings());
    pod["spec"]["volumes"][0] = json!({"name": "secrets", "hostPath": {"path": "/etc"}});
    assert_eq!(
        Cluster::new().errors(&pod, &settings()),
        [
            "spec.volumes[secrets]: init.bsycorp.com/class-volumes names it, but it is not a volume of kees; remove \
          it from the annotation"
        ]
    );
    pod["metadata"]["annotations"]["init.bsycorp.com/class-volumes"] = "[]".into();
    let errors = Cluster::new().errors(&pod, &settings());
    assert!(
        errors[0].starts_with(
            "init.bsycorp.com/class-volumes: the webhook sets it, and this is not its text: "
        ),
        "{errors:?}"
    );
}

#[rstest]
#[case::neither(false, None, false)]
#[case::namespace(true, None, true)]
#[case::pod(false, Some("enabled"), true)]
#[case::pod_against_namespace(true, Some("disabled"), false)]
fn the_label_of_the_pod_wins(
    #[case] requested: bool,
    #[case] label: Option<&str>,
    #[case] expected: bool,
) {
    let mut cluster = Cluster::new();
    cluster.requested = requested;
    let mut pod = annotated(pod());
    if let Some(label) = label {
        pod["metadata"]["labels"] = json!({"init.bsycorp.com/secret-provider-classes": label});
    }
    let injected = cluster.injected(&pod, &settings());
    assert_eq!(
        injected["spec"]["volumes"][0].get("emptyDir").is_some(),
        expected
    );
    assert_eq!(
        injected["spec"]["volumes"][0].get("csi").is_some(),
        !expected
    );
}

#[test]
fn an_unknown_label_is_an_error() {
    let mut pod = pod();
    pod["metadata"]["labels"] = json!({"init.bsycorp.com/secret-provider-classes": "true"});
    assert_eq!(
        Cluster::new().errors(&pod, &settings()),
        [
            "metadata.labels[init.bsycorp.com/secret-provider-classes]: the value 'true' is unknown; use enabled or \
          disabled"
        ]
    );
}

#[test]
fn a_webhook_without_classes_leaves_csi_volumes_alone_and_says_so_if_the_pod_asks() {
    let mut pod = pod();
    let skipped = |decision: &Decision| {
        matches!(
            decision,
            Decision::Skip {
                reason: SkipReason::NotAnnotated,
                ..
            }
        )
    };
    assert!(skipped(&decision(&pod, &settings())));
    assert_eq!(warnings(&pod, &settings()), Vec::<String>::new());
    pod["metadata"]["labels"] = json!({"init.bsycorp.com/secret-provider-classes": "enabled"});
    assert!(skipped(&decision(&pod, &settings())));
    assert_eq!(
        warnings(&pod, &settings()),
        [
            "metadata.labels[init.bsycorp.com/secret-provider-classes]: has no effect: the webhook runs without \
          --secret-provider-classes, so the CSI volumes are left to the driver"
        ]
    );
    let replaced = Cluster::new().injected(&self::pod(), &settings());
    assert_eq!(
        crate::pods::errors(&replaced, &settings()),
        [
            "spec.volumes[secrets]: kees replaced this CSI volume, but the webhook runs without \
          --secret-provider-classes now; create the pod from its own manifest"
        ]
    );
}

#[test]
fn a_class_of_another_provider_is_left_alone() {
    let mut pod = pod();
    pod["spec"]["volumes"] = json!([csi("secrets", "vault")]);
    // The driver has its own opinion about this.
    pod["spec"]["volumes"][0]["csi"]["readOnly"] = false.into();
    let policy = with_policy("{rules: [{namespaces: [other], storagePrefix: /x}]}");
    for settings in [settings(), policy] {
        let decision = Cluster::new().decision(&pod, &settings);
        let Decision::Skip {
            reason, warnings, ..
        } = &decision
        else {
            panic!("{decision:?}")
        };
        assert_eq!((*reason, warnings.len()), (SkipReason::OtherProvider, 0));
    }
    let both = json!([csi("secrets", "vault"), csi("more", "db")]);
    pod["spec"]["volumes"] = both;
    let pod = Cluster::new().injected(&pod, &settings());
    assert!(pod["spec"]["volumes"][0]["csi"].is_object());
    assert!(pod["spec"]["volumes"][1]["emptyDir"].is_object());
}

#[test]
fn a_replaced_volume_whose_class_has_another_provider_now_is_an_error() {
    let cluster = Cluster::new();
    let pod = cluster.injected(&pod(), &settings());
    let cluster = cluster.with_spec("db", json!({"provider": "vault", "parameters": {"x": "y"}}));
    assert_eq!(
        cluster.errors(&pod, &settings()),
        [
            "spec.volumes[secrets]: kees replaced the volume, but SecretProviderClass db is of the provider vault now; \
          create the pod from its own manifest"
        ]
    );
}

#[rstest]
#[case::opted_out(json!({"metadata": {"annotations": {"init.bsycorp.com/inject": "false"}}}), SkipReason::OptedOut)]
#[case::mirror(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}), SkipReason::Mirror)]
#[case::windows(json!({"spec": {"os": {"name": "windows"}}}), SkipReason::Windows)]
#[case::wired(json!({"spec": {"initContainers": [{"name": "mine", "image": "kees-init:1"}]}}), SkipReason::WiredByHand)]
fn a_pod_that_is_skipped_keeps_its_csi_volumes(
    #[case] change: Value,
    #[case] expected: SkipReason,
) {
    let mut pod = pod();
    json_patch::merge(&mut pod, &change);
    let decision = Cluster::new().decision(&pod, &settings());
    let Decision::Skip { reason, .. } = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(reason, expected);
}

/// Without its volume, the webhook would not look at such a pod.
#[test]
fn the_policy_for_values_does_not_deny_a_pod_of_its_own_init_container_because_of_a_csi_volume() {
    let mut pod = pod();
    pod["spec"]["initContainers"] = json!([{"name": "mine", "image": "kees-init:1"}]);
    let settings = with_policy(
        "{rules: [{namespaces: ['*'], storagePrefix: '/{namespace}', classObjects: ['*']}]}",
    );
    let decision = Cluster::new().decision(&pod, &settings);
    let Decision::Skip {
        reason, warnings, ..
    } = decision
    else {
        panic!("{decision:?}")
    };
    assert_eq!(reason, SkipReason::WiredByHand);
    assert_eq!(
        warnings,
        ["spec.volumes[secrets]: it is left to the CSI driver, because the pod is wired by hand"]
    );
}

#[rstest]
#[case::same_user("0400", json!({"runAsUser": 1000}), json!({"runAsUser": 1000}), json!({}), &[])]
#[case::everybody("0444", json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), json!({}), &[])]
#[case::two_users("0400", json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), json!({}), &[("app", 1000), ("other", 2000)])]
#[case::the_group("0440", json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), json!({"fsGroup": 5}), &[])]
#[case::not_the_group("0400", json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), json!({"fsGroup": 5}), &[("app", 1000), ("other", 2000)])]
#[case::a_group_of_nobody("0440", json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), json!({}), &[("app", 1000), ("other", 2000)])]
#[case::of_the_pod("0400", json!({"runAsUser": 1000}), json!({}), json!({"runAsUser": 3000}), &[("app", 1000), ("other", 3000)])]
#[case::root_reads_everything("0400", json!({"runAsUser": 0}), json!({"runAsUser": 2000}), json!({}), &[("other", 2000)])]
#[case::the_image_decides("0400", json!({}), json!({}), json!({}), &[])]
fn a_container_that_cannot_read_the_files_is_a_warning(
    #[case] mode: &str,
    #[case] app: Value,
    #[case] other: Value,
    #[case] of_pod: Value,
    #[case] expected: &[(&str, i64)],
) {
    let objects = format!(
        "- {{objectName: team-a/db, objectType: secretsmanager, objectAlias: password, filePermission: '{mode}'}}"
    );
    let cluster = Cluster::new().with("db", &json!({"objects": objects, "region": "eu-west-1"}));
    let mut pod = pod();
    pod["spec"]["securityContext"] = of_pod;
    let mut second = pod["spec"]["containers"][0].clone();
    second["name"] = "other".into();
    second["securityContext"] = other;
    let containers = pod["spec"]["containers"].as_array_mut().unwrap();
    containers[0]["securityContext"] = app;
    containers.push(second);
    let warning = |(container, user): &(&str, i64)| {
        format!(
            "spec.containers[{container}]: its user {user} may be unable to read password of the volume secrets, which has \
             the mode {mode} and belongs to the user 65532 of kees-init; let all containers that mount volumes of classes \
             run as one user, or set an fsGroup and filePermission: \"0440\""
        )
    };
    let expected: Vec<_> = expected.iter().map(warning).collect();
    assert_eq!(cluster.warnings(&pod, &settings()), expected);
}

#[test]
fn all_errors_of_the_volumes_and_their_classes_are_listed() {
    let objects = "- {objectName: a, objectType: ssm}\n- {objectName: b, objectType: secretsmanager, filePermission: 0644}\n";
    let cluster = Cluster::new()
        .with(
            "wrong",
            &json!({"objects": objects, "pathTranslation": "ab"}),
        )
        .with_unknown("hidden", "the API server did not answer within 1 s");
    let mut pod = annotated(pod());
    let mut writable = csi("writable", "db");
    writable["csi"]["readOnly"] = false.into();
    let mut nameless = csi("nameless", "");
    nameless["csi"]["volumeAttributes"] = json!({});
    let mut region = csi("region", "db");
    region["csi"]["volumeAttributes"]["failoverRegion"] = "eu-west-1".into();
    pod["spec"]["volumes"] = json!([
        csi("one", "gone"),
        csi("two", "wrong"),
        writable,
        nameless,
        region,
        csi("three", "hidden"),
        csi("Four", "db"),
    ]);
    pod["metadata"]["annotations"]["init.bsycorp.com/mount-path"] = "/kees-volumes/x".into();
    let errors = Cluster::errors(&cluster, &pod, &settings()).join("\n");
    insta::assert_snapshot!(errors);
}

#[test]
fn mounts_of_the_volume_become_read_only() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "secrets", "mountPath": "/a", "subPath": "db.json"},
        {"name": "secrets", "mountPath": "/b", "readOnly": false},
        {"name": "secrets", "mountPath": "/c", "readOnly": true},
    ]);
    pod["spec"]["initContainers"] = json!([{"name": "migrate", "image": "m", "volumeMounts": [{"name": "secrets", "mountPath": "/a"}]}]);
    let pod = Cluster::new().injected(&pod, &settings());
    let read_only = |container: &Value| -> Vec<bool> {
        let mounts = container["volumeMounts"].as_array().unwrap();
        mounts
            .iter()
            .map(|mount| mount["readOnly"] == true)
            .collect()
    };
    assert_eq!(
        read_only(&pod["spec"]["containers"][0]),
        [false, true, true, true]
    );
    assert_eq!(
        pod["spec"]["containers"][0]["volumeMounts"][1]["subPath"],
        "db.json"
    );
    assert_eq!(pod["spec"]["initContainers"][1]["name"], "migrate");
    assert_eq!(read_only(&pod["spec"]["initContainers"][1]), [true]);
}

#[test]
fn an_init_container_that_mounts_the_volume_cannot_run_before() {
    let mut pod = pod();
    pod["spec"]["initContainers"] = json!([
        {"name": "first", "image": "m"},
        {"name": "migrate", "image": "m", "volumeMounts": [{"name": "secrets", "mountPath": "/a"}]},
    ]);
    pod["metadata"]["annotations"] = json!({"init.bsycorp.com/order": "after=first"});
    let injected = Cluster::new().injected(&pod, &settings());
    assert_eq!(injected["spec"]["initContainers"][1]["name"], "kees-init");
    pod["metadata"]["annotations"] = json!({"init.bsycorp.com/order": "last"});
    assert_eq!(
        Cluster::new().errors(&pod, &settings()),
        [
            "init.bsycorp.com/order: migrate mounts secrets and runs before kees-init, which writes its files; change \
          init.bsycorp.com/order"
        ]
    );
}

#[rstest]
#[case::of_the_reader(json!({"runAsUser": 1000}), json!({"runAsUser": 2000}), Some(1000), "0444")]
#[case::of_all(json!({"runAsUser": 1000}), json!({"runAsUser": 1000}), Some(1000), "0400")]
#[case::root(json!({"runAsUser": 0}), json!({"runAsUser": 2000}), Some(65532), "0444")]
#[case::unknown(json!({}), json!({}), Some(65532), "0444")]
fn the_init_container_runs_as_the_containers_that_mount_the_volume(
    #[case] reader: Value,
    #[case] other: Value,
    #[case] uid: Option<i64>,
    #[case] mode: &str,
) {
    let mut pod = annotated(pod());
    pod["spec"]["containers"][0]["securityContext"] = reader;
    let other = json!({"name": "other", "image": "o", "securityContext": other});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(other);
    let pod = Cluster::new().injected(&pod, &settings());
    assert_eq!(
        init_container(&pod)["securityContext"]["runAsUser"].as_i64(),
        uid
    );
    // The mode of the files of annotations, which both containers read.
    assert_eq!(variable(&pod, "FILE_MODE"), Some(mode));
}

#[test]
fn attributes_that_an_annotation_cannot_hold_are_denied() {
    let mut pod = pod();
    let objects = format!(
        "# {}\n- {{objectName: a, objectType: secretsmanager}}\n",
        "x".repeat(256 << 10)
    );
    let mut volume = csi("secrets", "db");
    volume["csi"]["volumeAttributes"]["objects"] = json!(objects);
    pod["spec"]["volumes"] = json!([volume]);
    let errors = Cluster::new().errors(&pod, &settings());
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("Kubernetes allows 262144; move the attributes into the classes"),
        "{errors:?}"
    );
}

#[test]
fn classes_that_ask_for_more_than_a_variable_holds_are_denied() {
    let object =
        |i| format!("- {{objectName: team-a/secret-number-{i}, objectType: secretsmanager}}\n");
    let objects = (0..2000).map(object).collect::<Vec<_>>().concat();
    let cluster = Cluster::new().with("db", &json!({"objects": objects}));
    let errors = cluster.errors(&pod(), &settings());
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains("and the init container takes 130048; use fewer objects"),
        "{errors:?}"
    );
    // One class is read for each volume that names it.
    let long = format!(
        "# {}\n- {{objectName: a, objectType: secretsmanager}}\n",
        "x".repeat(900_000)
    );
    let cluster = Cluster::new().with("db", &json!({"objects": long}));
    let mut pod = pod();
    pod["spec"]["volumes"] = json!([
        csi("a", "db"),
        csi("b", "db"),
        csi("c", "db"),
        csi("d", "db")
    ]);
    let errors = cluster.errors(&pod, &settings());
    assert!(
        errors[0].starts_with(
            "spec.volumes[c]: the classes of the pod's volumes have more than 2097152 bytes"
        ),
        "{errors:?}"
    );
}

#[test]
fn the_role_and_its_token_are_those_of_the_service_account() {
    let mut cluster = Cluster::new();
    let injected = cluster.injected(&pod(), &settings());
    assert_eq!(
        variable(&injected, "AWS_ROLE_ARN"),
        Some("arn:aws:iam::111122223333:role/web")
    );
    assert_eq!(
        variable(&injected, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        Some("/var/run/secrets/kees/sts/token")
    );
    cluster.role = Lookup::Missing;
    let without = cluster.injected(&pod(), &settings());
    assert_eq!(variable(&without, "AWS_ROLE_ARN"), None);
    assert_eq!(volumes(&without), ["secrets", "kees-podinfo"]);
    // A role that is taken away is taken away from the injected pod too.
    assert_eq!(cluster.injected(&injected, &settings()), without);
    cluster.role = Lookup::Unknown("the API server did not answer within 1 s".to_owned());
    assert_eq!(
        cluster.errors(&pod(), &settings()),
        [
            "spec.serviceAccountName: its role cannot be read: the API server did not answer within 1 s; create the pod \
          again"
        ]
    );
}

#[test]
fn credentials_of_eks_are_used_in_place_of_the_own_token() {
    let cluster = Cluster::new();
    let folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    // EKS adds them after the first call, to all containers.
    let mut pod = cluster.injected(&pod(), &settings());
    pod["spec"]["volumes"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "aws-iam-token", "projected": {"sources": []}}));
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().unwrap() {
            let mount = json!({"name": "aws-iam-token", "mountPath": folder, "readOnly": true});
            container["volumeMounts"]
                .as_array_mut()
                .unwrap()
                .push(mount);
        }
    }
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/eks"},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{folder}/token")},
    ]);
    let pod = cluster.injected(&pod, &settings());
    assert_eq!(
        variable(&pod, "AWS_ROLE_ARN"),
        Some("arn:aws:iam::111122223333:role/eks")
    );
    assert_eq!(volumes(&pod), ["secrets", "kees-podinfo", "aws-iam-token"]);
    assert_eq!(cluster.operations(&pod, &settings()), json!([]));
}

#[test]
fn pod_identity_has_a_token_of_its_own_and_no_address() {
    let objects = "- {objectName: a, objectType: secretsmanager}";
    let cluster = Cluster::new().with("db", &json!({"objects": objects, "usePodIdentity": "true"}));
    let pod = cluster.injected(&pod(), &settings());
    assert_eq!(
        variable(&pod, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        Some("/var/run/secrets/kees/pod-identity/token")
    );
    assert_eq!(variable(&pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), None);
    assert_eq!(variable(&pod, "AWS_ROLE_ARN"), None);
    let volume = &pod["spec"]["volumes"][2];
    assert_eq!(volume["name"], "kees-pod-identity-token");
    let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(
        token,
        &json!({"audience": "pods.eks.amazonaws.com", "expirationSeconds": 3600, "path": "token"})
    );
}

#[test]
fn the_region_is_that_of_the_class_then_that_of_the_operator_then_that_of_the_node() {
    let cluster = Cluster::new();
    let region = |pod: &Value| {
        let env = init_container(pod)["env"].as_array().unwrap().clone();
        env.into_iter()
            .find(|variable| variable["name"] == "AWS_REGION")
    };
    assert_eq!(region(&cluster.injected(&pod(), &settings())), None);
    let mut of_api = pod();
    of_api["spec"]["volumes"] = json!([csi("secrets", "api")]);
    let injected = cluster.injected(&of_api, &settings());
    let field = json!({"fieldPath": "metadata.labels['topology.kubernetes.io/region']"});
    assert_eq!(region(&injected).unwrap()["valueFrom"]["fieldRef"], field);
    assert!(
        !variable(&injected, "CLASS_VOLUMES")
            .unwrap()
            .contains("region")
    );
    let mut settings = settings();
    settings
        .init_env
        .insert("AWS_REGION".to_owned(), "eu-central-1".to_owned());
    let injected = cluster.injected(&of_api, &settings);
    assert_eq!(region(&injected).unwrap()["value"], "eu-central-1");
    assert!(
        variable(&injected, "CLASS_VOLUMES")
            .unwrap()
            .contains(r#""region":"eu-central-1""#)
    );
}

#[test]
fn the_policy_says_which_objects_a_namespace_may_use() {
    let objects = "- {objectName: team-a/db, objectType: secretsmanager}\n- {objectName: team-b/db, objectType: secretsmanager, objectAlias: x, failoverObject: {objectName: team-c/db}}\n";
    let cluster = Cluster::new().with(
        "db",
        &json!({"objects": objects, "region": "eu-west-1", "failoverRegion": "eu-west-2"}),
    );
    let rules = |rest: &str| {
        with_policy(&format!(
            "{{rules: [{{namespaces: ['*'], name: teams{rest}}}]}}"
        ))
    };
    let denied = |name: &str| {
        format!(
            "spec.volumes[secrets]: the policy does not allow the object {name} of SecretProviderClass db (rule teams); ask \
             the operator to add it to classObjects"
        )
    };
    let own = rules(", classObjects: ['{namespace}/*']");
    assert_eq!(
        cluster.errors(&pod(), &own),
        [denied("team-b/db"), denied("team-c/db")]
    );
    // A rule that says nothing allows nothing.
    assert_eq!(cluster.errors(&pod(), &rules("")).len(), 3);
    // A pod with volumes of classes alone needs no prefix.
    cluster.injected(&pod(), &rules(", classObjects: ['team-*/*']"));
    let warned = rules(", mode: warn, classObjects: ['team-a/*', 'team-b/*']");
    cluster.injected(&pod(), &warned);
    let warning = cluster.warnings(&pod(), &warned);
    assert_eq!(warning.len(), 1);
    assert!(
        warning[0]
            .contains("the policy would deny this: the policy does not allow the object team-c/db"),
        "{warning:?}"
    );
    let policy = cluster.decision(&pod(), &warned).policy().cloned().unwrap();
    assert_eq!(policy.outcome.as_str(), "warned");
    // No rule matches.
    let other = with_policy("{rules: [{namespaces: [other], storagePrefix: /x}]}");
    let errors = cluster.errors(&pod(), &other);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with("policy: the policy has no rule for"),
        "{errors:?}"
    );
}

/// What is said of a Secret that the environment of the pod needs, and of one that the pod does not need.
const NEEDED: &str = "its environment needs the Secret db,";
const UNWRITTEN: &str = "spec.volumes: SecretProviderClass db: its secretObjects have no effect, so nobody keeps their \
                         Secrets up to date (db); let kees-controller write them";

#[rstest]
#[case::volume(json!({"volumes": [{"name": "s", "secret": {"secretName": "db"}}]}), "")]
#[case::projection(json!({"volumes": [{"name": "s", "projected": {"sources": [{"secret": {"name": "db"}}]}}]}), "")]
#[case::optional(json!({"volumes": [{"name": "s", "secret": {"secretName": "db", "optional": true}}]}), UNWRITTEN)]
#[case::other(json!({"volumes": [{"name": "s", "secret": {"secretName": "other"}}]}), UNWRITTEN)]
#[case::variable(json!({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]}), NEEDED)]
#[case::variables(json!({"envFrom": [{"secretRef": {"name": "db"}}]}), NEEDED)]
#[case::optional_variable(json!({"envFrom": [{"secretRef": {"name": "db", "optional": true}}]}), UNWRITTEN)]
fn a_secret_that_nobody_writes_in_time_is_found(#[case] uses: Value, #[case] warning: &str) {
    let objects = "- {objectName: team-a/db, objectType: secretsmanager}";
    let secret = json!({"secretName": " db ", "type": "Opaque", "data": [{"objectName": "team-a_db", "key": "k"}]});
    let cluster = Cluster::new().with_spec(
        "db",
        json!({"provider": "aws", "parameters": {"objects": objects}, "secretObjects": [secret]}),
    );
    let mut pod = pod();
    if let Some(more) = uses["volumes"].as_array() {
        pod["spec"]["volumes"]
            .as_array_mut()
            .unwrap()
            .extend(more.clone());
    }
    json_patch::merge(&mut pod["spec"]["containers"][0], &uses);
    pod["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("volumes");
    let mut settings = settings();
    let warnings = cluster.warnings(&pod, &settings);
    assert_eq!(warnings.len(), usize::from(!warning.is_empty()));
    assert!(warnings.concat().contains(warning), "{warnings:?}");
    // Without a warning there is an error.
    let denied = matches!(cluster.decision(&pod, &settings), Decision::Deny { .. });
    assert_eq!(denied, warning.is_empty());
    if denied {
        let errors = cluster.errors(&pod, &settings);
        assert!(errors[0].starts_with("spec.volumes[s]: the Secret db is one of the secretObjects of SecretProviderClass db"), "{errors:?}");
        assert!(errors[0].contains("controller.secretSync"), "{errors:?}");
    }
    settings.secret_sync = true;
    cluster.injected(&pod, &settings);
    assert_eq!(cluster.warnings(&pod, &settings), Vec::<String>::new());
}

#[test]
fn a_warning_names_the_first_secrets_that_nobody_writes() {
    let objects = "- {objectName: team-a/db, objectType: secretsmanager}";
    let secret = |name: String| json!({"secretName": name, "type": "Opaque", "data": [{"objectName": "team-a_db", "key": "k"}]});
    let secrets: Vec<_> = (1..=5).map(|number| secret(format!("s{number}"))).collect();
    let cluster = Cluster::new().with_spec(
        "db",
        json!({"provider": "aws", "parameters": {"objects": objects}, "secretObjects": secrets}),
    );
    let warnings = cluster.warnings(&pod(), &settings());
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("(s1, s2, s3, 2 more)"), "{warnings:?}");
}

#[test]
fn a_volume_or_path_of_kees_cannot_be_used_for_something_else() {
    let mut pod = annotated(pod());
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    volumes.push(json!({"name": "kees-aws-token", "emptyDir": {}}));
    pod["metadata"]["annotations"]["init.bsycorp.com/mount-path"] = "/kees-volumes".into();
    assert_eq!(
        Cluster::new().errors(&pod, &settings()),
        [
            "spec.volumes[kees-aws-token]: the name kees-aws-token is reserved for kees; rename it",
            "init.bsycorp.com/mount-path: kees-init already mounts the volumes of classes at /kees-volumes; use another \
             path than /kees-volumes",
        ]
    );
}

#[test]
fn a_fast_start_fills_the_volumes_too_if_there_are_other_files() {
    let mut pod = annotated(pod());
    pod["metadata"]["annotations"]["init.bsycorp.com/start"] = "fast".into();
    let injected = Cluster::new().injected(&pod, &settings());
    let container = init_container(&injected);
    assert_eq!(container["args"], json!(["start"]));
    assert!(variable(&injected, "CLASS_VOLUMES").is_some());
    assert!(
        container["volumeMounts"]
            .to_string()
            .contains("/kees-volumes/secrets")
    );
    pod["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove(ENTRY.0);
    pod["metadata"]["annotations"]["init.bsycorp.com/refresh"] = "5m".into();
    let alone = Cluster::new().injected(&pod, &settings());
    assert_eq!(init_container(&alone).get("args"), None);
    assert_eq!(
        Cluster::new().warnings(&pod, &settings()),
        [
            "init.bsycorp.com/start: has no effect on a pod that has volumes of SecretProviderClass objects alone",
            "init.bsycorp.com/refresh: has no effect on a pod that has volumes of SecretProviderClass objects alone"
        ]
    );
}

#[test]
fn a_refreshed_pod_has_the_volumes_in_the_init_container_alone() {
    let mut pod = annotated(pod());
    pod["metadata"]["annotations"]["init.bsycorp.com/refresh"] = "5m".into();
    let pod = Cluster::new().injected(&pod, &settings());
    let sidecar = &pod["spec"]["initContainers"][1];
    assert_eq!(sidecar["name"], "kees-refresh");
    let text = sidecar.to_string();
    assert!(
        !text.contains("CLASS_VOLUMES") && !text.contains("kees-volumes"),
        "{text}"
    );
    assert!(text.contains("kees-aws-token"), "{text}");
}

#[test]
fn a_program_with_an_identity_of_its_own_is_held_to_the_policy_in_the_mode_warn_too() {
    let mount = json!({"region": "eu-west-1", "identity": "serviceAccountRole", "objects": [
        {"service": "secretsmanager", "name": "team-a/db", "file": {"path": "a", "mode": "0644"}},
        {"service": "ssmparameter", "name": "/team-b/x", "file": {"path": "b", "mode": "0644"}},
    ]});
    let mount = serde_json::from_value(mount).unwrap();
    let pod = kees_inject::CreatorPod {
        namespace: "team-a",
        service_account: "web",
    };
    let errors = |policy: &str| {
        let errors = kees_inject::class_errors(pod, "db", &mount, &with_policy(policy));
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let own = "{mode: warn, rules: [{namespaces: ['*'], classObjects: ['{namespace}/*']}]}";
    assert_eq!(
        errors(own),
        [
            "SecretProviderClass[db]: the policy does not allow the object /team-b/x of SecretProviderClass db (rule 1); ask \
          the operator to add it to classObjects"
        ]
    );
    assert_eq!(
        errors("{rules: [{namespaces: ['*'], classObjects: ['*']}]}"),
        Vec::<String>::new()
    );
    assert_eq!(errors("{rules: [{namespaces: [other]}]}").len(), 1);
    assert!(kees_inject::class_errors(pod, "db", &mount, &settings()).is_empty());
}
