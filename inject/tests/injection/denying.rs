//! Pods that are denied, and the messages.

use kees_common::StoreName;
use kees_inject::{Decision, InjectSettings};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{decision, errors, injected, pod, settings, variable, warnings, with_policy};

#[test]
fn every_error_of_a_pod_is_in_one_message() {
    let mut pod = pod([("storage-prefix", "/prod"), ("containers", "web")]);
    let annotations = &mut pod["metadata"]["annotations"];
    annotations["secret.bsycorp.com/signing_public"] = "kind=DYNAMIC,type=RSA,size=1024".into();
    annotations["secret.bsycorp.com/token"] = "kind=dynamic".into();
    let policy = "rules: [{namespaces: ['*'], storagePrefix: '/dev/{namespace}'}]";
    insta::assert_snapshot!(errors(&pod, &with_policy(policy)).join("\n"), @r"
    init.bsycorp.com/storage-prefix: /prod is not at or below /dev/team-a, which the policy allows for this pod; use /dev/team-a or a prefix below it
    secret.bsycorp.com/signing_public: size=1024 is wrong; an RSA key has size=2048 or size=4096
    secret.bsycorp.com/token: kind=dynamic is wrong; use DYNAMIC or REFERENCE, in upper case
    init.bsycorp.com/containers: the pod has no container web; use the names of its containers
    ");
}

/// A pod whose application container mounts `at`.
fn with_mount_at(at: &str, options: &[(&str, &str)]) -> Value {
    let mut pod = pod(options.iter().copied());
    pod["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "tmp", "mountPath": at}]);
    pod
}

#[test]
fn an_unknown_init_container_in_order_does_not_hide_other_errors() {
    let options = [
        ("order", "before=nope"),
        ("containers", "app,web"),
        ("mount-path", "/data"),
    ];
    let mut pod = with_mount_at("/data", &options);
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "x", "volumeMounts": [{"name": "kees-podinfo", "mountPath": "/x"}]}));
    insta::assert_snapshot!(errors(&pod, &settings()).join("\n"), @r"
    init.bsycorp.com/order: the pod has no init container nope; use the name of one, first or last
    init.bsycorp.com/containers: the pod has no container web; use the names of its containers
    spec.containers[x]: it mounts kees-podinfo, which is reserved for kees; remove the mount, because kees adds its own
    init.bsycorp.com/mount-path: app already mounts tmp at /data; use another path than /data
    ");
}

#[rstest]
#[case::unknown("before=nope")]
#[case::invalid("middle")]
fn without_a_place_no_init_container_is_said_to_run_too_early(#[case] order: &str) {
    let mut pod = pod([("order", order), ("containers", "early,app")]);
    pod["spec"]["initContainers"] = json!([{"name": "early", "image": "a"}]);
    let errors = errors(&pod, &settings());
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("init.bsycorp.com/order: "),
        "{errors:?}"
    );
}

#[rstest]
#[case::mount_path("mount-path", "relative")]
#[case::containers("containers", "App")]
fn an_invalid_option_causes_no_errors_of_its_default(#[case] option: &str, #[case] value: &str) {
    let errors = errors(
        &with_mount_at("/bsycorp-init", &[(option, value)]),
        &settings(),
    );
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with(&format!("init.bsycorp.com/{option}: ")),
        "{errors:?}"
    );
}

