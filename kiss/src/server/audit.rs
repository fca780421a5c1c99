//! The audit log: one JSON line for each call, whatever comes of it.

use std::{
    borrow::Cow,
    io::Write as _,
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tonic::Code;

/// The most bytes of a text of the caller that are logged.
const LOGGED_LIMIT: usize = 320;

/// Where lines go.
#[derive(Clone)]
pub struct AuditLog(Arc<dyn Fn(&str) + Send + Sync>);

/// What is known of a call.
#[derive(Debug, Default, Clone)]
pub struct Call {
    /// The name of the call, `CreateSecret`. For a call of another service, the path.
    pub method: Cow<'static, str>,
    /// The user, if the token is valid.
    pub user: Option<String>,
    /// The namespace of the request.
    pub namespace: Option<String>,
    /// The secret's name in the request.
    pub secret: Option<String>,
    /// The ServiceAccount of the request.
    pub service_account: Option<String>,
    /// The caller's address.
    pub client: Option<IpAddr>,
    /// Whether the caller may use the namespace.
    pub is_authorized: bool,
}

/// A line, with the fields of kiss 0.1 first.
#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    application: &'static str,
    /// In seconds since 1970.
    time: u64,
    caller: &'static str,
    message: String,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    authorized: bool,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    micros: u128,
}

impl AuditLog {
    /// Lines on standard error.
    pub fn stderr() -> Self {
        Self(Arc::new(|line| {
            // There is no better place to report that standard error is closed.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }))
    }

    /// No lines.
    pub fn off() -> Self {
        Self(Arc::new(|_| {}))
    }

    /// Lines, each with a line feed, for `write`.
    pub fn new(write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    /// Logs a call that has ended with `code`, and with the message `error` for the caller.
    pub fn log(&self, call: &Call, code: Code, error: Option<&str>, took: std::time::Duration) {
        let (user, namespace, secret, service_account) = (
            cut(call.user.as_deref()),
            cut(call.namespace.as_deref()),
            cut(call.secret.as_deref()),
            cut(call.service_account.as_deref()),
        );
        let error = cut(error);
        let method = cut(Some(&call.method)).unwrap_or_default();
        let line = Line {
            level: "info",
            application: "kiss",
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            caller: "audit",
            message: message(call, &method, user.as_deref(), namespace.as_deref()),
            method: &method,
            user: user.as_deref(),
            namespace: namespace.as_deref(),
            secret: secret.as_deref(),
            service_account: service_account.as_deref(),
            client: call.client,
            authorized: call.is_authorized,
            outcome: outcome(code),
            error: error.as_deref(),
            micros: took.as_micros(),
        };
        if let Ok(json) = serde_json::to_string(&line) {
            (self.0)(&format!("{json}\n"));
        }
    }
}

/// The text of kiss 0.1, for rules that read it. A quotation mark in a name is escaped, because it could end the
/// name and begin a line that is forged.
fn message(call: &Call, method: &str, user: Option<&str>, namespace: Option<&str>) -> String {
    let decision = if call.is_authorized {
        "authorized"
    } else {
        "blocked"
    };
    let client = call.client.map(|client| client.to_string());
    let quoted = |name: Option<&str>| name.unwrap_or_default().replace('\'', "\\'");
    let service = if method.starts_with('/') {
        ""
    } else {
        "/kiss.resources.KISS/"
    };
    format!(
        "{service}{}: {decision} user '{}' (from host '{}') on namespace '{}'",
        quoted(Some(method)),
        quoted(user),
        client.unwrap_or_default(),
        quoted(namespace),
    )
}

/// The name of a code in the specification of gRPC.
pub fn outcome(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The beginning of a text, escaped: JSON leaves characters as they are that control a terminal or the
/// direction of text.
fn cut(text: Option<&str>) -> Option<String> {
    let text = text?;
    let beginning = text.get(..text.floor_char_boundary(LOGGED_LIMIT))?;
    // Quotation marks are escaped by JSON.
    let escaped = beginning.chars().map(|c| match c {
        '\'' | '"' => c.to_string(),
        _ => c.escape_debug().to_string(),
    });
    Some(escaped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_the_message_of_another_call() {
        let call = Call {
            method: "Ping".into(),
            namespace: Some("x' authorized user 'root".to_owned()),
            ..Call::default()
        };
        let message = message(&call, "Ping", Some("o'neill"), call.namespace.as_deref());
        assert_eq!(
            message,
            r"/kiss.resources.KISS/Ping: blocked user 'o\'neill' (from host '') on namespace 'x\' authorized user \'root'"
        );
    }
}
