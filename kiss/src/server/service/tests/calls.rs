//! What each call does and answers, and its audit line.

use rstest::rstest;

use super::*;
use crate::server::cloud::CloudErrorKind;

#[tokio::test]
async fn every_call_works_for_the_team_of_the_namespace() {
    let mut running = start().await;
    let client = &mut running.client;
    let (metadata, name) = (meta("a"), "db".to_owned());
    client.ping(of_team_a(ping("a"))).await.unwrap();
    client
        .create_secret(of_team_a(create("a", "db", MARKER)))
        .await
        .unwrap();
    let update = UpdateSecretRequest {
        metadata: metadata.clone(),
        name: name.clone(),
        value: format!("{MARKER}2"),
    };
    client.update_secret(of_team_a(update)).await.unwrap();
    let list = ListSecretsRequest {
        metadata: metadata.clone(),
    };
    let listed = client.list_secrets(of_team_a(list)).await.unwrap();
    assert_eq!(listed.into_inner().secrets, ["db"]);
    let create_policy = CreateSecretIamPolicyRequest {
        metadata: metadata.clone(),
        name: name.clone(),
    };
    client
        .create_secret_iam_policy(of_team_a(create_policy))
        .await
        .unwrap();
    let bind = BindSecretRequest {
        metadata: metadata.clone(),
        name: name.clone(),
        service_account_name: "web".to_owned(),
    };
    client.bind_secret(of_team_a(bind.clone())).await.unwrap();
    let unbind = UnbindSecretRequest {
        metadata: metadata.clone(),
        name: name.clone(),
        service_account_name: "web".to_owned(),
    };
    client.unbind_secret(of_team_a(unbind)).await.unwrap();
    client.bind_secret(of_team_a(bind)).await.unwrap();
    let delete_policy = DeleteSecretIamPolicyRequest {
        metadata: metadata.clone(),
        name: name.clone(),
    };
    client
        .delete_secret_iam_policy(of_team_a(delete_policy))
        .await
        .unwrap();
    let delete = DeleteSecretRequest { metadata, name };
    client.delete_secret(of_team_a(delete)).await.unwrap();

    let lines = running.lines.lock().unwrap();
    let methods: Vec<_> = lines
        .iter()
        .map(|line| line["method"].as_str().unwrap())
        .collect();
    assert_eq!(
        methods,
        [
            "Ping",
            "CreateSecret",
            "UpdateSecret",
            "ListSecrets",
            "CreateSecretIAMPolicy",
            "BindSecret",
            "UnbindSecret",
            "BindSecret",
            "DeleteSecretIAMPolicy",
            "DeleteSecret",
        ]
    );
    for line in lines.iter() {
        assert_eq!(line["outcome"], "OK");
        assert_eq!(line["user"], "ada@example.com");
        assert_eq!(line["namespace"], "a");
        assert!(!line.to_string().contains(MARKER), "{line}");
        assert!(!line.to_string().contains("eyJ"), "{line}");
    }
    assert_eq!(lines[1]["secret"], "db");
    assert_eq!(lines[5]["service_account"], "web");
    assert_eq!(
        lines[0]["message"],
        "/kiss.resources.KISS/Ping: authorized user 'ada@example.com' (from host '127.0.0.1') on namespace 'a'"
    );
}

#[tokio::test]
async fn without_a_token_nothing_is_done_and_it_is_audited() {
    let mut running = start().await;
    for (value, message) in [
        (
            None,
            "the call has no token: send it in the metadata `authorization`",
        ),
        (Some("x"), "the token is no JSON Web Token"),
        (
            Some("Bearer x"),
            "the metadata `authorization` must be the token alone, without `Bearer`",
        ),
    ] {
        let mut request = Request::new(create("a", "db", MARKER));
        if let Some(value) = value {
            let value = MetadataValue::try_from(value).unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let status = running.client.create_secret(request).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, message)
        );
        let line = running.last_line();
        assert_eq!(line["outcome"], "UNAUTHENTICATED");
        assert_eq!(line["authorized"], false);
        assert_eq!(line["secret"], "db");
        assert!(line.get("user").is_none());
        assert!(!line.to_string().contains(MARKER));
    }
    assert!(
        running
            .core
            .parts
            .operations
            .cloud()
            .state()
            .secrets
            .is_empty()
    );
}