#[test]
fn a_missing_rule_does_not_hide_the_errors_of_entries_in_combination() {
    let mut pod = pod([("format", "files"), ("containers", "web")]);
    pod["metadata"]["annotations"]["resource.bsycorp.com/db-password"] = "".into();
    let policy = with_policy("rules: [{namespaces: [other], storagePrefix: /}]");
    let errors = errors(&pod, &policy);
    let has = |text: &str| errors.iter().any(|error| error.contains(text));
    assert!(has("the policy has no rule"), "{errors:?}");
    assert!(has("is also that of"), "{errors:?}");
    assert!(has("the pod has no container web"), "{errors:?}");
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn reserved_volumes_of_an_injected_pod_do_not_hide_other_errors() {
    let mut pod = injected(&pod([]), &settings());
    pod["spec"]["volumes"][1] = json!({"name": "kees-secrets", "hostPath": {"path": "/etc"}});
    pod["metadata"]["annotations"]["init.bsycorp.com/containers"] = "app,web".into();
    insta::assert_snapshot!(errors(&pod, &settings()).join("\n"), @r"
    init.bsycorp.com/containers: the pod has no container web; use the names of its containers
    spec.volumes[kees-secrets]: the name kees-secrets is reserved for kees; rename it
    ");
}

#[test]
fn a_pod_that_is_too_large_in_two_ways_is_denied_with_both_errors() {
    let mut pod = pod([]);
    pod["metadata"]["annotations"]["example.com/x"] = "x".repeat(300_000).into();
    pod["spec"]["containers"] = (0..5000).map(|_| json!({"name": "a"})).collect();
    let errors = errors(&pod, &settings());
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[rstest]
#[case::a_container(json!({"containers": [{"name": "kees-init", "image": "a"}]}),
    "spec.containers[kees-init]: the name kees-init is reserved for kees; rename it")]
#[case::an_init_container(json!({"initContainers": [{"name": "kees-init", "image": "a"}]}),
    "spec.initContainers[kees-init]: the name kees-init is reserved for kees; rename it")]
#[case::an_ephemeral_container(json!({"ephemeralContainers": [{"name": "kees-init", "image": "a"}]}),
    "spec.ephemeralContainers[kees-init]: the name kees-init is reserved for kees; rename it")]
#[case::a_volume(json!({"volumes": [{"name": "kees-secrets", "emptyDir": {"medium": "Memory"}}]}),
    "spec.volumes[kees-secrets]: the name kees-secrets is reserved for kees; rename it")]
#[case::the_volume_of_the_annotations(json!({"volumes": [{"name": "kees-podinfo", "emptyDir": {}}]}),
    "spec.volumes[kees-podinfo]: the name kees-podinfo is reserved for kees; rename it")]
#[case::a_mount(json!({"containers": [{"name": "app", "volumeMounts": [{"name": "kees-secrets", "mountPath": "/x"}]}]}),
    "spec.containers[app]: it mounts kees-secrets, which is reserved for kees; remove the mount, because kees adds its own")]
#[case::a_mount_of_the_annotations(json!({"initContainers": [{"name": "x", "volumeMounts": [{"name": "kees-podinfo", "mountPath": "/x"}]}]}),
    "spec.initContainers[x]: it mounts kees-podinfo, which is reserved for kees; remove the mount, because kees adds its own")]
fn a_reserved_name_for_something_else_is_denied(#[case] spec: Value, #[case] message: &str) {
    let mut pod = pod([]);
    for (name, value) in spec.as_object().unwrap() {
        pod["spec"][name] = value.clone();
    }
    assert_eq!(errors(&pod, &settings()), [message]);
}

#[rstest]
#[case("/data", "/data", true)]
#[case("/data", "/data/", true)]
#[case("/data", "/data/sub", true)]
#[case("/data", "/./data//sub", true)]
#[case("/data", "/database", false)]
#[case("/data/kees", "/data", false)]
fn a_mount_at_the_mount_path_is_denied(#[case] path: &str, #[case] at: &str, #[case] denied: bool) {
    let mut pod = pod([("mount-path", path)]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "tmp", "mountPath": at}]);
    pod["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    if denied {
        assert_eq!(
            errors(&pod, &settings()),
            [format!(
                "init.bsycorp.com/mount-path: app already mounts tmp at {at}; use another path than {path}"
            )]
        );
    } else {
        assert_eq!(
            variable(&injected(&pod, &settings()), "RESOURCES_FILE_PATH"),
            Some(path)
        );
    }
}

/// A pod with the mount path `/data/kees`, whose container has these mounts of `volumes`.
fn with_files_in(volumes: Value, mounts: Value) -> Value {
    let mut pod = pod([("mount-path", "/data/kees")]);
    pod["spec"]["volumes"] = volumes;
    pod["spec"]["containers"][0]["volumeMounts"] = mounts;
    pod
}

