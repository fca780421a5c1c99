//! Tests of the flags and variables of the init container.

use kees_common::{StoreName, names};
use rstest::rstest;

use super::*;

fn read(arguments: &[&str]) -> Result<InitSettings, UsageError> {
    InitSettings::read(["kees-init"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn clap_accepts_the_definition() {
    InitSettings::command().debug_assert();
}

#[test]
fn every_documented_variable_has_a_flag_with_the_documented_default() {
    // The SDK reads these itself.
    let sdk = [
        names::env::AWS_DEFAULT_REGION,
        names::env::AWS_WEB_IDENTITY_TOKEN_FILE,
        names::env::HTTP_PROXY,
        names::env::HTTPS_PROXY,
        names::env::NO_PROXY,
    ];
    let command = InitSettings::command();
    for variable in names::env::ALL.iter().filter(|v| !sdk.contains(&v.name)) {
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_env().is_some_and(|env| env == variable.name))
            .unwrap_or_else(|| panic!("{} has no flag", variable.name));
        let documented = variable.default.trim_matches('`');
        if let [default] = argument.get_default_values() {
            assert_eq!(documented, default.to_str().unwrap(), "{}", variable.name);
        } else if !documented.is_empty() {
            // A default that depends on the annotations is in the text of the help.
            let help = argument.get_help().unwrap().to_string();
            let last = documented.split([' ', '`']).next_back().unwrap();
            assert!(
                help.contains(last) || help.contains("default"),
                "{}: {help}",
                variable.name
            );
        }
    }
}

#[test]
fn the_default_is_what_no_argument_and_no_variable_give() {
    let mut command = InitSettings::command().mut_args(|argument| argument.env(Resettable::Reset));
    let matches = command.try_get_matches_from_mut(["kees-init"]).unwrap();
    let read = InitSettings::from_arg_matches(&matches).unwrap();
    assert_eq!(
        format!("{read:?}"),
        format!("{:?}", InitSettings::default())
    );
}

#[rstest]
#[case(&["--timeout", "soon"], "TIMEOUT (--timeout) is 'soon': use a number of seconds from 0.001 to 86400")]
#[case(&["--timeout", "1e9"], "use a number of seconds from 0.001 to 86400")]
#[case(&["--timeout", "0"], "use a number of seconds from 0.001 to 86400")]
#[case(&["--store", "s3"], "STORE (--store) is 's3': 's3' is not a store; use dynamodb, secretsmanager, ssm or embedded")]
#[case(&["--stores", "embedded,s3"], "STORES (--stores) is")]
#[case(&["--store", "embedded", "--stores", "dynamodb,secretsmanager"], "STORE (--store) is 'embedded', which is not among STORES (--stores), dynamodb, secretsmanager; add it there, or use one of them")]
#[case(&["--stores", "secretsmanager"], "STORE (--store) is 'dynamodb', which is not among")]
#[case(&["--create", "maybe"], "CREATE (--create) is 'maybe': use init, creator, never")]
#[case(&["--local-mode", "yes"], "use allow, deny")]
#[case(&["--format", "xml"], "FORMAT (--format) is 'xml': use properties, env, dotenv, json, yaml or files")]
#[case(&["--file-mode", "0777"], "FILE_MODE (--file-mode) is '0777'")]
#[case(&["--storage-prefix", "/a/../b"], "STORAGE_PREFIX (--storage-prefix) is '/a/../b'")]
#[case(&["--annotation-domain", "A B"], "ANNOTATION_DOMAIN (--annotation-domain) is 'A B'")]
#[case(&["--aws-endpoint", "localhost:8000"], "AWS_ENDPOINT (--aws-endpoint) is 'localhost:8000': it does not begin with http:// or https://; use a URL such as http://localhost:8000")]
#[case(&["--aws-endpoint", "http://"], "AWS_ENDPOINT (--aws-endpoint) is 'http://': it is not a URL")]
#[case(&["--aws-sts-endpoint", "sts"], "AWS_STS_ENDPOINT (--aws-sts-endpoint) is 'sts'")]
#[case(&["--aws-region", "eu west"], "AWS_REGION (--aws-region) is 'eu west': it is not the name of a Region")]
#[case(&["surplus"], "unexpected argument 'surplus'")]
fn a_wrong_value_is_named_with_its_variable_and_what_would_be_right(
    #[case] arguments: &[&str],
    #[case] message: &str,
) {
    let error = read(arguments).unwrap_err();
    assert!(error.message.contains(message), "{}", error.message);
    assert!(!error.is_help);
}

#[test]
fn help_is_not_an_error() {
    let help = read(&["--help"]).unwrap_err();
    assert!(help.is_help);
    for word in ["SECRETS_FILE", "Exit status", "77", "Example"] {
        assert!(help.message.contains(word), "{word}");
    }
}

#[test]
fn a_containers_variables_are_settings_too() {
    let variables = [
        ("STORE", "embedded"),
        ("TIMEOUT", "7"),
        ("SECRETS_FILE", "-odd=name"),
        ("AWS_REGION", ""),
        ("PATH", "/bin"),
    ];
    let (settings, wrong) = InitSettings::from_variables(variables);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(settings.storage.flags.store, StoreName::Embedded);
    assert_eq!(settings.storage.timeout.get(), Duration::from_secs(7));
    assert_eq!(settings.output.secrets_file, Path::new("-odd=name"));
    assert_eq!(settings.aws.flags.aws_region, None);
}

#[test]
fn all_of_a_containers_variables_that_are_wrong_are_told_at_once() {
    let variables = [
        ("FILE_MODE", "0777"),
        ("STORES", "dynamodb"),
        ("STORE", "embedded"),
        ("TIMEOUT", "soon"),
        ("FORMAT", "json"),
    ];
    let (settings, wrong) = InitSettings::from_variables(variables);
    assert_eq!(settings.output.format, Some(Format::Json));
    let said: Vec<_> = wrong.iter().map(|error| &*error.message).collect();
    let begins = [
        "FILE_MODE (--file-mode) is '0777'",
        "TIMEOUT (--timeout) is 'soon': use a number of seconds from 0.001 to 86400",
        "STORE (--store) is 'embedded', which is not among STORES",
    ];
    assert_eq!(said.len(), begins.len(), "{said:?}");
    for (said, begins) in said.iter().zip(begins) {
        assert!(said.starts_with(begins), "{said}");
    }
}
