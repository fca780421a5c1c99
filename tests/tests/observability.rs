//! The alerts and the dashboard of `manifests/observability`: checked by promtool, and run by a real
//! Prometheus on the metrics of a real webhook.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kees_tests::{
    Webhook, eventually, here,
    prometheus::{Prometheus, http, promtool},
};
use serde_json::{Value, json};

/// How long Prometheus may take to scrape and to evaluate.
const DEADLINE: Duration = Duration::from_mins(1);

#[test]
fn each_alert_fires_when_it_should_and_not_before() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    write_rules(folder.path())?;
    let tests = here("observability/alerts.yaml");
    fs::copy(&tests, folder.path().join("alerts.yaml"))?;
    promtool(folder.path(), &["check", "rules", "rules.yaml"], "")?;
    promtool(folder.path(), &["test", "rules", "alerts.yaml"], "")?;
    // Every alert is expected at least once.
    let tests = fs::read_to_string(tests)?;
    for alert in alerts()? {
        let expected = tests.split("alertname: ").any(|test| {
            let mut lines = test.lines();
            lines.next() == Some(alert.as_str())
                && lines.any(|line| line.trim().starts_with("exp_alerts:"))
        });
        assert!(expected, "no test expects {alert}");
    }
    Ok(())
}

#[test]
fn each_alert_links_to_its_section_of_the_troubleshooting_page() -> anyhow::Result<()> {
    let page = fs::read_to_string(here("../docs/troubleshooting.md"))?;
    let rules = rules()?;
    for rule in rules_of(&rules) {
        let alert = rule["alert"].as_str().context("not an alert")?;
        let link = rule["annotations"]["runbook_url"].as_str();
        let link = link.with_context(|| format!("{alert} has no runbook_url"))?;
        assert!(
            link.ends_with(&format!("#{}", alert.to_lowercase())),
            "{link}"
        );
        assert!(
            page.lines().any(|line| line == format!("### {alert}")),
            "the page has no section {alert}"
        );
    }
    Ok(())
}

#[test]
fn the_names_of_the_metrics_follow_the_conventions_of_prometheus() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let webhook = Webhook::start(folder.path(), &here("../examples/policy.yaml"))?;
    let metrics = http(webhook.admin(), "GET /metrics HTTP/1.0\r\n\r\n")?;
    let output = promtool(folder.path(), &["check", "metrics"], &classic(&metrics))?;
    assert_eq!(output, "");
    Ok(())
}

#[test]
fn the_dashboard_and_the_alerts_work_on_the_metrics_of_a_webhook() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = write_rules(folder.path())?;
    let webhook = Webhook::start(folder.path(), &here("../examples/policy.yaml"))?;
    let labels = json!({"namespace": "kees-system", "pod": "kees-webhook-1"});
    let prometheus = Prometheus::start(folder.path(), webhook.admin(), &labels, &rules)?;
    eventually("scrape", DEADLINE, || {
        let scraped = prometheus.query("count_over_time(kees_webhook_ready[1m])")?;
        ensure!(value(&scraped)? >= 2.0, "{scraped:?}");
        Ok(())
    })?;
    webhook.mutate(&review("kind=DYNAMIC,type=PASSWORD,size=256"))?;
    webhook.mutate(&review("kind=DYNAMIC,type=PASSWORD"))?;
    webhook.mutate("{")?;

    // An alert on the first event.
    eventually("alert", DEADLINE, || {
        let firing = prometheus.query(r#"ALERTS{alertstate="firing"}"#)?;
        let names: Vec<_> = firing.iter().map(|it| &it["metric"]["alertname"]).collect();
        ensure!(names == ["KeesReviewMalformed"], "{names:?}");
        Ok(())
    })?;
    eventually("evaluation", DEADLINE, || {
        let rules = prometheus.rules()?;
        ensure!(rules.len() == alerts()?.len(), "{} rules", rules.len());
        for rule in rules {
            ensure!(rule["health"] == "ok", "{rule}");
        }
        Ok(())
    })?;
    for expression in dashboard()? {
        let result = prometheus.query(&expression)?;
        // The other metrics are those of the API server and of kube-state-metrics.
        if expression.contains("kees_webhook_") {
            ensure!(!result.is_empty(), "{expression} has no result");
        }
    }
    // The policy has no rule for the namespace, and a pod with several errors counts for that.
    let denied = r#"sum(kees_webhook_requests_total{outcome="denied", reason="policy"})"#;
    eventually("scrape", DEADLINE, || {
        ensure!(value(&prometheus.query(denied)?)? > 1.5, "{denied}");
        Ok(())
    })?;
    Ok(())
}

/// The value of the only series of a result.
fn value(result: &[Value]) -> anyhow::Result<f64> {
    let [series] = result else {
        anyhow::bail!("{result:?}")
    };
    Ok(series["value"][1].as_str().context("no value")?.parse()?)
}

/// A review of the creation of a pod with one annotation.
fn review(entry: &str) -> String {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "operation": "CREATE",
            "object": {
                "metadata": {"name": "web", "annotations": {"secret.bsycorp.com/db-password": entry}},
                "spec": {"containers": [{"name": "web", "image": "busybox:1"}]},
            },
        },
    })
    .to_string()
}

/// The expressions of the dashboard, with values for its variables.
fn dashboard() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(here("../manifests/observability/dashboard.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let expressions: Vec<_> = targets
        .filter_map(|target| target["expr"].as_str())
        .map(|expression| {
            expression
                .replace("$namespace", "kees-system")
                .replace("$__rate_interval", "1m")
                .replace("$__range", "5m")
        })
        .collect();
    ensure!(!expressions.is_empty(), "the dashboard has no queries");
    Ok(expressions)
}

/// Writes the groups of the `PrometheusRule` as a rule file.
fn write_rules(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("rules.yaml");
    fs::write(&path, rules()?["spec"].to_string())?;
    Ok(path)
}

fn rules() -> anyhow::Result<Value> {
    let path = here("../manifests/observability/prometheusrule.yaml");
    Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?)
}

fn rules_of(rules: &Value) -> impl Iterator<Item = &Value> {
    let groups = rules["spec"]["groups"].as_array().into_iter().flatten();
    groups
        .filter_map(|group| group["rules"].as_array())
        .flatten()
}

fn alerts() -> anyhow::Result<Vec<String>> {
    let rules = rules()?;
    let names = rules_of(&rules).map(|rule| Some(rule["alert"].as_str()?.to_owned()));
    names.collect::<Option<_>>().context("a rule is no alert")
}

/// The metrics in Prometheus's older text format, which promtool reads: a counter is declared with
/// its suffix, and there is no type `info`.
fn classic(metrics: &str) -> String {
    let of_type = |kind: &str| -> Vec<&str> {
        let types = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.strip_suffix(kind)).collect()
    };
    let (counters, infos) = (of_type(" counter"), of_type(" info"));
    let line = |line: &str| match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
        ["#", keyword, name, rest] if counters.contains(&name) => {
            format!("# {keyword} {name}_total {rest}\n")
        }
        ["#", keyword, name, rest] if infos.contains(&name) => {
            let rest = if rest == "info" { "gauge" } else { rest };
            format!("# {keyword} {name}_info {rest}\n")
        }
        _ => format!("{line}\n"),
    };
    metrics.lines().map(line).collect()
}