#[rstest]
#[case::config_map(json!({"name": "v", "configMap": {"name": "x"}}))]
#[case::secret(json!({"name": "v", "secret": {"secretName": "x"}}))]
#[case::downward_api(json!({"name": "v", "downwardAPI": {"items": []}}))]
#[case::projected(json!({"name": "v", "projected": {"sources": []}}))]
fn a_mount_path_in_a_volume_that_only_the_kubelet_writes_is_denied(#[case] volume: Value) {
    let pod = with_files_in(
        json!([volume]),
        json!([{"name": "v", "mountPath": "/x/../data/"}]),
    );
    assert_eq!(
        errors(&pod, &settings()),
        [
            "init.bsycorp.com/mount-path: /data/kees is inside v, which app mounts at /x/../data/; only \
             the kubelet writes that volume, so no folder can be created in it; use a path outside of it"
        ]
    );
}

#[rstest]
#[case::writable(json!([{"name": "w", "mountPath": "/data"}]))]
#[case::writable_in_a_read_only_one(json!([
    {"name": "v", "mountPath": "/", "readOnly": true},
    {"name": "w", "mountPath": "/data"},
]))]
#[case::writable_in_a_read_only_one_that_is_written_longer(json!([
    {"name": "v", "mountPath": "/x/y/../..", "readOnly": true},
    {"name": "w", "mountPath": "/data"},
]))]
#[case::beside(json!([{"name": "v", "mountPath": "/data/other", "readOnly": true}]))]
fn a_mount_path_in_a_writable_volume_is_allowed(#[case] mounts: Value) {
    let volumes =
        json!([{"name": "v", "secret": {"secretName": "x"}}, {"name": "w", "emptyDir": {}}]);
    let pod = with_files_in(volumes, mounts);
    assert_eq!(warnings(&pod, &settings()), [""; 0]);
    injected(&pod, &settings());
}

#[test]
fn a_mount_path_in_a_volume_that_is_mounted_read_only_gives_a_warning() {
    let mounts = json!([{"name": "w", "mountPath": "/data", "readOnly": true}]);
    let pod = with_files_in(json!([{"name": "w", "emptyDir": {}}]), mounts);
    assert_eq!(
        warnings(&pod, &settings()),
        [
            "init.bsycorp.com/mount-path: /data/kees is inside w, which app mounts read-only at \
             /data; the container starts only if that folder already exists"
        ]
    );
    injected(&pod, &settings());
}

#[test]
fn a_container_that_reads_no_files_may_mount_another_volume_at_the_mount_path() {
    let mut pod = pod([("containers", "app")]);
    let other =
        json!({"name": "other", "volumeMounts": [{"name": "tmp", "mountPath": "/bsycorp-init"}]});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(other);
    injected(&pod, &settings());
}

#[rstest]
#[case("/podinfo", "kees-init already mounts kees-podinfo at /podinfo")]
#[case("/podinfo/x", "kees-init already mounts kees-podinfo at /podinfo")]
#[case(
    "/var/run",
    "kees-init already mounts kees-podinfo at /var/run/secrets"
)]
#[case("/proc/kees", "is in a folder that the container runtime fills")]
#[case("/dev", "is in a folder that the container runtime fills")]
#[case("/sys/fs", "is in a folder that the container runtime fills")]
#[case("/", "use an absolute path such as /bsycorp-init")]
#[case("relative", "use an absolute path such as /bsycorp-init")]
#[case("/a/../b", "use an absolute path such as /bsycorp-init")]
fn a_mount_path_that_cannot_work_is_denied(#[case] path: &str, #[case] words: &str) {
    let errors = errors(&pod([("mount-path", path)]), &settings());
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains(words), "{errors:?}");
}

