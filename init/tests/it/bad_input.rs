//! Values that the original kees, a person or an accident can leave in a store or in a pod: the
//! program accepts what is valid, and otherwise fails and names the entry. It never changes a stored
//! value.

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::LazyLock};

use kees_common::{
    Field, Generated, SecretValue, Spec,
    StoreName::{self, DynamoDb, Embedded, SecretsManager},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    cloud::{Cloud, Table, attribute},
    container::{Container, run},
};

const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";
const GPG: &str = "kind=DYNAMIC,type=GPG,size=2048,userId=Team A <team-a@example.com>";
const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";

const TLS: [(&str, &str); 2] = [("secret/tls_public", RSA), ("secret/tls_private", RSA)];
const MAIL: [(&str, &str); 3] = [
    ("secret/mail_public", GPG),
    ("secret/mail_private", GPG),
    ("secret/mail_password", GPG),
];

/// Two key pairs and two GPG keys.
static MADE: LazyLock<[Generated; 4]> = LazyLock::new(|| {
    let rsa = Spec::Rsa { bits: 2048 };
    let gpg = Spec::Gpg {
        bits: 2048,
        user_id: "Team A <team-a@example.com>".parse().unwrap(),
    };
    [rsa.clone(), rsa, gpg.clone(), gpg].map(|spec| kees_generate::generate(&spec).unwrap())
});

/// A field of the first or second key pair.
fn rsa(which: usize, field: Field) -> SecretValue {
    MADE[which].get(field).unwrap().clone()
}

/// A field of the first or second GPG key.
fn gpg(which: usize, field: Field) -> SecretValue {
    MADE[2 + which].get(field).unwrap().clone()
}

/// A pod and its store.
struct World {
    store: StoreName,
    /// `TIMEOUT`, in seconds.
    timeout: &'static str,
    pod: Container,
    cloud: Cloud,
}

/// The whole content of a store.
#[derive(Debug, PartialEq)]
enum Stored {
    Table(Table),
    File(Option<Vec<u8>>),
}

impl World {
    fn new(store: StoreName, annotations: &[(&str, &str)]) -> Self {
        Self {
            store,
            timeout: "60",
            pod: Container::new(annotations),
            cloud: Cloud::start(),
        }
    }

    /// Stores `values` as the fields of the generation `name`, in the form of the store. Fields that
    /// are not in `values` stay absent.
    fn store_fields(&self, name: &str, values: &[(Field, SecretValue)]) {
        if self.store == SecretsManager && values[0].0 != Field::Whole {
            let members = values.iter().map(|(field, value)| {
                let text = match name {
                    "mail" => value.expose_text().unwrap().to_owned(),
                    _ => value.to_base64().to_string(),
                };
                (field.as_str().to_owned(), Value::from(text))
            });
            let object = Value::Object(members.collect());
            let content = json!({"SecretString": object.to_string()});
            return self.cloud.put(&format!("/{name}"), content);
        }
        for (field, value) in values {
            let path = match field {
                Field::Whole => format!("/{name}"),
                field => format!("/{name}_{field}"),
            };
            match self.store {
                DynamoDb => self.cloud.put(&path, attribute(value)),
                SecretsManager => {
                    let content = value.expose_text().map_or_else(
                        || json!({"SecretBinary": *value.to_base64()}),
                        |text| json!({"SecretString": text}),
                    );
                    self.cloud.put(&path, content);
                }
                _ => self.insert(&path, value),
            }
        }
    }

    /// One row of the SQLite file.
    fn insert(&self, path: &str, value: &SecretValue) {
        let file = rusqlite::Connection::open(self.pod.path("kees.db")).unwrap();
        let table =
            "CREATE TABLE IF NOT EXISTS kees_secret (name TEXT PRIMARY KEY, value BLOB NOT NULL)";
        file.execute_batch(table).unwrap();
        let row = "INSERT INTO kees_secret VALUES (?1, ?2)";
        file.execute(row, (path, value.expose())).unwrap();
    }

