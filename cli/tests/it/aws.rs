//! AWS with the user's own Region and credentials.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    thread,
};

use rstest::rstest;

use crate::folder::{Ended, Folder, PASSWORD, pod};

const CONFIG: &str = "\
[profile work]
region = eu-central-1
[profile wrong]
region = eu/central
[profile half]
aws_access_key_id = AKIDEXAMPLE
";

/// Credentials, so that requests are signed and the metadata service is not called.
const KEY: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "example"),
];

const FLAGS: &[&str] = &["run", "web.yaml", "--store", "secretsmanager"];

fn folder(manifest: &str) -> Folder {
    let folder = Folder::with(manifest);
    folder.write("home/.aws/config", CONFIG);
    folder
}

fn run(folder: &Folder, variables: &[(&str, &str)], flags: &[&str]) -> Ended {
    let home = folder.path("home");
    let own = [
        ("HOME", home.to_str().unwrap()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    folder.kees_with(&[variables, &own].concat(), &[FLAGS, flags].concat())
}

/// Runs with a server that denies every request, and returns the Region that the first is signed for.
fn region_of(folder: &Folder, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let header = line.trim_end();
                if header.is_empty() {
                    break;
                }
                let (name, value) = header.split_once(':').unwrap_or_default();
                match name {
                    "content-length" => length = value.trim().parse().unwrap(),
                    "authorization" => sender.send(value.to_owned()).unwrap_or_default(),
                    _ => {}
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = r#"{"__type":"AccessDeniedException","message":"no"}"#;
            write!(
                stream,
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    let variables = [variables, &KEY].concat();
    run(
        folder,
        &variables,
        &[flags, &["--aws-endpoint", &endpoint]].concat(),
    )
    .failed(77);
    let signed = receiver.recv().unwrap();
    // Credential=AKIDEXAMPLE/DATE/REGION/SERVICE/aws4_request
    signed.split('/').nth(2).unwrap().to_owned()
}

#[rstest]
#[case::flag(&[("AWS_REGION", "eu-west-2")], &["--aws-region", "eu-west-3"], "eu-west-3")]
#[case::variable(&[("AWS_REGION", "eu-west-2"), ("AWS_DEFAULT_REGION", "eu-west-1")], &[], "eu-west-2")]
#[case::default_variable(&[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_PROFILE", "work")], &[], "eu-west-1")]
#[case::empty(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", ""), ("AWS_PROFILE", "work")], &[], "eu-central-1")]
#[case::profile(&[("AWS_PROFILE", "work")], &[], "eu-central-1")]
fn the_region_is_the_users_own(
    #[case] variables: &[(&str, &str)],
    #[case] flags: &[&str],
    #[case] expected: &str,
) {
    let folder = folder(&pod("a", &[PASSWORD]));
    assert_eq!(region_of(&folder, variables, flags), expected);
}

#[test]
fn a_pod_wired_by_hand_may_have_its_own_region() {
    let manifest = pod("a", &[PASSWORD])
        + "  initContainers:\n  - name: secrets\n    image: kees-init:1\n    env:\n    - {name: \
           AWS_REGION, value: eu-south-1}\n";
    let folder = folder(&manifest);
    let profile = [("AWS_PROFILE", "work")];
    assert_eq!(region_of(&folder, &profile, &[]), "eu-south-1");
    let flags = ["--aws-region", "eu-west-3"];
    assert_eq!(region_of(&folder, &profile, &flags), "eu-west-3");
}

#[rstest]
#[case(&[], "the AWS Region is not known; give --aws-region, set AWS_REGION or AWS_DEFAULT_REGION, or give the profile default a region")]
#[case(&[("AWS_PROFILE", "absent")], "give the profile absent, which AWS_PROFILE names, a region")]
#[case(&[("AWS_PROFILE", "wrong")], "the Region of the profile wrong, which AWS_PROFILE names, is 'eu/central': it is not the name of a Region")]
#[case(&[("AWS_DEFAULT_REGION", "a.b")], "the Region of AWS_DEFAULT_REGION is 'a.b'")]
fn a_region_that_is_not_known_is_an_error(
    #[case] variables: &[(&str, &str)],
    #[case] message: &str,
) {
    let folder = folder(&pod("a", &[PASSWORD]));
    let stderr = run(&folder, variables, &[]).failed(64);
    assert!(stderr.contains(message), "{stderr}");
    assert!(!folder.exists("out"));
}

#[test]
fn no_region_is_needed_where_aws_is_not_used() {
    let local = "init.bsycorp.com/local-mode: \"true\"";
    let folder = folder(&pod("a", &[PASSWORD, local]));
    run(&folder, &[], &[]).succeeded();
}

#[rstest]
#[case(&[], "no AWS_ACCESS_KEY_ID is set, and the default profile gives none; log in (aws sso login)")]
#[case(&[("AWS_PROFILE", "absent")], "AWS_PROFILE is absent: profile `absent` was not defined")]
#[case(&[("AWS_PROFILE", "work")], "AWS_PROFILE is work: it gives no credentials; log in (aws sso login)")]
#[case(&[("AWS_PROFILE", "half")], "invalid credential source in `half`: profile missing aws_secret_access_key; log in")]
#[case(&[("AWS_ACCESS_KEY_ID", "a")], "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both, or unset it")]
#[case(&[("AWS_ROLE_ARN", "a")], "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not; set both, or unset it")]
fn the_error_for_missing_credentials_is_meant_for_a_person(
    #[case] variables: &[(&str, &str)],
    #[case] message: &str,
) {
    let folder = folder(&pod("a", &[PASSWORD]));
    let stderr = run(&folder, variables, &["--aws-region", "eu-west-1"]).failed(77);
    assert!(stderr.contains(message), "{stderr}");
    assert!(!stderr.contains("ServiceAccount"), "{stderr}");
}

/// Two pods with three entries in a store for which there are no credentials.
fn two_pods_without_credentials() -> Folder {
    let random = "secret.bsycorp.com/key: kind=DYNAMIC,type=RANDOM,size=128";
    folder(&(pod("a", &[PASSWORD, random]) + &pod("b", &[PASSWORD])))
}

#[test]
fn missing_credentials_are_reported_once_with_the_entries_of_all_workloads() {
    let stderr = run(
        &two_pods_without_credentials(),
        &[],
        &["--aws-region", "eu-west-1"],
    )
    .failed(77);
    let lines: Vec<_> = stderr.lines().collect();
    let [reason, first, second, summary] = lines[..] else {
        panic!("{stderr}");
    };
    assert!(
        reason.starts_with("secretsmanager: ")
            && reason.contains("no AWS_ACCESS_KEY_ID is set")
            && reason.ends_with("; this concerns 2 workloads"),
        "{stderr}"
    );
    assert_eq!(
        first,
        "  web.yaml:2: Pod default/a: secret.bsycorp.com/db-password (/db-password), \
         secret.bsycorp.com/key (/key)"
    );
    assert_eq!(
        second,
        "  web.yaml:13: Pod default/b: secret.bsycorp.com/db-password (/db-password)"
    );
    assert_eq!(summary, "nothing was written: 1 error");
}

#[test]
fn the_json_of_a_shared_error_lists_the_workloads() {
    let flags = ["--aws-region", "eu-west-1", "--output", "json"];
    let ended = run(&two_pods_without_credentials(), &[], &flags);
    assert_eq!(ended.status, 77, "{}", ended.all());
    let report = ended.json();
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{report}");
    let concerns = errors[0]["concerns"].as_array().unwrap();
    let names: Vec<_> = concerns.iter().map(|concern| &concern["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        concerns[1]["entries"],
        serde_json::json!(["secret.bsycorp.com/db-password (/db-password)"])
    );
}