#[rstest]
#[case::the_program("/kees-init", "/kees-init (the program of kees-init)")]
#[case::below_the_program("/kees-init/x", "/kees-init (the program of kees-init)")]
#[case::profiles("/.aws", "/.aws (where the AWS SDK looks for a profile)")]
#[case::below_the_profiles("/.aws/sso", "/.aws (where the AWS SDK looks for a profile)")]
#[case::libraries("/lib/x86_64-linux-gnu", "/lib (where libraries are loaded from)")]
#[case::more_libraries("/lib64", "/lib64 (where libraries are loaded from)")]
#[case::users_libraries("/usr/lib/x", "/usr/lib (where libraries are loaded from)")]
#[case::more_of_them("/usr/lib64", "/usr/lib64 (where libraries are loaded from)")]
#[case::above_libraries("/usr", "/usr/lib (where libraries are loaded from)")]
#[case::above_the_files_of_the_runtime("/etc", "/etc/hosts (a file of the container runtime)")]
#[case::names("/etc/hosts", "/etc/hosts (a file of the container runtime)")]
#[case::the_own_name("/etc/hostname", "/etc/hostname (a file of the container runtime)")]
#[case::resolvers(
    "/etc/resolv.conf/x",
    "/etc/resolv.conf (a file of the container runtime)"
)]
fn a_mount_path_that_hides_what_the_init_container_needs_is_denied(
    #[case] path: &str,
    #[case] needed: &str,
) {
    assert_eq!(
        errors(&pod([("mount-path", path)]), &settings()),
        [format!(
            "init.bsycorp.com/mount-path: {path} overlaps with {needed}, which kees-init needs; use \
             another path"
        )]
    );
}

#[rstest]
#[case("/etc/app-secrets")]
#[case("/etc/hosts.d")]
#[case("/kees-initial")]
#[case("/usr/local/lib/app")]
#[case("/kees")]
#[case("/.awsome")]
#[case("/home/app/.aws")]
#[case("/deviations")]
fn a_mount_path_that_hides_nothing_is_allowed(#[case] path: &str) {
    let pod = injected(&pod([("mount-path", path)]), &settings());
    assert_eq!(variable(&pod, "RESOURCES_FILE_PATH"), Some(path));
}

#[rstest]
#[case("AWS_CA_BUNDLE", "/roots/ca.pem", "/roots", true)]
#[case("SSL_CERT_FILE", "/etc/ssl/ca.pem", "/etc/ssl", true)]
#[case("AWS_CONFIG_FILE", "/aws/config", "/aws/config", true)]
#[case("SSL_CERT_FILE", "/etc/ssl/ca.pem", "/etc/app", false)]
#[case("HOME", "/home/kees", "/home", true)]
#[case("HOME", "/home/kees", "/home/kees/.aws", true)]
#[case("HOME", "/home/kees", "/home/kees/files", false)]
#[case("HOME", "/home/kees", "/.aws", false)]
#[case("HOME", "/", "/.aws", true)]
#[case("HOME", "", "/.aws", true)]
#[case("OTHER", "/", "/files", false)]
fn a_mount_path_that_hides_a_path_of_the_operator_is_denied(
    #[case] name: &str,
    #[case] value: &str,
    #[case] path: &str,
    #[case] denied: bool,
) {
    let mut settings = settings();
    settings.init_env.insert(name.to_owned(), value.to_owned());
    let pod = pod([("mount-path", path)]);
    if denied {
        let [error] = &errors(&pod, &settings)[..] else {
            panic!("one error")
        };
        assert!(error.contains("which kees-init needs"), "{error}");
    } else {
        injected(&pod, &settings);
    }
}

#[rstest]
#[case(("containers", "app,gone"), "init.bsycorp.com/containers: the pod has no container gone; use the names of its containers")]
#[case(("containers", "kees-init"), "init.bsycorp.com/containers: the pod has no container kees-init; use the names of its containers")]
#[case(("order", "after=gone"), "init.bsycorp.com/order: the pod has no init container gone; use the name of one, first or last")]
#[case(("order", "before=app"), "init.bsycorp.com/order: the pod has no init container app; use the name of one, first or last")]
fn a_container_that_is_named_but_absent_is_denied(
    #[case] option: (&str, &str),
    #[case] message: &str,
) {
    assert_eq!(errors(&pod([option]), &settings()), [message]);
}

