//! Tests of the pod's options, `init.DOMAIN/*`.

use rstest::rstest;

use super::*;
use crate::{Environment, FileMode, LocalMode, Order, Start, StoreName, SyncType, output::Format};

#[test]
fn options_are_read() {
    let options = [
        ("init.d/inject", "false"),
        ("init.d/storage-prefix", "/dev/team-a"),
        ("init.d/local-mode", " remote-then-local"),
        ("init.d/mount-path", "/secrets/"),
        ("init.d/containers", "app, sidecar"),
        ("init.d/order", "after=istio-init"),
        ("init.d/file-mode", "0440"),
        ("init.d/store", "secretsmanager"),
        ("init.d/format", "json"),
        ("init.d/file.a", "path=tls/a,mode=0400"),
        ("init.d/env", "true"),
        ("init.d/env.app", "DB=a, b"),
        ("init.d/start", "fast"),
        ("init.d/refresh", "5m"),
        ("init.d/on-change", "signal=HUP"),
        ("init.d/refresh-metrics-port", "9090"),
        ("init.d/sync", "web"),
        ("init.d/sync-type", "kubernetes.io/dockerconfigjson"),
        ("init.d/sync-key..dockerconfigjson", " {} "),
        ("init.d/injected", "0.1.0"),
    ];
    let parsed = Parsed::from_annotations(&"d".parse().unwrap(), options);
    assert_eq!(
        (&parsed.errors[..], &parsed.warnings[..]),
        (&[][..], &[][..])
    );
    let Options {
        opted_out,
        storage_prefix,
        local_mode,
        mount_path,
        containers,
        order,
        file_mode,
        store,
        format,
        files,
        environments,
        start,
        refresh,
        on_change,
        refresh_metrics_port,
        sync,
    } = parsed.options;
    assert!(opted_out);
    assert_eq!(storage_prefix.unwrap().as_str(), "/dev/team-a");
    assert_eq!(local_mode, LocalMode::RemoteThenLocal);
    assert_eq!(mount_path.unwrap().as_str(), "/secrets");
    assert_eq!(
        containers.unwrap().iter().collect::<Vec<_>>(),
        ["app", "sidecar"]
    );
    assert_eq!(order, Order::After("istio-init".to_owned()));
    assert_eq!(start, Start::Fast);
    assert_eq!(file_mode, Some(FileMode::GROUP));
    assert_eq!(store, Some(StoreName::SecretsManager));
    assert_eq!(format, Some(Format::Json));
    let placed = &files.placed["a"];
    assert_eq!(placed.entry.as_str(), "a");
    assert_eq!(placed.path.as_ref().unwrap().as_str(), "tls/a");
    assert_eq!(placed.mode, Some(FileMode::OWNER));
    assert_eq!(environments.of_pod, Some(Environment::All));
    let of_app = environments.of_containers["app"].to_string();
    assert_eq!(of_app, "DB=a,b");
    assert_eq!(refresh.unwrap().to_string(), "5m");
    assert_eq!(on_change.unwrap().to_string(), "signal=HUP");
    assert_eq!(refresh_metrics_port.unwrap().get(), 9090);
    assert_eq!(sync.name.unwrap().as_str(), "web");
    assert_eq!(sync.secret_type, Some(SyncType::DockerConfigJson));
    let [key] = &sync.keys[..] else {
        panic!("{:?}", sync.keys);
    };
    let key = (&*key.annotation, key.key.as_str(), &*key.source);
    let annotation = "init.d/sync-key..dockerconfigjson";
    assert_eq!(key, (annotation, ".dockerconfigjson", " {} "));
}

#[rstest]
#[case("true", LocalMode::On)]
#[case("remote-then-local", LocalMode::RemoteThenLocal)]
#[case("false", LocalMode::Off)]
#[case("TRUE", LocalMode::Off)]
#[case("", LocalMode::Off)]
fn local_mode_is_two_words_and_anything_else_is_the_store(
    #[case] value: &str,
    #[case] mode: LocalMode,
) {
    assert_eq!(parse("init.d/local-mode", value).options.local_mode, mode);
}

#[rstest]
#[case("true")]
#[case("False")]
#[case(" false")]
fn only_the_word_false_opts_out(#[case] value: &str) {
    assert!(!parse("init.d/inject", value).options.opted_out);
}

#[rstest]
#[case(
    "storage-prefix",
    "/a/../b",
    "/a/../b: the path has a '.' or '..' segment; write the path itself"
)]
#[case("storage-prefix", "/a\nb", "/a\\nb: the path has a control character")]
#[case(
    "storage-prefix",
    "/a ",
    "/a : the path begins or ends in a blank; remove the blank: the original kees reads it as part \
     of the path, which would then name another value"
)]
#[case(
    "storage-prefix",
    "/\u{e9}",
    "/\u{e9}: the path has a character that is not ASCII; use ASCII only: the original kees reads such \
     a character differently, so the path would name another value there"
)]
#[case(
    "store",
    "s3",
    "'s3' is not a store; use dynamodb, secretsmanager, ssm or embedded"
)]
#[case(
    "format",
    "yml",
    "format=yml is wrong; use properties, env, dotenv, json, yaml or files"
)]
#[case(
    "file.a",
    "path=../x",
    "path=../x is wrong; use names that begin neither with '..' nor with .kees"
)]
#[case(
    "file.a",
    "mode=0666",
    "mode=0666 is wrong; use four octal digits such as 0400, 0440 or 0444: readable by the owner, \
     writable by no one else, executable by no one"
)]
#[case("file.a", "paht=x", "the key 'paht' is unknown; did you mean path=")]
#[case(
    "file._a",
    "",
    "the name after the slash must be 1 to 63 letters, digits, '-', '_' or '.', beginning and ending \
     with a letter or digit"
)]
#[case("files.a", "", "unknown; did you mean init.d/file.a")]
#[case(
    "sync",
    "Web",
    "sync=Web is wrong; use the name of a Secret: at most 253 lower-case letters, digits, '-' and '.', \
     beginning and ending with a letter or digit"
)]
#[case(
    "sync-type",
    "tls",
    "sync-type=tls is wrong; use Opaque, kubernetes.io/tls or kubernetes.io/dockerconfigjson"
)]
#[case(
    "sync-key...",
    "",
    "sync-key=.. is wrong; use a key of a Secret: letters, digits, '-', '_' and '.', neither '.' nor \
     beginning with '..'"
)]
#[case("synckey.a", "", "unknown; did you mean init.d/sync-key.a")]
#[case("sync-typ", "", "unknown; did you mean init.d/sync-type")]
#[case("snyc", "web", "unknown; did you mean init.d/sync")]
#[case(
    "mount-path",
    "secrets",
    "mount-path=secrets is wrong; use an absolute path such as /bsycorp-init, without '.', '..', \
     ':' or empty segments"
)]
#[case(
    "containers",
    "app,,b",
    "containers=app,,b is wrong; use the names of containers of this pod, separated by commas"
)]
#[case(
    "order",
    "before",
    "order=before is wrong; use first, last, before=NAME or after=NAME with the name of an init \
     container"
)]
#[case(
    "file-mode",
    "0777",
    "file-mode=0777 is wrong; use four octal digits such as 0400, 0440 or 0444: readable by the \
     owner, writable by no one else, executable by no one"
)]
fn an_invalid_option_has_an_error_that_says_what_is_right(
    #[case] name: &str,
    #[case] value: &str,
    #[case] message: &str,
) {
    assert_eq!(error(&format!("init.d/{name}"), value), message);
}
