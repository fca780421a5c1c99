//! The flags of the commands about values.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use kees_common::{
    StoragePath, StoragePrefix, StoreName,
    names::env::{EMBEDDED_FILE, ENV_LABEL, KMS_KEY_ID, STORE},
};
use kees_init::settings::Timeout;
use kees_settings::{AwsFlags, StsFlags};

use super::Output;

pub(crate) const PUT: &str = "\
Store a value by hand, for an entry of kind=REFERENCE or a resource.

The value is read from standard input, or from --file. On a terminal it is asked for and not shown. One \
line break at its end is removed, because echo and editors add one; --keep-line-break keeps it. A value \
that is not UTF-8 text is stored unchanged.

Each store holds the value in its own form, as kees-init reads it: DynamoDB its base64, Secrets Manager \
text as SecretString and other bytes as SecretBinary, Parameter Store text only. A value that exists is \
not replaced, unless --overwrite is given.";

pub(crate) const PUT_EXAMPLES: &str = "\
Examples:
  kees put /dev/team-a/db-url < db-url.txt
  kees put /dev/team-a/license --file license.bin --store dynamodb --env-label dev
  pass show smtp | kees put /dev/team-a/smtp --store secretsmanager --overwrite --yes";

pub(crate) const SHOW: &str = "\
Show what a store says about a value.

The value is not read, unless --reveal is given. --reveal works only on a terminal, so that no log of a \
pipeline gets the value by mistake; with --to-pipe it also writes to a file or a pipe.";

pub(crate) const SHOW_EXAMPLES: &str = "\
Examples:
  kees show /dev/team-a/db-url --store secretsmanager
  kees show /dev/team-a/db-url --reveal
  kees show /dev/team-a/license --reveal --to-pipe > license.bin";

pub(crate) const LIST: &str = "\
List the paths of the values below a prefix. No value is read.

A prefix ends at a segment: /dev/team-a does not list /dev/team-ab. / lists the whole store.

DynamoDB has no index of paths. There this command scans the whole table, every page of it, which takes \
time and read capacity for each item of the table. Secrets Manager lists no secret that is scheduled for \
deletion.";

pub(crate) const LIST_EXAMPLES: &str = "\
Examples:
  kees list /dev/team-a
  kees list /dev/team-a --store ssm --output json";

pub(crate) const DELETE: &str = "\
Delete a value.

Pods that run keep their files. A pod that starts later gets an error if it refers to the value. If a \
DYNAMIC entry names the path, the next pod creates a new value. In DynamoDB and the embedded store each \
field of a key pair has its own path: delete all of them, or the rest is an incomplete generation, which \
is an error.

Secrets Manager keeps a deleted secret for 30 days, in which it can be restored and its name cannot be \
used. --recovery-days and --no-recovery change this. The other stores delete at once.";

pub(crate) const DELETE_EXAMPLES: &str = "\
Examples:
  kees delete /dev/team-a/db-url
  kees delete /dev/team-a/db-url --store secretsmanager --recovery-days 7 --yes";

pub(crate) const COPY: &str = "\
Copy the values below a prefix from one store to another.

Paths stay the same. The fields of one generation stay together in the form of each store: the values \
/dev/a/key_public and /dev/a/key_private of DynamoDB become the members public and private of the secret \
/dev/a/key in Secrets Manager, and the other way round. They are written together or not at all.

A value that exists in the other store with the same content is passed over, so the command can be run \
again after an error or Ctrl-C. A value that exists with other content is an error, and is not \
overwritten. Each copied value is read back and compared. Leases are not copied. Nothing is deleted.

The Region, the endpoint and the credentials are the same for both stores. From DynamoDB, the whole table \
is scanned once.";

pub(crate) const COPY_EXAMPLES: &str = "\
Examples:
  kees copy --from dynamodb --to secretsmanager --env-label dev --dry-run /dev/team-a
  kees copy --from dynamodb --to secretsmanager --env-label dev /dev/team-a";

pub(crate) const ROTATE: &str = "\
Replace a secret by a new generation, and keep the old one as the previous one.

All fields of a key pair are replaced in one step, so no reader gets fields of two generations. PATH is the \
path without a field: /dev/team-a/signing for signing_public and signing_private. Pods that run keep their \
files until they read again; an entry with previous=true gets both generations.

kees derives the type, the size and the characters of the new values from the stored ones. With --as you \
name them yourself, with the keys of an annotation. A GPG key and a password with classes need it.

A secret that is absent is not created. Only one previous generation is kept. --retire removes it.";