#[test]
fn a_container_that_is_named_but_runs_before_the_init_container_is_denied() {
    let mut pod = pod([("containers", "early,app"), ("order", "last")]);
    pod["spec"]["initContainers"] = json!([{"name": "early", "image": "a"}]);
    assert_eq!(
        errors(&pod, &settings()),
        [
            "init.bsycorp.com/containers: early runs before kees-init and would find no files; remove it \
          from the list, or change init.bsycorp.com/order"
        ]
    );
}

const POLICY: &str = "rules:
- namespaces: [team-a]
  serviceAccounts: [local]
  localMode: true
- namespaces: [team-a]
  serviceAccounts: [default, web-*]
  storagePrefix: /dev/{namespace}
  stores: [secretsmanager]
  references: ['arn:aws:secretsmanager:*:111122223333:secret:shared/*']
";

#[rstest]
#[case(None, "/dev/team-a")]
#[case(Some("/dev/team-a"), "/dev/team-a")]
#[case(Some("/dev/team-a/web"), "/dev/team-a/web")]
fn a_prefix_at_or_below_that_of_the_rule_is_used(
    #[case] asked: Option<&str>,
    #[case] prefix: &str,
) {
    let pod = pod(asked.map(|asked| ("storage-prefix", asked)));
    let mut settings = with_policy(POLICY);
    settings.stores = vec![kees_common::StoreName::SecretsManager];
    let pod = injected(&pod, &settings);
    assert_eq!(variable(&pod, "STORAGE_PREFIX"), Some(prefix));
    assert_eq!(variable(&pod, "STORES"), Some("secretsmanager"));
}

#[rstest]
#[case::another_team(
    "storage-prefix",
    "/dev/team-b",
    "/dev/team-b is not at or below /dev/team-a"
)]
#[case::a_longer_name(
    "storage-prefix",
    "/dev/team-ab",
    "/dev/team-ab is not at or below /dev/team-a"
)]
#[case::empty("storage-prefix", "", "an empty prefix is not at or below /dev/team-a")]
#[case::above("storage-prefix", "/dev", "/dev is not at or below /dev/team-a")]
#[case::dots("storage-prefix", "/dev/team-a/../team-b", "'.' or '..' segment")]
#[case::a_store_that_the_rule_lacks(
    "store",
    "dynamodb",
    "store dynamodb is not allowed here; allowed: secretsmanager"
)]
#[case::local_mode("local-mode", "true", "local mode is not allowed here")]
#[case::local_mode_after_the_store(
    "local-mode",
    "remote-then-local",
    "local mode is not allowed here"
)]
fn what_the_policy_does_not_allow_is_denied(
    #[case] name: &str,
    #[case] value: &str,
    #[case] words: &str,
) {
    let mut settings = with_policy(POLICY);
    settings.stores = vec![kees_common::StoreName::SecretsManager];
    let errors = errors(&pod([(name, value)]), &settings);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with(&format!("init.bsycorp.com/{name}: ")),
        "{errors:?}"
    );
    assert!(errors[0].contains(words), "{errors:?}");
}

#[rstest]
#[case(
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared/tls-AbCdEf",
    true
)]
#[case(
    "arn:aws:secretsmanager:eu-west-1:999922223333:secret:shared/tls-AbCdEf",
    false
)]
#[case(
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/tls-AbCdEf",
    false
)]
#[case(
    "arn:aws:secretsmanager:eu-west-1:999922223333:secret:x:111122223333:secret:shared/tls-AbCdEf",
    false
)]
fn an_arn_is_allowed_if_the_rule_lists_it(#[case] arn: &str, #[case] listed: bool) {
    let mut settings = with_policy(POLICY);
    settings.stores = vec![kees_common::StoreName::SecretsManager];
    for (key, rest) in [
        ("resource.bsycorp.com/tls", ""),
        ("secret.bsycorp.com/tls", "kind=REFERENCE,"),
        ("secret.bsycorp.com/tls_public", "kind=REFERENCE,type=RSA,"),
    ] {
        let mut pod = pod([]);
        pod["metadata"]["annotations"][key] = format!("{rest}storageKey={arn}").into();
        if listed {
            injected(&pod, &settings);
        } else {
            let message = format!(
                "{key}: {arn} is not among the references that the policy allows; ask the operator to add it"
            );
            assert_eq!(errors(&pod, &settings), [message]);
        }
    }
}

