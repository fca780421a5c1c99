//! Tests of `kees rotate` and of `previous=true`, with the embedded store.

use rstest::rstest;

use crate::folder::{Folder, pod};

const PUBLIC: &str =
    "secret.bsycorp.com/signing_public: kind=DYNAMIC,type=RSA,size=2048,previous=true";
const PRIVATE: &str = "secret.bsycorp.com/signing_private: kind=DYNAMIC,type=RSA,size=2048";

/// What `kees run` writes for `entries`, by name.
fn run(folder: &Folder) -> Vec<(String, String)> {
    folder.kees(&["run", "web.yaml"]).succeeded();
    let text = folder.read("out/default/pod-a/bsycorp-init/secrets.properties");
    let lines = text.lines().map(|line| line.split_once('=').unwrap());
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn value_of<'a>(lines: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let line = lines.iter().find(|(of, _)| of == name);
    line.map(|(_, value)| value.as_str())
}

#[test]
fn a_pod_gets_the_new_pair_and_the_previous_public_key() {
    let folder = Folder::with(&pod("a", &[PUBLIC, PRIVATE]));
    let first = run(&folder);
    assert_eq!(first.len(), 2, "there is no previous generation yet");
    let rotated = folder.kees(&["rotate", "/signing", "--yes"]).succeeded();
    assert!(
        rotated.stdout.contains("rotated /signing, type=RSA"),
        "{}",
        rotated.stdout
    );
    let second = run(&folder);
    assert_eq!(second.len(), 3);
    for name in ["signing_public", "signing_private"] {
        assert_ne!(value_of(&second, name), value_of(&first, name), "{name}");
    }
    let previous = value_of(&second, "signing_public.previous");
    assert_eq!(previous, value_of(&first, "signing_public"));

    folder
        .kees(&["rotate", "/signing", "--retire", "--yes"])
        .succeeded();
    assert_eq!(run(&folder).len(), 2);
    let stderr = folder
        .kees(&["rotate", "/signing", "--retire", "--yes"])
        .failed(75);
    assert!(
        stderr.contains("/signing has no previous generation"),
        "{stderr}"
    );
}

#[rstest]
#[case::password("kind=DYNAMIC,type=PASSWORD,size=256", "token", "PASSWORD")]
#[case::random("kind=DYNAMIC,type=RANDOM,size=256", "token", "RANDOM")]
#[case::uuid("kind=DYNAMIC,type=UUID", "token", "UUID")]
#[case::ec("kind=DYNAMIC,type=EC,size=384", "token_private", "EC")]
#[case::ed25519("kind=DYNAMIC,type=ED25519", "token_public", "ED25519")]
#[case::api_key("kind=DYNAMIC,type=RANDOM,size=256", "api-key.a_consumer", "RANDOM")]
fn what_is_generated_is_told_from_what_is_stored(
    #[case] value: &str,
    #[case] name: &str,
    #[case] expected: &str,
) {
    let entry = format!("secret.bsycorp.com/{name}: \"{value}\"");
    let folder = Folder::with(&pod("a", &[&entry]));
    let first = run(&folder);
    let path = format!("/{}", name.split('_').next().unwrap());
    let rotated = folder.kees(&["rotate", &path, "--yes"]).succeeded();
    assert!(rotated.stdout.contains(expected), "{}", rotated.stdout);
    let second = run(&folder);
    assert_ne!(first, second);
    assert_eq!(first[0].1.len(), second[0].1.len(), "the same size");
}

#[test]
fn a_gpg_key_needs_to_be_told_what_it_is() {
    let entry =
        "secret.bsycorp.com/gpg_public: \"kind=DYNAMIC,type=GPG,size=2048,userId=A <a@b.c>\"";
    let folder = Folder::with(&pod("a", &[entry]));
    let first = run(&folder);
    let stderr = folder.kees(&["rotate", "/gpg", "--yes"]).failed(64);
    assert!(stderr.contains("name it with --as"), "{stderr}");
    let keys = "type=GPG,size=2048,userId=A <a@b.c>";
    folder
        .kees(&["rotate", "/gpg", "--yes", "--as", keys])
        .succeeded();
    assert_ne!(first, run(&folder));
}

