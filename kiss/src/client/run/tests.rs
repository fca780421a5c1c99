//! Commands against a server with AWS in memory.

use std::fs;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use rstest::rstest;

use super::*;
use crate::{
    command_line::with_two_dashes,
    server::{
        cloud::CloudErrorKind,
        service::tests::{Running, start, token_of},
    },
};

#[derive(Parser)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

/// A server, and a file with a token of the team of the namespace `a`.
struct Set {
    running: Running,
    folder: tempfile::TempDir,
}

impl Set {
    async fn new() -> Self {
        let set = Self {
            running: start().await,
            folder: tempfile::tempdir().unwrap(),
        };
        let token = token_of("ada@example.com", &["oidc:team-a"]);
        fs::write(
            set.folder.path().join("token"),
            format!(r#"{{"id_token": "{token}"}}"#),
        )
        .unwrap();
        fs::write(set.folder.path().join("value"), "content\n").unwrap();
        set
    }

    /// Runs a command line, with `$FOLDER` for the folder.
    async fn kiss(&self, text: &str) -> (Output, Result<(), String>) {
        self.kiss_until(text, std::future::pending()).await
    }

    async fn kiss_until(
        &self,
        text: &str,
        stop: impl Future<Output = ()>,
    ) -> (Output, Result<(), String>) {
        let folder = self.folder.path().to_str().unwrap();
        let text = format!(
            "kiss {text} -secure=false -token-path $FOLDER/token -server-addr {}",
            self.running.address
        );
        let text = text.replace("$FOLDER", folder);
        let definition = Program::command();
        let arguments = with_two_dashes(&definition, text.split(' ').map(Into::into));
        let matches = definition.try_get_matches_from(arguments).unwrap();
        let command = Program::from_arg_matches(&matches).unwrap().command;
        let mut output = Output::default();
        let result = run(command, &mut output, stop).await;
        (output, result.map_err(|error| error.to_string()))
    }
}

#[tokio::test]
async fn each_command_prints_what_the_original_prints() {
    let set = Set::new().await;
    for (text, lines) in [
        ("ping -namespace a", &["Successfully sent ping"][..]),
        (
            "create -namespace a -name db -value x -policy",
            &[
                "Successfully created secret",
                "Successfully created secret IAM policy",
            ],
        ),
        (
            "create-from -namespace a -name file -value $FOLDER/value",
            &["Successfully created secret"],
        ),
        (
            "update -namespace a -name db -value y",
            &["Successfully updated secret"],
        ),
        ("list -namespace a", &["db", "file"]),
        (
            "bind -namespace a -name db -service-account web",
            &["Successfully bound secret to service account"],
        ),
        (
            "unbind -namespace a -name db -service-account web",
            &["Successfully unbound secret from service account"],
        ),
        (
            "delete -namespace a -name db -policy=true",
            &[
                "Successfully deleted secret",
                "Successfully deleted secret IAM policy",
            ],
        ),
        (
            "create-policy -namespace a -name file",
            &["Successfully created secret IAM policy"],
        ),
        (
            "delete-policy -namespace a -name file",
            &["Successfully deleted secret IAM policy"],
        ),
        ("list -namespace a", &["file"]),
    ] {
        let (output, result) = set.kiss(text).await;
        result.unwrap();
        assert_eq!(output.lines, lines, "{text}");
    }
    let state = set.running.cloud().state();
    assert_eq!(state.secrets["k8s-secret-a-file"].value, "content\n");
}

#[tokio::test]
async fn a_value_of_the_command_line_is_warned_of_and_never_printed() {
    let set = Set::new().await;
    let (output, result) = set
        .kiss("create -namespace a -name db -value marker-4")
        .await;
    result.unwrap();
    assert!(
        output
            .warnings
            .iter()
            .any(|line| line.starts_with("warning: --value is visible"))
    );
    assert!(!format!("{output:?}").contains("marker-4"));
    let (output, result) = set
        .kiss("create -namespace a -name db -value marker-4")
        .await;
    assert_eq!(result, Err("resource 'a/db' already exists".to_owned()));
    assert!(!format!("{output:?}").contains("marker-4"));
}

#[tokio::test]
async fn who_is_not_authorized_learns_which_binding_would_do() {
    let set = Set::new().await;
    let (_, result) = set.kiss("list -namespace b").await;
    assert_eq!(
        result.unwrap_err(),
        "server failed to verify namespace claims: the namespace 'b' has no RoleBinding 'k-b': ask those who \
         administer the namespace to add a group of yours to the subjects of that RoleBinding, and log in again if \
         you were added to the group just now"
    );
}

#[tokio::test]
async fn a_policy_that_is_not_created_is_finished_by_another_command() {
    let set = Set::new().await;
    set.running
        .cloud()
        .fail("create_policy", 0, CloudErrorKind::Other);
    let (output, result) = set
        .kiss("create -namespace a -name db -value x -policy")
        .await;
    assert_eq!(output.lines, ["Successfully created secret"]);
    let error = result.unwrap_err();
    assert!(
        error.starts_with(
            "the secret is created, but its IAM policy is not: failed to create policy"
        ),
        "{error}"
    );
    let finish = "; to finish: kiss create-policy -namespace a -name db";
    assert!(error.ends_with(finish), "{error}");
    set.running.cloud().fail("none", 0, CloudErrorKind::Other);
    let (_, result) = set.kiss("create-policy -namespace a -name db").await;
    result.unwrap();
}

/// With the server's prefix, `k8s-secret_a_` and 115 characters are the longest name of a policy.
#[tokio::test]
async fn a_secret_whose_policy_has_a_too_long_name_can_be_created_with_a_shorter_one() {
    let set = Set::new().await;
    let name = "n".repeat(116);
    let (_, result) = set
        .kiss(&format!(
            "create -namespace a -name {name} -value x -policy"
        ))
        .await;
    assert_eq!(
        result.unwrap_err(),
        format!(
            "the secret is created, but its IAM policy is not: invalid input 'a/{name}': the name of the policy in AWS \
             would have 129 characters, and at most 128 are possible; the secret stays without a policy; to have one: \
             kiss delete -namespace a -name {name}, and create it with a shorter name"
        )
    );
    let (_, deleted) = set.kiss(&format!("delete -namespace a -name {name}")).await;
    deleted.unwrap();
    let (_, shorter) = set
        .kiss(&format!(
            "create -namespace a -name {} -value x -policy",
            &name[1..]
        ))
        .await;
    shorter.unwrap();
}

#[tokio::test]
async fn a_secret_whose_policy_has_a_too_long_name_with_every_prefix_is_not_created() {
    let set = Set::new().await;
    let name = "n".repeat(127);
    let (output, result) = set
        .kiss(&format!(
            "create -namespace a -name {name} -value x -policy"
        ))
        .await;
    assert_eq!(
        result.unwrap_err(),
        "the name of the IAM policy would have at least 129 characters, and at most 128 are possible: choose a \
         shorter name, or leave out -policy"
    );
    assert!(output.lines.is_empty());
    assert!(set.running.cloud().state().secrets.is_empty());
    let (_, without) = set
        .kiss(&format!("create -namespace a -name {name} -value x"))
        .await;
    without.unwrap();
}

#[tokio::test]
async fn a_policy_of_an_earlier_secret_is_replaced_by_the_commands_of_the_error() {
    let set = Set::new().await;
    let create = "create -namespace a -name db -value x -policy";
    set.kiss(create).await.1.unwrap();
    set.kiss("delete -namespace a -name db").await.1.unwrap();
    assert_eq!(
        set.kiss(create).await.1.unwrap_err(),
        "the secret is created, but its IAM policy is not: resource 'a/db' already exists; if a deleted secret of this \
         name has left the policy: kiss delete-policy -namespace a -name db, and then kiss create-policy -namespace a \
         -name db"
    );
    for command in ["delete-policy", "create-policy"] {
        let (_, done) = set.kiss(&format!("{command} -namespace a -name db")).await;
        done.unwrap();
    }
}

#[tokio::test]
async fn the_deletion_of_a_secret_without_a_policy_leaves_nothing() {
    let set = Set::new().await;
    for name in ["db".to_owned(), "n".repeat(253)] {
        let (_, created) = set
            .kiss(&format!("create -namespace a -name {name} -value x"))
            .await;
        created.unwrap();
        let (_, deleted) = set
            .kiss(&format!("delete -namespace a -name {name} -policy"))
            .await;
        let error = deleted.unwrap_err();
        assert!(!error.contains("create the policy"), "{error}");
        let end = "; kiss has no policy for it, so nothing is left to do";
        assert!(error.starts_with("the secret is deleted, but its IAM policy is not: "));
        assert!(error.ends_with(end), "{error}");
    }
    assert!(set.running.cloud().state().secrets.is_empty());
}

/// A token of a user in so many groups.
fn large_token(set: &Set, count: usize) -> usize {
    let groups: Vec<_> = (0..count)
        .map(|group| format!("oidc:team-{group:05}"))
        .collect();
    let groups: Vec<_> = groups.iter().map(String::as_str).collect();
    let token = token_of("ada@example.com", &groups);
    fs::write(set.folder.path().join("token"), &token).unwrap();
    token.len()
}

/// The server reads the first one and says what is wrong. It does not read the other ones to their end.
#[rstest]
#[case(3_000)]
#[case(12_000)]
#[case(20_000)]
#[case(50_000)]
#[tokio::test]
async fn a_token_with_too_many_groups_is_named_with_the_limit_and_the_remedy(#[case] count: usize) {
    let set = Set::new().await;
    let length = large_token(&set, count);
    let expected = if count == 3_000 {
        "the metadata of the call has ".to_owned()
    } else {
        format!(
            "the server has not read the token, which has {length} bytes: kiss-server takes 65536 bytes of metadata \
             unless its --max-metadata says more, and a proxy in front of it perhaps fewer; ask those who administer \
             the OIDC provider to put fewer groups into the token, for example with a filter for its claim of groups ("
        )
    };
    for command in ["ping", "create -name db -value x"] {
        let (_, result) = set.kiss(&format!("{command} -namespace a")).await;
        let error = result.unwrap_err();
        assert!(error.starts_with(&expected), "{error}");
        assert!(error.contains("fewer groups"), "{error}");
    }
    assert!(set.running.cloud().state().secrets.is_empty());
}

#[tokio::test]
async fn a_large_token_that_the_server_reads_is_not_blamed() {
    let set = Set::new().await;
    assert!(large_token(&set, 2_600) > ALMOST_LARGEST);
    let (_, result) = set.kiss("ping -namespace a").await;
    let error = result.unwrap_err();
    assert!(
        error.starts_with("user 'ada@example.com' is not authorized"),
        "{error}"
    );
}

#[tokio::test]
async fn an_interruption_between_the_calls_says_what_is_left() {
    let set = Set::new().await;
    let cloud = set.running.cloud();
    let is_created = async {
        while cloud.state().secrets.is_empty() {
            tokio::task::yield_now().await;
        }
        // The answer of the first call must arrive.
        while set.running.lines().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    cloud.fail_slowly("create_policy");
    let (output, result) = set
        .kiss_until("create -namespace a -name db -value x -policy", is_created)
        .await;
    assert_eq!(output.lines, ["Successfully created secret"]);
    assert_eq!(
        result.unwrap_err(),
        "the secret is created, and it is not known whether its IAM policy is, too: interrupted; to finish: kiss \
         create-policy -namespace a -name db"
    );
}

#[tokio::test]
async fn a_policy_that_takes_too_long_is_not_called_absent() {
    let set = Set::new().await;
    set.running.cloud().fail_slowly("create_policy");
    let (_, result) = set
        .kiss("create -namespace a -name db -value x -policy -timeout 300ms")
        .await;
    let error = result.unwrap_err();
    let expected = "the secret is created, and it is not known whether its IAM policy is, too: ";
    assert!(error.starts_with(expected), "{error}");
    let finish = "; to finish: kiss create-policy -namespace a -name db";
    assert!(error.ends_with(finish), "{error}");
}

/// A server with TLS, for example, answers with an alert and ends the connection.
#[rstest]
#[case(&[])]
#[case(&[0x15, 3, 3, 0, 2, 2, 70])]
#[tokio::test]
async fn a_connection_that_breaks_has_a_remedy(#[case] alert: &'static [u8]) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut set = Set::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    set.running.address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read_u8().await;
            let _ = connection.write_all(alert).await;
        }
    });
    let (_, result) = set.kiss("ping -namespace a -timeout 5s").await;
    let error = result.unwrap_err();
    let remedy = ": check --server-addr and --secure, and look with `kiss list` what is done";
    assert!(error.ends_with(remedy), "{error}");
}