#[test]
fn without_a_policy_no_arn_is_allowed_and_local_mode_is_off() {
    let mut settings = settings();
    settings.store = kees_common::StoreName::SecretsManager;
    let mut pod = pod([]);
    pod["metadata"]["annotations"]["resource.bsycorp.com/tls"] = "storageKey=arn:aws:x".into();
    assert!(errors(&pod, &settings)[0].contains("not among the references"));
    pod["metadata"]["annotations"]["init.bsycorp.com/local-mode"] = "true".into();
    assert!(
        errors(&pod, &settings)
            .iter()
            .any(|error| error.contains("local mode is not allowed"))
    );
}

#[test]
fn a_pod_without_a_rule_is_denied_with_all_its_errors() {
    let mut pod = pod([]);
    pod["spec"]["serviceAccountName"] = "stranger".into();
    pod["metadata"]["annotations"]["secret.bsycorp.com/x"] = "kind=DYNAMIC".into();
    let errors = errors(&pod, &with_policy(POLICY));
    assert_eq!(
        errors[0],
        "policy: the policy has no rule for ServiceAccount stranger in namespace team-a; ask the \
         operator for one"
    );
    assert!(
        errors[1].starts_with("secret.bsycorp.com/x: type= is missing"),
        "{errors:?}"
    );
}

#[test]
fn a_rule_without_a_prefix_allows_local_mode_only() {
    let mut with_store = pod([]);
    with_store["spec"]["serviceAccountName"] = "local".into();
    assert_eq!(
        errors(&with_store, &with_policy(POLICY)),
        [
            "init.bsycorp.com/storage-prefix: the policy allows no storage prefix for \
          ServiceAccount local in namespace team-a; ask the operator for one"
        ]
    );
    let mut local = pod([("local-mode", "true")]);
    local["spec"]["serviceAccountName"] = "local".into();
    let local = injected(&local, &with_policy(POLICY));
    assert_eq!(variable(&local, "LOCAL_MODE"), Some("allow"));
    assert_eq!(variable(&local, "STORAGE_PREFIX"), None);
}

#[rstest]
#[case("../prod")]
#[case("a/b")]
fn a_service_account_cannot_add_segments_to_a_prefix(#[case] name: &str) {
    let mut pod = pod([]);
    pod["spec"]["serviceAccountName"] = name.into();
    let policy = "rules: [{namespaces: ['*'], storagePrefix: '/dev/{serviceAccount}'}]";
    let errors = errors(&pod, &with_policy(policy));
    assert!(
        errors[0].contains("is not a DNS name in lower case"),
        "{errors:?}"
    );
}

/// A pod with a lease, and these `init.` annotations.
fn with_lease<const N: usize>(init: [(&str, &str); N]) -> Value {
    let mut pod = pod(init);
    pod["metadata"]["annotations"]["lease.bsycorp.com/n"] =
        "kind=INDEX,rangeStart=1,rangeEnd=9".into();
    pod
}

#[test]
fn a_lease_in_a_store_that_keeps_none_is_denied() {
    let settings = InjectSettings {
        store: StoreName::SecretsManager,
        ..settings()
    };
    let errors = errors(&with_lease([]), &settings);
    assert_eq!(
        errors,
        [
            "lease.bsycorp.com/n: the store secretsmanager keeps no leases; set \
             init.bsycorp.com/store to a store that does (dynamodb or embedded), and \
             store=secretsmanager on the entries that stay"
        ]
    );
}