pub(crate) const ROTATE_EXAMPLES: &str = "\
Examples:
  kees rotate /dev/team-a/signing --store dynamodb --env-label dev
  kees rotate /dev/team-a/db-password --as type=PASSWORD,size=256,alphabet=ascii,classes=digit+symbol
  kees rotate /dev/team-a/signing --retire --yes";

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The path of the secret, without a field
    #[arg(value_name = "PATH")]
    pub(crate) path: StoragePath,
    /// What is generated: the keys of the annotation, such as type=RSA,size=2048
    /// [default: as the stored values are]
    #[arg(long = "as", value_name = "KEYS")]
    pub(crate) entry: Option<String>,
    /// Remove the previous generation instead
    #[arg(long)]
    pub(crate) retire: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) store: OneStoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The path of the value: the storage prefix, and what follows it
    #[arg(value_name = "PATH")]
    pub(crate) path: StoragePath,
    /// Read the value from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Keep a line break at the end of the value
    #[arg(long)]
    pub(crate) keep_line_break: bool,
    /// Replace a value that exists; asks first
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) store: OneStoreArgs,
    /// A value, where a user expects one; this is always an error.
    #[arg(hide = true)]
    pub(crate) value: Option<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The path of the value
    #[arg(value_name = "PATH")]
    pub(crate) path: StoragePath,
    /// Read the value and print it, if standard output is a terminal
    #[arg(long, conflicts_with = "output")]
    pub(crate) reveal: bool,
    /// Let --reveal write the bytes of the value, and nothing else, to a file or a pipe
    #[arg(long, requires = "reveal")]
    pub(crate) to_pipe: bool,
    /// The form of the description
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) store: OneStoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The beginning of the paths
    #[arg(value_name = "PREFIX")]
    pub(crate) prefix: StoragePrefix,
    /// The form of the list
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) store: OneStoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The path of the value
    #[arg(value_name = "PATH")]
    pub(crate) path: StoragePath,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// For how many days, 7 to 30, Secrets Manager can restore the secret [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u8).range(7..=30))]
    pub(crate) recovery_days: Option<u8>,
    /// Delete at once in Secrets Manager; the secret cannot be restored
    #[arg(long, conflicts_with = "recovery_days")]
    pub(crate) no_recovery: bool,
    #[command(flatten)]
    pub(crate) store: OneStoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// The beginning of the paths
    #[arg(value_name = "PREFIX")]
    pub(crate) prefix: StoragePrefix,
    /// The store to read: dynamodb, secretsmanager, ssm or embedded
    #[arg(long, value_parser = persistent, value_name = "STORE")]
    pub(crate) from: StoreName,
    /// The store to write
    #[arg(long, value_parser = persistent, value_name = "STORE")]
    pub(crate) to: StoreName,
    /// Read both stores and report what would be copied; write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t, value_name = "AS")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// The store of a command that uses one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stores")]
pub(crate) struct OneStoreArgs {
    /// The store: dynamodb, secretsmanager, ssm or embedded
    #[arg(long, env = STORE, default_value = "embedded", value_parser = persistent, value_name = "STORE")]
    pub(crate) store: StoreName,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// Where the stores are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stores")]
pub(crate) struct SettingsArgs {
    /// Names the DynamoDB table, ENV_LABEL-kube-secret. Needed with dynamodb
    #[arg(long, env = ENV_LABEL, value_name = "LABEL")]
    pub(crate) env_label: Option<String>,
    /// The KMS key that encrypts what is stored in Secrets Manager and Parameter Store
    /// [default: the AWS managed key]
    #[arg(long, env = KMS_KEY_ID, value_name = "KEY")]
    pub(crate) kms_key_id: Option<String>,
    /// The file of the embedded store; the default is that of `kees run`
    #[arg(long, env = EMBEDDED_FILE, value_name = "FILE", default_value = DEFAULT_FILE)]
    pub(crate) embedded_file: PathBuf,
    /// How many seconds a call to a store may be tried again
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub(crate) timeout: Timeout,
    #[command(flatten)]
    pub(crate) aws: AwsFlags,
    #[command(flatten)]
    pub(crate) sts: StsFlags,
}

/// The file that `kees run` creates in the folder of its --out.
pub(crate) const DEFAULT_FILE: &str = "out/kees.sqlite";

/// A store that keeps values after the process has ended.
fn persistent(text: &str) -> Result<StoreName, String> {
    match text.trim().parse::<StoreName>() {
        Ok(store) if !store.is_persistent() => Err(format!(
            "the store {store} ends with the process; use embedded"
        )),
        Ok(store) => Ok(store),
        Err(error) => Err(error.to_string()),
    }
}
