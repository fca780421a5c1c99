//! Deadlines, and callers who go away.

use tonic::body::Body;

use super::{raw::RawCall, *};

#[tokio::test]
async fn a_deadline_of_a_millisecond_changes_nothing() {
    let mut running = start_with(|parts| {
        let mut cloud = MemoryCloud::default();
        cloud.delay = Duration::from_millis(50);
        parts.operations = Operations::new(cloud, Naming::default());
    })
    .await;
    let delete = DeleteSecretRequest {
        metadata: meta("a"),
        name: "db".to_owned(),
    };
    let mut request = of_team_a(delete);
    request.set_timeout(Duration::from_millis(1));
    let status = running.client.delete_secret(request).await.unwrap_err();
    // The client has a timer of its own, with another code.
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
    // The call ends by itself, and is audited.
    running.has_a_line().await;
    assert_eq!(running.last_line()["outcome"], "DEADLINE_EXCEEDED");
}

/// What is begun is finished, although the caller has gone.
#[tokio::test]
async fn a_call_that_is_cancelled_is_not_half_done() {
    let mut running = start_with(|parts| {
        let cloud = MemoryCloud::default();
        cloud
            .state()
            .roles
            .extend(["a_x", "a_y"].map(str::to_owned));
        parts.operations = Operations::new(cloud, Naming::default());
    })
    .await;
    let core = Arc::clone(&running.core);
    let operations = &core.parts.operations;
    let soon = || Deadline::after(Duration::from_secs(9));
    let db = SecretId::new("a", "db").unwrap();
    operations
        .create(&db, Zeroizing::new("x".to_owned()), soon())
        .await
        .unwrap();
    operations.create_policy(&db, soon()).await.unwrap();
    operations.bind(&db, "x", soon()).await.unwrap();
    operations.bind(&db, "y", soon()).await.unwrap();
    // The deletion takes several calls of AWS. It is cancelled when the first role is detached.
    let delete = DeleteSecretIamPolicyRequest {
        metadata: meta("a"),
        name: "db".to_owned(),
    };
    let state = || operations.cloud().state();
    let is_begun = async {
        while state()
            .policies
            .values()
            .any(|policy| policy.roles.len() == 2)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = is_begun => {}
        done = running.client.delete_secret_iam_policy(of_team_a(delete)) => drop(done),
    }
    running.has_a_line().await;
    assert!(state().policies.is_empty());
    assert_eq!(running.last_line()["outcome"], "OK");
}

/// The code and the message are those of this server, not of the library.
const UNCHANGED: &str = "the deadline of the call has come, and nothing was changed";

#[tokio::test]
async fn a_deadline_that_passes_before_the_change_prevents_it() {
    let running = start().await;
    // The RoleBinding takes longer than the call may.
    let call = RawCall::new("CreateSecret", &create("slow", "db", "x"));
    let answer = call.with("grpc-timeout", "20m").make(running.address).await;
    assert_eq!(answer, (Code::DeadlineExceeded, UNCHANGED.to_owned()));
    // The task of the call has ended when it writes the line.
    running.has_a_line().await;
    assert_eq!(running.last_line()["outcome"], "DEADLINE_EXCEEDED");
    assert!(running.cloud().state().secrets.is_empty());
    assert_eq!(running.lines().len(), 1);
}

#[tokio::test]
async fn a_deadline_that_passes_during_the_change_says_that_the_outcome_is_open() {
    let running = start_with(|parts| {
        let mut cloud = MemoryCloud::default();
        cloud.delay = Duration::from_secs(1);
        parts.operations = Operations::new(cloud, Naming::default());
    })
    .await;
    let call = RawCall::new("CreateSecret", &create("a", "db", "x"));
    let (code, message) = call
        .with("grpc-timeout", "100m")
        .make(running.address)
        .await;
    assert_eq!(code, Code::DeadlineExceeded);
    assert_eq!(
        message,
        "the deadline of the call has come, but the server has begun the change and finishes it: check with \
         `kiss list`, or make the call again, to know what was done"
    );
    // The audit line says what came of it.
    assert!(running.lines().is_empty());
    running.has_a_line().await;
    assert_eq!(running.last_line()["outcome"], "OK");
    assert_eq!(running.cloud().state().secrets.len(), 1);
}

