//! The stores, and where values are in them.

use clap::Args;
use kees_common::{
    StoreName,
    names::env::{ENV_LABEL, KMS_KEY_ID, STORE, STORES},
};

/// The stores that annotations may use, and the operator's place in each.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreFlags {
    /// The store of an entry that names none: dynamodb, secretsmanager, ssm or embedded
    #[arg(long, env = STORE, default_value_t, value_parser = store, value_name = "STORE")]
    pub store: StoreName,
    /// The stores that annotations may name, by comma [default: the one of --store]
    #[arg(long, env = STORES, value_delimiter = ',', value_parser = store, value_name = "STORES")]
    pub stores: Vec<StoreName>,
    /// Names the DynamoDB table, ENV_LABEL-kube-secret. Needed with dynamodb
    #[arg(long, env = ENV_LABEL, value_name = "LABEL")]
    pub env_label: Option<String>,
    /// The KMS key that encrypts what is created in Secrets Manager and Parameter Store
    /// [default: the AWS managed key]
    #[arg(long, env = KMS_KEY_ID, value_name = "KEY")]
    pub kms_key_id: Option<String>,
}

/// A store that keeps values after the process has ended.
fn store(text: &str) -> Result<StoreName, String> {
    match text.trim().parse::<StoreName>() {
        Ok(store) if !store.is_persistent() => Err(format!(
            "the store {store} ends with the process; use embedded"
        )),
        Ok(store) => Ok(store),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _, Parser};
    use rstest::rstest;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        store: StoreFlags,
    }

    fn read(arguments: &[&str]) -> Result<StoreFlags, clap::Error> {
        let mut command =
            Program::command().mut_args(|argument| argument.env(clap::builder::Resettable::Reset));
        let matches = command.try_get_matches_from_mut([&["program"], arguments].concat())?;
        Program::from_arg_matches(&matches).map(|program| program.store)
    }

    #[test]
    fn the_default_is_what_no_flag_gives() {
        let read = read(&[]).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", StoreFlags::default()));
    }

    #[test]
    fn stores_are_listed_by_comma_with_or_without_blanks() {
        let flags = read(&["--stores", "dynamodb, secretsmanager"]).unwrap();
        assert_eq!(
            flags.stores,
            [StoreName::DynamoDb, StoreName::SecretsManager]
        );
    }

    #[rstest]
    #[case("s3", "'s3' is not a store")]
    #[case("memory", "use embedded")]
    fn a_store_that_keeps_nothing_is_refused(#[case] store: &str, #[case] message: &str) {
        let error = read(&["--store", store]).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}
