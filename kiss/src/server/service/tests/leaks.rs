//! A value and a token are planted, and searched for in everything that the server writes or answers: logs, audit lines,
//! metrics, and each byte of each answer. AWS repeats whole requests in its errors.

use std::{io, sync::MutexGuard};

use prost::Message;
use tracing_subscriber::{fmt::MakeWriter, prelude::*};

use super::{
    aws_stub::{self, Mode},
    raw::{RawCall, body, framed},
    *,
};

/// Everything that is logged.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

struct Writer<'a>(MutexGuard<'a, Vec<u8>>);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Writer<'a>;

    fn make_writer(&'a self) -> Writer<'a> {
        Writer(self.0.lock().unwrap())
    }
}

impl Logs {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Every method, with a message for `a/db`. Those with a value have the marker.
fn every_method() -> Vec<(&'static str, Vec<u8>)> {
    // All messages begin with the namespace and the name. A method ignores the fields that it does not have.
    let named = DeleteSecretRequest {
        metadata: meta("a"),
        name: "db".to_owned(),
    };
    let bound = BindSecretRequest {
        metadata: meta("a"),
        name: "db".to_owned(),
        service_account_name: "web".to_owned(),
    };
    let messages = crate::server::metrics::METHODS.map(|method| {
        let message = match method {
            "BindSecret" | "UnbindSecret" => bound.encode_to_vec(),
            "CreateSecret" | "UpdateSecret" => create("a", "db", MARKER).encode_to_vec(),
            _ => named.encode_to_vec(),
        };
        (method, message)
    });
    messages.into()
}

fn call(method: &str, message: &[u8], token: Option<&str>) -> RawCall {
    let mut call = RawCall::new(method, &ping("a"));
    call.headers.retain(|(name, _)| *name != "authorization");
    call.body = body(framed(message));
    match token {
        Some(token) => call.with("authorization", token),
        None => call,
    }
}

/// Tokens, of which only the first one is accepted.
fn tokens() -> Vec<String> {
    let token = token_of("ada@example.com", &["oidc:team-a"]);
    let expired = json!({"exp": now() - 600, "email": "ada", "cognito:groups": ["oidc:team-a"]});
    let no_groups = json!({"exp": now() + 600, "email": "ada", "cognito:groups": MARKER});
    vec![
        token.clone(),
        PROVIDER.token(&expired),
        PROVIDER.token(&no_groups),
        format!("{}x", &token[..token.len() - 3]),
        format!("Bearer {token}"),
        format!("{token}.{token}"),
        MARKER.to_owned(),
        String::new(),
    ]
}

/// What must not be found: the marker, and the parts of the tokens apart from their headers.
fn secrets(tokens: &[String]) -> Vec<String> {
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    let parts = parts.filter(|part| part.len() > 20).map(str::to_owned);
    parts.chain([MARKER.to_owned()]).collect()
}

#[tokio::test]
async fn a_value_or_a_token_is_nowhere() {
    let logs = Logs::default();
    // Everything of this project, as with the flag --log-level trace. Libraries are not logged (`kiss-server`).
    let own =
        tracing_subscriber::filter::filter_fn(|metadata| metadata.target().starts_with("kees"));
    let lines = tracing_subscriber::fmt::layer().with_writer(logs.clone());
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(own));
    let _guard = tracing::subscriber::set_default(subscriber);
    let aws = aws_stub::start("aws").await;
    let mode = Arc::clone(&aws.mode);
    let running = start_on(aws.cloud, 100, |_| {}).await;
    let tokens = tokens();
    let mut answers = Vec::new();
    for (method, message) in every_method() {
        for (index, token) in tokens.iter().enumerate() {
            let (text, code) = call(method, &message, Some(token))
                .exchange(running.address)
                .await;
            assert_eq!(code == Code::Ok, index == 0, "{method} {index}: {text}");
            answers.push(text);
        }
        answers.push(
            call(method, &message, None)
                .exchange(running.address)
                .await
                .0,
        );
        let valid = Some(tokens[0].as_str());
        for failure in [
            Mode::Error(400, "ResourceExistsException"),
            Mode::Error(400, "ResourceNotFoundException"),
            Mode::Error(400, "InvalidRequestException"),
            Mode::Error(409, "EntityAlreadyExists"),
            Mode::Error(404, "NoSuchEntity"),
            Mode::Error(403, "AccessDenied"),
            Mode::Nonsense(200),
            Mode::Nonsense(400),
        ] {
            *mode.lock().unwrap() = failure;
            answers.push(
                call(method, &message, valid)
                    .exchange(running.address)
                    .await
                    .0,
            );
        }
        *mode.lock().unwrap() = Mode::Works;
        // Calls that no handler gets.
        let mut broken = message.clone();
        broken.extend_from_slice(MARKER.as_bytes());
        answers.push(
            call(method, &broken, valid)
                .exchange(running.address)
                .await
                .0,
        );
        let large = [&message[..], MARKER.repeat(10_000).as_bytes()].concat();
        answers.push(
            call(method, &large, valid)
                .exchange(running.address)
                .await
                .0,
        );
        let late = call(method, &message, valid).with("grpc-timeout", "1n");
        answers.push(late.exchange(running.address).await.0);
    }
    running.has_lines(answers.len()).await;
    assert_eq!(
        running.lines().len(),
        answers.len(),
        "one audit line for each call"
    );
    let audit: Vec<_> = running.lines().iter().map(Value::to_string).collect();
    let logs = logs.text();
    assert!(
        logs.contains("secretsmanager:CreateSecret"),
        "the logs are captured: {logs}"
    );
    let everything = [
        ("answers", answers.concat()),
        ("audit", audit.concat()),
        ("metrics", running.metrics()),
        ("logs", logs),
    ];
    for (place, text) in &everything {
        for secret in secrets(&tokens) {
            assert!(!text.contains(&secret), "{place} have {secret}: {text}");
        }
    }
}
