//! Tests of the chart that need no cluster.

use kees_tests::{Authority, Helm};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    objects::{comparable, merged, parsed},
    rendered::{
        SERVICE, cert_manager, certificate_files, chart, many, overlay, template, with_component,
    },
};

#[test]
fn helm_lint_finds_nothing() -> anyhow::Result<()> {
    let helm = Helm::new()?;
    helm.run(&["lint", "--strict", &chart()])?;
    Ok(())
}

#[rstest]
#[case::own(".", &json!({}))]
#[case::own("own-certificates", &json!({}))]
#[case::cert_manager("cert-manager", &cert_manager())]
#[case::files("certificate-files", &json!(null))]
fn the_chart_and_the_manifests_are_the_same(
    #[case] folder: &str,
    #[case] values: &Value,
) -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let mut of_kustomize = comparable(&overlay(folder, &authority)?)?;
    let of_files = certificate_files(&authority, SERVICE)?;
    let values = if values.is_null() { &of_files } else { values };
    let mut of_helm = comparable(&template(values)?)?;
    // Each has a new certificate, and the operator's Secret has no labels.
    for objects in [&mut of_kustomize, &mut of_helm] {
        if let Some(secret) = objects.get_mut("Secret/kees-webhook-tls") {
            for field in ["tls.crt", "tls.key"] {
                assert!(secret["data"][field].is_string(), "{secret}");
                secret["data"][field] = json!(null);
            }
            secret["metadata"]["labels"] = json!(null);
        }
    }
    assert!(of_kustomize.len() >= 9, "{of_kustomize:?}");
    let names = |objects: &std::collections::BTreeMap<String, Value>| {
        objects.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&of_kustomize), names(&of_helm));
    for (name, object) in of_kustomize {
        assert_eq!(object, of_helm[&name], "{name}");
    }
    Ok(())
}

#[test]
fn the_chart_has_the_manifests_of_observability() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("observability", &Authority::new()?)?)?;
    let enabled = json!({"enabled": true});
    let of_helm = comparable(&template(&json!({"observability": {
        "podMonitor": enabled, "prometheusRule": enabled, "dashboard": enabled,
    }}))?)?;
    assert_eq!(of_kustomize.len(), 3, "{of_kustomize:?}");
    for (name, object) in of_kustomize {
        assert_eq!(Some(&object), of_helm.get(&name), "{name}");
    }
    Ok(())
}

#[test]
fn the_chart_has_the_network_policies() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("network-policy", &Authority::new()?)?)?;
    let enabled = json!({"enabled": true});
    let controller = json!({"enabled": true, "networkPolicy": enabled});
    let kiss = merged(kiss(), json!({"kiss": {"networkPolicy": enabled}}));
    let values = merged(
        kiss,
        json!({"networkPolicy": enabled, "controller": controller}),
    );
    let of_helm = comparable(&template(&values)?)?;
    assert_eq!(of_kustomize.len(), 3, "{of_kustomize:?}");
    for (name, object) in of_kustomize {
        assert_eq!(Some(&object), of_helm.get(&name), "{name}");
    }

    let proxy = json!([{"ports": [{"protocol": "TCP", "port": 3128}]}]);
    let ingress = json!([{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]);
    let more = json!({
        "controller": {"networkPolicy": {"egress": proxy, "metricsFrom": []}},
        "kiss": {"networkPolicy": {"egress": proxy, "metricsFrom": [], "clientsFrom": ingress}},
    });
    let with_proxy = comparable(&template(&merged(values, more))?)?;
    let spec = &with_proxy["NetworkPolicy/kees-controller"]["spec"];
    assert_eq!(spec["egress"][3], proxy[0]);
    assert_eq!(spec["ingress"], json!([]));
    let spec = &with_proxy["NetworkPolicy/kees-kiss"]["spec"];
    assert_eq!(spec["egress"][3], proxy[0]);
    assert_eq!(spec["ingress"][0]["from"], ingress);
    assert_eq!(spec["ingress"].as_array().map(Vec::len), Some(1));
    Ok(())
}

/// The settings of `manifests/kiss` that the chart has no value for.
fn kiss() -> Value {
    json!({"kiss": {"enabled": true, "settings": {
        "jwksUrl": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE/.well-known/jwks.json",
        "roleArn": "arn:aws:iam::111122223333:role/kees-kiss",
        "region": "eu-west-1",
    }}})
}

