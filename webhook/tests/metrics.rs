//! The metrics of a server that has just started, and what changes them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use support::{Certificates, Client, Http, Running, admin, eventually, metric, valid_review};

const POLICY: &str = "
rules:
- namespaces: [other]
- name: strict-team
  namespaces: [team-a]
  storagePrefix: /team-a
";

/// An alert on the increase of a counter does not see an event with which its series begins.
#[tokio::test]
async fn every_series_exists_right_after_the_start() {
    let (certificates, _) = Certificates::new();
    let policy = certificates.put("policy.yaml", POLICY);
    let server = Running::start(&certificates, Some(policy)).await;
    let (_, text) = admin(server.admin, "/metrics").await.unwrap();
    let series: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let mut series: Vec<_> = series.into_iter().map(str::to_owned).collect();
    series.sort();
    insta::with_settings!({filters => vec![(env!("CARGO_PKG_VERSION"), "[version]")]}, {
        insta::assert_snapshot!(series.join("\n"));
    });
    for (file, loaded) in [
        ("certificate", true),
        ("policy", true),
        ("client_ca", false),
    ] {
        let name = format!("kees_webhook_loaded_timestamp_seconds{{file=\"{file}\"}}");
        assert_eq!(metric(server.admin, &name).await > 0.5, loaded, "{file}");
    }
    server.stop().await;
}

#[tokio::test]
async fn decisions_are_counted_by_rule_also_after_the_policy_changed() {
    let (certificates, certificate) = Certificates::new();
    let policy = certificates.put("policy.yaml", POLICY);
    let server = Running::start(&certificates, Some(policy)).await;
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    let decisions = |rule: &str, outcome: &str| {
        format!("kees_webhook_policy_decisions_total{{rule=\"{rule}\",outcome=\"{outcome}\"}}")
    };
    client.mutate(valid_review()).await;
    let allowed = decisions("strict-team", "allowed");
    assert_eq!(metric(server.admin, &allowed).await.to_string(), "1");

    certificates.put("policy.yaml", "rules:\n- {name: new, namespaces: [none]}");
    eventually("the new rule has series", || async {
        let (_, text) = admin(server.admin, "/metrics").await.unwrap();
        text.contains(&decisions("new", "warned")).then_some(())
    })
    .await;
    client.mutate(valid_review()).await;
    let denied = decisions("", "denied");
    assert_eq!(metric(server.admin, &denied).await.to_string(), "1");
    let (_, text) = admin(server.admin, "/metrics").await.unwrap();
    let policies = text
        .lines()
        .filter(|line| line.starts_with("kees_webhook_policy_info{"));
    assert_eq!(policies.count(), 1, "{text}");
    server.stop().await;
}