    fn stored(&self) -> Stored {
        match self.store {
            Embedded => Stored::File(fs::read(self.pod.path("kees.db")).ok()),
            _ => Stored::Table(self.cloud.table()),
        }
    }

    fn run(&self) -> (i32, String) {
        let mut command = self.pod.embedded();
        command.env("TIMEOUT", self.timeout);
        if self.store != Embedded {
            self.cloud.configure(&mut command, self.store);
        }
        run(&mut command)
    }

    /// Asserts that a run ends with 65, writes nothing, changes no stored value, and has each of
    /// `parts` in the line of `entry`.
    fn fails(&self, entry: &str, parts: &[&str]) {
        let before = self.stored();
        let (status, stderr) = self.run();
        assert_eq!(status, 65, "{stderr}");
        let message = self.pod.read("termination-log");
        let entry = format!("secret.bsycorp.com/{entry}");
        let is_about = |line: &&str| {
            line.starts_with(&format!("{entry} (")) || line.starts_with(&format!("{entry}: "))
        };
        let line = message.lines().find(is_about);
        let line = line.unwrap_or_else(|| panic!("{entry} is not in: {message}"));
        for part in parts {
            assert!(line.contains(part), "'{part}' is not in: {line}");
        }
        assert!(stderr.contains(line), "{stderr}");
        assert!(self.pod.volume().is_empty(), "{:?}", self.pod.volume());
        assert_eq!(self.stored(), before);
    }

    /// Asserts that a run succeeds, and returns its secrets by name.
    fn succeeds(&self) -> BTreeMap<String, SecretValue> {
        let (status, stderr) = self.run();
        assert_eq!(status, 0, "{stderr}");
        let list = self.pod.read("volume/secrets.properties");
        let value = |line: &str| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), SecretValue::from_base64(value).unwrap())
        };
        list.lines().map(value).collect()
    }
}

/// The message about a field that is missing while others are stored.
fn is_missing(store: StoreName, name: &str, field: Field) -> String {
    match store {
        SecretsManager => format!("/{name} has no member '{field}'"),
        _ => format!("/{name}_{field} is missing"),
    }
}

#[rstest]
fn one_field_of_an_rsa_pair_is_an_error(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
    #[values((Field::Public, Field::Private), (Field::Private, Field::Public))] (left, missing): (
        Field,
        Field,
    ),
    #[values(true, false)] pod_names_both: bool,
) {
    let entry = format!("tls_{missing}");
    let is_named = |(name, _): &&(&str, &str)| pod_names_both || name.ends_with(&entry);
    let annotations: Vec<_> = TLS.iter().filter(is_named).copied().collect();
    let mut world = World::new(store, &annotations);
    // What is missing is waited for until then.
    world.timeout = "3";
    world.store_fields("tls", &[(left, rsa(0, left))]);
    world.fails(&entry, &[&is_missing(store, "tls", missing)]);
}

#[rstest]
fn a_gpg_key_without_one_of_its_fields_is_an_error(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
    #[values(Field::Public, Field::Private, Field::Password)] missing: Field,
) {
    let mut world = World::new(store, &MAIL);
    // What is missing is waited for until then.
    world.timeout = "3";
    let parts = [Field::Public, Field::Private, Field::Password];
    let left = parts.into_iter().filter(|field| *field != missing);
    let left: Vec<_> = left.map(|field| (field, gpg(0, field))).collect();
    world.store_fields("mail", &left);
    let entry = format!("mail_{missing}");
    world.fails(&entry, &[&is_missing(store, "mail", missing)]);
}