#[rstest]
#[case::signs("kind=DYNAMIC,type=PASSWORD,size=512,alphabet=ascii")]
#[case::unusual_size("kind=DYNAMIC,type=RANDOM,size=200")]
fn what_somebody_may_have_stored_needs_to_be_told(#[case] value: &str) {
    let entry = format!("secret.bsycorp.com/token: \"{value}\"");
    let folder = Folder::with(&pod("a", &[&entry]));
    let first = run(&folder);
    let stderr = folder.kees(&["rotate", "/token", "--yes"]).failed(64);
    assert!(stderr.contains("name it with --as"), "{stderr}");
    assert_eq!(first, run(&folder));
    let keys = value.strip_prefix("kind=DYNAMIC,").unwrap();
    folder
        .kees(&["rotate", "/token", "--yes", "--as", keys])
        .succeeded();
    assert_ne!(first, run(&folder));
}

#[rstest]
#[case::words("hello world, this is mine")]
#[case::json("{\"user\":\"a\",\"password\":\"bbbbbbbbbbbbb\"}")]
#[case::url("jdbc:mysql://database:3306/app00")]
fn what_kees_did_not_generate_stays(#[case] value: &str) {
    let entry = "secret.bsycorp.com/token: kind=REFERENCE";
    let folder = Folder::with(&pod("a", &[entry]));
    folder.write("value", value);
    folder
        .kees(&["put", "/token", "--file", "value"])
        .succeeded();
    let first = run(&folder);
    folder.kees(&["rotate", "/token", "--yes"]).failed(64);
    assert_eq!(first, run(&folder));
}

#[rstest]
#[case("/signing_public")]
#[case("/signing_private")]
#[case("/signing.previous")]
#[case("/signing_public.previous")]
fn a_part_of_a_secret_is_not_rotated(
    #[case] path: &str,
    #[values(&[][..], &["--retire"], &["--as", "type=RANDOM,size=256"])] flags: &[&str],
) {
    let folder = Folder::with(&pod("a", &[PUBLIC, PRIVATE]));
    run(&folder);
    folder.kees(&["rotate", "/signing", "--yes"]).succeeded();
    let before = run(&folder);
    let stderr = folder
        .kees(&[&["rotate", path, "--yes"], flags].concat())
        .failed(64);
    assert!(stderr.contains("give the path"), "{stderr}");
    assert_eq!(before, run(&folder));
    folder.kees(&["rotate", "/signing", "--yes"]).succeeded();
}

#[test]
fn a_secret_whose_name_only_looks_like_a_field_is_rotated() {
    let entry = "secret.bsycorp.com/db_password: kind=DYNAMIC,type=PASSWORD,size=256";
    let folder = Folder::with(&pod("a", &[entry]));
    let first = run(&folder);
    folder
        .kees(&["rotate", "/db_password", "--yes"])
        .succeeded();
    assert_ne!(first, run(&folder));
}

#[rstest]
#[case("type=EC,size=256", "a rotation keeps the type")]
#[case("type=RSA,size=2048,bogus=5d", "bogus")]
#[case("type=RSA,size=2048,storageKey=foo", "leave out storageKey=")]
#[case("kind=REFERENCE", "leave out kind=")]
fn what_as_says_is_checked(#[case] keys: &str, #[case] expected: &str) {
    let folder = Folder::with(&pod("a", &[PUBLIC, PRIVATE]));
    let before = run(&folder);
    let stderr = folder
        .kees(&["rotate", "/signing", "--yes", "--as", keys])
        .failed(64);
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(before, run(&folder));
}

#[rstest]
#[case::nothing_there(&["/nothing", "--yes"], 75, "embedded has no value at /nothing")]
#[case::no_spec(&["/token", "--yes", "--as", "type=RSA"], 64, "--as is no DYNAMIC secret")]
#[case::not_asked(&["/token"], 64, "give --yes")]
#[case::one_value(&["/token", "--yes", "--as", "type=RSA,size=2048"], 64, "/token holds one value")]
#[case::never_rotated(&["/token", "--yes", "--retire"], 75, "/token has no previous generation")]
fn what_cannot_be_rotated_is_an_error(
    #[case] arguments: &[&str],
    #[case] status: i32,
    #[case] expected: &str,
) {
    let entry = "secret.bsycorp.com/token: kind=DYNAMIC,type=PASSWORD,size=256";
    let folder = Folder::with(&pod("a", &[entry]));
    let first = run(&folder);
    let all: Vec<_> = ["rotate"].iter().chain(arguments).copied().collect();
    let stderr = folder.kees(&all).failed(status);
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(first, run(&folder));
}