#[tokio::test]
async fn a_file_without_a_root_certificate_is_named() {
    let set = Set::new().await;
    let text = set.folder.path().join("value").display().to_string();
    let client = Program::try_parse_from([
        "kiss",
        "ping",
        "--namespace=a",
        &format!("--ca-file={text}"),
        &format!("--token-path={}", set.folder.path().join("token").display()),
    ]);
    let command = client.unwrap().command;
    let result = run(command, &mut Output::default(), std::future::pending()).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        format!("{text} has no certificate: --ca-file names a file with root certificates in PEM")
    );
}

#[tokio::test]
async fn an_interruption_of_the_first_call_says_that_it_may_be_done() {
    let set = Set::new().await;
    let at_once = "interrupted: the server finishes a change that has reached it, so look with `kiss list` what is \
                   done";
    for (text, expected) in [
        ("ping -namespace a", "interrupted".to_owned()),
        ("update -namespace a -name db -value x", at_once.to_owned()),
        (
            "create -namespace a -name db -value x -policy",
            format!(
                "{at_once}; the IAM policy is as it was, and to go on with it: kiss create-policy -namespace a -name db"
            ),
        ),
    ] {
        let (output, result) = set.kiss_until(text, async {}).await;
        assert_eq!(result.unwrap_err(), expected, "{text}");
        assert!(output.lines.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let mut set = Set::new().await;
    set.running.address = "127.0.0.1:1".parse().unwrap();
    let (_, result) = set.kiss("ping -namespace a -timeout 1s").await;
    assert_eq!(
        result.unwrap_err(),
        "the server 127.0.0.1:1 cannot be reached: check --server-addr, and that the server has no TLS"
    );
}

#[rstest]
#[case(0, "1970/01/01 00:00:00")]
#[case(951_782_399, "2000/02/28 23:59:59")]
#[case(951_782_400, "2000/02/29 00:00:00")]
#[case(1_795_392_000, "2026/11/23 00:00:00")]
#[case(4_107_542_400, "2100/03/01 00:00:00")]
fn a_date_is_written_as_the_original_does(#[case] seconds: u64, #[case] expected: &str) {
    assert_eq!(date(seconds), expected);
}