#[tokio::test]
async fn a_message_that_does_not_end_meets_the_deadline() {
    let running = start_with(|parts| parts.longest = Duration::from_millis(50)).await;
    let call = RawCall {
        body: Body::new(http_body_util::StreamBody::new(tokio_stream::pending::<
            Result<hyper::body::Frame<hyper::body::Bytes>, Status>,
        >())),
        ..RawCall::new("CreateSecret", &create("a", "db", "x"))
    };
    // The time that the caller gives is longer than that of the server.
    let answer = call.with("grpc-timeout", "1H").make(running.address).await;
    assert_eq!(answer, (Code::DeadlineExceeded, UNCHANGED.to_owned()));
    assert_eq!(running.lines().len(), 1);
    assert_eq!(running.last_line()["outcome"], "DEADLINE_EXCEEDED");
}

/// Whatever the deadline meets, the answer is right.
#[tokio::test]
async fn an_answer_at_the_deadline_is_never_wrong() {
    let running = start_with(|parts| {
        let mut cloud = MemoryCloud::default();
        cloud.delay = Duration::from_millis(1);
        parts.operations = Operations::new(cloud, Naming::default());
    })
    .await;
    let calls = (0..200_u32).map(|number| {
        let name = format!("db-{number}");
        let call = RawCall::new("CreateSecret", &create("a", &name, "x"));
        let call = call.with("grpc-timeout", format!("{}u", number * 50));
        let address = running.address;
        async move { (format!("a-{name}"), call.make(address).await) }
    });
    let answers = futures_util::future::join_all(calls).await;
    running.has_lines(answers.len()).await;
    let state = running.cloud().state();
    for (name, (code, message)) in answers {
        let exists = state.secrets.contains_key(&name);
        match code {
            Code::Ok => assert!(exists, "{name}"),
            Code::DeadlineExceeded if message == UNCHANGED => assert!(!exists, "{name}"),
            Code::DeadlineExceeded => assert!(exists, "{name}: {message}"),
            other => panic!("{name}: {other:?} {message}"),
        }
    }
}

/// The runtime ends with the server, and the call with it.
#[rstest::rstest]
#[case(
    "a",
    "the server has ended before the call, and the change may be done"
)]
#[case(
    "slow",
    "the server has ended before the call, and nothing was changed"
)]
fn a_call_that_is_open_when_the_server_ends_has_an_audit_line(
    #[case] namespace: &'static str,
    #[case] error: &str,
) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let running = runtime.block_on(async {
        let running = start_with(|parts| {
            let cloud = MemoryCloud::default();
            cloud.fail_slowly("create_secret");
            parts.operations = Operations::new(cloud, Naming::default());
        })
        .await;
        let token = token_of("ada@example.com", &["oidc:team-a", "oidc:team-slow"]);
        let mut client = running.client.clone();
        tokio::spawn(async move {
            let create = create(namespace, "db", MARKER);
            client.create_secret(with_token(&token, create)).await
        });
        // The first wait of the call is for the RoleBinding or for AWS.
        let bindings = &running.core.parts.bindings.open;
        let actions = &running.cloud().slow_actions;
        while bindings.load(Ordering::SeqCst) + actions.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(running.lines().is_empty());
        running
    });
    drop(runtime);
    let lines = running.lines();
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(line["outcome"], "UNAVAILABLE");
    assert_eq!(line["error"], error);
    assert_eq!(line["user"], "ada@example.com");
    assert_eq!(line["secret"], "db");
}