#[test]
fn the_chart_has_kiss() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("kiss", &Authority::new()?)?)?;
    let of_helm = comparable(&template(&kiss())?)?;
    assert_eq!(of_kustomize.len(), 7, "{of_kustomize:?}");
    for (name, object) in of_kustomize {
        assert_eq!(Some(&object), of_helm.get(&name), "{name}");
    }
    let without = template(&json!({}))?;
    assert!(!without.contains("kiss"), "{without}");

    let of_the_original = json!({"kiss": {
        "settings": {"secretPrefix": "k8s-secret", "separator": "-", "maxMetadata": 1_048_576},
        "extraEnv": [{"name": "AWS_ENDPOINT_URL", "value": "https://example.com"}],
        "tlsSecret": "",
    }});
    let changed = comparable(&template(&merged(kiss(), of_the_original))?)?;
    let settings = &changed["ConfigMap/kees-kiss-settings"]["data"];
    assert_eq!(settings["SECRET_PREFIX"], "k8s-secret");
    assert_eq!(settings["SEPARATOR"], "-");
    assert_eq!(settings["MAX_METADATA"], "1048576");
    assert_eq!(settings["INSECURE_PLAIN_TCP"], "true");
    let container = &changed["Deployment/kees-kiss"]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn the_chart_has_the_controller() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("controller", &Authority::new()?)?)?;
    let of_helm = comparable(&template(&json!({"controller": {"enabled": true}}))?)?;
    assert_eq!(of_kustomize.len(), 8, "{of_kustomize:?}");
    for (name, object) in of_kustomize {
        assert_eq!(Some(&object), of_helm.get(&name), "{name}");
    }
    let without = comparable(&template(&json!({}))?)?;
    assert!(without.keys().all(|name| !name.contains("controller")));

    let alone = json!({"controller": {"enabled": true, "replicas": 1, "leaderElection": false, "podCondition": false}});
    let alone = comparable(&template(&alone)?)?;
    assert!(!alone.contains_key("Role/kees-controller"));
    let settings = &alone["ConfigMap/kees-controller-settings"]["data"];
    assert_eq!(settings.get("LEADER_LEASE"), None);
    assert_eq!(settings["POD_CONDITION"], "false");
    let role = alone["ClusterRole/kees-controller"].to_string();
    assert!(!role.contains("pods/status"), "{role}");
    Ok(())
}

#[test]
fn the_chart_has_the_controller_that_restarts_workloads() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("controller-restart", &Authority::new()?)?)?;
    let restart = json!({"enabled": true});
    let values = json!({"controller": {"enabled": true, "restart": restart}});
    let of_helm = comparable(&template(&values)?)?;
    assert_eq!(of_kustomize.len(), 12, "{of_kustomize:?}");
    for (name, object) in of_kustomize {
        assert_eq!(Some(&object), of_helm.get(&name), "{name}");
    }

    let namespaces = json!({"controller": {"restart": {"namespaces": ["team-a", "team-b"]}}});
    let more = json!({"annotationDomain": "example.com"});
    let limited = comparable(&template(&merged(merged(values, namespaces), more))?)?;
    assert!(!limited.contains_key("ClusterRoleBinding/kees-controller-restart"));
    assert!(limited.contains_key("RoleBinding/kees-controller-restart"));
    let policy = limited["ValidatingAdmissionPolicy/kees-controller-restart"].to_string();
    assert!(policy.contains("init.example.com/on-change") && !policy.contains("bsycorp"));
    let settings = &limited["ConfigMap/kees-controller-settings"]["data"];
    assert_eq!(settings["RESTART"], "true");
    Ok(())
}

