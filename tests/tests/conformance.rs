//! Runs the conformance suite with the AWS backends, on DynamoDB Local and moto. The unit tests of
//! the store run the same suite with SQLite and memory.

use std::sync::OnceLock;

use aws_credential_types::Credentials;
use kees_store::aws::{Aws, AwsSettings};
use kees_store_testing::conformance::Fixture;
use kees_tests::{REGION, wait};

/// How many clients, each with its own connections, use the same names at the same time.
const CLIENTS: usize = 4;

#[cfg(test)]
fn clients<S>(endpoint: &str, client: impl Fn(&Aws) -> S) -> Vec<S> {
    let settings = AwsSettings {
        region: Some(REGION.parse().unwrap()),
        endpoint: Some(endpoint.parse().unwrap()),
        credentials: Some(Credentials::new("tests", "tests", None, None, "tests")),
        ..AwsSettings::default()
    };
    (0..CLIENTS)
        .map(|_| client(&wait(Aws::new(&settings))))
        .collect()
}

#[cfg(test)]
mod dynamodb {
    use kees_store::dynamodb::DynamoDb;
    use kees_tests::DynamoDbLocal;

    use super::*;

    const LABEL: &str = "conformance";

    fn fixture() -> Fixture<DynamoDb> {
        static SERVER: OnceLock<DynamoDbLocal> = OnceLock::new();
        let server = SERVER.get_or_init(|| {
            let server = DynamoDbLocal::start().unwrap();
            server.create_table(LABEL).unwrap();
            server
        });
        Fixture {
            clients: clients(server.endpoint(), |aws| DynamoDb::new(aws, LABEL)),
            // These are 400,000 bytes in base64. An item may have 400 KB.
            largest: 300_000,
            is_flat: true,
        }
    }

    kees_store_testing::conformance_tests!(wait, fixture());
    kees_store_testing::rotation_tests!(wait, fixture());
    kees_store_testing::values_tests!(wait, fixture());
    kees_store_testing::lease_tests!(wait, fixture());
}

#[cfg(test)]
mod secretsmanager {
    use kees_common::{Locator, SecretValue};
    use kees_store::{ReadStore as _, secretsmanager::SecretsManager};
    use kees_tests::Moto;

    use super::*;

    fn fixture() -> Fixture<SecretsManager> {
        static SERVER: OnceLock<Moto> = OnceLock::new();
        let server = SERVER.get_or_init(|| Moto::start_plain().unwrap());
        Fixture {
            clients: clients(&server.endpoint(), |aws| SecretsManager::new(aws, None)),
            largest: 65_536,
            is_flat: false,
        }
    }

    kees_store_testing::conformance_tests!(wait, fixture());
    kees_store_testing::rotation_tests!(wait, fixture());
    kees_store_testing::values_tests!(wait, fixture());

    /// What Secrets Manager's own rotation does: the new version is AWSPENDING until it has been tested.
    #[test]
    fn a_pending_version_is_never_handed_out() {
        let moto = Moto::start_plain().unwrap();
        let store = clients(&moto.endpoint(), |aws| SecretsManager::new(aws, None)).remove(0);
        moto.put("/dev/db", "first").unwrap();
        let put = |text: &str, stage: &str| {
            let client = moto.secrets_manager();
            let put = client.put_secret_value().secret_id("/dev/db");
            wait(put.secret_string(text).version_stages(stage).send()).unwrap();
        };
        let current = Locator {
            path: "/dev/db".parse().unwrap(),
            member: None,
            property: None,
            version_stage: None,
            version_id: None,
            is_previous: false,
        };
        let read = || {
            let found = wait(store.read(&[current.clone(), current.previous()]));
            let text = |value: SecretValue| value.expose_text().unwrap().to_owned();
            let texts = found.into_iter().map(|value| value.unwrap().map(text));
            texts.collect::<Vec<_>>()
        };
        put("second", "AWSPENDING");
        assert_eq!(read(), [Some("first".to_owned()), None]);
        put("second", "AWSCURRENT");
        let both = [Some("second".to_owned()), Some("first".to_owned())];
        assert_eq!(read(), both);
        put("third", "AWSPENDING");
        assert_eq!(read(), both);
    }
}

#[cfg(test)]
mod ssm {
    use kees_store::ssm::Ssm;
    use kees_tests::Moto;

    use super::*;

    fn fixture() -> Fixture<Ssm> {
        static SERVER: OnceLock<Moto> = OnceLock::new();
        let server = SERVER.get_or_init(|| Moto::start_plain().unwrap());
        Fixture {
            clients: clients(&server.endpoint(), |aws| Ssm::new(aws, None)),
            // These are 4,096 bytes in base64, what a standard parameter holds.
            largest: 3072,
            is_flat: false,
        }
    }

    kees_store_testing::conformance_tests!(wait, fixture());
    kees_store_testing::rotation_tests!(wait, fixture());
    kees_store_testing::values_tests!(wait, fixture());
}
