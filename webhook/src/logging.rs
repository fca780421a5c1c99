//! Log lines on standard error, as text or JSON.

use kees_settings::{LogFlags, LogFormat};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, prelude::*};

use crate::audit;

/// Starts to write log lines to standard error. Libraries log nothing below `warn`: at `debug` they
/// print frames and headers. `audit` does not depend on the level.
pub fn start(flags: LogFlags, audit: bool) {
    let LogFlags {
        log_level,
        log_format,
    } = flags;
    let level = LevelFilter::from(log_level);
    let targets = targets(level, audit);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    match log_format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}

/// What is logged of each part of the program. The client of the Kubernetes API warns of a response that it
/// cannot decode with the whole response, which may be the Secret with the private keys. Its errors reach
/// this program's own log lines without the response.
fn targets(level: LevelFilter, audit: bool) -> Targets {
    let audit_level = if audit {
        LevelFilter::INFO
    } else {
        LevelFilter::OFF
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kees_webhook", level)
        .with_target("kees_inject", level)
        .with_target("kees_server", level)
        .with_target(audit::TARGET, audit_level)
}

#[cfg(test)]
mod tests {
    use kube::{
        Api,
        client::{Body, Client},
    };
    use rstest::rstest;
    use std::{
        convert::Infallible,
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Log lines in memory.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A client of an API that sends `body` in response to each request.
    fn api(body: &'static str) -> Client {
        let service = tower::service_fn(move |_: hyper::Request<Body>| async move {
            Ok::<_, Infallible>(hyper::Response::new(Body::from(body.as_bytes().to_vec())))
        });
        Client::new(service, "kees-system")
    }

    #[rstest]
    #[tokio::test]
    async fn a_secret_that_cannot_be_decoded_is_not_logged(
        #[values(LevelFilter::WARN, LevelFilter::TRACE)] level: LevelFilter,
    ) {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let registry = tracing_subscriber::registry().with(targets(level, true));
        let guard = tracing::subscriber::set_default(registry.with(layer));
        let client = api(r#"{"metadata": {"name": "x"}, "data": {"ca.key": "canary-3f9b!"}}"#);
        let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::default_namespaced(client);
        secrets.get("x").await.unwrap_err();
        drop(guard);
        let lines = lines.0.lock().unwrap().clone();
        let lines = String::from_utf8(lines).unwrap();
        assert!(!lines.contains("canary-3f9b"), "{lines}");
    }
}