#[test]
fn the_chart_has_the_controller_that_writes_kubernetes_secrets() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("controller-sync", &Authority::new()?)?)?;
    let sync = json!({"enabled": true});
    let values = json!({"controller": {"enabled": true, "secretSync": sync}});
    let of_helm = comparable(&template(&values)?)?;
    assert_eq!(of_kustomize.len(), 12, "{of_kustomize:?}");
    for (name, object) in of_kustomize {
        assert_eq!(Some(&object), of_helm.get(&name), "{name}");
    }

    let of_webhook = comparable(&with_component("own-certificates", "webhook-sync")?)?;
    assert_eq!(
        of_webhook["ConfigMap/kees-settings"]["data"]["SECRET_SYNC"],
        "true"
    );
    for name in [
        "ClusterRole/kees-webhook-sync",
        "ClusterRoleBinding/kees-webhook-sync",
        "Deployment/kees-webhook",
    ] {
        assert_eq!(of_webhook.get(name), of_helm.get(name), "{name}");
    }
    let rules = &of_helm["ClusterRole/kees-webhook-sync"]["rules"];
    let expected = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]);
    assert_eq!(*rules, expected);
    // Who does not use it has neither the permission nor the flag.
    let without = comparable(&template(&json!({"controller": {"enabled": true}}))?)?;
    assert!(!without.contains_key("ClusterRole/kees-webhook-sync"));
    assert_eq!(
        without["ConfigMap/kees-settings"]["data"].get("SECRET_SYNC"),
        None
    );
    // With certificates of somebody else, the webhook gets a token for it.
    let of_cert_manager = comparable(&template(&merged(cert_manager(), values.clone()))?)?;
    let deployment = of_cert_manager["Deployment/kees-webhook"].to_string();
    assert!(deployment.contains("serviceAccountToken"), "{deployment}");

    let period = json!({"controller": {"secretSync": {"period": "10m"}}});
    let longer = comparable(&template(&merged(values, period))?)?;
    let settings = &longer["ConfigMap/kees-controller-settings"]["data"];
    assert_eq!(settings["SECRET_SYNC"], "true");
    assert_eq!(settings["SECRET_SYNC_PERIOD"], "10m");
    Ok(())
}

#[test]
fn the_controller_has_the_settings_of_the_webhook_unless_it_has_its_own() -> anyhow::Result<()> {
    let objects = comparable(&template(&json!({
        "settings": {"cluster": "prod", "store": "secretsmanager", "stores": ["ssm"], "workers": 2},
        "controller": {"enabled": true, "settings": {"concurrency": 50_000, "store": "ssm"}},
    }))?)?;
    let settings = &objects["ConfigMap/kees-controller-settings"]["data"];
    assert_eq!(
        settings,
        &json!({
            "ANNOTATION_DOMAIN": "bsycorp.com",
            "CLUSTER": "prod",
            "CONCURRENCY": "50000",
            "ENV_LABEL": "dev",
            "LEADER_LEASE": "kees-controller",
            "STORE": "ssm",
            "STORES": "ssm",
        })
    );
    Ok(())
}

#[test]
fn pods_that_opt_out_reach_the_webhook_if_a_rule_denies_it() -> anyhow::Result<()> {
    let rules = |opt_out: bool| {
        json!({"policy": {"rules": [
            {"namespaces": ["a"]},
            {"name": "strict", "namespaces": ["*"], "optOut": opt_out},
        ]}})
    };
    for (opt_out, is_sorted_out) in [(true, true), (false, false)] {
        let objects = comparable(&template(&rules(opt_out))?)?;
        let webhook = &objects["MutatingWebhookConfiguration/kees"]["webhooks"][0];
        let conditions = webhook["matchConditions"].as_array().into_iter().flatten();
        let names: Vec<_> = conditions.map(|condition| &condition["name"]).collect();
        assert_eq!(
            names.contains(&&json!("not-opted-out")),
            is_sorted_out,
            "{names:?}"
        );
        assert!(names.contains(&&json!("annotated")) && names.contains(&&json!("not-mirror")));
    }
    Ok(())
}

#[test]
fn the_annotation_domain_reaches_every_object() -> anyhow::Result<()> {
    let rendered = template(&json!({"annotationDomain": "secrets.example.org"}))?;
    assert!(!rendered.contains("bsycorp.com/"), "{rendered}");
    for part in [
        "ANNOTATION_DOMAIN: \"secrets.example.org\"",
        "name: kees.secrets.example.org",
        r#"k.startsWith("lease.secrets.example.org/")"#,
        "k.startsWith('resource.secrets.example.org/')",
        "[.]secrets[.]example[.]org/.+$",
        r#"annotations[?"init.secrets.example.org/inject"]"#,
        "annotations[?'init.secrets.example.org/inject']",
        "or set init.secrets.example.org/inject",
    ] {
        assert!(rendered.contains(part), "{part} is not in: {rendered}");
    }
    Ok(())
}

