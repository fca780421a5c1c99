//! Command lines, and the documentation of the flags.

mod environment;

use rstest::rstest;

use super::*;
use crate::server::names::Separator;

fn read(arguments: &[&str]) -> Result<Args, clap::Error> {
    let arguments = ["kiss-server"].iter().chain(arguments);
    Args::read(arguments.map(OsString::from))
}

#[test]
fn the_documentation_has_all_flags() {
    let flags = kees_server::documentation::flags(&Args::command());
    kees_server::documentation::compare("kees-kiss", "kiss.md", "flags", &flags);
}

#[test]
fn the_documentation_has_all_metrics() {
    let text = crate::server::metrics::Metrics::new().render(Duration::ZERO, true);
    let metrics = kees_server::documentation::metrics(&text.unwrap());
    kees_server::documentation::compare("kees-kiss", "kiss.md", "metrics", &metrics);
}

/// The flags of a deployment of kiss 0.1, and the one that must be new. As in Go, the last of two equal flags counts.
const ORIGINAL: [&str; 20] = [
    "-host",
    "0.0.0.0",
    "-host",
    "127.0.0.1",
    "-port=10001",
    "-jwks-url",
    "https://issuer/keys",
    "-namespaces-key",
    "groups",
    "-identifier-key=sub",
    "-namespaces-regex",
    "^kaluza:(.*)$",
    "-admin-namespace",
    "admins",
    "-rolebinding-prefix",
    "k-",
    "-role-arn",
    "arn:aws:iam::1:role/kiss",
    "-enable-tracing=false",
    "-insecure-plain-tcp",
];

#[test]
fn the_flags_of_the_original_are_read() {
    let config = read(&ORIGINAL).unwrap().into_config().unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:10001");
    assert_eq!(config.jwks_url, "https://issuer/keys");
    assert_eq!(config.claims.groups, "groups");
    assert_eq!(config.claims.user, "sub");
    assert!(config.rules.expression.is_some());
    assert_eq!(config.rules.admin_namespace.as_deref(), Some("admins"));
    assert_eq!(config.rules.binding_prefix, "k-");
    let (role, token) = config.identity.unwrap();
    assert_eq!(role, "arn:aws:iam::1:role/kiss");
    assert_eq!(
        token.to_str(),
        Some("/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
    );
    assert_eq!(config.region.as_str(), "eu-west-1");
    assert_eq!(config.naming.secret_prefix, "k8s-secret");
    assert_eq!(config.naming.role_prefix, "k8s-sa");
    assert_eq!(config.naming.separator, Separator::Dash);
    assert!(config.serve.tls.is_none());
}

#[test]
fn the_last_one_of_a_repeated_flag_counts() {
    let repeated = [
        "-port",
        "1",
        "-enable-tracing",
        "-admin-namespace=x",
        "--port=2",
    ];
    let list = ["-trusted-proxies=10.0.0.1", "-trusted-proxies=10.0.0.2"];
    let arguments = [&ORIGINAL[..], &repeated, &list].concat();
    let config = read(&arguments).unwrap().into_config().unwrap();
    assert_eq!(config.listen.port, 2);
    assert_eq!(config.rules.admin_namespace.as_deref(), Some("x"));
    assert_eq!(config.proxies.len(), 2);
}

#[rstest]
#[case("-host=", ":10000")]
#[case("-host=localhost", "localhost:10000")]
#[case("-port=65535", "0.0.0.0:65535")]
fn a_host_may_be_a_name_or_empty(#[case] flag: &str, #[case] listen: &str) {
    let arguments = ["-jwks-url=x", "-insecure-plain-tcp", "-token-path=", flag];
    let config = read(&arguments).unwrap().into_config().unwrap();
    assert_eq!(config.listen.to_string(), listen);
}

#[rstest]
#[case(&["-jwks-url=x", "-role-arn=r"], "there is no certificate: give --tls-cert and --tls-key, or --insecure-plain-tcp if something in front of this server has TLS")]
#[case(&["-jwks-url=x", "-insecure-plain-tcp"], "--token-path needs --role-arn; for AWS's own way to find credentials, give --token-path=")]
#[case(&["-jwks-url=x", "-insecure-plain-tcp", "-token-path=", "-namespaces-regex=("], "--namespaces-regex")]
#[case(&["-jwks-url=x", "-insecure-plain-tcp", "-token-path=", "-service-account-role-prefix=a*"], "--service-account-role-prefix 'a*' has the character '*', but names of roles have only letters and digits of ASCII, and _+=,.@-")]
#[case(&["-jwks-url=x", "-insecure-plain-tcp", "-token-path=", "-secret-prefix=a*b"], "--secret-prefix 'a*b' has the character '*', but names of secrets and policies have only letters and digits of ASCII, and /_+=.@-")]
#[case(&["-jwks-url=x", "-insecure-plain-tcp", "-token-path=", "-rolebinding-prefix=A/b"], "--rolebinding-prefix 'A/b' has the character '/', but names of RoleBindings, which are a part of a URL, have only letters and digits of ASCII, and -._~!$&'()*+,;=:@")]
fn flags_must_fit_together(#[case] arguments: &[&str], #[case] message: &str) {
    let error = read(arguments).unwrap().into_config().unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_key_url_is_required_and_tls_excludes_plain_tcp() {
    read(&["-insecure-plain-tcp"]).unwrap_err();
    read(&["-jwks-url=x", "-tls-cert=a"]).unwrap_err();
    read(&[
        "-jwks-url=x",
        "-tls-cert=a",
        "-tls-key=b",
        "-insecure-plain-tcp",
    ])
    .unwrap_err();
    let tls = read(&[
        "-jwks-url=x",
        "-tls-cert=a",
        "-tls-key=b",
        "-token-path",
        "",
    ]);
    let config = tls.unwrap().into_config().unwrap();
    assert!(config.serve.tls.is_some());
    assert!(config.identity.is_none());
}