/// The embedded store holds bytes, so a value that is not base64 can only be in the other two.
#[rstest]
#[case(
    DynamoDb, &["tls_public", "tls_private"],
    json!({"S": "canary!"}),
    "the stored text is not canonical base64"
)]
#[case(
    SecretsManager, &["tls"],
    json!({"SecretString": "{\"public\": \"canary!\", \"private\": \"canary!\"}"}),
    "has a member 'public' that is not canonical base64"
)]
fn a_value_that_is_not_base64_is_an_error(
    #[case] store: StoreName,
    #[case] names: &[&str],
    #[case] content: Value,
    #[case] error: &str,
) {
    let world = World::new(store, &TLS);
    for name in names {
        world.cloud.put(&format!("/{name}"), content.clone());
    }
    world.fails("tls_public", &[error]);
    assert!(!world.pod.read("termination-log").contains("canary"));
}

#[rstest]
#[case::private_under_public(
    (0, Field::Private), (0, Field::Private),
    "expected an RSA public key (DER SubjectPublicKeyInfo), found an RSA private key (DER PKCS#8)"
)]
#[case::exchanged(
    (0, Field::Private), (0, Field::Public),
    "expected an RSA public key (DER SubjectPublicKeyInfo), found an RSA private key (DER PKCS#8)"
)]
#[case::of_another_pair(
    (1, Field::Public), (0, Field::Private),
    "the public key does not belong to the private key"
)]
fn an_rsa_pair_that_does_not_belong_together_is_an_error(
    #[case] public: (usize, Field),
    #[case] private: (usize, Field),
    #[case] error: &str,
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let world = World::new(store, &TLS);
    let (public, private) = (rsa(public.0, public.1), rsa(private.0, private.1));
    world.store_fields("tls", &[(Field::Public, public), (Field::Private, private)]);
    let remedy = "kees changes no stored value: repair or remove it";
    world.fails("tls_public", &[error, remedy]);
}

#[rstest]
fn a_private_key_under_a_public_name_is_an_error_even_if_the_pod_names_no_other_field(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let world = World::new(store, &TLS[..1]);
    let private = rsa(0, Field::Private);
    world.store_fields(
        "tls",
        &[(Field::Public, private.clone()), (Field::Private, private)],
    );
    world.fails("tls_public", &["found an RSA private key"]);
}

/// A key is not random bytes or a password.
#[rstest]
fn a_key_under_the_name_of_a_password_is_an_error(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let world = World::new(store, &[("secret/token", PASSWORD)]);
    world.store_fields("token", &[(Field::Whole, rsa(0, Field::Private))]);
    world.fails("token", &["expected a password, found an RSA private key"]);
}

/// As in the original, `size` says what is created, not what is accepted.
#[rstest]
fn a_key_of_another_size_is_accepted_with_a_warning(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let larger = TLS.map(|(name, _)| (name, "kind=DYNAMIC,type=RSA,size=4096"));
    let world = World::new(store, &larger);
    let halves = [Field::Public, Field::Private].map(|field| (field, rsa(0, field)));
    world.store_fields("tls", &halves);
    let before = world.stored();
    let (status, stderr) = world.run();
    assert_eq!(status, 0, "{stderr}");
    let warning = "asks for: the key has 2048 bits, not 4096; a stored value stays as it is: replace it with `kees rotate --as`";
    assert_eq!(stderr.matches(warning).count(), 1, "{stderr}");
    assert!(stderr.contains("path=/tls"), "{stderr}");
    assert_eq!(world.stored(), before);
}

#[rstest]
#[case::size_of_a_password("PASSWORD", b"8letters", "it has 8 characters, not 16")]
#[case::type_of_a_password("PASSWORD", b"16 characters...", "it has characters other than")]
#[case::size_of_random_bytes("RANDOM", b"8 bytes\xff", "it has 8 bytes, not 16")]
fn a_value_of_another_size_or_type_is_accepted_with_a_warning(
    #[case] secret_type: &str,
    #[case] stored: &[u8],
    #[case] difference: &str,
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let annotation = format!("kind=DYNAMIC,type={secret_type},size=128");
    let world = World::new(store, &[("secret/token", &annotation)]);
    let value = SecretValue::new(stored.to_vec());
    world.store_fields("token", &[(Field::Whole, value)]);
    let (status, stderr) = world.run();
    assert_eq!(status, 0, "{stderr}");
    let warning = format!("not what its annotation asks for: {difference}");
    assert_eq!(stderr.matches(&warning).count(), 1, "{stderr}");
    assert!(stderr.contains("path=/token"), "{stderr}");
}

