//! Tests of proxies, timeouts and connections.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use aws_credential_types::Credentials;
use rstest::rstest;

use super::*;
use crate::aws::Aws;

fn route(settings: &AwsSettings, url: &str) -> Route {
    Transport::new(settings).0.route(url).unwrap()
}

#[test]
fn a_plain_endpoint_loads_no_roots() {
    let bundle = Some("/nowhere/bundle.pem".into());
    let settings = AwsSettings {
        ca_bundle: bundle,
        ..AwsSettings::default()
    };
    let transport = Transport::new(&settings);
    let timeouts = Timeouts {
        connect: None,
        read: None,
    };
    assert!(
        transport
            .0
            .connector("http://localhost:8000/", timeouts)
            .is_ok()
    );
    assert!(
        transport
            .0
            .connector("https://localhost:8000/", timeouts)
            .is_err()
    );
}

#[rstest]
#[case("https://sts.eu-west-1.amazonaws.com/", Roots::Amazon)]
#[case("https://secretsmanager.eusc-de-east-1.amazonaws.eu/", Roots::Amazon)]
#[case("https://dynamodb.cn-north-1.amazonaws.com.cn/", Roots::Public)]
#[case("https://localstack.example.com/", Roots::Public)]
fn the_roots_are_those_of_the_host(#[case] url: &str, #[case] roots: Roots) {
    assert_eq!(route(&AwsSettings::default(), url).roots, Some(roots));
}

#[rstest]
#[case("http://169.254.170.23/v1/credentials", false)]
#[case("http://169.254.169.254/latest/api/token", false)]
#[case("http://[fd00:ec2::23]/v1/credentials", false)]
#[case("http://[::1]:8000/", false)]
#[case("http://dynamodb:8000/", true)]
fn what_the_node_itself_answers_is_not_asked_through_a_proxy(
    #[case] url: &str,
    #[case] proxied: bool,
) {
    let http_proxy = Some("http://proxy:3128".to_owned());
    let settings = AwsSettings {
        http_proxy,
        ..AwsSettings::default()
    };
    assert_eq!(route(&settings, url).proxied, proxied);
}

#[test]
fn a_proxy_behind_tls_needs_roots_for_plain_endpoints_too() {
    let http_proxy = Some("https://proxy:3128".to_owned());
    let settings = AwsSettings {
        http_proxy,
        ..AwsSettings::default()
    };
    assert_eq!(
        route(&settings, "http://dynamodb:8000/").roots,
        Some(Roots::Public)
    );
}

#[test]
fn a_proxy_that_is_no_url_is_an_error_that_names_the_variable() {
    let https_proxy = Some("ftp://proxy".to_owned());
    let transport = Transport::new(&AwsSettings {
        https_proxy,
        ..AwsSettings::default()
    });
    let timeouts = Timeouts {
        connect: None,
        read: None,
    };
    let cause = transport
        .0
        .connector("https://sts.amazonaws.com/", timeouts)
        .unwrap_err();
    assert!(
        cause.message.starts_with("HTTPS_PROXY: "),
        "{}",
        cause.message
    );
}

#[test]
fn a_failure_names_its_host_and_no_password() {
    assert_eq!(
        host_of("http://user:canary@localhost:8000/path"),
        "localhost:8000"
    );
    let late = ConnectorError::timeout(Box::new(std::io::Error::other("late")));
    let late = with_host("localhost:8000".to_owned(), late);
    assert!(late.is_timeout());
    assert_eq!(
        late.into_source().to_string(),
        "talking to localhost:8000 failed"
    );
}

/// A server that answers one request.
struct Server {
    /// Host and port.
    address: String,
    served: JoinHandle<String>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            stream
                .write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            line.trim_end().to_owned()
        });
        Self {
            address: format!("localhost:{port}"),
            served,
        }
    }

    /// The first line of the request, once all are sent; nothing where none came here.
    fn line(self) -> String {
        // Ends the waiting of a server that got no request.
        drop(TcpStream::connect(self.address));
        self.served.join().unwrap()
    }
}

async fn call(settings: AwsSettings) {
    let credentials = Credentials::new("AKIDEXAMPLE", "example", None, None, "test");
    let aws = Aws::new(&AwsSettings {
        credentials: Some(credentials),
        ..settings
    })
    .await;
    aws.sts().get_caller_identity().send().await.unwrap_err();
}

#[rstest]
#[case(
    "",
    "http://sts.example:8000",
    "POST http://sts.example:8000/ HTTP/1.1"
)]
#[case(
    "http://",
    "http://sts.example:8000",
    "POST http://sts.example:8000/ HTTP/1.1"
)]
#[case("http://", "https://sts.example", "CONNECT sts.example:443 HTTP/1.1")]
#[tokio::test]
async fn a_proxy_is_asked_for_what_is_not_excepted(
    #[case] scheme: &str,
    #[case] endpoint: &str,
    #[case] line: &str,
) {
    let server = Server::start();
    let proxy = Some(format!("{scheme}{}", server.address));
    call(AwsSettings {
        endpoint: Some(endpoint.parse().unwrap()),
        http_proxy: proxy.clone(),
        https_proxy: proxy,
        no_proxy: Some("sts.another.example".to_owned()),
        ..AwsSettings::default()
    })
    .await;
    assert_eq!(server.line(), line);
}

#[tokio::test]
async fn a_host_that_is_excepted_is_reached_directly() {
    let server = Server::start();
    call(AwsSettings {
        endpoint: Some(format!("http://{}", server.address).parse().unwrap()),
        http_proxy: Some("http://proxy.invalid:3128".to_owned()),
        no_proxy: Some("other.example,localhost".to_owned()),
        ..AwsSettings::default()
    })
    .await;
    assert_eq!(server.line(), "POST / HTTP/1.1");
}