#[test]
fn values_become_settings_as_the_webhook_reads_them() -> anyhow::Result<()> {
    let objects = comparable(&template(&many())?)?;
    let settings = &objects["ConfigMap/kees-settings"]["data"];
    for (name, value) in [
        ("STORES", "dynamodb,secretsmanager"),
        ("INIT_ENV", "AWS_CA_BUNDLE=/roots.pem\nTIMEOUT=10\n"),
        ("MAX_CONNECTIONS", "2000000"),
        ("BODY_TIMEOUT", "1.5"),
        ("RUN_AS", "1000"),
        ("INIT_IMAGE", "registry.example.com/kees-init:1.2.3"),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    let pod = &objects["Deployment/kees-webhook"]["spec"]["template"]["spec"];
    let image = format!("kees-webhook@sha256:{}", "a".repeat(64));
    assert_eq!(pod["containers"][0]["image"], image);
    // Longer than both times of the shutdown.
    assert_eq!(pod["terminationGracePeriodSeconds"], 85);
    let variables = &objects["ValidatingAdmissionPolicy/kees"]["spec"]["variables"];
    let mut variables = variables.as_array().into_iter().flatten();
    let wired = variables.find(|variable| variable["name"] == "wired");
    let wired = wired.and_then(|wired| wired["expression"].as_str());
    let wired = wired.unwrap_or_default();
    assert!(
        wired.contains(r#"c.image.matches("^bsycorp/\"kubernetes-secret\"\\.init/")"#),
        "{wired}"
    );
    Ok(())
}

#[test]
fn a_changed_setting_restarts_the_pods_and_a_changed_policy_does_not() -> anyhow::Result<()> {
    let annotations = |values: Value| -> anyhow::Result<Value> {
        let objects = parsed(&template(&values)?)?;
        let deployment = objects
            .into_iter()
            .find(|object| object["kind"] == "Deployment");
        let mut deployment = deployment.unwrap_or_default();
        Ok(deployment["spec"]["template"]["metadata"]["annotations"].take())
    };
    let before = annotations(json!({}))?;
    assert!(before["checksum/settings"].is_string(), "{before}");
    assert_ne!(before, annotations(json!({"settings": {"workers": 2}}))?);
    let policy = json!({"policy": {"rules": [{"namespaces": ["a"], "storagePrefix": "/a"}]}});
    assert_eq!(before, annotations(policy)?);
    Ok(())
}

#[rstest]
#[case::unknown_key(json!({"setings": {}}), "'setings' not allowed")]
#[case::unknown_flag(json!({"settings": {"envLable": "x"}}), "/settings': additional properties 'envLable'")]
#[case::unknown_key_of_a_rule(json!({"policy": {"rules": [{"namespaces": ["a"], "prefix": "/a"}]}}), "/policy/rules/0': additional properties 'prefix'")]
#[case::misspelled_setting_of_kiss(json!({"kiss": {"settings": {"seperator": "/"}}}), "'seperator' not allowed")]
#[case::separator_of_kiss(json!({"kiss": {"settings": {"separator": "--"}}}), "/kiss/settings/separator'")]
#[case::kiss_without_keys(json!({"kiss": {"enabled": true}}), "kiss.settings.jwksUrl: the URL of the OIDC provider's keys is required")]
#[case::policy_without_rules(json!({"policy": {"rules": []}}), "/policy/rules'")]
#[case::type_of_a_value(json!({"replicas": "2"}), "/replicas'")]
#[case::no_replica(json!({"replicas": 0}), "/replicas'")]
#[case::source(json!({"certificates": {"source": "vault"}}), "/certificates/source'")]
#[case::store(json!({"settings": {"store": "s3"}}), "/settings/store'")]
#[case::digest(json!({"image": {"digest": "latest"}}), "/image/digest'")]
#[case::domain(json!({"annotationDomain": "Example.org"}), "/annotationDomain'")]
#[case::no_table(json!({"settings": {"envLabel": ""}}), "/settings/envLabel'")]
#[case::no_table_of_a_further_store(json!({"settings": {"store": "ssm", "stores": ["ssm", "dynamodb"], "envLabel": ""}}), "/settings/envLabel'")]
#[case::no_cluster(json!({"settings": {"cluster": null}}), "missing property 'cluster'")]
#[case::files_of_another_source(json!({"certificates": {"files": {"secretName": "x"}}}), "/certificates/files'")]
#[case::issuer_of_another_source(json!({"certificates": {"source": "own", "certManager": {"duration": "1h"}}}), "/certificates/certManager'")]
#[case::lifetime_of_another_source(json!({"certificates": {"source": "cert-manager", "own": {"lifetime": 60}}}), "/certificates/own'")]
#[case::files_without_ca(json!({"certificates": {"source": "files"}}), "missing property 'caBundle'")]
#[case::certificate_without_key(json!({"certificates": {"source": "files", "files": {"caBundle": "-----BEGIN CERTIFICATE-----", "certificate": "-----BEGIN CERTIFICATE-----"}}}), "/certificates/files'")]
#[case::network_policy_on_the_network_of_the_node(json!({"hostNetwork": true, "networkPolicy": {"enabled": true}}), "/networkPolicy/enabled'")]
#[case::timeouts(json!({"timeoutSeconds": 2}), "settings.bodyTimeout is 2: it must be less than timeoutSeconds")]
fn values_that_are_wrong_or_contradict_each_other_are_errors_with_the_key(
    #[case] values: Value,
    #[case] message: &str,
) {
    let error = template(&values).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn the_chart_has_what_replaces_volumes_of_classes() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("secret-provider-class", &Authority::new()?)?)?;
    let enabled = json!({"secretProviderClasses": {"enabled": true}});
    let of_helm = comparable(&template(&enabled)?)?;
    let configuration = &of_kustomize["MutatingWebhookConfiguration/kees"];
    assert_eq!(configuration["webhooks"].as_array().map(Vec::len), Some(3));
    for (name, object) in &of_kustomize {
        assert_eq!(Some(object), of_helm.get(name), "{name}");
    }
    assert_eq!(of_helm.len(), of_kustomize.len());

    // Nothing of it is there if it is off, and every source of certificates can have it.
    let without = template(&json!({}))?;
    assert!(!without.contains("secrets-store"), "{without}");
    let of_cert_manager = comparable(&template(&merged(cert_manager(), enabled.clone()))?)?;
    let deployment = of_cert_manager["Deployment/kees-webhook"].to_string();
    assert!(deployment.contains("serviceAccountToken"), "{deployment}");
    // The webhook knows whether the controller writes the Secrets of classes.
    let setting = |controller: Value| {
        let values = merged(enabled.clone(), json!({"controller": controller}));
        let objects = comparable(&template(&values)?)?;
        anyhow::Ok(objects["ConfigMap/kees-settings"]["data"]["SECRET_SYNC"].clone())
    };
    let synced = json!({"enabled": true, "secretSync": {"enabled": true}});
    assert_eq!(setting(synced)?, "true");
    assert_eq!(setting(json!({"enabled": true}))?, json!(null));
    let network = json!({"networkPolicy": {"enabled": true}});
    let network = merged(network, merged(cert_manager(), enabled));
    let egress =
        comparable(&template(&network)?)?["NetworkPolicy/kees-webhook"]["spec"]["egress"].clone();
    assert_eq!(egress.as_array().map(Vec::len), Some(1), "{egress}");
    Ok(())
}

#[test]
fn the_chart_has_the_definition_of_the_kind() -> anyhow::Result<()> {
    let of_kustomize = comparable(&overlay("secret-provider-class-crd", &Authority::new()?)?)?;
    let values = json!({"secretProviderClasses": {"crd": true}});
    let of_helm = comparable(&template(&values)?)?;
    assert_eq!(of_kustomize.len(), 1);
    for (name, object) in of_kustomize {
        let mut of_helm = of_helm[&name].clone();
        // Without it, all classes would be deleted with the release.
        let policy = of_helm["metadata"]["annotations"]["helm.sh/resource-policy"].take();
        assert_eq!(policy, "keep");
        assert_eq!(of_helm["spec"], object["spec"], "{name}");
    }
    Ok(())
}