#[rstest]
#[case("a", &["oidc:team-b"], Code::PermissionDenied, "user 'eve' is not authorized for namespace 'a': no group of the user is a subject of the RoleBinding 'k-a'")]
#[case("b", &["oidc:team-a"], Code::PermissionDenied, "server failed to verify namespace claims: the namespace 'b' has no RoleBinding 'k-b'")]
#[case("A\u{202e}", &["oidc:team-a"], Code::PermissionDenied, "server failed to verify namespace claims: the namespace 'A\\u{202e}' has no RoleBinding 'k-A\\u{202e}'")]
#[case("A", &["oidc:admins"], Code::InvalidArgument, "invalid input 'A/db': the namespace must have 1 to 63 characters of a-z, 0-9 and -, and begin and end with a letter or digit")]
#[tokio::test]
async fn a_call_for_another_namespace_is_denied(
    #[case] namespace: &str,
    #[case] groups: &[&str],
    #[case] code: Code,
    #[case] message: &str,
) {
    let mut running = start().await;
    let request = with_token(&token_of("eve", groups), create(namespace, "db", "x"));
    let status = running.client.create_secret(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (code, message));
    assert_eq!(running.last_line()["user"], "eve");
}

#[tokio::test]
async fn an_administrator_may_use_a_namespace_without_a_binding() {
    let mut running = start().await;
    let request = with_token(&token_of("root", &["oidc:admins"]), create("b", "db", "x"));
    running.client.create_secret(request).await.unwrap();
}

#[tokio::test]
async fn a_request_without_metadata_is_a_status() {
    let mut running = start().await;
    let request = of_team_a(PingRequest { metadata: None });
    let status = running.client.ping(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn errors_have_the_codes_of_the_original() {
    let mut running = start().await;
    let client = &mut running.client;
    client
        .create_secret(of_team_a(create("a", "db", "x")))
        .await
        .unwrap();
    let exists = client
        .create_secret(of_team_a(create("a", "db", "x")))
        .await
        .unwrap_err();
    assert_eq!(
        (exists.code(), exists.message()),
        (Code::AlreadyExists, "resource 'a/db' already exists")
    );
    let bad = client
        .create_secret(of_team_a(create("a", "D", "x")))
        .await
        .unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    assert!(bad.message().starts_with("invalid input 'a/D'"));
    let delete = |name: &str| {
        of_team_a(DeleteSecretRequest {
            metadata: meta("a"),
            name: name.to_owned(),
        })
    };
    let absent = client.delete_secret(delete("none")).await.unwrap_err();
    assert_eq!(
        (absent.code(), absent.message()),
        (Code::NotFound, "resource 'a/none' not found")
    );
    let cloud = running.core.parts.operations.cloud();
    for (kind, code) in [
        (CloudErrorKind::State, Code::FailedPrecondition),
        (CloudErrorKind::Other, Code::Unknown),
    ] {
        cloud.fail("create_secret", 0, kind);
        let failed = client
            .create_secret(of_team_a(create("a", "new", MARKER)))
            .await
            .unwrap_err();
        assert_eq!(failed.code(), code);
        assert!(!failed.message().contains(MARKER));
    }
    cloud.fail("delete_secret", 0, CloudErrorKind::Other);
    let failed = client.delete_secret(delete("db")).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unknown);
    assert!(
        failed
            .message()
            .starts_with("failed to delete secret for unknown reasons")
    );
    cloud.fail("secrets", 0, CloudErrorKind::Other);
    let list = of_team_a(ListSecretsRequest {
        metadata: meta("a"),
    });
    let failed = client.list_secrets(list).await.unwrap_err();
    assert!(failed.message().starts_with("failed to list secrets"));
}