#[test]
fn a_lease_that_nobody_gives_is_denied() {
    let settings = with_policy(
        "rules: [{namespaces: ['*'], storagePrefix: /dev, localMode: true, create: never}]",
    );
    assert_eq!(
        errors(&with_lease([]), &settings),
        [
            "lease.bsycorp.com/n: the policy has create: never for this pod, so kees-controller gives \
             it no number; remove the lease, or ask the operator for create: creator"
        ]
    );
    for local_mode in ["true", "remote-then-local"] {
        injected(&with_lease([("local-mode", local_mode)]), &settings);
    }
}

#[test]
fn a_lease_that_is_given_is_allowed() {
    for create in ["init", "creator"] {
        let policy =
            format!("rules: [{{namespaces: ['*'], storagePrefix: /dev, create: {create}}}]");
        injected(&with_lease([]), &with_policy(&policy));
    }
}

#[test]
fn two_entries_with_the_same_file_are_denied() {
    let mut pod = pod([("format", "files")]);
    pod["metadata"]["annotations"]["resource.bsycorp.com/db-password"] = "".into();
    let errors = errors(&pod, &settings());
    assert!(
        errors[0].contains("its file /bsycorp-init/db-password is also that of"),
        "{errors:?}"
    );
}

#[rstest]
#[case::not_set_up(json!([]), &["store dynamodb is not allowed here; allowed: none"])]
#[case::wired_by_hand(
    json!([{"name": "x", "image": "kees-init:1"}]),
    &["store dynamodb is not allowed here; allowed: secretsmanager"],
)]
#[case::wired_by_hand_with_the_store_of_the_rule(
    json!([{"name": "x", "image": "kees-init:1", "env": [{"name": "STORE", "value": "secretsmanager"}]}]),
    &[],
)]
fn the_default_store_must_be_allowed_too(#[case] init: Value, #[case] messages: &[&str]) {
    let policy = "rules: [{namespaces: ['*'], storagePrefix: '/', stores: [secretsmanager]}]";
    let mut pod = pod([]);
    pod["spec"]["initContainers"] = init;
    let found = match crate::pods::decision(&pod, &with_policy(policy)) {
        kees_inject::Decision::Deny { errors, .. } => errors,
        _ => Vec::new(),
    };
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let expected = messages
        .iter()
        .map(|m| format!("secret.bsycorp.com/db-password: {m}"));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn errors_of_templates_and_placed_files_have_their_places() {
    let options = [
        (
            "template.app.conf",
            "user=app\npassword={{ secret.dbpassword }}\n",
        ),
        ("template.b", "{% include \"/etc/passwd\" %}"),
        ("template.secrets.properties", ""),
        ("file.nobody", "path=x"),
        ("file.db-password", "path=../x,mode=0777"),
    ];
    insta::assert_snapshot!(errors(&pod(options), &settings()).join("\n"));
}

const SYNC_POLICY: &str = "rules: [{namespaces: ['*'], storagePrefix: /dev, create: ";

fn with_secret_volume(volume: &Value) -> Value {
    let mut pod = pod([("sync", "web")]);
    let mut volume = volume.clone();
    volume["name"] = "tls".into();
    pod["spec"]["volumes"] = json!([volume]);
    pod
}

#[rstest]
#[case::volume(json!({"secret": {"secretName": "web"}}), "init", true)]
#[case::projected(json!({"projected": {"sources": [{"secret": {"name": "web"}}]}}), "init", true)]
#[case::optional(json!({"secret": {"secretName": "web", "optional": true}}), "init", false)]
#[case::other(json!({"secret": {"secretName": "other"}}), "init", false)]
#[case::created_by_the_controller(json!({"secret": {"secretName": "web"}}), "creator", false)]
#[case::never_created(json!({"secret": {"secretName": "web"}}), "never", false)]
fn a_volume_with_a_secret_that_needs_the_init_container_is_denied(
    #[case] volume: Value,
    #[case] create: &str,
    #[case] is_denied: bool,
) {
    let settings = with_policy(&format!("{SYNC_POLICY}{create}}}]"));
    let pod = with_secret_volume(&volume);
    if is_denied {
        insta::allow_duplicates! {
            insta::assert_snapshot!(errors(&pod, &settings).join("\n"), @"spec.volumes[tls]: the kubelet mounts it before kees-init creates secret.bsycorp.com/db-password, so the Secret web (init.bsycorp.com/sync) would never exist; let kees-controller create it (create: creator in the policy), use env with secretKeyRef, or set optional: true");
        }
    } else {
        injected(&pod, &settings);
    }
}

#[test]
fn a_volume_with_a_secret_of_values_that_exist_is_allowed() {
    let mut pod = with_secret_volume(&json!({"secret": {"secretName": "web"}}));
    pod["metadata"]["annotations"]["secret.bsycorp.com/db-password"] = "kind=REFERENCE".into();
    injected(&pod, &settings());
}

#[rstest]
#[case::variable(json!({"env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "web", "key": "k"}}}]}), "last", "", true)]
#[case::all_variables(json!({"envFrom": [{"secretRef": {"name": "web"}}]}), "after=migrate", "", true)]
#[case::after_kees_init(json!({"envFrom": [{"secretRef": {"name": "web"}}]}), "first", "", false)]
#[case::optional(json!({"envFrom": [{"secretRef": {"name": "web", "optional": true}}]}), "last", "", false)]
#[case::other_secret(json!({"envFrom": [{"secretRef": {"name": "other"}}]}), "last", "", false)]
#[case::creator(json!({"envFrom": [{"secretRef": {"name": "web"}}]}), "last", "create: creator", false)]
fn an_init_container_before_kees_init_must_not_need_the_secret_that_it_makes_possible(
    #[case] environment: Value,
    #[case] order: &str,
    #[case] create: &str,
    #[case] is_denied: bool,
) {
    let settings = with_policy(&format!(
        "rules:\n- {{namespaces: ['*'], storagePrefix: /a, {create}}}"
    ));
    let mut pod = pod([("sync", "web"), ("order", order)]);
    let mut migrate = json!({"name": "migrate", "image": "migrate:1"});
    let fields = environment.as_object().unwrap().clone();
    migrate.as_object_mut().unwrap().extend(fields);
    pod["spec"]["initContainers"] = json!([migrate]);
    if is_denied {
        insta::allow_duplicates! {
            insta::assert_snapshot!(errors(&pod, &settings).join("\n"), @"spec.initContainers[migrate]: it runs before kees-init creates secret.bsycorp.com/db-password, and its environment needs the Secret web (init.bsycorp.com/sync), so the pod would never start; let kees-init run before it (init.bsycorp.com/order), let kees-controller create the value (create: creator in the policy), or set optional: true");
        }
        // A value that exists needs no kees-init.
        pod["metadata"]["annotations"]["secret.bsycorp.com/db-password"] = "kind=REFERENCE".into();
    }
    injected(&pod, &settings);
}

#[rstest]
#[case(0, false)]
#[case(1, true)]
fn an_init_container_before_one_that_is_wired_by_hand_must_not_need_the_secret_either(
    #[case] position: usize,
    #[case] is_denied: bool,
) {
    let mut pod = pod([("sync", "web")]);
    let mut containers = vec![
        json!({"name": "migrate", "image": "migrate:1", "envFrom": [{"secretRef": {"name": "web"}}]}),
    ];
    let wired = json!({"name": "init", "image": "kees-init:1", "env": [{"name": "ENV_LABEL", "value": "dev"}]});
    containers.insert(position, wired);
    pod["spec"]["initContainers"] = containers.into();
    if is_denied {
        let errors = errors(&pod, &settings());
        assert!(
            errors[0].starts_with("spec.initContainers[migrate]: it runs before kees-init creates"),
            "{errors:?}"
        );
    } else {
        assert!(!matches!(
            decision(&pod, &settings()),
            Decision::Deny { .. }
        ));
    }
}