#[rstest]
#[case::passphrase((0, 0, 1), "mail_password", "the passphrase does not open the private key")]
#[case::private_key((0, 1, 1), "mail_public", "does not belong to the private key")]
fn a_gpg_key_of_two_generations_is_an_error(
    #[case] (public, private, password): (usize, usize, usize),
    #[case] entry: &str,
    #[case] error: &str,
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let world = World::new(store, &MAIL);
    let of = |which, field| (field, gpg(which, field));
    let parts = [
        of(public, Field::Public),
        of(private, Field::Private),
        of(password, Field::Password),
    ];
    world.store_fields("mail", &parts);
    world.fails(entry, &[error]);
}

#[rstest]
fn an_empty_value_is_an_error(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
    #[values("kind=REFERENCE", PASSWORD)] annotation: &str,
) {
    let world = World::new(store, &[("secret/token", annotation)]);
    world.store_fields("token", &[(Field::Whole, SecretValue::new(Vec::new()))]);
    world.fails("token", &["empty"]);
}

/// The largest values that the stores of AWS hold (400 KB of base64; 65,536 bytes), and 400 KB in the
/// store without a limit. The tests of the backends check that larger values are not written.
#[rstest]
#[case(Embedded, 400 * 1024)]
#[case(DynamoDb, 300_000)]
#[case(SecretsManager, 65_536)]
fn a_value_as_large_as_its_store_allows_is_read(#[case] store: StoreName, #[case] size: usize) {
    let world = World::new(store, &[("secret/large", "kind=REFERENCE")]);
    let large = SecretValue::new(vec![0xff; size]);
    world.store_fields("large", &[(Field::Whole, large.clone())]);
    assert!(world.succeeds()["large"] == large);
}

#[rstest]
fn an_annotations_file_of_a_megabyte_is_read(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let world = World::new(store, &[("secret/token", PASSWORD)]);
    let mut file = world.pod.read("annotations");
    let padding = "x".repeat(1024);
    for n in 0..1024 {
        write!(file, "\nexample.com/padding-{n}=\"{padding}\"").unwrap();
    }
    fs::write(world.pod.path("annotations"), file).unwrap();
    assert_eq!(world.succeeds()["token"].len(), 16);
}

#[rstest]
fn five_hundred_entries_of_one_pod_are_created_and_found_again(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let names: Vec<String> = (0..500).map(|n| format!("secret/entry-{n:03}")).collect();
    let annotations: Vec<_> = names.iter().map(|name| (name.as_str(), PASSWORD)).collect();
    let world = World::new(store, &annotations);
    let created = world.succeeds();
    assert_eq!(created.len(), 500);
    let before = world.stored();
    assert!(world.succeeds() == created);
    assert_eq!(world.stored(), before);
}

/// The message names both, and what each asks for.
#[rstest]
fn two_annotations_that_name_one_path_with_different_types_are_an_error(
    #[values(Embedded, DynamoDb, SecretsManager)] store: StoreName,
) {
    let annotations = [
        (
            "secret/one",
            "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=same",
        ),
        (
            "secret/two",
            "kind=DYNAMIC,type=RANDOM,size=128,storageKey=same",
        ),
    ];
    let parts = [
        "/same is asked for as type=RANDOM,size=128 here",
        "as type=PASSWORD,size=128 by secret.bsycorp.com/one",
        "another name or storageKey=",
    ];
    World::new(store, &annotations).fails("two", &parts);
}
