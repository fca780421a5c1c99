//! Each flag as its variable of the environment. A test cannot change its own environment, so each variable is read by
//! a process of its own, which runs one function of this file.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use super::*;

/// The variable with the file that the process writes to.
const OUTPUT: &str = "KISS_TEST_OUTPUT";
/// The variable with the arguments of the process, by spaces.
const ARGUMENTS: &str = "KISS_TEST_ARGUMENTS";

/// All flags with a value that is not the default. `TLS_KEY` and `TLS_CERT` need each other.
const FLAGS: [(&str, &str, &str); 40] = [
    ("host", "192.0.2.1", ""),
    ("port", "1", ""),
    ("admin-listen", "192.0.2.1:1", ""),
    ("tls-cert", "cert", "--tls-key=key"),
    ("tls-key", "key", "--tls-cert=cert"),
    ("insecure-plain-tcp", "true", ""),
    ("reload-interval", "11", ""),
    ("trusted-proxies", "10.0.0.0/8,192.0.2.1", ""),
    ("jwks-url", "https://issuer/keys", ""),
    ("jwks-ca-file", "roots", ""),
    ("jwks-refresh", "11", ""),
    ("jwks-max-age", "11", ""),
    ("identifier-key", "sub", ""),
    ("namespaces-key", "groups", ""),
    ("issuer", "https://issuer", ""),
    ("audience", "a,b", ""),
    ("token-use", "id", ""),
    ("namespaces-regex", "x:(.*)", ""),
    ("admin-namespace", "admins", ""),
    ("rolebinding-prefix", "k-", ""),
    ("rolebinding-max-age", "11", ""),
    ("kubeconfig-path", "config", ""),
    ("token-path", "token", ""),
    ("role-arn", "arn:aws:iam::1:role/kiss", ""),
    ("region", "us-east-1", ""),
    ("secret-prefix", "s", ""),
    ("service-account-role-prefix", "r", ""),
    ("separator", "/", ""),
    ("max-connections", "11", ""),
    ("max-streams", "11", ""),
    ("max-metadata", "10000", ""),
    ("max-calls", "11", ""),
    ("user-rate", "11", ""),
    ("user-burst", "11", ""),
    ("call-timeout", "11", ""),
    ("drain-timeout", "11", ""),
    ("enable-tracing", "false", ""),
    ("audit-log", "false", ""),
    ("log-level", "debug", ""),
    ("log-format", "text", ""),
];

fn variable(flag: &str) -> String {
    flag.to_uppercase().replace('-', "_")
}

/// What `arguments` are read as, in a process whose environment has only `variables`.
fn read_by_a_process(arguments: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("arguments");
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "server::args::tests::environment::process"])
        .env_clear()
        .env(OUTPUT, &output)
        .env(ARGUMENTS, arguments)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    fs::read_to_string(output).unwrap()
}

/// What the process does. In the run of all tests it does nothing.
#[test]
fn process() {
    let (Ok(output), Ok(arguments)) = (env::var(OUTPUT), env::var(ARGUMENTS)) else {
        return;
    };
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    let text = match read(&arguments) {
        Ok(args) => format!("{args:?}"),
        Err(error) => error.to_string(),
    };
    fs::write(Path::new(&output), text).unwrap();
}

#[test]
fn each_flag_is_read_from_its_variable() {
    let known: BTreeSet<_> = Args::command()
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .filter(|name| !["help", "version"].contains(&name.as_str()))
        .collect();
    let tested: BTreeSet<_> = FLAGS.iter().map(|(flag, ..)| (*flag).to_owned()).collect();
    assert_eq!(known, tested);
    for (flag, value, rest) in FLAGS {
        let url = if flag == "jwks-url" {
            ""
        } else {
            "--jwks-url=x"
        };
        let rest = format!("{url} {rest}");
        let by_flag = read_by_a_process(&format!("{rest} --{flag}={value}"), &[]);
        let by_variable = read_by_a_process(&rest, &[(&variable(flag), value)]);
        assert!(by_flag.starts_with("Args"), "{by_flag}");
        assert_eq!(by_variable, by_flag, "{flag}");
        assert_ne!(by_variable, read_by_a_process(&rest, &[]), "{flag}");
    }
}

#[test]
fn a_flag_wins_and_an_empty_variable_is_none() {
    let alone = read_by_a_process("--jwks-url=x --port=2", &[]);
    let both = read_by_a_process("--jwks-url=x --port=2", &[("PORT", "1"), ("HOST", "")]);
    assert_eq!(both, alone);
}
