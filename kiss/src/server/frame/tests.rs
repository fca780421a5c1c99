//! How the metadata of a call is read. Whole calls are in the tests of the service.

use std::sync::Mutex;

use rstest::rstest;

use super::*;

#[rstest]
#[case("1H", Some(3_600_000))]
#[case("2M", Some(120_000))]
#[case("3S", Some(3000))]
#[case("4m", Some(4))]
#[case("5000u", Some(5))]
#[case("6000000n", Some(6))]
#[case("123456789S", None)]
#[case("S", None)]
#[case("1", None)]
#[case("1é", None)]
#[case("-1S", None)]
fn a_timeout_is_read_as_grpc_writes_it(#[case] text: &str, #[case] milliseconds: Option<u64>) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = text.parse() {
        headers.insert("grpc-timeout", value);
    }
    let expected = milliseconds.map(Duration::from_millis);
    assert_eq!(requested_time(&headers), expected);
}

#[tokio::test]
async fn a_call_that_is_dropped_has_an_audit_line_unless_its_handler_writes_it() {
    for is_taken in [false, true] {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let settings = FrameSettings {
            proxies: Vec::new(),
            longest: Duration::from_mins(1),
            largest_metadata: 1000,
            places: Arc::new(Semaphore::new(1)),
            audit: AuditLog::new(move |line| written.lock().unwrap().push(line.to_owned())),
            metrics: Metrics::new(),
        };
        let inner = tower::service_fn(|request: Request<Body>| {
            if is_taken {
                request.extensions().get::<Arrival>().unwrap().take();
            }
            std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
        });
        let mut frame = Frame::new(inner, settings);
        let request = Request::post("/kiss.resources.KISS/Ping").body(Body::empty());
        let answer = frame.call(request.unwrap());
        let ended = tokio::time::timeout(Duration::from_millis(10), answer).await;
        assert!(ended.is_err());
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), usize::from(!is_taken));
        assert!(
            lines
                .iter()
                .all(|line| line.contains(r#""outcome":"CANCELLED""#))
        );
    }
}
